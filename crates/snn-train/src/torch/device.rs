use tch::{Cuda, Device};

/// A device that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// Not a name of a device.
    #[error("device is `{found}`, expected `cpu` or `cuda:N`")]
    Name {
        /// What was given.
        found: String,
    },
    /// The machine, or its libtorch, does not have it.
    #[error(
        "device cuda:{index} is not there, libtorch sees {found} CUDA devices; \
         use another, or `cpu`"
    )]
    Absent {
        /// Its number.
        index: usize,
        /// How many there are.
        found: usize,
    },
}

/// The device of that name: `cpu`, or `cuda:N`.
///
/// # Errors
/// [`DeviceError::Name`] if it is something else.
pub fn device(name: &str) -> Result<Device, DeviceError> {
    let number = || name.strip_prefix("cuda:")?.parse().ok();
    match number() {
        Some(index) => Ok(Device::Cuda(index)),
        None if name == "cpu" => Ok(Device::Cpu),
        None => Err(DeviceError::Name { found: name.into() }),
    }
}

pub(super) fn check(device: Device) -> Result<(), DeviceError> {
    match device {
        Device::Cuda(index) => {
            let found = usize::try_from(Cuda::device_count()).unwrap_or(0);
            if index < found { Ok(()) } else { Err(DeviceError::Absent { index, found }) }
        }
        Device::Cpu => Ok(()),
        other => Err(DeviceError::Name { found: format!("{other:?}").to_lowercase() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices() {
        assert_eq!(device("cpu"), Ok(Device::Cpu));
        assert_eq!(device("cuda:3"), Ok(Device::Cuda(3)));
        for wrong in ["", "gpu", "cuda", "cuda:", "cuda:-1", "CPU"] {
            let error = device(wrong).unwrap_err().to_string();
            assert_eq!(error, format!("device is `{wrong}`, expected `cpu` or `cuda:N`"));
        }
    }

    #[test]
    fn an_absent_device_is_an_error() {
        let error = check(Device::Cuda(4096)).unwrap_err().to_string();
        assert!(error.starts_with("device cuda:4096 is not there, libtorch sees "), "{error}");
        assert!(check(Device::Mps).is_err());
    }
}

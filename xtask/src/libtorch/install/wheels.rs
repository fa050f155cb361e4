//! What is downloaded. Python is not involved: any of the `cp` wheels of torch has the same libtorch.

/// One file of a package index.
#[derive(Clone, Debug)]
pub struct Wheel {
    /// Name, version and tags.
    pub file: &'static str,
    /// In bytes.
    pub size: u64,
    /// In hexadecimal.
    pub sha256: &'static str,
}

/// PyTorch, and what its `libtorch_cpu.so` links to even where there is no GPU.
pub const WHEELS: [Wheel; 3] = [
    Wheel {
        file: "torch-2.11.0-cp312-cp312-manylinux_2_28_x86_64.whl",
        size: 530_712_279,
        sha256: "0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756",
    },
    Wheel {
        file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        size: 2_243_632,
        sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
    },
    Wheel {
        file: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl",
        size: 10_715_597,
        sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
    },
];

/// Bytes that an installation takes on the disk, with some to spare for small files.
pub const UNPACKED: u64 = 530_000_000;

/// The file that a member of a wheel becomes below libtorch's folder, `None` if it is not needed.
pub fn place(member: &str) -> Option<String> {
    const LIBRARIES: [&str; 5] = [
        "torch/lib/libtorch_cpu.so",
        "torch/lib/libc10.so",
        "torch/lib/libgomp",
        "nvidia/cu13/lib/libcudart.so",
        "nvidia/cu13/lib/libcupti.so",
    ];
    let (folder, name) = member.rsplit_once('/')?;
    if name.is_empty() || folder.split('/').any(|part| part == "..") {
        None
    } else if LIBRARIES.iter().any(|start| member.starts_with(start)) {
        Some(format!("lib/{name}"))
    } else {
        let inside = member.strip_prefix("torch/")?;
        inside.starts_with("include/").then(|| inside.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_torch_sys_needs_has_a_place() {
        let lib = |name: &str| Some(format!("lib/{name}"));
        assert_eq!(place("torch/lib/libtorch_cpu.so"), lib("libtorch_cpu.so"));
        assert_eq!(place("torch/lib/libgomp.so.1"), lib("libgomp.so.1"));
        assert_eq!(place("torch/lib/libgomp-a34b3233.so.1"), lib("libgomp-a34b3233.so.1"));
        assert_eq!(place("nvidia/cu13/lib/libcudart.so.13"), lib("libcudart.so.13"));
        assert_eq!(place("nvidia/cu13/lib/libcupti.so.13"), lib("libcupti.so.13"));
        assert_eq!(place("torch/include/ATen/Tensor.h"), Some("include/ATen/Tensor.h".into()));
        for other in [
            "torch/lib/libtorch_cuda.so",
            "torch/lib/libtorch.so",
            "torch/lib/libtorch_cpu.so/",
            "torch/include/../../x.h",
            "torch/nn/include/x.h",
            "nvidia/cu13/lib/libnvperf_host.so",
            "nvidia/cu13/include/cuda.h",
            "METADATA",
        ] {
            assert_eq!(place(other), None, "{other}");
        }
    }
}

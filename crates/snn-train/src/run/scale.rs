use tch::Tensor;

/// The factor that keeps the gradients of 16-bit floats from vanishing: the loss is multiplied by
/// it, the gradients are divided by it again. A power of two, so nothing is rounded. It doubles
/// after many steps without an overflow and halves at each one, as in `torch.amp.GradScaler`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LossScale {
    pub factor: f64,
    /// Steps since the factor changed.
    pub steps: u32,
}

/// Steps without an overflow after which the factor doubles.
const PATIENCE: u32 = 2000;

impl Default for LossScale {
    fn default() -> Self {
        Self { factor: 65536.0, steps: 0 }
    }
}

impl LossScale {
    /// Divides the gradients by the factor, and says whether all of them are finite: else the step
    /// is to be left out.
    pub fn unscale(&mut self, parameters: &[(String, Tensor)]) -> bool {
        let gradients = || parameters.iter().map(|(_, p)| p.grad()).filter(Tensor::defined);
        // One number for all of them, so that a GPU is waited for once.
        let sums: Vec<Tensor> =
            gradients().map(|gradient| (gradient * 0.0).sum(tch::Kind::Float)).collect();
        let finite = sums.is_empty() || Tensor::stack(&sums, 0).sum(None).double_value(&[]) == 0.0;
        if finite {
            tch::no_grad(|| {
                for mut gradient in gradients() {
                    let _ = gradient.g_mul_scalar_(1.0 / self.factor);
                }
            });
            self.steps += 1;
            if self.steps == PATIENCE {
                *self = Self { factor: self.factor * 2.0, steps: 0 };
            }
        } else {
            *self = Self { factor: self.factor / 2.0, steps: 0 };
        }
        finite
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn parameter(gradient: f64) -> Vec<(String, Tensor)> {
        let x = Tensor::zeros([3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        (&x * gradient).sum(Kind::Float).backward();
        vec![("x".into(), x)]
    }

    #[test]
    fn finite_gradients_are_divided() {
        let mut scale = LossScale::default();
        let parameters = parameter(65536.0 * 3.0);
        assert!(scale.unscale(&parameters));
        assert_eq!(parameters[0].1.grad().double_value(&[1]), 3.0);
        for _ in 1..PATIENCE {
            assert!(scale.unscale(&parameters));
        }
        assert_eq!(scale, LossScale { factor: 131_072.0, steps: 0 });
    }

    #[test]
    fn an_overflow_halves_the_factor() {
        for bad in [f64::INFINITY, f64::NAN] {
            let mut scale = LossScale { steps: 7, ..LossScale::default() };
            assert!(!scale.unscale(&parameter(bad)));
            assert_eq!(scale, LossScale { factor: 32768.0, steps: 0 });
        }
        assert!(LossScale::default().unscale(&[]));
    }
}

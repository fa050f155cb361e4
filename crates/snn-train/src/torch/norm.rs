use snn_core::{Mode, weights::BatchNorm};
use tch::{Device, Tensor};

use super::{Torch, convert::length, real::Real};
use crate::shim;

/// Batch normalisation over the last axis, with its running statistics.
#[derive(Debug)]
pub(super) struct Norm {
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    var: Tensor,
    tracked: Tensor,
}

impl Norm {
    pub(super) fn new(backend: &Torch, norm: &BatchNorm) -> Self {
        let name = |part: &str| format!("{}.{part}", norm.name);
        Self {
            weight: backend.learn(&name("weight"), &norm.weight),
            bias: backend.learn(&name("bias"), &norm.bias),
            mean: backend.track(&name("running_mean"), &norm.mean),
            var: backend.track(&name("running_var"), &norm.var),
            tracked: backend.track(&name("num_batches_tracked"), &norm.tracked),
        }
    }

    /// `x` (`[T, B, positions..., C]`) normalised, where every element stands
    /// for `repeats` equal ones. In training, the running statistics move.
    pub(super) fn of(&self, x: &Tensor, repeats: usize, mode: Mode) -> Real {
        match x.device() {
            Device::Cpu => Real::promise(self.on_cpu(x, repeats, mode), x.shallow_clone()),
            _ => Real::new(self.by_libtorch(x, repeats, mode)),
        }
    }

    fn on_cpu(&self, x: &Tensor, repeats: usize, mode: Mode) -> shim::Norm {
        let (weight, bias) = (self.weight.shallow_clone(), self.bias.shallow_clone());
        let [mean, inv_std] = match mode {
            // A copy: a later training pass must not change what a gradient still needs.
            Mode::Eval => [self.mean.copy(), (&self.var + BatchNorm::EPS).rsqrt()],
            Mode::Train => {
                let _ = self.tracked.shallow_clone().g_add_scalar_(1);
                let numbers = [BatchNorm::EPS, BatchNorm::MOMENTUM];
                shim::statistics(x, length(repeats), numbers, &self.mean, &self.var)
            }
        };
        shim::Norm { weight, bias, mean, inv_std, batch: mode == Mode::Train }
    }

    fn by_libtorch(&self, x: &Tensor, repeats: usize, mode: Mode) -> Tensor {
        let rows = x.reshape([-1, self.mean.size()[0]]);
        let normalise = |mean, var, training, momentum| {
            let (weight, bias) = (Some(&self.weight), Some(&self.bias));
            let (mean, var) = (Some(mean), Some(var));
            rows.batch_norm(weight, bias, mean, var, training, momentum, BatchNorm::EPS, true)
        };
        let normalised = match mode {
            Mode::Eval => normalise(&self.mean, &self.var, false, 0.0),
            Mode::Train => {
                // With momentum 1 they receive the statistics of this batch.
                let (mean, var) = (self.mean.zeros_like(), self.var.zeros_like());
                let normalised = normalise(&mean, &var, true, 1.0);
                tch::no_grad(|| self.update(&mean, &var, rows.size()[0] as f64, repeats as f64));
                normalised
            }
        };
        normalised.view_as(x)
    }

    /// Moves the running statistics towards those of a batch of `rows`, each
    /// repeated `repeats` times; `var` is the unbiased variance of `rows`.
    fn update(&self, mean: &Tensor, var: &Tensor, rows: f64, repeats: f64) {
        let unbiased = (rows - 1.0) * repeats / (rows * repeats - 1.0);
        let new = BatchNorm::MOMENTUM;
        let towards = |old: &Tensor, batch: &Tensor, share: f64| {
            let _ = old.shallow_clone().g_mul_scalar_(1.0 - new).g_add_(&(batch * share));
        };
        towards(&self.mean, mean, new);
        towards(&self.var, var, new * unbiased);
        let _ = self.tracked.shallow_clone().g_add_scalar_(1);
    }

    /// What zero becomes under the running statistics, `[C]`; a constant.
    pub(super) fn of_zero(&self) -> Tensor {
        tch::no_grad(|| {
            &self.bias - &self.mean * &self.weight / (&self.var + BatchNorm::EPS).sqrt()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ndarray::{ArrayD, IxDyn};
    use proptest::prelude::*;
    use snn_core::{Neuron, Tensor as Published, neuron::Surrogate, packed::Isa};
    use tch::Kind;

    use super::*;
    use crate::torch::{Precision, fire};

    /// Numbers without a pattern.
    fn noise(size: &[i64], seed: i64, kind: Kind) -> Tensor {
        let count: i64 = size.iter().product();
        let i = Tensor::arange(count, (Kind::Double, Device::Cpu)) + seed as f64;
        ((&i * 12.9898).sin() * 43.7 + (i * 0.37).cos()).sin().view(size).to_kind(kind)
    }

    fn norm(precision: Precision, channels: i64) -> Norm {
        let backend = Torch::new(Device::Cpu, precision).unwrap();
        let vector = |seed: i64, scale: f64, shift: f64| {
            let values = noise(&[channels], seed, Kind::Float) * scale + shift;
            let values = Vec::<f32>::try_from(values).unwrap();
            let shape = IxDyn(&[values.len()]);
            Arc::new(Published::F32(ArrayD::from_shape_vec(shape, values).unwrap()))
        };
        let parts = BatchNorm {
            name: "norm".into(),
            weight: vector(1, 0.5, 1.0),
            bias: vector(2, 0.5, 0.3),
            mean: vector(3, 1.0, 0.0),
            var: vector(4, 0.4, 1.0),
            tracked: Arc::new(Published::I64(ndarray::arr0(0).into_dyn())),
        };
        Norm::new(&backend, &parts)
    }

    /// Everything that a pass and its gradient give, by one of the two ways.
    fn pass(
        case: &Case,
        precision: Precision,
        way: impl Fn(&Norm, &Tensor) -> Vec<Tensor>,
    ) -> Vec<(&'static str, Tensor)> {
        let kind = precision.kind();
        let norm = norm(precision, case.size[case.size.len() - 1]);
        let x = (noise(&case.size, 5, kind) * 2.0 + case.mean).set_requires_grad(true);
        let outputs = way(&norm, &x);
        let by = |(i, y): (usize, &Tensor)| (y * noise(&y.size(), i as i64, kind)).sum(kind);
        let loss = outputs.iter().enumerate().map(by).reduce(|a, b| a + b);
        loss.unwrap().backward();
        let names = ["first output", "second output"];
        let outputs = names.into_iter().zip(outputs);
        let others = [
            ("gradient of x", x.grad()),
            ("gradient of weight", norm.weight.grad()),
            ("gradient of bias", norm.bias.grad()),
            ("running mean", norm.mean),
            ("running variance", norm.var),
            ("batches", norm.tracked.to_kind(kind)),
        ];
        outputs.chain(others).collect()
    }

    type Pass = Vec<(&'static str, Tensor)>;

    fn agree(a: &Pass, b: &Pass, tolerance: f64) -> Result<(), TestCaseError> {
        prop_assert_eq!(a.len(), b.len());
        for ((name, a), (_, b)) in a.iter().zip(b) {
            prop_assert_eq!(a.size(), b.size());
            let scale = 1.0 + b.abs().max().double_value(&[]);
            let far = (a - b).abs().max().double_value(&[]) / scale;
            prop_assert!(far < tolerance, "{} differs by {}", name, far);
        }
        Ok(())
    }

    #[derive(Clone, Debug)]
    struct Case {
        size: Vec<i64>,
        mean: f64,
        repeats: usize,
        mode: Mode,
    }

    fn cases() -> impl Strategy<Value = Case> {
        let channels = prop_oneof![1i64..20, Just(64i64), 250i64..270, Just(600i64)];
        let rows = prop_oneof![2i64..6, 30i64..40, Just(300i64)];
        (1i64..4, rows, channels, 1usize..4, any::<bool>(), -3.0..3.0f64).prop_map(
            |(t, rows, channels, repeats, train, mean)| Case {
                size: vec![if repeats > 1 { 1 } else { t }, rows, channels],
                mean,
                repeats,
                mode: if train { Mode::Train } else { Mode::Eval },
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn our_form_equals_that_of_libtorch(case in cases(), double in any::<bool>()) {
            let (precision, tolerance) =
                if double { (Precision::Double, 1e-11) } else { (Precision::Single, 3e-4) };
            let Case { repeats, mode, .. } = case;
            let ours = pass(&case, precision, |norm, x| {
                vec![norm.of(x, repeats, mode).tensor().shallow_clone()]
            });
            let theirs = pass(&case, precision, |norm, x| {
                vec![norm.by_libtorch(x, repeats, mode)]
            });
            agree(&ours, &theirs, tolerance)?;
        }

        #[test]
        fn a_neuron_that_normalises_equals_both_apart(
            case in cases(), starts in any::<bool>(), parametric in any::<bool>(),
        ) {
            let Case { repeats, mode, .. } = case;
            let neuron = if parametric { Neuron::plif(2.0) } else { Neuron::lif(2.0) };
            let neuron = neuron.with_threshold(0.4);
            let run = |together: bool| {
                let leak = (noise(&[], 8, Kind::Double) * 0.5).set_requires_grad(true);
                let v = noise(&case.size[1..], 9, Kind::Double).set_requires_grad(true);
                let mut gave = pass(&case, Precision::Double, |norm, x| {
                    let current = if together {
                        norm.of(x, repeats, mode).repeated(length(repeats))
                    } else {
                        let current = Real::new(norm.by_libtorch(x, repeats, mode));
                        current.repeated(length(repeats))
                    };
                    let v = starts.then_some(&v);
                    let (spikes, v) = if together {
                        assert!(current.parts().0.is_some(), "the promise is open");
                        fire::fire(&neuron, Some(&leak), &current, v)
                    } else {
                        fire::composed::fire(&neuron, Some(&leak), current.tensor(), v)
                    };
                    vec![spikes, v]
                });
                for (name, leaf, used) in
                    [("gradient of v", v, starts), ("gradient of leak", leak, parametric)]
                {
                    if used {
                        gave.push((name, leaf.grad()));
                    }
                }
                gave
            };
            agree(&run(true), &run(false), 1e-10)?;
        }
    }

    #[test]
    fn results_do_not_depend_on_threads_or_instructions() {
        let case = Case { size: vec![2, 20_000, 12], mean: 1.0, repeats: 1, mode: Mode::Train };
        for surrogate in [
            Surrogate::Sigmoid { alpha: 4.0 },
            Surrogate::Arctan { alpha: 2.0 },
            Surrogate::Rectangle { width: 1.0 },
            Surrogate::FastSigmoid { alpha: 2.0 },
            Surrogate::Triangle { width: 1.0 },
        ] {
            let neuron = Neuron { surrogate, detach_reset: false, ..Neuron::lif(3.0) };
            let outcome = || {
                pass(&case, Precision::Single, |norm, x| {
                    let current = norm.of(x, 1, case.mode);
                    let (spikes, _) = fire::fire(&neuron, None, &current, None);
                    vec![spikes, current.tensor().shallow_clone()]
                })
            };
            let same = |expected: &Pass, what: &str| {
                for ((name, a), (_, b)) in outcome().iter().zip(expected) {
                    assert!(a.equal(b), "{name} with {what}");
                }
            };
            let expected = outcome();
            let before = tch::get_num_threads();
            for threads in [1, 2, 3] {
                tch::set_num_threads(threads);
                same(&expected, &format!("{threads} threads"));
            }
            tch::set_num_threads(before);
            for isa in Isa::all() {
                shim::use_isa(isa);
                same(&expected, isa.name());
            }
        }
    }
}

use ndarray::ArrayD;
use snn_core::{
    Activation, Activity, Backend, Input, IntegerNeuron, Mode, Neuron, Response,
    Tensor as Published, Window,
    backend::{CoderParts, SynapseParts},
    neuron::Rounding,
    tensor,
};
use tch::{Device, Kind, Tensor};

use super::{
    Precision, Torch, TorchCoder,
    convert::{from_torch, length, shape, to_torch},
    fire::fire,
    pool::{max_pool, response_pool},
    signal::{Counts, Real, Spikes, tensor_of},
    synapse::TorchSynapse,
};

impl Torch {
    fn bring<T: tch::kind::Element + Clone>(&self, values: &ArrayD<T>) -> Tensor {
        to_torch(values).to_kind(self.precision.kind()).to_device(self.device)
    }

    /// A learnable tensor, shaped as published.
    pub(super) fn learn(&self, name: &str, value: &Published) -> Tensor {
        let tensor = self.bring(&value.to_f32()).set_requires_grad(true);
        self.store.borrow_mut().parameter(name, &tensor);
        tensor
    }

    /// A tensor that passes in training mode update.
    pub(super) fn track(&self, name: &str, value: &Published) -> Tensor {
        let tensor = match value {
            Published::F32(values) => self.bring(values),
            Published::I64(values) => to_torch(values).to_device(self.device),
        };
        self.store.borrow_mut().statistic(name, &tensor);
        tensor
    }
}

impl Backend for Torch {
    type Real = Real;
    type Spikes = Spikes;
    type Counts = Counts;
    type Param = Tensor;
    type Synapse = TorchSynapse;
    type Coder = TorchCoder;

    fn name(&self) -> String {
        let bits = match self.precision {
            Precision::Single => "f32",
            Precision::Double => "f64",
        };
        match self.device {
            Device::Cuda(index) => format!("torch-{bits}-cuda:{index}"),
            _ => format!("torch-{bits}"),
        }
    }

    fn real(&self, values: &ArrayD<f32>) -> Real {
        Real(self.bring(values))
    }

    fn spikes(&self, values: &tensor::Spikes) -> Spikes {
        Spikes(self.bring(values))
    }

    fn counts(&self, values: &tensor::Counts) -> Counts {
        Counts(self.bring(&values.mapv(i64::from)))
    }

    fn read(&self, x: Input<'_, Self>) -> ArrayD<f64> {
        from_torch(tensor_of(x))
    }

    fn activity(&self, x: Input<'_, Self>) -> Vec<Activity> {
        let x = tensor_of(x).detach();
        let steps = x.size()[0];
        let rows = x.reshape([steps, -1]);
        let sums = rows.sum_dim_intlist(1, false, Kind::Double);
        let nonzero = rows.ne(0.0).sum_dim_intlist(1, false, Kind::Double);
        let elements = rows.size()[1] as f64;
        let (sums, nonzero) = (from_torch(&sums), from_torch(&nonzero));
        let step = |(&nonzero, &sum)| Activity { elements, nonzero, sum };
        nonzero.iter().zip(&sums).map(step).collect()
    }

    fn param(&self, name: &str, value: &Published) -> Tensor {
        self.learn(name, value)
    }

    fn keep(&self, name: &str, value: &Published) {
        self.store.borrow_mut().carried(name, value);
    }

    fn embed(&self, table: &Tensor, rows: &ArrayD<usize>) -> Real {
        let rows = to_torch(&rows.mapv(|row| row as i64)).to_device(self.device);
        Real(Tensor::embedding(table, &rows, -1, false, false))
    }

    fn compare(&self, x: Input<'_, Self>, table: &Tensor, scale: f64) -> Real {
        let y = tensor_of(x).matmul(&table.transpose(0, 1));
        Real(if scale == 1.0 { y } else { y * scale })
    }

    fn rounded(&self, table: &Tensor, bits: u32) -> Tensor {
        let top = 2f64.powi(bits as i32 - 1) - 1.0;
        let values = table.detach();
        let step = values.abs().amax(-1i64, true) / top;
        // A row of zeros stays one.
        let level = (&values / &step).round().nan_to_num(0.0, None, None);
        straight_through(&(level * step), table)
    }

    fn coder(&self, parts: &CoderParts) -> TorchCoder {
        TorchCoder::new(self, parts)
    }

    fn synapse(&self, parts: &SynapseParts) -> TorchSynapse {
        TorchSynapse::new(self, parts)
    }

    fn current(
        &self,
        synapse: &TorchSynapse,
        x: Input<'_, Self>,
        repeats: usize,
        mode: Mode,
    ) -> Real {
        let current = synapse.current(tensor_of(x), repeats, (mode, self.disturbance(mode)));
        if repeats == 1 {
            return Real(current);
        }
        let mut whole = current.size();
        let repeated = [&[length(repeats)], &whole[..]].concat();
        whole[0] *= length(repeats);
        Real(current.unsqueeze(0).expand(repeated, false).reshape(whole))
    }

    fn fire(
        &self,
        neuron: &Neuron,
        leak: Option<&Tensor>,
        x: &Real,
        v: Option<&Real>,
    ) -> (Spikes, Real) {
        let (spikes, v) = fire(neuron, leak, &x.0, v.map(|v| &v.0));
        (Spikes(spikes), Real(v))
    }

    fn quantize(&self, neuron: &IntegerNeuron, x: &Real) -> Counts {
        let levels = f64::from(neuron.levels);
        let y = &x.0 * neuron.gain;
        let clamped = y.detach().clamp(0.0, levels);
        let (level, inside) = match neuron.rounding {
            Rounding::HalfEven => (clamped.round(), y.ge(0.0).logical_and(&y.le(levels))),
            Rounding::HalfUp => ((clamped + 0.5).floor(), y.gt(0.0).logical_and(&y.lt(levels))),
        };
        Counts(straight_through(&level, &(y * inside.to_kind(x.0.kind()))))
    }

    fn code(&self, coder: &TorchCoder, x: &Real, mode: Mode) -> (Counts, Spikes) {
        let (levels, spikes) = coder.code(&x.0, mode, self.disturbance(mode));
        (Counts(levels), Spikes(spikes))
    }

    fn max_pool(&self, x: &Spikes, window: Window) -> Spikes {
        let pooled = max_pool(&x.0, window);
        // A dilated window can straddle a small input and see padding only.
        let blind = window.dilation > 1 && window.padding > 0;
        Spikes(if blind { pooled.masked_fill(&pooled.isneginf(), 0.0) } else { pooled })
    }

    fn mask(&self, a: &Spikes, b: &Spikes) -> Spikes {
        Spikes(&a.0 * &b.0)
    }

    fn complement(&self, x: &Spikes) -> Spikes {
        Spikes(1.0 - &x.0)
    }

    fn widen(&self, x: &Spikes) -> Counts {
        Counts(x.0.shallow_clone())
    }

    fn add(&self, a: &Counts, b: &Spikes) -> Counts {
        Counts(&a.0 + &b.0)
    }

    fn sum_axis(&self, x: &Counts, axis: usize) -> Counts {
        Counts(x.0.sum_dim_intlist(length(axis), true, None))
    }

    fn matmul(&self, a: &Counts, b: &Counts) -> Counts {
        Counts(a.0.matmul(&b.0))
    }

    fn scale(&self, x: &Counts, by: f64) -> Real {
        if by == 1.0 { Real(x.0.shallow_clone()) } else { Real(&x.0 * by) }
    }

    fn matmul_real(&self, a: &Counts, b: &Real) -> Real {
        Real(a.0.matmul(&b.0))
    }

    fn scale_real(&self, x: &Real, by: f64) -> Real {
        Real(&x.0 * by)
    }

    fn add_real(&self, a: &Real, b: &Real) -> Real {
        Real(&a.0 + &b.0)
    }

    fn scale_learned(&self, x: &Real, factor: &Tensor, activation: Activation) -> Real {
        Real(match activation {
            Activation::Identity => &x.0 * factor,
            Activation::Sigmoid => &x.0 * factor.sigmoid(),
            Activation::Clamp => &x.0 * factor.clamp(0.0, 1.0),
            Activation::PerSoftplus => {
                &x.0 / (factor.clamp_min(0.0) + (-factor.abs()).exp().log1p())
            }
        })
    }

    fn max_pool_real(&self, x: &Real, window: Window) -> Real {
        Real(max_pool(&x.0, window))
    }

    fn response_pool(&self, x: &Real, window: Window, response: Response) -> Real {
        Real(response_pool(&x.0, window, response))
    }

    fn mean_positions(&self, x: &Real) -> Real {
        let axes: Vec<i64> = (2..length(shape(&x.0).len()) - 1).collect();
        Real(x.0.mean_dim(axes, false, None))
    }

    fn mean_time(&self, x: &Real) -> Real {
        Real(x.0.mean_dim(0, false, None))
    }
}

/// `value` exactly; backwards, the gradient goes to `x` as if it were `value`.
pub(super) fn straight_through(value: &Tensor, x: &Tensor) -> Tensor {
    value.detach() + (x - x.detach())
}

use std::{collections::BTreeMap, path::Path};

use ndarray::{ArrayD, IxDyn};
use snn_attn::{Attend, alpha, forward_kernel};
use snn_core::{Backend, Builder, Event, Pass, Probe, Signal, Tensor, Weights};

use super::{
    Comparison, GoldenError, channels_first,
    file::{File, wrong},
    reshaped,
};
use crate::teformer::{Fusion, block::TemporalBlock};

/// A recorded block of TEFormer: `x` `[T, B, C, N]` and every intermediate up to `out`, with its
/// weights under the names of the authors' modules.
#[derive(Clone, Debug)]
pub struct TemporalBlockRecording {
    file: File,
    heads: usize,
    ratio: f64,
}

/// What the neurons of the block and its values before them are called in files.
const NAMES: [(&str, &str); 9] = [
    ("tssa.q_lif", "q"),
    ("tssa.k_lif", "k"),
    ("tssa.v_bn", "v_preact"),
    ("tssa.TIMv2", "v_fused"),
    ("tssa.v_lif", "v"),
    ("tssa.attn_lif", "token_gate"),
    ("tssa.proj_lif", "attn_out"),
    ("mlp.gate_lif", "mlp_hidden"),
    ("mlp.fc_lif2", "mlp_out"),
];

impl TemporalBlockRecording {
    pub(super) fn new(path: &Path, file: Weights) -> Result<Self, GoldenError> {
        let file = File::new(path, file);
        let [heads, ratio] = ["a number of heads, at least 1", "a number above 0"];
        let positive = |key, expected: &str| {
            let number: f64 = file.metadata(key, expected)?;
            if number > 0.0 && number <= 1e6 { Ok(number) } else { Err(file.unlike(key, expected)) }
        };
        let (heads, ratio) = (positive("heads", heads)?, positive("mlp_ratio", ratio)?);
        Ok(Self { file, heads: (heads as usize).max(1), ratio })
    }

    /// Runs the block, and compares.
    ///
    /// # Errors
    /// [`GoldenError`] if a tensor is missing or does not fit the others.
    pub fn compare<B: Attend>(&self, backend: &B) -> Result<Comparison, GoldenError> {
        let shape = self.file.tensor("x")?.shape().to_vec();
        let [steps, _, channels, _] = *shape else { return Err(wrong("x", &[0; 4], &shape)) };
        if !channels.is_multiple_of(self.heads) {
            let found = channels.to_string();
            let expected = format!("a multiple of the {} heads", self.heads);
            return Err(snn_core::LoadError::Config { field: "x", found, expected }.into());
        }
        let x = self.file.bytes("x", &shape)?.mapv(u32::from);
        let x = x.permuted_axes(vec![0, 1, 3, 2]).as_standard_layout().into_owned();
        let weights = self.weights()?;
        let hidden = (self.ratio * channels as f64).round() as usize;
        let from = Builder::load(backend, &weights);
        let block = TemporalBlock::new(channels, self.heads, hidden, 0.5, Fusion::Forward, &from)?;
        from.finish()?;

        let mut seen = Seen(BTreeMap::new());
        let out = block.forward(&mut Pass::new(backend).with_probe(&mut seen), &backend.counts(&x));
        let mut differences = Vec::new();
        let mut compare = |name: &str, found: &ArrayD<f64>| -> Result<(), GoldenError> {
            differences.push(self.file.difference(name, found)?);
            Ok(())
        };
        for (layer, name) in NAMES {
            let Some(found) = seen.0.remove(layer) else { unreachable!("{layer} is in the block") };
            compare(name, &channels_first(found))?;
        }
        compare("out", &channels_first(backend.read(out.input())))?;
        let theta = self.file.number("theta")?;
        let alpha = alpha(f64::from(theta));
        compare("alpha", &ArrayD::from_elem(vec![1], alpha))?;
        compare("ema_kernel", &forward_kernel(alpha, steps).into_dyn())?;
        Ok(Comparison { backend: backend.name(), differences })
    }

    /// The weights under the names that they have in a network; counters that files lack are zero.
    fn weights(&self) -> Result<Weights, GoldenError> {
        let mut weights = Weights::default();
        for name in self.file.names() {
            let tensor = || self.file.tensor(name).cloned();
            match name.split('.').collect::<Vec<_>>()[..] {
                ["mlp", _, _] => weights.insert(name, tensor()?),
                [_, _] => weights.insert(format!("tssa.{name}"), tensor()?),
                _ => {}
            }
        }
        let norms = weights.tensors.keys().filter_map(|name| name.strip_suffix(".running_mean"));
        for norm in norms.map(str::to_owned).collect::<Vec<_>>() {
            let none = Tensor::I64(ArrayD::zeros(IxDyn(&[])));
            weights.insert(format!("{norm}.num_batches_tracked"), none);
        }
        let theta = reshaped(self.file.shaped("theta", &[1])?, &[]);
        weights.insert("tssa.TIMv2.theta", Tensor::F32(theta));
        Ok(weights)
    }
}

/// What passed by, by name.
struct Seen(BTreeMap<String, ArrayD<f64>>);

impl<B: Backend> Probe<B> for Seen {
    fn observe(&mut self, backend: &B, event: Event<'_, B>) {
        if let Event::Neuron { name, output: x, .. } | Event::Output { name, x } = event {
            self.0.insert(name.to_owned(), backend.read(x));
        }
    }
}

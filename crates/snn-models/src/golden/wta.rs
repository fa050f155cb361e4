use std::path::Path;

use ndarray::{Array2, ArrayD};
use snn_attn::{Attend, Visible, WinnerTakeAll, Winners};
use snn_core::{Neuron, Signal, Weights};

use super::{
    Comparison, GoldenError,
    file::{File, wrong},
    heads::{in_heads, merged},
};

/// Recorded winner-take-all attentions of `q`, `k` and `v` `[T, B, h, N, d]` with keys that are
/// there, `key_valid` `[B, N]`: who won, `attn_*`, and what came out, `out_*`.
#[derive(Clone, Debug)]
pub struct WinnerTakeAllRecording {
    file: File,
    winners: usize,
}

impl WinnerTakeAllRecording {
    pub(super) fn new(path: &Path, file: Weights) -> Result<Self, GoldenError> {
        let (file, expected) = (File::new(path, file), "a number of winners, at least 1");
        let winners = file.metadata("k", expected)?;
        if winners == 0 {
            return Err(file.unlike("k", expected));
        }
        Ok(Self { file, winners })
    }

    /// Computes the attentions that were recorded, and compares.
    ///
    /// # Errors
    /// [`GoldenError`] if a tensor is missing or does not fit the others.
    pub fn compare<B: Attend>(&self, backend: &B) -> Result<Comparison, GoldenError> {
        let shape = self.file.tensor("q")?.shape().to_vec();
        let [_, b, heads, n, _] = *shape else { return Err(wrong("q", &[0; 5], &shape)) };
        let [q, k, v] = ["q", "k", "v"].map(|name| self.file.bytes(name, &shape));
        let [q, k, v] = [q?, k?, v?].map(|levels| levels.mapv(u32::from));
        let valid = self.file.shaped("key_valid", &[b, n])?;
        let valid = Array2::from_shape_fn((b, n), |(b, n)| valid[[b, n]] != 0.0);
        let identity =
            ArrayD::from_shape_fn(vec![shape[0], b, heads, n, n], |i| u32::from(i[3] == i[4]));
        let attend = |v: &ArrayD<u32>, wta: &WinnerTakeAll, causal: bool| {
            let visible = Visible { causal, keys: Some(valid.clone()) };
            let [q, k, v] = [&q, &k, v].map(|x| backend.counts(&merged(x)));
            backend.winner_take_all([&q, &k, &v], heads, 1.0, wta, &visible)
        };
        let read = |y: &B::Counts| in_heads(backend.read(y.input()), heads);
        let one = WinnerTakeAll::default();
        let several = WinnerTakeAll { winners: Winners::Count(self.winners), ..one };
        let mut differences = Vec::new();
        let mut compare = |name: &str, found: ArrayD<f64>| -> Result<(), GoldenError> {
            differences.push(self.file.difference(name, &found)?);
            Ok(())
        };
        for (name, wta) in [("wta", &one), ("topk", &several)] {
            for (suffix, causal) in [("", false), ("_causal", true)] {
                let winners = read(&attend(&identity, wta, causal));
                compare(&format!("attn_{name}{suffix}"), winners)?;
                compare(&format!("out_{name}{suffix}"), read(&attend(&v, wta, causal)))?;
            }
        }
        let plain = WinnerTakeAll { silent_rule: false, ..one };
        compare("attn_wta_no_zero_rule", read(&attend(&identity, &plain, false)))?;
        let current = backend.scale(&attend(&v, &one, false), 1.0);
        let neuron = Neuron::lif(2.0).with_threshold(0.5);
        let spikes = backend.fire(&neuron, None, &current, None).0;
        compare("out_wta_spikes", in_heads(backend.read(spikes.input()), heads))?;
        Ok(Comparison { backend: backend.name(), differences })
    }
}

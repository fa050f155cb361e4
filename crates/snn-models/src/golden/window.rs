use std::path::Path;

use ndarray::Array1;
use snn_attn::{Attend, DilatedWindows};
use snn_core::{Neuron, Response, Signal, Weights, Window};

use super::{
    Comparison, Difference, GoldenError, channels_first,
    file::{File, wrong},
    heads::{in_heads, merged},
    reshaped,
};

/// Recorded dilated windows, attention on them, and spiking response pooling.
///
/// Attention: `q`, `k`, `v` `[T, B, h, N, d]` give `out` and `out_spikes`. Windows: `idx2d_dil*` of
/// the grid and `idx1d_w*_dil*`, for causal ones `_causal` behind, `[N, keys]`, -1 where there is no
/// key. Pooling: `pool_in` `[T, B, C, H, W]` gives `pool_response`, `pool_out` and `maxpool_out`.
#[derive(Clone, Debug)]
pub struct WindowRecording {
    file: File,
    grid: [usize; 2],
    scale: f64,
    windows: DilatedWindows,
}

impl WindowRecording {
    pub(super) fn new(path: &Path, file: Weights) -> Result<Self, GoldenError> {
        let file = File::new(path, file);
        let [sides, keys, factor] =
            ["two sides, such as `(5, 6)`", "a number of keys along a side", "a number"];
        let grid = file.sizes("grid", sides)?;
        let grid = grid.try_into().map_err(|_| file.unlike("grid", sides))?;
        let [window] = file.sizes("window", keys)?[..] else {
            return Err(file.unlike("window", keys));
        };
        let dilations = file.sizes("dilations", "a list of dilations, such as `[1, 2]`")?;
        let [scale] = file.numbers("scale", factor)?[..] else {
            return Err(file.unlike("scale", factor));
        };
        let windows = DilatedWindows::new(window, dilations);
        windows.validate()?;
        Ok(Self { file, grid, scale, windows })
    }

    /// Computes what was recorded, and compares.
    ///
    /// # Errors
    /// [`GoldenError`] if a tensor is missing or does not fit the others.
    pub fn compare<B: Attend>(&self, backend: &B) -> Result<Comparison, GoldenError> {
        let mut differences = self.attention(backend)?;
        for name in self.file.names().filter(|name| name.starts_with("idx")) {
            differences.push(self.indices(name, self.file.tensor(name)?.shape())?);
        }
        if self.file.names().any(|name| name == "pool_in") {
            differences.extend(self.pooling(backend)?);
        }
        Ok(Comparison { backend: backend.name(), differences })
    }

    fn attention<B: Attend>(&self, backend: &B) -> Result<Vec<Difference>, GoldenError> {
        let shape = self.file.tensor("q")?.shape().to_vec();
        let [t, b, heads, n, _] = *shape else { return Err(wrong("q", &[0; 5], &shape)) };
        let [height, width] = self.grid;
        if height.checked_mul(width) != Some(n) {
            return Err(self.file.unlike("grid", &format!("sides of {n} tokens")));
        }
        let on_grid = |name| -> Result<B::Counts, GoldenError> {
            let levels = merged(&self.file.spikes(name, &shape)?.mapv(u32::from));
            let channels = levels.shape()[3];
            Ok(backend.counts(&reshaped(levels, &[t, b, height, width, channels])))
        };
        let [q, k, v] = ["q", "k", "v"].map(on_grid);
        let y = backend.window_attention([&q?, &k?, &v?], heads, self.scale, &self.windows);
        let tokens = [t, b, n, y.shape()[4]];
        let y = y.reshape(&tokens);
        let spikes = backend.fire(&Neuron::lif(2.0).with_threshold(0.5), None, &y, None).0;
        Ok(vec![
            self.file.difference("out", &in_heads(backend.read(y.input()), heads))?,
            self.file.difference("out_spikes", &in_heads(backend.read(spikes.input()), heads))?,
        ])
    }

    /// One recorded table of keys.
    fn indices(&self, name: &str, recorded: &[usize]) -> Result<Difference, GoldenError> {
        let unknown =
            || GoldenError::Missing { name: format!("{name}: no table of keys is so called") };
        let (name_of_grid, causal) = match name.strip_suffix("_causal") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let number = |text: &str| text.parse::<usize>().ok().filter(|&x| x > 0);
        let (window, dilation, positions) =
            if let Some(text) = name_of_grid.strip_prefix("idx2d_dil") {
                if causal {
                    return Err(unknown());
                }
                (self.windows.window, number(text).ok_or_else(unknown)?, self.grid.to_vec())
            } else {
                let text =
                    name_of_grid.strip_prefix("idx1d_w").and_then(|text| text.split_once("_dil"));
                let (window, dilation) = text.ok_or_else(unknown)?;
                let tokens = recorded.first().copied().unwrap_or(0);
                let window = number(window).ok_or_else(unknown)?;
                (window, number(dilation).ok_or_else(unknown)?, vec![tokens])
            };
        let windows = DilatedWindows::new(window, vec![dilation]);
        let windows = if causal { windows.causal() } else { windows };
        windows.validate()?;
        // No more is computed than the file holds.
        let keys = window.saturating_pow(positions.len() as u32);
        let tokens = positions.iter().fold(1usize, |n, &side| n.saturating_mul(side));
        if recorded != [tokens, keys] {
            return Err(wrong(name, &[tokens, keys], recorded));
        }
        let keys = (0..tokens).flat_map(|i| windows.keys(dilation, &positions, i));
        let keys: Vec<f64> = keys.map(|key| key.map_or(-1.0, |key| key as f64)).collect();
        self.file.difference(name, &reshaped(Array1::from(keys).into_dyn(), recorded))
    }

    fn pooling<B: Attend>(&self, backend: &B) -> Result<Vec<Difference>, GoldenError> {
        let shape = self.file.tensor("pool_in")?.shape().to_vec();
        let [.., height, width] = *shape else { return Err(wrong("pool_in", &[0; 5], &shape)) };
        if shape.len() != 5 {
            return Err(wrong("pool_in", &[0; 5], &shape));
        }
        let spikes = self.file.spikes("pool_in", &shape)?;
        let spikes = spikes.permuted_axes(vec![0, 1, 3, 4, 2]).as_standard_layout().into_owned();
        let recorded = self.file.tensor("pool_out")?.shape();
        // Files do not say which window they pool: that of two, unless another fits.
        let windows = [Window { size: 2, stride: 2, padding: 0, dilation: 1 }, Window::HALVE3];
        let fits = |window: &&Window| {
            let sides = [height, width].map(|side| {
                (side + 2 * window.padding >= window.size).then(|| window.outputs(side))
            });
            recorded.len() == 5 && sides == [Some(recorded[3]), Some(recorded[4])]
        };
        let window =
            *windows.iter().find(fits).ok_or_else(|| wrong("pool_out", &shape, recorded))?;
        let spikes = backend.spikes(&spikes);
        let numbers = backend.scale(&backend.widen(&spikes), 1.0);
        let response = backend.response_pool(&numbers, window, Response::Mean);
        let neuron = Neuron::lif(2.0).with_threshold(0.25);
        let pooled = backend.fire(&neuron, None, &response, None).0;
        let greatest = backend.max_pool(&spikes, window);
        let read = |x: snn_core::Input<'_, B>| channels_first(backend.read(x));
        Ok(vec![
            self.file.difference("pool_response", &read(response.input()))?,
            self.file.difference("pool_out", &read(pooled.input()))?,
            self.file.difference("maxpool_out", &read(greatest.input()))?,
        ])
    }
}

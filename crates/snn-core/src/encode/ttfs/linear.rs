use ndarray::{Array2, ArrayD, ArrayView2, Axis};
use rayon::prelude::*;

use super::{MaskedTtfs, Times, TtfsError, check};
use crate::tensor::{Counts, Real};

/// A linear layer on M-TTFS codes: spikes in the order of their slots, no work for silence.
///
/// ```text
/// y = sum_i W_i s (q_i - z) + b = s sum_(i spikes) W_i (q_i - m) + s (m - z) rowsum(W) + b
/// ```
///
/// The last two terms do not depend on the input: what silence gives. Sums are of 64 bits.
#[derive(Clone, Debug)]
pub struct TtfsLinear {
    /// `[inputs, outputs]`: what one spike adds lies side by side.
    columns: Array2<f32>,
    row_sums: Vec<f64>,
    bias: Vec<f64>,
}

impl TtfsLinear {
    /// `weight` is `[outputs, inputs]`, `bias` `[outputs]`, or none.
    ///
    /// # Errors
    /// [`TtfsError`] if the bias does not fit or a number is not finite.
    pub fn new(weight: ArrayView2<'_, f32>, bias: Option<&[f32]>) -> Result<Self, TtfsError> {
        let outputs = weight.nrows();
        check(weight.iter())?;
        check(bias.unwrap_or_default())?;
        let bias = bias.map_or_else(
            || vec![0.0; outputs],
            |bias| bias.iter().map(|&b| f64::from(b)).collect(),
        );
        if bias.len() != outputs {
            return Err(TtfsError::Channels {
                what: "a bias",
                found: bias.len(),
                expected: outputs,
            });
        }
        let sum = |row: ndarray::ArrayView1<'_, f32>| row.iter().map(|&w| f64::from(w)).sum();
        Ok(Self {
            columns: weight.t().as_standard_layout().into_owned(),
            row_sums: weight.axis_iter(Axis(0)).map(sum).collect(),
            bias,
        })
    }

    /// Channels in.
    pub fn inputs(&self) -> usize {
        self.columns.nrows()
    }

    /// Channels out.
    pub fn outputs(&self) -> usize {
        self.columns.ncols()
    }

    /// Times `[..., inputs]` to currents `[..., outputs]`, driven by events: in each slot the
    /// weights of its spikes are added, and the sum is multiplied once, by what a spike of that
    /// slot stands for.
    ///
    /// # Errors
    /// [`TtfsError`] for other channels, or a spike in a slot that the code leaves empty.
    pub fn forward(&self, code: &MaskedTtfs, times: &Times) -> Result<Real<f32>, TtfsError> {
        let shape = self.output_shape(times.shape())?;
        let slots = code.slots();
        let worth = |slot: u32| code.level(Some(slot)).map(|level| self.worth(code, level));
        let worths: Vec<Option<f64>> = (0..slots).map(worth).collect();
        let empty = |time: u32| worths.get(time as usize).is_none_or(Option::is_none);
        let mut spikes =
            times.iter().enumerate().filter_map(|(index, time)| time.map(|t| (index, t)));
        if let Some((index, found)) = spikes.find(|&(_, time)| empty(time)) {
            return Err(TtfsError::Slot { index, found, slots });
        }
        let silence = self.silence(code);
        let times: Vec<Option<u32>> = times.iter().copied().collect();
        Ok(self.rows(&shape, |row, y| {
            let mut events: Vec<(u32, usize)> = times[row * self.inputs()..][..self.inputs()]
                .iter()
                .enumerate()
                .filter_map(|(i, time)| time.map(|t| (t, i)))
                .collect();
            events.sort_unstable();
            y.copy_from_slice(&silence);
            let mut sum = vec![0.0; y.len()];
            for slot in events.chunk_by(|a, b| a.0 == b.0) {
                sum.fill(0.0);
                for &(_, i) in slot {
                    let column = self.columns.row(i);
                    sum.iter_mut().zip(column).for_each(|(sum, &w)| *sum += f64::from(w));
                }
                let worth = worths[slot[0].0 as usize].unwrap_or_default();
                y.iter_mut().zip(&sum).for_each(|(y, sum)| *y += worth * sum);
            }
        }))
    }

    /// The obvious form: what the levels `[..., inputs]` are worth, times every weight.
    ///
    /// # Errors
    /// [`TtfsError`] for other channels.
    pub fn forward_dense(
        &self,
        code: &MaskedTtfs,
        levels: &Counts,
    ) -> Result<Real<f32>, TtfsError> {
        let shape = self.output_shape(levels.shape())?;
        let (step, zero) = (f64::from(code.quantizer().step()), code.quantizer().zero_point());
        let value = |level: u32| step * (f64::from(level) - f64::from(zero));
        let values: Vec<f64> = levels.iter().map(|&level| value(level)).collect();
        Ok(self.rows(&shape, |row, y| {
            y.copy_from_slice(&self.bias);
            for (i, x) in values[row * self.inputs()..][..self.inputs()].iter().enumerate() {
                y.iter_mut().zip(self.columns.row(i)).for_each(|(y, &w)| *y += x * f64::from(w));
            }
        }))
    }

    /// `s (q - m)`: what a spike of that level adds to silence.
    fn worth(&self, code: &MaskedTtfs, level: u32) -> f64 {
        f64::from(code.quantizer().step()) * (f64::from(level) - f64::from(code.mask()))
    }

    /// What a silent input gives: `s (m - z) rowsum(W) + b`.
    fn silence(&self, code: &MaskedTtfs) -> Vec<f64> {
        let zero = f64::from(code.quantizer().zero_point());
        let mask = f64::from(code.quantizer().step()) * (f64::from(code.mask()) - zero);
        self.row_sums.iter().zip(&self.bias).map(|(sum, bias)| mask * sum + bias).collect()
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, TtfsError> {
        let Some((&channels, outer)) = input.split_last() else {
            return Err(TtfsError::Channels { what: "input", found: 0, expected: self.inputs() });
        };
        if channels != self.inputs() {
            let (found, expected) = (channels, self.inputs());
            return Err(TtfsError::Channels { what: "input", found, expected });
        }
        Ok([outer, &[self.outputs()]].concat())
    }

    /// Computes row by row, on all threads.
    fn rows(&self, shape: &[usize], compute: impl Fn(usize, &mut [f64]) + Sync) -> Real<f32> {
        let mut y = vec![0.0; shape.iter().product()];
        y.par_chunks_mut(self.outputs().max(1)).enumerate().for_each(|(row, y)| compute(row, y));
        match ArrayD::from_shape_vec(shape, y.into_iter().map(|y| y as f32).collect()) {
            Ok(y) => y,
            Err(e) => unreachable!("one number an output: {e}"),
        }
    }
}

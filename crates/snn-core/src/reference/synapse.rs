use ndarray::{Array1, Array2, Array3, ArrayView2, ArrayViewD, Axis, Zip, linalg, s};
use rayon::prelude::*;

use super::{Scalar, quantizer::quantized, reshape};
use crate::{
    backend::{Mode, StageParts, SynapseParts},
    map::{Map, Window},
    tensor::Real,
    weights::{BatchNorm, Tensor},
};

/// Weighted maps and their BatchNorms, side by side.
#[derive(Clone, Debug)]
pub struct ReferenceSynapse<F> {
    unit: F,
    stages: Vec<Stage<F>>,
}

#[derive(Clone, Debug)]
struct Stage<F> {
    map: Map,
    /// For each place of the window, row by row, and each group: a matrix
    /// `[inputs, outputs]`. A linear map has one.
    taps: Vec<Vec<Array2<F>>>,
    bias: Option<Array1<F>>,
    norms: Vec<Norm<F>>,
    border: usize,
}

/// BatchNorm with its stored statistics.
#[derive(Clone, Debug)]
pub(crate) struct Norm<F> {
    weight: Array1<F>,
    bias: Array1<F>,
    mean: Array1<F>,
    var: Array1<F>,
}

impl<F: Scalar> ReferenceSynapse<F> {
    pub(crate) fn new(parts: &SynapseParts) -> Self {
        let stages = parts.stages.iter().map(Stage::new).collect();
        Self { unit: F::of(parts.unit()), stages }
    }

    pub(crate) fn current(&self, mut x: Real<F>, mode: Mode) -> Real<F> {
        if self.unit != F::one() {
            x.mapv_inplace(|v| v * self.unit);
        }
        self.stages.iter().fold(x, |x, stage| stage.current(&x, mode))
    }
}

impl<F: Scalar> Stage<F> {
    fn new(parts: &StageParts) -> Self {
        let map = parts.map;
        let groups = match map {
            Map::Conv2d { groups, .. } => groups,
            Map::Linear { .. } | Map::Conv1d { .. } => 1,
        };
        let taps = map.taps();
        let (inputs, outputs) = (map.inputs() / groups, map.outputs() / groups);
        let weight = parts.weight.reshaped(&[map.outputs(), inputs, taps]);
        let weight = Array3::from_shape_fn((map.outputs(), inputs, taps), |(o, i, k)| {
            f64::from(weight[[o, i, k]])
        });
        let weight = quantized(&weight, parts.quantizer.as_ref());
        let matrix = |tap: usize, group: usize| {
            Array2::from_shape_fn((inputs, outputs), |(i, o)| {
                F::of(weight[[group * outputs + o, i, tap]])
            })
        };
        Self {
            map,
            taps: (0..taps)
                .map(|tap| (0..groups).map(|group| matrix(tap, group)).collect())
                .collect(),
            bias: parts.bias.as_deref().map(vector),
            norms: parts.norms.iter().map(Norm::new).collect(),
            border: parts.border,
        }
    }

    fn current(&self, x: &Real<F>, mode: Mode) -> Real<F> {
        let shape = self.map.output_shape(x.shape());
        let (frames, outputs) = (shape[0] * shape[1], self.map.outputs());
        let rows = shape.iter().product::<usize>() / (frames * outputs);
        let x = reshape(x, &[&[frames], &x.shape()[2..]].concat());
        let mut out = Array2::<F>::zeros((frames * rows, outputs));
        out.axis_chunks_iter_mut(Axis(0), rows).into_par_iter().zip(x.axis_iter(Axis(0))).for_each(
            |(mut out, frame)| {
                match self.map {
                    Map::Linear { inputs, .. } => {
                        let x = rows_of(&frame, inputs);
                        let weight = &self.taps[0][0];
                        linalg::general_mat_mul(F::one(), &x, weight, F::zero(), &mut out);
                    }
                    Map::Conv2d { window, .. } => out.assign(&self.convolve(&frame, rows, {
                        let (height, width) = (frame.shape()[0], frame.shape()[1]);
                        let columns = window.outputs(width);
                        move |place, row| {
                            let (dy, dx) = (place / window.size, place % window.size);
                            let y = window.source(row / columns, dy, height)?;
                            Some(y * width + window.source(row % columns, dx, width)?)
                        }
                    })),
                    Map::Conv1d { size, .. } => {
                        let line = Window::same(size);
                        let source = |place, row| line.source(row, place, rows);
                        out.assign(&self.convolve(&frame, rows, source));
                    }
                }
                if let Some(bias) = &self.bias {
                    out += bias;
                }
            },
        );
        let mut updated = None;
        for norm in &self.norms {
            updated = Some(norm.apply(&mut out, mode));
        }
        let out = reshape(&out.into_dyn(), &shape);
        match (self.border, updated) {
            (0, _) => out,
            (pixels, Some(of_zero)) => surround(&out, pixels, &of_zero),
            (pixels, None) => surround(&out, pixels, &Array1::zeros(outputs)),
        }
    }

    /// One frame `[positions..., inputs]` to `rows` of outputs: for each place of the window, the
    /// positions that it sees times its matrix. `source` gives that of a place and a row.
    fn convolve(
        &self,
        frame: &ArrayViewD<'_, F>,
        rows: usize,
        source: impl Fn(usize, usize) -> Option<usize>,
    ) -> Array2<F> {
        let (inputs, outputs) = (self.map.inputs(), self.map.outputs());
        let positions = rows_of(frame, inputs);
        let mut sum = Array2::zeros((rows, outputs));
        for (place, groups) in self.taps.iter().enumerate() {
            let mut seen = Array2::<F>::zeros((rows, inputs));
            for row in 0..rows {
                if let Some(position) = source(place, row) {
                    seen.row_mut(row).assign(&positions.row(position));
                }
            }
            let (i, o) = (inputs / groups.len(), outputs / groups.len());
            for (g, weight) in groups.iter().enumerate() {
                let x = seen.slice(s![.., g * i..(g + 1) * i]);
                let mut sum = sum.slice_mut(s![.., g * o..(g + 1) * o]);
                if (i, o) == (1, 1) {
                    let weight = weight[[0, 0]]; // depthwise: a product of matrices is slow here
                    Zip::from(&mut sum).and(&x).for_each(|sum, &x| *sum += x * weight);
                } else {
                    linalg::general_mat_mul(F::one(), &x, weight, F::one(), &mut sum);
                }
            }
        }
        sum
    }
}

impl<F: Scalar> Norm<F> {
    pub(crate) fn new(norm: &BatchNorm) -> Self {
        Self {
            weight: vector(&norm.weight),
            bias: vector(&norm.bias),
            mean: vector(&norm.mean),
            var: vector(&norm.var),
        }
    }

    /// What channel `c` makes of a number under the stored statistics.
    pub(crate) fn normalise(&self, c: usize) -> impl Fn(F) -> F {
        self.under(self.mean[c], self.var[c], c)
    }

    /// What one unit of channel `c` is multiplied by.
    pub(crate) fn factor(&self, c: usize) -> F {
        self.weight[c] / deviation(self.var[c])
    }

    fn under(&self, mean: F, var: F, c: usize) -> impl Fn(F) -> F {
        let (deviation, weight, bias) = (deviation(var), self.weight[c], self.bias[c]);
        move |x| (x - mean) / deviation * weight + bias
    }

    /// Normalises every column. Gives what zero becomes under the running
    /// statistics, which a training pass updates first.
    fn apply(&self, x: &mut Array2<F>, mode: Mode) -> Array1<F> {
        let batch = match mode {
            Mode::Eval => None,
            Mode::Train => Some(statistics(x)),
        };
        let (mean, var) = batch.as_ref().map_or((&self.mean, &self.var), |(m, v)| (m, v));
        let under: Vec<_> = (0..mean.len()).map(|c| self.under(mean[c], var[c], c)).collect();
        for mut row in x.outer_iter_mut() {
            row.iter_mut().zip(&under).for_each(|(x, under)| *x = under(*x));
        }
        let (mean, var) = match &batch {
            None => (self.mean.clone(), self.var.clone()),
            Some((mean, var)) => {
                let n = F::of(x.nrows() as f64);
                let new = F::of(BatchNorm::MOMENTUM);
                let old = F::one() - new;
                let unbiased = var.mapv(|v| v * n / (n - F::one()));
                (
                    self.mean.mapv(|m| m * old) + mean.mapv(|m| m * new),
                    self.var.mapv(|v| v * old) + unbiased.mapv(|v| v * new),
                )
            }
        };
        Array1::from_shape_fn(mean.len(), |c| self.under(mean[c], var[c], c)(F::zero()))
    }
}

/// The standard deviation that a norm divides by.
fn deviation<F: Scalar>(var: F) -> F {
    (var + F::of(BatchNorm::EPS)).sqrt()
}

/// Mean and biased variance of every column.
fn statistics<F: Scalar>(x: &Array2<F>) -> (Array1<F>, Array1<F>) {
    let n = F::of(x.nrows() as f64);
    let mean = x.sum_axis(Axis(0)) / n;
    let var = (x - &mean).mapv(|d| d * d).sum_axis(Axis(0)) / n;
    (mean, var)
}

/// `[T, B, H, W, C]` with `pixels` more on each side, all of them `value`.
fn surround<F: Scalar>(x: &Real<F>, pixels: usize, value: &Array1<F>) -> Real<F> {
    let mut shape = x.shape().to_vec();
    let (height, width) = (shape[2], shape[3]);
    (shape[2], shape[3]) = (height + 2 * pixels, width + 2 * pixels);
    let mut out = Real::from_shape_fn(shape, |i| value[i[4]]);
    out.slice_mut(s![.., .., pixels..pixels + height, pixels..pixels + width, ..]).assign(x);
    out
}

fn rows_of<'a, F: Scalar>(frame: &'a ArrayViewD<'_, F>, inputs: usize) -> ArrayView2<'a, F> {
    match frame.view().into_shape_with_order((frame.len() / inputs, inputs)) {
        Ok(rows) => rows,
        Err(e) => unreachable!("a frame is a contiguous slice of a standard array: {e}"),
    }
}

fn vector<F: Scalar>(tensor: &Tensor) -> Array1<F> {
    tensor.to_f32().into_iter().map(|v| F::of(f64::from(v))).collect()
}

//! Real numbers as what they are made of, worked out when somebody asks.
//!
//! A current that goes straight into a neuron is never written to memory. Where
//! numbers are needed, there are two ways to get them: 32-bit floats with a
//! bound on their error, fast; or the definition in 64-bit floats, exactly what
//! the reference computes.

use std::sync::{Arc, OnceLock};

use ndarray::{ArrayD, Axis};

use super::{
    Packed,
    attention::Attention,
    layout::{Counts, Geometry, Spikes},
    source::Source,
    synapse::PackedSynapse,
    weights::{Bounds, UNIT},
};
use crate::{
    backend::{Mode, Signal},
    map::Window,
    neuron::Neuron,
    reference::Reference,
};

type Oracle = Reference<f64>;

/// A tensor of real numbers, `[T, ...]`.
#[derive(Clone, Debug)]
pub struct Real(pub(super) Arc<Node>);

#[derive(Debug)]
pub(super) struct Node {
    pub(super) shape: Vec<usize>,
    pub(super) kind: Kind,
    pub(super) exact: OnceLock<ArrayD<f64>>,
    pub(super) rough: OnceLock<Rough>,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// The numbers themselves are in `exact`.
    Given,
    /// Given in 32-bit floats.
    Single(ArrayD<f32>),
    /// A product of spikes.
    Attention(Attention),
    /// Counts times a constant.
    Scaled(Counts, f64),
    /// What a synapse makes of its input, at each of `repeats` times its steps.
    Current { synapse: Arc<PackedSynapse>, input: Source, repeats: usize },
    /// A membrane shortcut.
    Sum(Real, Real),
    /// Max-pooling.
    Pool(Real, Window),
    /// The mean over positions.
    Mean(Real),
    /// The membrane after all steps of a current.
    Membrane { neuron: Neuron, leak: Option<f64>, current: Real, start: Option<Real> },
}

/// 32-bit floats with what they may be wrong by.
#[derive(Debug)]
pub(super) struct Rough {
    pub(super) geometry: Geometry,
    /// `[blocks][groups][T][4][64]`.
    pub(super) values: Vec<f32>,
    /// Nothing where nobody asks for them: all precisions but exact.
    pub(super) bounds: Option<Bounds>,
}

impl Real {
    pub(super) fn new(shape: Vec<usize>, kind: Kind) -> Self {
        let (exact, rough) = (OnceLock::new(), OnceLock::new());
        Self(Arc::new(Node { shape, kind, exact, rough }))
    }

    pub(super) fn given(values: ArrayD<f64>) -> Self {
        let real = Self::new(values.shape().to_vec(), Kind::Given);
        real.0.exact.get_or_init(|| values);
        real
    }

    /// Every number, as the reference computes it in 64-bit floats.
    pub(super) fn exact(&self) -> &ArrayD<f64> {
        let oracle = Oracle::new();
        use crate::backend::Backend;
        self.0.exact.get_or_init(|| match &self.0.kind {
            Kind::Given => unreachable!("given numbers are set when they are made"),
            Kind::Single(values) => values.mapv(f64::from),
            Kind::Attention(attention) => attention.exact(),
            Kind::Scaled(counts, by) => oracle.scale(&counts.unpack(), *by),
            Kind::Current { synapse, input, repeats } => {
                let current = synapse.oracle().current(input.exact(), Mode::Eval);
                let views = vec![current.view(); *repeats];
                match ndarray::concatenate(Axis(0), &views) {
                    Ok(repeated) => repeated,
                    Err(e) => unreachable!("equal shapes concatenate: {e}"),
                }
            }
            Kind::Sum(a, b) => a.exact() + b.exact(),
            Kind::Pool(x, window) => oracle.max_pool_real(x.exact(), *window),
            Kind::Mean(x) => {
                super::spikes::mean_counts(x).unwrap_or_else(|| oracle.mean_positions(x.exact()))
            }
            Kind::Membrane { neuron, leak, current, start } => {
                let leak = leak.map(|w| ndarray::arr0(w).into_dyn());
                let start = start.as_ref().map(Self::exact);
                oracle.fire(neuron, leak.as_ref(), current.exact(), start).1
            }
        })
    }

    /// Those of `rows` that may have the greatest number of them at some step, as far as 32-bit
    /// floats tell.
    fn leaders(&self, mut rows: Vec<usize>, channel: usize) -> Vec<usize> {
        if let Some(rough @ Rough { bounds: Some(bounds), .. }) = self.0.rough.get() {
            // Differences are rounded.
            let near = 2.0 * f64::from(bounds.error[channel]) * (1.0 + 4.0 * UNIT);
            let value = |t, row| f64::from(rough.value(t, row, channel));
            let most = |t| rows.iter().map(|&row| value(t, row)).fold(f64::NEG_INFINITY, f64::max);
            let most: Vec<f64> = (0..self.0.shape[0]).map(most).collect();
            let far = |t, most: &f64, row| most - value(t, row) > near;
            rows.retain(|&row| !(0..).zip(&most).all(|(t, most)| far(t, most, row)));
        }
        rows
    }

    /// One channel of one row at every step, as the reference computes it.
    pub(super) fn exact_at(&self, packed: &Packed, row: usize, channel: usize) -> Vec<f64> {
        if let Some(values) = self.0.exact.get() {
            return at(values, row, channel);
        }
        match &self.0.kind {
            Kind::Current { synapse, input, repeats } => {
                input.exact_at(packed.isa(), synapse, row, channel).repeat(*repeats)
            }
            Kind::Sum(a, b) => {
                let (a, b) = (a.exact_at(packed, row, channel), b.exact_at(packed, row, channel));
                a.into_iter().zip(b).map(|(a, b)| a + b).collect()
            }
            Kind::Pool(x, window) => {
                let from = &x.0.shape;
                let [height, width] = [from[2], from[3]];
                let [rows, columns] = [self.0.shape[2], self.0.shape[3]];
                let (sample, position) = (row / (rows * columns), row % (rows * columns));
                let place = |o, length| {
                    (0..window.size).filter_map(move |tap| window.source(o, tap, length))
                };
                let line = |y| (sample * height + y) * width;
                let of_line = |y| place(position % columns, width).map(move |x| line(y) + x);
                let rows: Vec<usize> =
                    place(position / columns, height).flat_map(of_line).collect();
                let mut greatest = vec![f64::NEG_INFINITY; self.0.shape[0]];
                for row in x.leaders(rows, channel) {
                    let values = x.exact_at(packed, row, channel);
                    greatest.iter_mut().zip(values).for_each(|(a, b)| *a = a.max(b));
                }
                greatest
            }
            Kind::Mean(x) => {
                let positions: usize = x.0.shape[2..x.0.shape.len() - 1].iter().product();
                let mut sum = vec![0.0; self.0.shape[0]];
                for position in 0..positions {
                    let values = x.exact_at(packed, row * positions + position, channel);
                    sum.iter_mut().zip(values).for_each(|(a, b)| *a += b);
                }
                sum.into_iter().map(|a| a / positions as f64).collect()
            }
            _ => at(self.exact(), row, channel),
        }
    }
}

fn at(values: &ArrayD<f64>, row: usize, channel: usize) -> Vec<f64> {
    let channels = values.shape().last().copied().unwrap_or(1);
    let place = row * channels + channel;
    let step = |x: ndarray::ArrayViewD<'_, f64>| match x.as_slice() {
        Some(x) => x[place],
        None => x.iter().nth(place).copied().unwrap_or(f64::NAN),
    };
    values.axis_iter(Axis(0)).map(step).collect()
}

impl Signal<Packed> for Real {
    fn input(&self) -> crate::Input<'_, Packed> {
        crate::Input::Real(self)
    }

    fn shape(&self) -> Vec<usize> {
        self.0.shape.clone()
    }

    fn reshape(&self, shape: &[usize]) -> Self {
        if shape == self.0.shape {
            return self.clone();
        }
        Self::given(Signal::<Oracle>::reshape(self.exact(), shape))
    }

    fn permute(&self, axes: &[usize]) -> Self {
        Self::given(Signal::<Oracle>::permute(self.exact(), axes))
    }
}

impl Signal<Packed> for Spikes {
    fn input(&self) -> crate::Input<'_, Packed> {
        crate::Input::Spikes(self)
    }

    fn shape(&self) -> Vec<usize> {
        self.geometry.shape.clone()
    }

    fn reshape(&self, shape: &[usize]) -> Self {
        match self.geometry.renamed(shape) {
            Some(geometry) => Self { geometry, nibbles: self.nibbles.clone() },
            None => Self::pack(&Signal::<Oracle>::reshape(&self.unpack(), shape)),
        }
    }

    fn permute(&self, axes: &[usize]) -> Self {
        Self::pack(&Signal::<Oracle>::permute(&self.unpack(), axes))
    }
}

impl Signal<Packed> for Counts {
    fn input(&self) -> crate::Input<'_, Packed> {
        crate::Input::Counts(self)
    }

    fn shape(&self) -> Vec<usize> {
        self.shape().to_vec()
    }

    fn reshape(&self, shape: &[usize]) -> Self {
        self.renamed(shape)
            .unwrap_or_else(|| Self::pack(&Signal::<Oracle>::reshape(&self.unpack(), shape)))
    }

    fn permute(&self, axes: &[usize]) -> Self {
        Self::pack(&Signal::<Oracle>::permute(&self.unpack(), axes))
    }
}

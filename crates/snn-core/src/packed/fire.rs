//! Neurons: from currents to packed spikes, certified.

use std::borrow::Borrow;

use ndarray::ArrayD;
use rayon::prelude::*;

use super::{
    Packed, Precision,
    attention::Attention,
    image::Panels,
    kernel::{self, Counted, Dynamics, Given, Number, Rows, TILE, Tile},
    layout::{Geometry, LANES, Spikes, collect},
    plan::{Plan, has_kernel},
    real::{Kind, Real},
    rough,
    sink::{Currents, Place, Sink},
    source::Source,
    synapse::PackedSynapse,
    weights::{Bounds, UNIT, round_up},
};
use crate::neuron::{Charge, Neuron};

/// One layer of neurons over all steps from rest.
pub(super) struct Fire<'a> {
    packed: &'a Packed,
    neuron: &'a Neuron,
    leak: Option<f64>,
    dynamics: Dynamics,
    steps: usize,
    /// What an error keeps of itself from step to step.
    keep: f32,
    /// How near a threshold is too near to trust after one step, tile by tile; nothing where
    /// nothing is in doubt.
    margins: Vec<Margin>,
}

/// Errors of the membranes of a tile after one step from rest.
struct Margin {
    /// At any input.
    always: [f32; TILE],
    /// More for each unit of activity.
    each: [f32; TILE],
    /// More activity than this adds nothing.
    most: [f32; TILE],
}

/// What is no less than a sum of products of 32-bit floats that was rounded a few times.
const UP: f32 = 1.0 + 8.0 * f32::EPSILON;

impl<'a> Fire<'a> {
    /// For currents within `bounds`, which are only asked for where they matter, over `steps` steps.
    fn new<B: Borrow<Bounds>>(
        packed: &'a Packed,
        neuron: &'a Neuron,
        leak: Option<f64>,
        bounds: impl FnOnce() -> B,
        steps: usize,
    ) -> Self {
        let dynamics = Dynamics::new(neuron, leak);
        let (keep, gain) = (f64::from(dynamics.keep).abs(), f64::from(dynamics.gain).abs());
        let stays: f64 = (0..steps).map(|t| keep.powi(t as i32)).sum();
        let levels = neuron.threshold.abs() + neuron.rest().abs();
        let margins = |bounds: &Bounds| -> Vec<Margin> {
            let Bounds { error, each, most, magnitude } = bounds;
            let always = |n: usize| {
                let [error, magnitude] = [error, magnitude].map(|x| f64::from(x[n]));
                // |h| is at most this; each step rounds six times.
                let membrane = stays * (gain * magnitude + levels) + levels;
                round_up(gain * error + 12.0 * UNIT * membrane)
            };
            let of_tile = |first: usize| Margin {
                always: std::array::from_fn(|n| always(first + n)),
                each: std::array::from_fn(|n| round_up(gain * f64::from(each[first + n]))),
                most: std::array::from_fn(|n| most[first + n]),
            };
            (0..error.len()).step_by(TILE).map(of_tile).collect()
        };
        let margins = match packed.precision() {
            Precision::Exact => margins(bounds().borrow()),
            _ => Vec::new(),
        };
        Self { packed, neuron, leak, dynamics, steps, keep: round_up(keep), margins }
    }

    /// Margins of a tile at each step, where the input had this `activity`; none where nothing is in
    /// doubt.
    ///
    /// An error stays with the membrane, `e <- keep e + gain error`. A spike in
    /// doubt is worked out anew, so resets add none.
    fn margins(&self, tile: usize, activity: &[f32]) -> Vec<[f32; TILE]> {
        let Some(Margin { always, each, most }) = self.margins.get(tile) else {
            return Vec::new();
        };
        let mut errors = [0.0; TILE];
        let step = |t: usize| {
            let activity = activity.get(t).copied().unwrap_or(0.0);
            for n in 0..TILE {
                // The obvious `min` minds what is no number, and does not vectorise.
                let units = if activity < most[n] { activity } else { most[n] };
                let more = always[n] + each[n] * units;
                errors[n] = (self.keep * errors[n] + more) * UP;
            }
            errors
        };
        (0..self.steps).map(step).collect()
    }

    /// The spikes of a tile, `[T][64]`, and who is in doubt.
    fn tile(
        &self,
        place: Place,
        to: &Geometry,
        Currents { values, activity }: Currents<'_>,
        out: &mut [u8],
    ) -> [u8; LANES] {
        let margins = self.margins(place.tile, activity);
        let mut doubt = [0; LANES];
        let (spikes, _) = out.as_chunks_mut::<LANES>();
        let tile = Tile { spikes, doubt: &mut doubt };
        kernel::fire(self.packed.isa(), &self.dynamics, values, &margins, tile);
        silence_padding(to, place, &mut doubt, out);
        doubt
    }

    /// Writes the spikes of one neuron from its exact currents.
    fn settle(&self, [lane, n]: [usize; 2], currents: &[f64], out: &mut [u8]) {
        let mut v = 0.0;
        for (nibbles, &x) in out.chunks_exact_mut(LANES).zip(currents) {
            let spike;
            (spike, v) = self.neuron.fire(self.neuron.charge(self.leak, v, x));
            nibbles[lane] = nibbles[lane] & !(1 << n) | u8::from(spike) << n;
        }
    }
}

/// The sink that fires, for a synapse that feeds its neurons directly.
struct Fused<'a> {
    fire: Fire<'a>,
    to: &'a Geometry,
}

impl Sink for Fused<'_> {
    type Out = u8;
    const LEN: usize = LANES;

    fn certifies(&self) -> bool {
        !self.fire.margins.is_empty()
    }

    fn take(&self, place: Place, currents: Currents<'_>, out: &mut [u8]) -> [u8; LANES] {
        self.fire.tile(place, self.to, currents, out)
    }

    fn settle(&self, neuron: [usize; 2], currents: &[f64], out: &mut [u8]) {
        self.fire.settle(neuron, currents, out);
    }
}

/// Rows and channels that pad the layout neither spike nor are in doubt.
fn silence_padding(to: &Geometry, place: Place, doubt: &mut [u8; LANES], out: &mut [u8]) {
    let channels = to.channels.saturating_sub(place.tile * TILE).min(TILE);
    let rows = to.rows.saturating_sub(place.block * LANES).min(LANES);
    if channels == TILE && rows == LANES {
        return;
    }
    let mask = (1u8 << channels) - 1;
    for nibbles in out.chunks_exact_mut(LANES).chain(std::iter::once(&mut doubt[..])) {
        for (lane, nibble) in nibbles.iter_mut().enumerate() {
            *nibble &= if lane < rows { mask } else { 0 };
        }
    }
}

/// The spikes of neurons that start at rest.
pub(super) fn fire(packed: &Packed, neuron: &Neuron, leak: Option<f64>, x: &Real) -> Spikes {
    let geometry = Geometry::new(&x.0.shape);
    let mut nibbles;
    match &x.0.kind {
        Kind::Current { synapse, input, repeats: 1 }
            if x.0.exact.get().is_none()
                && x.0.rough.get().is_none()
                && has_kernel(synapse, input) =>
        {
            nibbles = Spikes::silent(&geometry);
            let plan = Plan::new(packed, synapse, input, packed.precision().digits());
            let fire = Fire::new(packed, neuron, leak, || plan.bounds(), geometry.steps);
            plan.run(&geometry, &Fused { fire, to: &geometry }, &mut nibbles);
        }
        Kind::Sum(..) | Kind::Pool(..) | Kind::Mean(..) | Kind::Current { .. }
            if x.0.exact.get().is_none() && rough::worthwhile(x) =>
        {
            nibbles = Spikes::silent(&geometry);
            let rough = rough::rough(packed, x);
            let fire = Fire::new(packed, neuron, leak, || rough.bounds(), geometry.steps);
            rough::run(packed, x, &Fused { fire, to: &geometry }, &mut nibbles);
        }
        Kind::Current { synapse, input: Source::Real(input), .. }
            if x.0.exact.get().is_none() && synapse.has_kernel() =>
        {
            nibbles = Spikes::silent(&geometry);
            from_input(packed, neuron, leak, (synapse, input), &geometry, &mut nibbles);
        }
        Kind::Attention(attention) => return from_attention(packed, neuron, leak, attention),
        Kind::Single(values) => return from_array(packed, neuron, leak, values, &geometry),
        _ => return from_array(packed, neuron, leak, x.exact(), &geometry),
    }
    Spikes { geometry, nibbles: nibbles.into() }
}

/// Counts of an attention times a constant: in whole numbers where these tell the
/// same, else in floats of 32 bits if that is exact, or of 64; nothing is in doubt.
fn from_attention(packed: &Packed, neuron: &Neuron, leak: Option<f64>, x: &Attention) -> Spikes {
    let to = x.geometry();
    if let Some(neuron) = Counted::new(neuron, x.scale, to.steps) {
        return x.fire(&neuron);
    }
    x.store();
    let (isa, steps) = (packed.isa(), to.steps);
    let exact_in_32_bits = exact_in_32_bits(neuron, x);
    let dynamics = Dynamics::new(neuron, leak);
    let worth = ([x.scale as f32; TILE], [0.0; TILE]);
    let mut nibbles = Spikes::silent(to);
    nibbles.par_chunks_mut(steps * LANES).enumerate().for_each(|(i, out)| {
        let place = Place { block: i / to.groups(), tile: i % to.groups() };
        let tiles = x.tile(place.block, place.tile);
        let mut doubt = [0; LANES];
        if exact_in_32_bits {
            let sums: Vec<_> = tiles.collect();
            let (spikes, _) = out.as_chunks_mut::<LANES>();
            let tile = Tile { spikes, doubt: &mut doubt };
            kernel::fire(isa, &dynamics, Given::Sums(&sums, &worth), &[], tile);
        } else {
            let currents = tiles.map(|sums| sums.map(|row| row.map(|n| f64::from(n) * x.scale)));
            kernel::fire_exact(isa, neuron, leak, &currents.collect::<Vec<_>>(), out);
        }
        silence_padding(to, place, &mut doubt, out);
    });
    Spikes { geometry: to.clone(), nibbles: nibbles.into() }
}

/// Whether no membrane is ever rounded in 32-bit floats: all are multiples of one
/// power of two, and small.
fn exact_in_32_bits(neuron: &Neuron, x: &Attention) -> bool {
    let tau = match neuron.charge {
        Charge::Integrate => 1.0,
        Charge::Leaky { tau, decay_input: true } => tau,
        _ => return false,
    };
    let power_of_two = |x: f64| x > 0.0 && x.log2().fract() == 0.0;
    if !power_of_two(tau) || !power_of_two(x.scale) {
        return false;
    }
    let steps = x.geometry().steps as i32;
    let grain = x.scale / tau.powi(steps);
    let levels = [neuron.threshold, neuron.rest()];
    let greatest = x.most() as f64 * x.scale + levels.iter().map(|x| x.abs()).sum::<f64>();
    levels.iter().all(|level| (level / grain).fract() == 0.0)
        && f64::from(steps) * greatest / grain < 1.0 / UNIT
}

/// Real numbers through a synapse, in 64-bit floats: nothing is in doubt.
fn from_input(
    packed: &Packed,
    neuron: &Neuron,
    leak: Option<f64>,
    (synapse, input): (&PackedSynapse, &Real),
    to: &Geometry,
    out: &mut [u8],
) {
    let panels = Panels::new(synapse.map(), input, synapse.parts.unit());
    let piece = to.steps * LANES;
    out.par_chunks_mut(to.groups() * piece).enumerate().for_each(|(block, out)| {
        let panels = panels.pack(block);
        for (tile, out) in out.chunks_exact_mut(piece).enumerate() {
            let currents = synapse.exact().of_tile(packed.isa(), tile, &panels);
            kernel::fire_exact(packed.isa(), neuron, leak, &currents, out);
            silence_padding(to, Place { block, tile }, &mut [0; LANES], out);
        }
    });
}

/// Numbers as an array has them, as in 64-bit floats: nothing is in doubt.
fn from_array<N: Number>(
    packed: &Packed,
    neuron: &Neuron,
    leak: Option<f64>,
    values: &ArrayD<N>,
    to: &Geometry,
) -> Spikes {
    let values = values.as_standard_layout();
    let Some(values) = values.as_slice() else { unreachable!("the layout is standard") };
    let step = to.rows * to.channels;
    let fill = |block: usize, out: &mut [[u8; LANES]]| {
        let first = block * LANES * to.channels;
        let of_block = first..step.min(first + LANES * to.channels);
        let steps: Vec<&[N]> =
            values.chunks_exact(step).map(|step| &step[of_block.clone()]).collect();
        let rows = Rows { steps: &steps, channels: to.channels };
        kernel::fire_rows(packed.isa(), neuron, leak, &rows, out.as_flattened_mut());
    };
    let len = to.block_len() / LANES;
    let nibbles = collect(to.blocks(), len, [0; LANES], fill);
    Spikes { geometry: to.clone(), nibbles: nibbles.into_flattened().into() }
}

/// The currents that a synapse makes of its input, for a neuron or for memory.
pub(super) fn current(
    synapse: &std::sync::Arc<PackedSynapse>,
    input: Source,
    repeats: usize,
) -> Real {
    let shape = match &input {
        Source::Spikes(x) => x.geometry.shape.clone(),
        Source::Counts(x) => x.shape().to_vec(),
        Source::Real(x) => x.0.shape.clone(),
    };
    let mut to = synapse.map().output_shape(&shape);
    to[0] *= repeats;
    Real::new(to, Kind::Current { synapse: synapse.clone(), input, repeats })
}

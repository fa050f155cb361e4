//! Neurons: from currents to packed spikes, certified.

use rayon::prelude::*;

use super::{
    Packed, Precision,
    kernel::{self, Dynamics, Membranes, TILE, Tile},
    layout::{Geometry, LANES, Spikes},
    product::{self, Place, Sink, Source},
    real::{Integers, Kind, Real, Rough},
    synapse::{PackedSynapse, UNIT, round_up},
};
use crate::neuron::Neuron;

/// One layer of neurons over all steps from rest.
pub(super) struct Fire<'a> {
    packed: &'a Packed,
    neuron: &'a Neuron,
    leak: Option<f64>,
    dynamics: Dynamics,
    /// How near a threshold is too near to trust, `[channels]` in whole tiles.
    margins: Vec<f32>,
}

impl<'a> Fire<'a> {
    /// For currents that are wrong by at most `error` and no greater than
    /// `magnitude`, over `steps` steps.
    fn new(
        packed: &'a Packed,
        neuron: &'a Neuron,
        leak: Option<f64>,
        (error, magnitude): (&[f32], &[f32]),
        steps: usize,
    ) -> Self {
        let dynamics = Dynamics::new(neuron, leak);
        let (keep, gain) = (f64::from(dynamics.keep).abs(), f64::from(dynamics.gain).abs());
        // An error stays with the membrane: e <- keep e + gain error. A spike in doubt is worked
        // out anew, so resets add none.
        let stays: f64 = (0..steps).map(|t| keep.powi(t as i32)).sum();
        let levels = neuron.threshold.abs() + neuron.rest().abs();
        let margin = |(&error, &magnitude): (&f32, &f32)| {
            // |h| is at most this; each step rounds six times.
            let membrane = stays * (gain * f64::from(magnitude) + levels) + levels;
            round_up(stays * (gain * f64::from(error) + 12.0 * UNIT * membrane))
        };
        let margins = match packed.precision() {
            Precision::Exact => error.iter().zip(magnitude).map(margin).collect(),
            _ => vec![-1.0; error.len()], // nothing is in doubt
        };
        Self { packed, neuron, leak, dynamics, margins }
    }

    fn margins(&self, tile: usize) -> [f32; TILE] {
        std::array::from_fn(|n| self.margins[tile * TILE + n])
    }

    /// The spikes of one neuron from its exact currents.
    fn exactly(&self, currents: impl Iterator<Item = f64>) -> impl Iterator<Item = bool> {
        let (neuron, leak) = (*self.neuron, self.leak);
        currents.scan(0.0, move |v, x| {
            let spike;
            (spike, *v) = neuron.fire(neuron.charge(leak, *v, x));
            Some(spike)
        })
    }

    /// Works out every neuron in doubt; `current` gives the exact currents of a
    /// lane and channel of the tile.
    fn settle(
        &self,
        doubt: &[u8; LANES],
        place: Place,
        rows: usize,
        out: &mut [u8],
        mut current: impl FnMut(usize, usize) -> Vec<f64>,
    ) {
        for (lane, &doubt) in doubt.iter().enumerate() {
            if doubt == 0 || place.block * LANES + lane >= rows {
                continue;
            }
            for n in (0..TILE).filter(|n| doubt >> n & 1 == 1) {
                let spikes = self.exactly(current(lane, n).into_iter());
                for (nibbles, spike) in out.chunks_exact_mut(LANES).zip(spikes) {
                    nibbles[lane] = nibbles[lane] & !(1 << n) | u8::from(spike) << n;
                }
            }
        }
    }
}

/// Membranes of a tile and its doubts, between steps.
pub(super) struct Running {
    v: Membranes,
    doubt: [u8; LANES],
}

impl Default for Running {
    fn default() -> Self {
        Self { v: [[0.0; LANES]; TILE], doubt: [0; LANES] }
    }
}

/// The sink that fires, for a synapse that feeds its neurons directly.
struct Fused<'a> {
    fire: Fire<'a>,
    synapse: &'a PackedSynapse,
    to: &'a Geometry,
}

impl Sink for Fused<'_> {
    type Out = u8;
    type State = Running;
    const LEN: usize = LANES;

    fn take(&self, state: &mut Running, place: Place, currents: &Membranes, out: &mut [u8]) {
        self.fire.step(state, place.tile, currents, out);
    }

    fn done(
        &self,
        mut state: Running,
        place: Place,
        seen: &dyn Fn(usize) -> Vec<Vec<f64>>,
        out: &mut [u8],
    ) {
        silence_padding(self.to, place, &mut state.doubt, out);
        let mut last: Option<(usize, Vec<Vec<f64>>)> = None;
        let exact = self.synapse.exact();
        let isa = self.fire.packed.isa();
        self.fire.settle(&state.doubt, place, self.to.rows, out, |lane, n| {
            if last.as_ref().is_none_or(|(known, _)| *known != lane) {
                last = Some((lane, seen(lane)));
            }
            let rows = last.as_ref().map(|(_, rows)| rows.as_slice()).unwrap_or_default();
            rows.iter().map(|x| exact.current(isa, place.tile * TILE + n, x)).collect()
        });
    }
}

impl Fire<'_> {
    fn step(&self, state: &mut Running, tile: usize, currents: &Membranes, out: &mut [u8]) {
        let Some(spikes) = out.first_chunk_mut::<LANES>() else {
            unreachable!("a step of a tile is a block of nibbles")
        };
        let Running { v, doubt } = state;
        let margins = self.margins(tile);
        let isa = self.packed.isa();
        kernel::fire(isa, &self.dynamics, currents, &margins, Tile { v, spikes, doubt });
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
    let mut nibbles = Spikes::silent(&geometry);
    match &x.0.kind {
        Kind::Current { synapse, input, repeats: 1 }
            if x.0.exact.get().is_none()
                && x.0.rough.get().is_none()
                && product::has_kernel(synapse, input) =>
        {
            let product = product::product(synapse, input);
            let bounds = (&product.error[..], &product.magnitude[..]);
            let fire = Fire::new(packed, neuron, leak, bounds, geometry.steps);
            let sink = Fused { fire, synapse, to: &geometry };
            product::run(packed, synapse, input, &geometry, &sink, &mut nibbles);
        }
        Kind::Sum(..) | Kind::Pool(..) | Kind::Mean(..) | Kind::Current { .. }
            if x.0.exact.get().is_none() && super::rough::worthwhile(x) =>
        {
            let rough = super::rough::rough(packed, x);
            from_rough(packed, neuron, leak, x, rough, &geometry, &mut nibbles);
        }
        Kind::Integers(integers) if x.0.exact.get().is_none() => {
            from_integers(packed, neuron, leak, integers, &mut nibbles);
        }
        _ => from_exact(neuron, leak, x, &geometry, &mut nibbles),
    }
    Spikes { geometry, nibbles: nibbles.into() }
}

fn from_rough(
    packed: &Packed,
    neuron: &Neuron,
    leak: Option<f64>,
    x: &Real,
    rough: &Rough,
    to: &Geometry,
    out: &mut [u8],
) {
    let fire = Fire::new(packed, neuron, leak, (&rough.error, &rough.magnitude), to.steps);
    let piece = to.steps * LANES;
    out.par_chunks_mut(piece).zip(rough.values.par_chunks(piece * TILE)).enumerate().for_each(
        |(i, (out, values))| {
            let place = Place { block: i / to.groups(), tile: i % to.groups(), t: to.steps };
            let mut state = Running::default();
            let (steps, _) = values.as_chunks::<LANES>();
            for (currents, out) in steps.chunks_exact(TILE).zip(out.chunks_exact_mut(LANES)) {
                let Some(currents) = currents.first_chunk::<TILE>() else {
                    unreachable!("chunks of a tile")
                };
                fire.step(&mut state, place.tile, currents, out);
            }
            silence_padding(to, place, &mut state.doubt, out);
            fire.settle(&state.doubt, place, to.rows, out, |lane, n| {
                x.exact_at(packed, place.block * LANES + lane, place.tile * TILE + n)
            });
        },
    );
}

/// Integers times a constant are exact in 64-bit floats: nothing is in doubt.
fn from_integers(
    packed: &Packed,
    neuron: &Neuron,
    leak: Option<f64>,
    x: &Integers,
    out: &mut [u8],
) {
    let to = &x.geometry;
    let piece = to.steps * LANES;
    let tiles = out.par_chunks_mut(piece).zip(x.values.par_chunks(piece * TILE));
    tiles.enumerate().for_each(|(i, (out, values))| {
        let place = Place { block: i / to.groups(), tile: i % to.groups(), t: to.steps };
        kernel::fire_integers(packed.isa(), neuron, leak, values, x.scale, out);
        silence_padding(to, place, &mut [0; LANES], out);
    });
}

fn from_exact(neuron: &Neuron, leak: Option<f64>, x: &Real, to: &Geometry, out: &mut [u8]) {
    let values = x.exact().as_standard_layout();
    let Some(values) = values.as_slice() else { unreachable!("the layout is standard") };
    let step = to.rows * to.channels;
    out.par_chunks_mut(to.steps * LANES).enumerate().for_each(|(i, out)| {
        let (block, tile) = (i / to.groups(), i % to.groups());
        let rows = to.rows.saturating_sub(block * LANES).min(LANES);
        let channels = to.channels.saturating_sub(tile * TILE).min(TILE);
        let mut membranes = [[0.0f64; TILE]; LANES];
        for (t, nibbles) in out.chunks_exact_mut(LANES).enumerate() {
            for lane in 0..rows {
                let start = t * step + (block * LANES + lane) * to.channels + tile * TILE;
                for n in 0..channels {
                    let v = &mut membranes[lane][n];
                    let spike;
                    (spike, *v) = neuron.fire(neuron.charge(leak, *v, values[start + n]));
                    nibbles[lane] |= u8::from(spike) << n;
                }
            }
        }
    });
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

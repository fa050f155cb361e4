//! Levels: currents quantised to small counts, certified as spikes are.

use std::borrow::Borrow;

use rayon::prelude::*;

use super::{
    Packed, Precision,
    kernel::{self, Stairs, TILE},
    layout::{CountForm, Counts, GROUP, Geometry, LANES, Spikes},
    plan::{Plan, has_kernel},
    real::{Kind, Real},
    rough,
    sink::{Currents, Place, Sink},
    weights::{Bounds, UNIT, round_up},
};
use crate::{encode::ttfs::MaskedTtfs, neuron::IntegerNeuron};

/// What turns a number into a level: a staircase that never falls.
#[derive(Clone, Copy, Debug)]
pub(super) enum Staircase<'a> {
    Neuron(&'a IntegerNeuron),
    /// After the dead zone.
    Code(&'a MaskedTtfs),
}

impl Staircase<'_> {
    /// The greatest level.
    const fn most(&self) -> u32 {
        match self {
            Self::Neuron(neuron) => neuron.levels,
            Self::Code(code) => code.quantizer().greatest(),
        }
    }

    /// The definition, for levels of a byte.
    fn level(&self, x: f64) -> u8 {
        match self {
            Self::Neuron(neuron) => neuron.level(x) as u8,
            Self::Code(code) => code.settled(code.quantizer().level(x)) as u8,
        }
    }

    fn stairs(&self) -> Stairs {
        let most = self.most() as f32;
        match self {
            Self::Neuron(IntegerNeuron { gain, .. }) => {
                Stairs { gain: *gain as f32, zero: 0.0, most, mask: 0.0, zone: 0.0 }
            }
            Self::Code(code) => Stairs {
                gain: (1.0 / f64::from(code.quantizer().step())) as f32,
                zero: code.quantizer().zero_point() as f32,
                most,
                mask: code.mask() as f32,
                zone: code.dead_zone() as f32,
            },
        }
    }
}

/// The levels of `x`; `None` where no kernel computes it, or levels exceed a byte.
pub(super) fn levels(packed: &Packed, x: &Real, staircase: Staircase<'_>) -> Option<Counts> {
    if staircase.most() > u32::from(u8::MAX) {
        return None;
    }
    let geometry = Geometry::new(&x.0.shape);
    let mut bytes = vec![[0; GROUP]; geometry.len()];
    match &x.0.kind {
        _ if x.0.exact.get().is_some() => return None,
        Kind::Scaled(Counts { form: CountForm::Bytes { bytes: counts, .. }, .. }, by) => {
            let table: [u8; 256] = std::array::from_fn(|count| staircase.level(count as f64 * by));
            let piece = geometry.steps * LANES;
            let tiles = bytes.par_chunks_mut(piece).zip(counts.par_chunks(piece));
            tiles.enumerate().for_each(|(i, (out, counts))| {
                for (out, counts) in out.iter_mut().zip(counts) {
                    *out = counts.map(|count| table[usize::from(count)]);
                }
                let place = Place { block: i / geometry.groups(), tile: i % geometry.groups() };
                clear_padding(&geometry, place, out);
            });
        }
        Kind::Current { synapse, input, repeats: 1 }
            if x.0.rough.get().is_none() && has_kernel(synapse, input) =>
        {
            let plan = Plan::new(packed, synapse, input, packed.precision().digits());
            let sink = Quantize::new(packed, staircase, || plan.bounds(), &geometry);
            plan.run(&geometry, &sink, &mut bytes);
        }
        _ if rough::worthwhile(x) => {
            let rough = rough::rough(packed, x);
            let sink = Quantize::new(packed, staircase, || rough.bounds(), &geometry);
            rough::run(packed, x, &sink, &mut bytes);
        }
        _ => return None,
    }
    let greatest = bytes
        .par_chunks(64 * LANES)
        .map(|bytes| bytes.as_flattened().iter().fold(0, |most, &level| level.max(most)));
    let max = u32::from(greatest.max().unwrap_or(0));
    Some(Counts { max, form: CountForm::Bytes { geometry, bytes: bytes.into() } })
}

/// Who spikes in a code: levels that are not the mask. `None` for levels that exceed a byte.
pub(super) fn spikes(levels: &Counts, code: &MaskedTtfs) -> Option<Spikes> {
    let CountForm::Bytes { geometry, bytes } = &levels.form else { return None };
    let mask = u8::try_from(code.mask()).ok()?;
    let mut nibbles = Spikes::silent(geometry);
    let piece = geometry.steps * LANES;
    let tiles = nibbles.par_chunks_mut(piece).zip(bytes.par_chunks(piece));
    tiles.enumerate().for_each(|(i, (nibbles, levels))| {
        let place = Place { block: i / geometry.groups(), tile: i % geometry.groups() };
        let (rows, channels) = inside(geometry, place);
        for (nibbles, levels) in nibbles.chunks_exact_mut(LANES).zip(levels.chunks_exact(LANES)) {
            for (nibble, levels) in nibbles[..rows].iter_mut().zip(levels) {
                let spike = |n: usize| u8::from(levels[n] != mask) << n;
                *nibble = (spike(0) | spike(1) | spike(2) | spike(3)) & ((1 << channels) - 1);
            }
        }
    });
    Some(Spikes { geometry: geometry.clone(), nibbles: nibbles.into() })
}

/// The sink that quantises.
struct Quantize<'a> {
    packed: &'a Packed,
    staircase: Staircase<'a>,
    stairs: Stairs,
    to: &'a Geometry,
    /// How near the border of two levels is too near to trust, in steps; how much nearer for each
    /// unit of activity, and up to how many: `[channels]` in whole tiles; nothing where nothing is
    /// in doubt.
    margins: Vec<[f64; 3]>,
}

impl<'a> Quantize<'a> {
    /// For numbers within `bounds`, which are only asked for where they matter.
    fn new<B: Borrow<Bounds>>(
        packed: &'a Packed,
        staircase: Staircase<'a>,
        bounds: impl FnOnce() -> B,
        to: &'a Geometry,
    ) -> Self {
        let stairs = staircase.stairs();
        let gain = f64::from(stairs.gain).abs() * (1.0 + 2.0 * UNIT);
        // Numbers beyond the ends are in no doubt, so those that are have no more steps than this.
        let steps = f64::from(stairs.most) + f64::from(stairs.zero).abs() + 2.0;
        let margin = |bounds: &Bounds, n: usize| {
            let [error, each, most] =
                [&bounds.error, &bounds.each, &bounds.most].map(|x| f64::from(x[n]));
            // The gain and the product with it are rounded.
            [gain * error + 4.0 * UNIT * steps, gain * each, most]
        };
        let margins = match packed.precision() {
            Precision::Exact => {
                let bounds = bounds();
                let bounds = bounds.borrow();
                (0..bounds.error.len()).map(|n| margin(bounds, n)).collect()
            }
            _ => Vec::new(),
        };
        Self { packed, staircase, stairs, to, margins }
    }

    fn margins(&self, tile: usize, activity: f64) -> [f32; TILE] {
        let Some(margins) = self.margins.get(tile * TILE..(tile + 1) * TILE) else {
            return [-1.0; TILE];
        };
        std::array::from_fn(|n| {
            let [always, each, most] = margins[n];
            round_up(always + each * activity.min(most))
        })
    }
}

impl Sink for Quantize<'_> {
    type Out = [u8; GROUP];
    const LEN: usize = LANES;

    fn certifies(&self) -> bool {
        !self.margins.is_empty()
    }

    fn take(&self, place: Place, currents: Currents<'_>, out: &mut [[u8; GROUP]]) -> [u8; LANES] {
        let Currents { values, activity } = currents;
        let (mut doubt, mut currents) = ([0; LANES], [[0.0; LANES]; TILE]);
        for (t, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            values.write(self.packed.isa(), t, &mut currents);
            let activity = activity.get(t).copied().map_or(0.0, f64::from);
            let margins = self.margins(place.tile, activity);
            kernel::quantize(self.packed.isa(), &self.stairs, &currents, &margins, out, &mut doubt);
        }
        clear_padding(self.to, place, out);
        let (rows, channels) = inside(self.to, place);
        doubt[rows..].fill(0);
        doubt.map(|doubt| doubt & ((1 << channels) - 1))
    }

    fn settle(&self, [lane, n]: [usize; 2], currents: &[f64], out: &mut [[u8; GROUP]]) {
        for (out, &x) in out.chunks_exact_mut(LANES).zip(currents) {
            out[lane][n] = self.staircase.level(x);
        }
    }
}

/// Rows and channels of a tile that do not pad the layout.
fn inside(to: &Geometry, place: Place) -> (usize, usize) {
    let rows = to.rows.saturating_sub(place.block * LANES).min(LANES);
    let channels = to.channels.saturating_sub(place.tile * TILE).min(TILE);
    (rows, channels)
}

/// Counts of rows and channels that pad the layout are zero.
fn clear_padding(to: &Geometry, place: Place, out: &mut [[u8; GROUP]]) {
    let (rows, channels) = inside(to, place);
    if rows == LANES && channels == TILE {
        return;
    }
    for out in out.chunks_exact_mut(LANES) {
        for (lane, counts) in out.iter_mut().enumerate() {
            let kept = if lane < rows { channels } else { 0 };
            counts[kept..].fill(0);
        }
    }
}

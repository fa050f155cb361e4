//! Real streams in 32-bit floats, with a bound on their error.

use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use super::{
    Packed, Precision,
    isa::Isa,
    kernel::{self, Given, TILE},
    layout::{Geometry, LANES},
    plan::{Plan, has_kernel},
    real::{Kind, Real, Rough},
    sink::{Currents, Place, Sink, channels},
    weights::{Bounds, UNIT, round_up},
};
use crate::map::Window;

/// Whether 32-bit floats save work: some number would come from a kernel.
pub(super) fn worthwhile(x: &Real) -> bool {
    if x.0.exact.get().is_some() {
        return false;
    }
    match &x.0.kind {
        Kind::Current { synapse, input, .. } => has_kernel(synapse, input),
        Kind::Sum(a, b) => worthwhile(a) || worthwhile(b),
        Kind::Pool(x, _) | Kind::Mean(x) => worthwhile(x),
        _ => false,
    }
}

/// The numbers of `x` in 32-bit floats, worked out once.
pub(super) fn rough<'a>(packed: &Packed, x: &'a Real) -> &'a Rough {
    x.0.rough.get_or_init(|| {
        if !worthwhile(x) {
            return from_exact(x);
        }
        match &x.0.kind {
            Kind::Current { .. } => store(packed, x, None),
            Kind::Sum(a, b) => {
                let fresh = |x: &Real| {
                    matches!(x.0.kind, Kind::Current { .. })
                        && worthwhile(x)
                        && x.0.rough.get().is_none()
                };
                match (fresh(a), fresh(b)) {
                    (_, true) => store(packed, b, Some(rough(packed, a))),
                    (true, _) => store(packed, a, Some(rough(packed, b))),
                    _ => add(rough(packed, a), rough(packed, b)),
                }
            }
            Kind::Pool(from, window) => pool(packed, rough(packed, from), *window, &x.0.shape),
            Kind::Mean(from) => mean(rough(packed, from), &x.0.shape),
            _ => from_exact(x),
        }
    })
}

/// Hands the numbers of `x`, which are [`rough`], to `sink`. `out` is `[blocks][tiles][T]` pieces of
/// `Sink::LEN`.
pub(super) fn run<S: Sink>(packed: &Packed, x: &Real, sink: &S, out: &mut [S::Out]) {
    let Rough { geometry, values, .. } = rough(packed, x);
    let (steps, groups) = (geometry.steps, geometry.groups());
    let values = values.par_chunks(steps * TILE * LANES);
    out.par_chunks_mut(steps * S::LEN).zip(values).enumerate().for_each(|(i, (out, values))| {
        let place = Place { block: i / groups, tile: i % groups };
        let (values, _) = values.as_chunks::<LANES>().0.as_chunks::<TILE>();
        let currents = Currents { values: Given::Currents(values), activity: &[] };
        let doubt = sink.take(place, currents, out);
        for (lane, &doubt) in doubt.iter().enumerate() {
            for n in channels(doubt) {
                let (row, channel) = (place.block * LANES + lane, place.tile * TILE + n);
                sink.settle([lane, n], &x.exact_at(packed, row, channel), out);
            }
        }
    });
}

/// Writes currents to memory, on top of what is there.
struct Store<'a> {
    isa: Isa,
    below: Option<&'a [f32]>,
    tiles: usize,
    /// Greatest magnitude of each channel so far, as bits: positive floats are
    /// ordered as they are. Nothing where nobody asks for bounds.
    greatest: Vec<AtomicU32>,
}

impl Sink for Store<'_> {
    type Out = f32;
    const LEN: usize = TILE * LANES;

    fn certifies(&self) -> bool {
        false
    }

    fn take(&self, place: Place, currents: Currents<'_>, out: &mut [f32]) -> [u8; LANES] {
        let steps = out.as_chunks_mut::<LANES>().0.as_chunks_mut::<TILE>().0;
        for (t, out) in steps.iter_mut().enumerate() {
            currents.values.write(self.isa, t, out);
        }
        let greatest = self.greatest.get(place.tile * TILE..).unwrap_or_default();
        for (n, of_channel) in greatest.iter().enumerate().take(TILE) {
            let mut parts = [0.0f32; 16];
            for numbers in steps.iter().flat_map(|step| step[n].as_chunks::<16>().0) {
                for (part, x) in parts.iter_mut().zip(numbers) {
                    *part = if x.abs() > *part { x.abs() } else { *part };
                }
            }
            let greatest = parts.into_iter().fold(0.0, f32::max).to_bits();
            of_channel.fetch_max(greatest, Ordering::Relaxed);
        }
        if let Some(below) = self.below {
            let start = (place.block * self.tiles + place.tile) * out.len();
            for (out, below) in out.iter_mut().zip(&below[start..]) {
                *out += below;
            }
        }
        [0; LANES]
    }
}

/// The numbers of a current, with those of `below` added.
fn store(packed: &Packed, x: &Real, below: Option<&Rough>) -> Rough {
    let Kind::Current { synapse, input, repeats } = &x.0.kind else {
        unreachable!("only currents are stored")
    };
    let geometry = Geometry::new(&x.0.shape);
    if *repeats != 1 {
        let own = from_exact(x);
        return below.map_or(own, |below| add(below, &from_exact(x)));
    }
    let mut values = silence(&geometry);
    let channels = if certifies(packed) { geometry.groups() * TILE } else { 0 };
    let sink = Store {
        isa: packed.isa(),
        below: below.map(|below| below.values.as_slice()),
        tiles: geometry.groups(),
        greatest: (0..channels).map(|_| AtomicU32::new(0)).collect(),
    };
    let plan = Plan::new(packed, synapse, input, packed.precision().stream_digits());
    plan.run(&geometry, &sink, &mut values);
    let greatest = sink.greatest.into_iter().map(|bits| f32::from_bits(bits.into_inner()));
    let greatest: Vec<f32> = greatest.collect();
    let own = certifies(packed).then(|| plan.bounds_seen(&greatest));
    let bounds = match below {
        Some(below) => sum_bounds(&below.bounds, &own),
        None => own,
    };
    Rough { geometry, values, bounds }
}

fn add(a: &Rough, b: &Rough) -> Rough {
    let values = a.values.par_iter().zip(&b.values).map(|(a, b)| a + b).collect();
    Rough { geometry: a.geometry.clone(), values, bounds: sum_bounds(&a.bounds, &b.bounds) }
}

/// Whether anybody asks what numbers may be wrong by.
fn certifies(packed: &Packed) -> bool {
    packed.precision() == Precision::Exact
}

fn sum_bounds(a: &Option<Bounds>, b: &Option<Bounds>) -> Option<Bounds> {
    let (a, b) = a.as_ref().zip(b.as_ref())?;
    let sum = |a: &[f32], b: &[f32]| -> Vec<f64> {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) + f64::from(b)).collect()
    };
    let (errors, magnitudes) = (sum(&a.error, &b.error), sum(&a.magnitude, &b.magnitude));
    // The sum itself is rounded once.
    let error = |(e, m): (&f64, &f64)| round_up(e + 2.0 * UNIT * m);
    Some(Bounds {
        each: vec![0.0; errors.len()],
        most: vec![0.0; errors.len()],
        error: errors.iter().zip(&magnitudes).map(error).collect(),
        magnitude: magnitudes.iter().map(|m| round_up(*m)).collect(),
    })
}

fn from_exact(x: &Real) -> Rough {
    let geometry = Geometry::new(&x.0.shape);
    let exact = x.exact().as_standard_layout();
    let Some(exact) = exact.as_slice() else { unreachable!("the layout is standard") };
    let mut magnitude = vec![0.0f32; geometry.groups() * TILE];
    for row in exact.chunks_exact(geometry.channels.max(1)) {
        for (greatest, x) in magnitude.iter_mut().zip(row) {
            *greatest = greatest.max(round_up(x.abs()));
        }
    }
    let error = magnitude.iter().map(|&m| round_up(2.0 * UNIT * f64::from(m)));
    let error: Vec<f32> = error.collect();
    let step = geometry.rows * geometry.channels;
    let values =
        by_tiles(&geometry, |t, row, c| exact[t * step + row * geometry.channels + c] as f32);
    let none = vec![0.0; error.len()];
    let bounds = Some(Bounds { each: none.clone(), most: none, error, magnitude });
    Rough { geometry, values, bounds }
}

/// Zeros in the layout, written by all threads: one alone would keep the others waiting.
fn silence(geometry: &Geometry) -> Vec<f32> {
    rayon::iter::repeat_n(0.0, geometry.len() * TILE).with_min_len(1 << 14).collect()
}

/// Lays out the numbers that `value` gives for a step, row and channel.
fn by_tiles(geometry: &Geometry, value: impl Fn(usize, usize, usize) -> f32 + Sync) -> Vec<f32> {
    let mut values = silence(geometry);
    values.par_chunks_mut(geometry.steps * TILE * LANES).enumerate().for_each(|(i, values)| {
        let (block, tile) = (i / geometry.groups(), i % geometry.groups());
        let rows = geometry.rows.saturating_sub(block * LANES).min(LANES);
        let channels = geometry.channels.saturating_sub(tile * TILE).min(TILE);
        for (t, values) in values.chunks_exact_mut(TILE * LANES).enumerate() {
            for n in 0..channels {
                for lane in 0..rows {
                    values[n * LANES + lane] = value(t, block * LANES + lane, tile * TILE + n);
                }
            }
        }
    });
    values
}

impl Rough {
    /// What the numbers may be wrong by, in the exact precision.
    pub(super) fn bounds(&self) -> &Bounds {
        let Some(bounds) = &self.bounds else { unreachable!("only exact numbers have bounds") };
        bounds
    }

    pub(super) fn value(&self, t: usize, row: usize, channel: usize) -> f32 {
        let piece = self.geometry.start(t, row / LANES, channel / TILE) * TILE;
        self.values[piece + channel % TILE * LANES + row % LANES]
    }
}

fn pool(packed: &Packed, x: &Rough, window: Window, shape: &[usize]) -> Rough {
    let geometry = Geometry::new(shape);
    let (piece, groups) = (geometry.steps * TILE * LANES, geometry.groups());
    let [_, _, height, width, _] = x.geometry.shape[..] else {
        panic!("pooling takes [T, B, H, W, C], found {:?}", x.geometry.shape)
    };
    let next_block = x.geometry.block_len() * TILE;
    let lines = |block| kernel::lines(window, [height, width], (block, geometry.rows), next_block);
    let lines: Vec<_> = (0..geometry.blocks()).map(lines).collect();
    let mut values = silence(&geometry);
    let tiles = values.par_chunks_mut(piece).enumerate();
    tiles.for_each_init(
        || kernel::room(window, width),
        |room, (i, out)| {
            let from = &x.values[i % groups * piece..];
            let out = out.as_chunks_mut().0;
            kernel::pool(packed.isa(), window, &lines[i / groups], from, room, out);
        },
    );
    Rough { geometry, values, bounds: x.bounds.clone() }
}

fn mean(x: &Rough, shape: &[usize]) -> Rough {
    let geometry = Geometry::new(shape);
    let positions = x.geometry.rows / geometry.rows.max(1);
    let values = by_tiles(&geometry, |t, row, c| {
        let of = |position| f64::from(x.value(t, row * positions + position, c));
        ((0..positions).map(of).sum::<f64>() / positions as f64) as f32
    });
    let error = |(&error, &magnitude): (&f32, &f32)| {
        round_up(f64::from(error) + 2.0 * UNIT * f64::from(magnitude))
    };
    let bounds = x.bounds.as_ref().map(|bounds| {
        let error = bounds.error.iter().zip(&bounds.magnitude).map(error).collect();
        Bounds { error, ..bounds.clone() }
    });
    Rough { geometry, values, bounds }
}

//! Real streams in 32-bit floats, with a bound on their error.

use rayon::prelude::*;

use super::{
    Packed,
    kernel::{Membranes, TILE},
    layout::{Geometry, LANES},
    product::{self, Place, Sink},
    real::{Kind, Real, Rough},
    synapse::{UNIT, round_up},
};
use crate::map::Window;

/// Whether 32-bit floats save work: some number would come from a kernel.
pub(super) fn worthwhile(x: &Real) -> bool {
    if x.0.exact.get().is_some() {
        return false;
    }
    match &x.0.kind {
        Kind::Current { synapse, input, .. } => product::has_kernel(synapse, input),
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
                if fresh(b) {
                    store(packed, b, Some(rough(packed, a)))
                } else {
                    add(rough(packed, a), rough(packed, b))
                }
            }
            Kind::Pool(from, window) => pool(rough(packed, from), *window, &x.0.shape),
            Kind::Mean(from) => mean(rough(packed, from), &x.0.shape),
            _ => from_exact(x),
        }
    })
}

/// Writes currents to memory, on top of what is there.
struct Store<'a> {
    below: Option<&'a [f32]>,
    steps: usize,
    tiles: usize,
}

impl Sink for Store<'_> {
    type Out = f32;
    type State = ();
    const LEN: usize = TILE * LANES;

    fn take(&self, _: &mut (), place: Place, currents: &Membranes, out: &mut [f32]) {
        let currents = currents.as_flattened();
        match self.below {
            None => out.copy_from_slice(currents),
            Some(below) => {
                let piece = (place.block * self.tiles + place.tile) * self.steps + place.t;
                let below = &below[piece * Self::LEN..(piece + 1) * Self::LEN];
                for ((out, a), b) in out.iter_mut().zip(below).zip(currents) {
                    *out = a + b;
                }
            }
        }
    }

    fn done(&self, (): (), _: Place, _: &dyn Fn(usize) -> Vec<Vec<f64>>, _: &mut [f32]) {}
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
    let mut values = vec![0.0; geometry.len() * TILE];
    let sink = Store {
        below: below.map(|below| below.values.as_slice()),
        steps: geometry.steps,
        tiles: geometry.groups(),
    };
    product::run(packed, synapse, input, &geometry, &sink, &mut values);
    let product = product::product(synapse, input);
    let own = (product.error.clone(), product.magnitude.clone());
    let (error, magnitude) = match below {
        None => own,
        Some(below) => sum_bounds((&below.error, &below.magnitude), (&own.0, &own.1)),
    };
    Rough { geometry, values, error, magnitude }
}

fn add(a: &Rough, b: &Rough) -> Rough {
    let values = a.values.par_iter().zip(&b.values).map(|(a, b)| a + b).collect();
    let (error, magnitude) = sum_bounds((&a.error, &a.magnitude), (&b.error, &b.magnitude));
    Rough { geometry: a.geometry.clone(), values, error, magnitude }
}

type Bounds<'a> = (&'a [f32], &'a [f32]);

fn sum_bounds(a: Bounds<'_>, b: Bounds<'_>) -> (Vec<f32>, Vec<f32>) {
    let sum = |a: &[f32], b: &[f32]| -> Vec<f64> {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) + f64::from(b)).collect()
    };
    let (errors, magnitudes) = (sum(a.0, b.0), sum(a.1, b.1));
    // The sum itself is rounded once.
    let error = |(e, m): (&f64, &f64)| round_up(e + 2.0 * UNIT * m);
    let errors = errors.iter().zip(&magnitudes).map(error).collect();
    (errors, magnitudes.iter().map(|m| round_up(*m)).collect())
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
    let error = magnitude.iter().map(|&m| round_up(2.0 * UNIT * f64::from(m))).collect();
    let step = geometry.rows * geometry.channels;
    let values =
        by_tiles(&geometry, |t, row, c| exact[t * step + row * geometry.channels + c] as f32);
    Rough { geometry, values, error, magnitude }
}

/// Lays out the numbers that `value` gives for a step, row and channel.
fn by_tiles(geometry: &Geometry, value: impl Fn(usize, usize, usize) -> f32 + Sync) -> Vec<f32> {
    let mut values = vec![0.0; geometry.len() * TILE];
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
    fn value(&self, t: usize, row: usize, channel: usize) -> f32 {
        let piece = self.geometry.start(t, row / LANES, channel / TILE) * TILE;
        self.values[piece + channel % TILE * LANES + row % LANES]
    }
}

fn pool(x: &Rough, window: Window, shape: &[usize]) -> Rough {
    let geometry = Geometry::new(shape);
    let [height, width] = [x.geometry.shape[2], x.geometry.shape[3]];
    let [rows, columns] = [shape[2], shape[3]];
    let values = by_tiles(&geometry, |t, row, c| {
        let (sample, position) = (row / (rows * columns), row % (rows * columns));
        let mut greatest = f32::NEG_INFINITY;
        for dy in 0..window.size {
            let Some(y) = window.source(position / columns, dy, height) else { continue };
            for dx in 0..window.size {
                let Some(x_) = window.source(position % columns, dx, width) else { continue };
                greatest = greatest.max(x.value(t, (sample * height + y) * width + x_, c));
            }
        }
        greatest
    });
    Rough { geometry, values, error: x.error.clone(), magnitude: x.magnitude.clone() }
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
    let error = x.error.iter().zip(&x.magnitude).map(error).collect();
    Rough { geometry, values, error, magnitude: x.magnitude.clone() }
}

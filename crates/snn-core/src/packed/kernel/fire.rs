use super::{Sums, TILE};
use crate::{
    neuron::{Charge, Neuron, Reset},
    packed::{
        isa::{Isa, Level},
        layout::LANES,
    },
};

/// Numbers of a tile, `[channel][row]`: currents, membranes.
pub(in crate::packed) type Membranes = [[f32; LANES]; TILE];

/// A neuron in 32-bit floats: `h = keep v + gain x + pull`.
#[derive(Clone, Copy, Debug)]
pub(in crate::packed) struct Dynamics {
    pub(in crate::packed) keep: f32,
    pub(in crate::packed) gain: f32,
    pull: f32,
    pub(in crate::packed) threshold: f32,
    hard: Option<f32>,
}

impl Dynamics {
    /// `leak`: the learned `w` of a PLIF.
    pub(in crate::packed) fn new(neuron: &Neuron, leak: Option<f64>) -> Self {
        let (rate, decay_input) = match neuron.charge {
            Charge::Integrate => (0.0, false),
            Charge::Leaky { tau, decay_input } => (1.0 / tau, decay_input),
            Charge::Parametric { decay_input, .. } => {
                let Some(w) = leak else { panic!("a parametric neuron needs its learned leak") };
                (1.0 / (1.0 + (-w).exp()), decay_input)
            }
        };
        Self {
            keep: (1.0 - rate) as f32,
            gain: if decay_input { rate as f32 } else { 1.0 },
            pull: (neuron.rest() * rate) as f32,
            threshold: neuron.threshold as f32,
            hard: match neuron.reset {
                Reset::Hard { to } => Some(to as f32),
                Reset::Soft => None,
            },
        }
    }
}

/// What a tile of neurons keeps between time steps, and what it is to say.
pub(in crate::packed) struct Tile<'a> {
    /// Membranes, charged and reset in place.
    pub(in crate::packed) v: &'a mut Membranes,
    /// Gets the spikes: bit `n` of a row is channel `n`.
    pub(in crate::packed) spikes: &'a mut [u8; LANES],
    /// Bit `n` of a row is set if channel `n` came within its margin.
    pub(in crate::packed) doubt: &'a mut [u8; LANES],
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // one index into several arrays vectorises
fn step(dynamics: &Dynamics, currents: &Membranes, margins: &[f32; TILE], tile: Tile<'_>) {
    let Dynamics { keep, gain, pull, threshold, hard } = *dynamics;
    let Tile { v, spikes, doubt } = tile;
    *spikes = [0; LANES];
    for n in 0..TILE {
        let (x, v, margin) = (&currents[n], &mut v[n], margins[n]);
        let mut h = [0.0f32; LANES];
        for i in 0..LANES {
            h[i] = v[i] * keep + x[i] * gain + pull;
        }
        for i in 0..LANES {
            let fired = h[i] >= threshold;
            v[i] = if fired { hard.unwrap_or(h[i] - threshold) } else { h[i] };
            spikes[i] |= u8::from(fired) << n;
        }
        for i in 0..LANES {
            doubt[i] |= u8::from((h[i] - threshold).abs() <= margin) << n;
        }
    }
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // as above
fn scale(sums: &Sums, scale: &[f32; TILE], bias: &[f32; TILE], currents: &mut Membranes) {
    for n in 0..TILE {
        for i in 0..LANES {
            currents[n][i] = sums[n][i] as f32 * scale[n] + bias[n];
        }
    }
}

/// Neurons in 64-bit floats, from rest, on integers `[T][TILE][64]` worth
/// `scale` each.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // as above
fn integers(neuron: &Neuron, leak: Option<f64>, values: &[i32], scale: f64, out: &mut [u8]) {
    for n in 0..TILE {
        let mut v = [0.0f64; LANES];
        let steps = values.as_chunks::<LANES>().0.iter().skip(n).step_by(TILE);
        for (x, spikes) in steps.zip(out.as_chunks_mut::<LANES>().0) {
            for i in 0..LANES {
                let h = neuron.charge(leak, v[i], f64::from(x[i]) * scale);
                let fired;
                (fired, v[i]) = neuron.fire(h);
                spikes[i] |= u8::from(fired) << n;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;

    #[target_feature(enable = "avx2")]
    pub(super) fn integers_avx2(
        neuron: &Neuron,
        leak: Option<f64>,
        values: &[i32],
        scale: f64,
        out: &mut [u8],
    ) {
        integers(neuron, leak, values, scale, out);
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn integers_avx512(
        neuron: &Neuron,
        leak: Option<f64>,
        values: &[i32],
        scale: f64,
        out: &mut [u8],
    ) {
        integers(neuron, leak, values, scale, out);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn step_avx2(d: &Dynamics, x: &Membranes, m: &[f32; TILE], tile: Tile<'_>) {
        step(d, x, m, tile);
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(super) fn step_avx512(d: &Dynamics, x: &Membranes, m: &[f32; TILE], tile: Tile<'_>) {
        step(d, x, m, tile);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn scale_avx2(s: &Sums, by: &[f32; TILE], b: &[f32; TILE], out: &mut Membranes) {
        scale(s, by, b, out);
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(super) fn scale_avx512(s: &Sums, by: &[f32; TILE], b: &[f32; TILE], out: &mut Membranes) {
        scale(s, by, b, out);
    }
}

/// Charges, fires and resets a tile of neurons once. A tie fires.
#[allow(unsafe_code)]
pub(in crate::packed) fn fire(
    isa: Isa,
    dynamics: &Dynamics,
    currents: &Membranes,
    margins: &[f32; TILE],
    tile: Tile<'_>,
) {
    match isa.level() {
        Level::Portable => step(dynamics, currents, margins, tile),
        // SAFETY: only `Isa::all` makes this value, after detecting AVX2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::step_avx2(dynamics, currents, margins, tile) },
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 F, BW and VL.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::step_avx512(dynamics, currents, margins, tile) },
    }
}

/// `currents = sums scale + bias`.
#[allow(unsafe_code)]
pub(in crate::packed) fn scale_sums(
    isa: Isa,
    sums: &Sums,
    by: &[f32; TILE],
    bias: &[f32; TILE],
    currents: &mut Membranes,
) {
    match isa.level() {
        Level::Portable => scale(sums, by, bias, currents),
        // SAFETY: only `Isa::all` makes this value, after detecting AVX2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::scale_avx2(sums, by, bias, currents) },
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 F, BW and VL.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::scale_avx512(sums, by, bias, currents) },
    }
}

/// Adds the spikes of a tile of neurons to `out`, `[T][64]`: from rest, over
/// integers `[T][TILE][64]` worth `scale` each.
#[allow(unsafe_code)]
pub(in crate::packed) fn fire_integers(
    isa: Isa,
    neuron: &Neuron,
    leak: Option<f64>,
    values: &[i32],
    scale: f64,
    out: &mut [u8],
) {
    match isa.level() {
        Level::Portable => integers(neuron, leak, values, scale, out),
        // SAFETY: only `Isa::all` makes this value, after detecting AVX2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::integers_avx2(neuron, leak, values, scale, out) },
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 F, BW, DQ and VL.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::integers_avx512(neuron, leak, values, scale, out) },
    }
}

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

/// The same in 64-bit floats.
pub(in crate::packed) type Exact = [[f64; LANES]; TILE];

/// What one unit of a sum is worth as a current, and what is added, channel by channel.
pub(in crate::packed) type Worth = ([f32; TILE], [f32; TILE]);

/// The currents of a tile, step by step.
#[derive(Clone, Copy)]
pub(in crate::packed) enum Given<'a> {
    Currents(&'a [Membranes]),
    /// Sums times their scale, plus the bias.
    Sums(&'a [Sums], &'a Worth),
}

impl Given<'_> {
    pub(in crate::packed) fn steps(&self) -> usize {
        match self {
            Self::Currents(currents) => currents.len(),
            Self::Sums(sums, _) => sums.len(),
        }
    }

    /// The currents of step `t`.
    pub(in crate::packed) fn write(&self, isa: Isa, t: usize, out: &mut Membranes) {
        match self {
            Self::Currents(currents) => *out = currents[t],
            Self::Sums(sums, (scale, bias)) => scale_sums(isa, &sums[t], scale, bias, out),
        }
    }
}

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

/// What a tile of neurons says, `[T][64]`, and where it is in doubt: bit `n` of a
/// row is channel `n`.
pub(in crate::packed) struct Tile<'a> {
    /// Gets the spikes.
    pub(in crate::packed) spikes: &'a mut [[u8; LANES]],
    /// Gets the neurons that came within their margin.
    pub(in crate::packed) doubt: &'a mut [u8; LANES],
}

/// The obvious form, from rest.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // one index into several arrays vectorises
fn steps(dynamics: &Dynamics, given: Given<'_>, margins: &[[f32; TILE]], tile: Tile<'_>) {
    let Dynamics { keep, gain, pull, threshold, hard } = *dynamics;
    let Tile { spikes, doubt } = tile;
    *doubt = [0; LANES];
    let (mut v, mut scaled) = ([[0.0; LANES]; TILE], [[0.0; LANES]; TILE]);
    for (t, spikes) in spikes.iter_mut().enumerate() {
        let currents = match given {
            Given::Currents(currents) => &currents[t],
            Given::Sums(sums, (by, bias)) => {
                scale(&sums[t], by, bias, &mut scaled);
                &scaled
            }
        };
        *spikes = [0; LANES];
        for n in 0..TILE {
            let (x, v) = (&currents[n], &mut v[n]);
            let mut h = [0.0f32; LANES];
            for i in 0..LANES {
                h[i] = v[i] * keep + x[i] * gain + pull;
            }
            for i in 0..LANES {
                let fired = h[i] >= threshold;
                v[i] = if fired { hard.unwrap_or(h[i] - threshold) } else { h[i] };
                spikes[i] |= u8::from(fired) << n;
            }
            let Some(margins) = margins.get(t) else { continue };
            for i in 0..LANES {
                doubt[i] |= u8::from((h[i] - threshold).abs() <= margins[n]) << n;
            }
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

/// Neurons in 64-bit floats, from rest.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // as above
fn exact(neuron: &Neuron, leak: Option<f64>, currents: &[Exact], out: &mut [u8]) {
    // Division by a power of two is multiplication, to the bit, and much slower.
    let rate = match neuron.charge {
        Charge::Leaky { tau, decay_input: true } if tau.log2().fract() == 0.0 => Some(1.0 / tau),
        _ => None,
    };
    let rest = neuron.rest();
    let charge = |v: f64, x: f64| match rate {
        Some(rate) => v + (x - (v - rest)) * rate,
        None => neuron.charge(leak, v, x),
    };
    for n in 0..TILE {
        let mut v = [0.0f64; LANES];
        for (x, spikes) in currents.iter().cycle().zip(out.as_chunks_mut::<LANES>().0) {
            for i in 0..LANES {
                let fired;
                (fired, v[i]) = neuron.fire(charge(v[i], x[n][i]));
                spikes[i] |= u8::from(fired) << n;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use std::arch::x86_64::*;

    use super::*;

    #[target_feature(enable = "avx2")]
    pub(super) fn exact_avx2(n: &Neuron, leak: Option<f64>, x: &[Exact], out: &mut [u8]) {
        exact(n, leak, x, out);
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn exact_avx512(n: &Neuron, leak: Option<f64>, x: &[Exact], out: &mut [u8]) {
        exact(n, leak, x, out);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn steps_avx2(
        dynamics: &Dynamics,
        given: Given<'_>,
        margins: &[[f32; TILE]],
        tile: Tile<'_>,
    ) {
        steps(dynamics, given, margins, tile);
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(super) fn steps_avx512(
        dynamics: &Dynamics,
        given: Given<'_>,
        margins: &[[f32; TILE]],
        tile: Tile<'_>,
    ) {
        match given {
            Given::Currents(currents) => {
                sixteens::<false, _>(dynamics, (currents, &Default::default()), margins, tile);
            }
            Given::Sums(sums, worth) => sixteens::<true, _>(dynamics, (sums, worth), margins, tile),
        }
    }

    /// As [`steps`], membranes and what a row says in registers, sixteen rows at a time; of sums if
    /// `SUMS`, else of currents.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn sixteens<const SUMS: bool, N>(
        dynamics: &Dynamics,
        (numbers, (scale, bias)): (&[[[N; LANES]; TILE]], &Worth),
        margins: &[[f32; TILE]],
        tile: Tile<'_>,
    ) {
        const { assert!(size_of::<N>() == 4, "numbers of 32 bits") }
        let [keep, gain, pull, threshold] =
            [dynamics.keep, dynamics.gain, dynamics.pull, dynamics.threshold]
                .map(|x| _mm512_set1_ps(x));
        for first in (0..LANES).step_by(16) {
            let (mut v, mut near) = ([_mm512_setzero_ps(); TILE], _mm512_setzero_si512());
            for (t, (numbers, spikes)) in numbers.iter().zip(&mut *tile.spikes).enumerate() {
                let mut fired = _mm512_setzero_si512();
                for n in 0..TILE {
                    let bit = _mm512_set1_epi32(1 << n);
                    let x = numbers[n][first..first + 16].as_ptr().cast();
                    // SAFETY: sixteen numbers of 32 bits.
                    let x = unsafe { _mm512_loadu_si512(x) };
                    let x = if SUMS {
                        let x = _mm512_mul_ps(_mm512_cvtepi32_ps(x), _mm512_set1_ps(scale[n]));
                        _mm512_add_ps(x, _mm512_set1_ps(bias[n]))
                    } else {
                        _mm512_castsi512_ps(x)
                    };
                    let charged = _mm512_add_ps(_mm512_mul_ps(v[n], keep), _mm512_mul_ps(x, gain));
                    let h = _mm512_add_ps(charged, pull);
                    let fires = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(h, threshold);
                    let above = _mm512_sub_ps(h, threshold);
                    let reset = dynamics.hard.map_or(above, |to| _mm512_set1_ps(to));
                    v[n] = _mm512_mask_mov_ps(h, fires, reset);
                    fired = _mm512_mask_or_epi32(fired, fires, fired, bit);
                    if let Some(margins) = margins.get(t) {
                        let (above, margin) = (_mm512_abs_ps(above), _mm512_set1_ps(margins[n]));
                        let close = _mm512_cmp_ps_mask::<_CMP_LE_OQ>(above, margin);
                        near = _mm512_mask_or_epi32(near, close, near, bit);
                    }
                }
                let out = spikes[first..first + 16].as_mut_ptr();
                // SAFETY: sixteen bytes.
                unsafe { _mm_storeu_si128(out.cast(), _mm512_cvtepi32_epi8(fired)) };
            }
            let out = tile.doubt[first..first + 16].as_mut_ptr();
            // SAFETY: sixteen bytes.
            unsafe { _mm_storeu_si128(out.cast(), _mm512_cvtepi32_epi8(near)) };
        }
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

/// Charges, fires and resets a tile of neurons from rest, step by step. A tie
/// fires. Without margins no neuron is in doubt.
///
/// # Panics
/// If there are not as many places for spikes as steps, or margins for some.
#[allow(unsafe_code)]
pub(in crate::packed) fn fire(
    isa: Isa,
    dynamics: &Dynamics,
    given: Given<'_>,
    margins: &[[f32; TILE]],
    tile: Tile<'_>,
) {
    assert!(given.steps() == tile.spikes.len());
    assert!(margins.is_empty() || margins.len() == given.steps());
    match isa.level() {
        Level::Portable => steps(dynamics, given, margins, tile),
        // SAFETY: only `Isa::all` makes this value, after detecting AVX2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::steps_avx2(dynamics, given, margins, tile) },
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 F, BW and VL.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::steps_avx512(dynamics, given, margins, tile) },
    }
}

/// `currents = sums scale + bias`.
#[allow(unsafe_code)]
fn scale_sums(
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
/// currents that start again when they end.
#[allow(unsafe_code)]
pub(in crate::packed) fn fire_exact(
    isa: Isa,
    neuron: &Neuron,
    leak: Option<f64>,
    currents: &[Exact],
    out: &mut [u8],
) {
    match isa.level() {
        Level::Portable => exact(neuron, leak, currents, out),
        // SAFETY: only `Isa::all` makes this value, after detecting AVX2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::exact_avx2(neuron, leak, currents, out) },
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 F, BW, DQ and VL.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::exact_avx512(neuron, leak, currents, out) },
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_isa_fires_the_same(
            // Quarters, so that membranes meet thresholds and margins exactly.
            currents in vec(-8i8..8, 3 * TILE * LANES),
            margins in prop::array::uniform4(prop::sample::select(vec![-1.0f32, 0.0, 0.25])),
            (soft, certain, summed) in any::<(bool, bool, bool)>(),
            pull in prop::sample::select(vec![0.0f64, -0.5]),
        ) {
            let reset = if soft { Reset::Soft } else { Reset::Hard { to: pull } };
            let dynamics = Dynamics::new(&Neuron { reset, ..Neuron::lif(2.0) }, None);
            let currents: Vec<f32> = currents.iter().map(|&x| f32::from(x) / 4.0).collect();
            let (currents, _) = currents.as_chunks::<LANES>().0.as_chunks::<TILE>();
            let worth = ([0.25, 0.5, 1.0, -0.25], [0.0, -0.5, 0.25, 1.0]);
            let sums: Vec<Sums> =
                currents.iter().map(|step| step.map(|x| x.map(|x| (4.0 * x) as i32))).collect();
            let given = if summed { Given::Sums(&sums, &worth) } else { Given::Currents(currents) };
            let margins = if certain { vec![] } else { vec![margins; 3] };
            let run = |isa: Isa| {
                let (mut spikes, mut doubt) = ([[9; LANES]; 3], [9; LANES]);
                let tile = Tile { spikes: &mut spikes, doubt: &mut doubt };
                fire(isa, &dynamics, given, &margins, tile);
                (spikes, doubt)
            };
            let all = Isa::all();
            for &isa in &all {
                prop_assert_eq!(run(isa), run(all[0]), "{}", isa.name());
            }
        }

        #[test]
        fn every_isa_fires_as_the_definition(
            currents in vec(-3.0f64..3.0, 2 * TILE * LANES),
            tau in prop::sample::select(vec![2.0, 4.0, 3.0, 1.0]),
            decay_input: bool,
        ) {
            let neuron = Neuron { charge: Charge::Leaky { tau, decay_input }, ..Neuron::lif(2.0) };
            let (currents, _) = currents.as_chunks::<LANES>().0.as_chunks::<TILE>();
            let mut expected = [[0; LANES]; 4]; // currents start again
            for (n, i) in (0..TILE).flat_map(|n| (0..LANES).map(move |i| (n, i))) {
                let mut v = 0.0;
                for (spikes, currents) in expected.iter_mut().zip(currents.iter().cycle()) {
                    let fired;
                    (fired, v) = neuron.fire(neuron.charge(None, v, currents[n][i]));
                    spikes[i] |= u8::from(fired) << n;
                }
            }
            for isa in Isa::all() {
                let mut found = [[0; LANES]; 4];
                fire_exact(isa, &neuron, None, currents, found.as_flattened_mut());
                prop_assert_eq!(found, expected, "{}", isa.name());
            }
        }
    }
}

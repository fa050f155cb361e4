//! Neurons over currents as an array has them: row after row of channels.

use crate::{
    neuron::{Charge, Neuron, Reset},
    packed::{
        isa::{Isa, Level},
        layout::{GROUP, LANES},
        weights::{UNIT, round_up},
    },
};

/// Channels of a piece: their spikes are the bits of a word.
const PIECE: usize = 16;

/// Numbers that are asked for ahead of those that are read.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 512;

/// The neuron `h = v + (x - v) rate`, reset to zero, in 32-bit floats: which membranes
/// say for certain what 64-bit floats say.
///
/// While no membrane is below `least`, none exceeds `limit = -least` before it fires,
/// and `rate |x - v|` is below `|h| + |v|`. A step then rounds by less than `2^-24 (|h| +
/// |v|)` in the difference and `2^-24 |h|` in the sum; what is there already shrinks.
/// Far above the threshold the error is small beside the distance.
#[cfg(target_arch = "x86_64")]
struct Single {
    rate: f32,
    /// From here on up to `above` a spike is in doubt.
    below: f32,
    above: f32,
    least: f32,
}

#[cfg(target_arch = "x86_64")]
impl Single {
    fn new(neuron: &Neuron, steps: usize) -> Option<Self> {
        let Charge::Leaky { tau, decay_input: true } = neuron.charge else { return None };
        let (threshold, limit) = (neuron.threshold, 16.0 * neuron.threshold);
        // Each step by at most three times the limit, and some room.
        let margin = 4.0 * steps as f64 * UNIT * limit;
        let rate = (1.0 / tau) as f32;
        let exact = tau.log2().fract() == 0.0 && f64::from(rate) == 1.0 / tau;
        let hard = neuron.reset == Reset::Hard { to: 0.0 };
        // Many steps would leave too much in doubt.
        (exact && hard && threshold > 0.0 && steps <= 32).then(|| Self {
            rate,
            below: ((threshold - margin) as f32).next_down(),
            above: round_up(threshold + margin),
            least: -limit as f32,
        })
    }
}

/// The currents of a block of rows, step by step: `[rows][channels]` each.
pub(in crate::packed) struct Rows<'a, N> {
    pub(in crate::packed) steps: &'a [&'a [N]],
    pub(in crate::packed) channels: usize,
}

/// A number of such an array: `f32` or `f64`.
pub(in crate::packed) trait Number: Into<f64> + Copy + Default + Sync {}
impl Number for f32 {}
impl Number for f64 {}

/// Fires as in 64-bit floats, from rest; `out` gets the spikes, `[groups][T][64]`.
/// Rows that are not there are silent.
///
/// # Panics
/// If there are no channels, or more than 64 rows.
#[allow(unsafe_code)]
pub(in crate::packed) fn fire_rows<N: Number>(
    isa: Isa,
    neuron: &Neuron,
    leak: Option<f64>,
    rows: &Rows<'_, N>,
    out: &mut [u8],
) {
    match isa.level() {
        Level::Portable => fire(neuron, leak, rows, out),
        // SAFETY: only `Isa::all` makes this value, after detecting AVX2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::avx2(neuron, leak, rows, out) },
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 F, BW, DQ and VL.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::avx512(neuron, leak, rows, out) },
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use std::arch::x86_64::*;

    use super::*;

    #[target_feature(enable = "avx2")]
    pub(super) fn avx2<N: Number>(
        neuron: &Neuron,
        leak: Option<f64>,
        rows: &Rows<'_, N>,
        out: &mut [u8],
    ) {
        fire(neuron, leak, rows, out);
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn avx512<N: Number>(
        neuron: &Neuron,
        leak: Option<f64>,
        rows: &Rows<'_, N>,
        out: &mut [u8],
    ) {
        let rest = _mm512_set1_pd(neuron.rest());
        let threshold = _mm512_set1_pd(neuron.threshold);
        let reset = match neuron.reset {
            Reset::Hard { to } => Some(_mm512_set1_pd(to)),
            Reset::Soft => None,
        };
        if size_of::<N>() == 4
            && let Some(single) = Single::new(neuron, rows.steps.len())
        {
            single_pieces(&single, neuron, rows, out);
            return;
        }
        // As `Neuron::charge`, in its order of operations.
        match neuron.charge {
            Charge::Integrate => {
                each_piece(|v, x| _mm512_add_pd(v, x), (threshold, reset), rows, out);
            }
            Charge::Leaky { tau, decay_input } => {
                let [by, rate] = [tau, 1.0 / tau].map(|x| _mm512_set1_pd(x));
                let exact = tau.log2().fract() == 0.0;
                let leak = |x| if exact { _mm512_mul_pd(x, rate) } else { _mm512_div_pd(x, by) };
                let charge = |v, x| {
                    let above = _mm512_sub_pd(v, rest);
                    if decay_input {
                        _mm512_add_pd(v, leak(_mm512_sub_pd(x, above)))
                    } else {
                        _mm512_add_pd(_mm512_sub_pd(v, leak(above)), x)
                    }
                };
                each_piece(charge, (threshold, reset), rows, out);
            }
            Charge::Parametric { .. } => fire(neuron, leak, rows, out),
        }
    }

    /// 32-bit floats as they are; a piece in doubt is left to 64 bits.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn single_pieces<N: Number>(
        single: &Single,
        neuron: &Neuron,
        rows: &Rows<'_, N>,
        out: &mut [u8],
    ) {
        let [rate, below, above, least] =
            [single.rate, single.below, single.above, single.least].map(|x| _mm512_set1_ps(x));
        let each = |steps: &[&[N]], start: usize, width: usize, bits: &mut [[u16; LANES]], row| {
            let there = u16::MAX >> (PIECE - width);
            let mut v = _mm512_setzero_ps();
            let (mut low, mut doubt) = (v, 0);
            for (step, bits) in steps.iter().zip(&mut *bits) {
                let numbers = step[start..start + width].as_ptr().cast::<f32>();
                prefetch(numbers.wrapping_add(AHEAD));
                // SAFETY: numbers beyond the width are not read; `N` is `f32`.
                let x = unsafe { _mm512_maskz_loadu_ps(there, numbers) };
                let h = _mm512_fmadd_ps(_mm512_sub_ps(x, v), rate, v);
                let fired = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(h, above);
                doubt |= fired ^ _mm512_cmp_ps_mask::<_CMP_GE_OQ>(h, below);
                low = _mm512_min_ps(h, low); // the second of the two where the first is no number
                v = _mm512_mask_mov_ps(h, fired, _mm512_setzero_ps());
                bits[row] = fired & there;
            }
            if doubt & there | _mm512_cmp_ps_mask::<_CMP_LT_OQ>(low, least) != 0 {
                let charge = |v: f64, x: f64| v + (x - v) * f64::from(single.rate);
                fire_piece(charge, neuron.threshold, |_| 0.0, (steps, start, width), bits, row);
            }
        };
        each_block(rows, each, out);
    }

    /// Asks for memory that is read soon, wherever it is.
    fn prefetch(place: *const f32) {
        // SAFETY: a hint for any address; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
    }

    /// As [`each_row`](super::each_row), membranes of a piece in two registers.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn each_piece<N: Number>(
        charge: impl Fn(__m512d, __m512d) -> __m512d,
        (threshold, reset): (__m512d, Option<__m512d>),
        rows: &Rows<'_, N>,
        out: &mut [u8],
    ) {
        let each = |step: &[&[N]], start: usize, width: usize, bits: &mut [[u16; LANES]], row| {
            let there = u16::MAX >> (PIECE - width);
            let halves = [there as u8, (there >> 8) as u8];
            let mut v = [_mm512_setzero_pd(); 2];
            for (step, bits) in step.iter().zip(bits) {
                let numbers = step[start..start + width].as_ptr();
                let mut fired = 0;
                for (half, v) in v.iter_mut().enumerate() {
                    // SAFETY: numbers beyond the width are not read; `N` is `f32` or `f64`.
                    let x = unsafe {
                        let numbers = numbers.wrapping_add(8 * half);
                        match size_of::<N>() {
                            4 => {
                                let x = _mm256_maskz_loadu_ps(halves[half], numbers.cast());
                                _mm512_cvtps_pd(x)
                            }
                            _ => _mm512_maskz_loadu_pd(halves[half], numbers.cast()),
                        }
                    };
                    let h = charge(*v, x);
                    let fires = _mm512_cmp_pd_mask::<_CMP_GE_OQ>(h, threshold);
                    let after = reset.unwrap_or(_mm512_sub_pd(h, threshold));
                    *v = _mm512_mask_mov_pd(h, fires, after);
                    fired |= u16::from(fires) << (8 * half);
                }
                bits[row] = fired & there;
            }
        };
        each_block(rows, each, out);
    }
}

#[inline(always)]
fn fire<N: Number>(neuron: &Neuron, leak: Option<f64>, rows: &Rows<'_, N>, out: &mut [u8]) {
    let rest = neuron.rest();
    // One loop for each kind of neuron. Division by a power of two is multiplication, to the bit,
    // and much slower.
    match (neuron.charge, neuron.reset) {
        (Charge::Leaky { tau, decay_input: true }, Reset::Hard { to })
            if tau.log2().fract() == 0.0 =>
        {
            let rate = 1.0 / tau;
            let charge = |v: f64, x: f64| v + (x - (v - rest)) * rate;
            each_row(charge, neuron.threshold, |_| to, rows, out);
        }
        (_, Reset::Hard { to }) => {
            let charge = |v: f64, x: f64| neuron.charge(leak, v, x);
            each_row(charge, neuron.threshold, |_| to, rows, out);
        }
        (_, Reset::Soft) => {
            let charge = |v: f64, x: f64| neuron.charge(leak, v, x);
            each_row(charge, neuron.threshold, |h| h - neuron.threshold, rows, out);
        }
    }
}

#[inline(always)]
fn each_row<N: Number>(
    charge: impl Fn(f64, f64) -> f64,
    threshold: f64,
    reset: impl Fn(f64) -> f64,
    rows: &Rows<'_, N>,
    out: &mut [u8],
) {
    let each = |steps: &[&[N]], start: usize, width: usize, bits: &mut [[u16; LANES]], row| {
        fire_piece(&charge, threshold, &reset, (steps, start, width), bits, row);
    };
    each_block(rows, each, out);
}

/// Numbers `start..start + width` of each step; their spikes become word `row`.
#[inline(always)]
fn fire_piece<N: Number>(
    charge: impl Fn(f64, f64) -> f64,
    threshold: f64,
    reset: impl Fn(f64) -> f64,
    (steps, start, width): (&[&[N]], usize, usize),
    bits: &mut [[u16; LANES]],
    row: usize,
) {
    let mut v = [0.0f64; PIECE];
    for (step, bits) in steps.iter().zip(bits) {
        let mut x = [N::default(); PIECE];
        x[..width].copy_from_slice(&step[start..start + width]);
        let mut fired = [0u8; PIECE];
        for i in 0..PIECE {
            let h = charge(v[i], x[i].into());
            let fires = h >= threshold;
            v[i] = if fires { reset(h) } else { h };
            fired[i] = u8::from(fires);
        }
        bits[row] = gather(&fired) & (u16::MAX >> (PIECE - width));
    }
}

/// Calls `each(steps, start, width, bits, row)` for every piece: numbers
/// `start..start + width` of each step, whose spikes become word `row` of `bits[t]`.
/// The words then become nibbles.
#[inline(always)]
fn each_block<N: Number>(
    &Rows { steps, channels }: &Rows<'_, N>,
    each: impl Fn(&[&[N]], usize, usize, &mut [[u16; LANES]], usize),
    out: &mut [u8],
) {
    let count = steps.len();
    let rows = steps.first().map_or(0, |step| step.len() / channels);
    assert!(rows <= LANES, "{rows} rows in a block of {LANES}");
    let mut bits = vec![[0u16; LANES]; channels.div_ceil(PIECE) * count];
    for row in 0..rows {
        for (piece, bits) in bits.chunks_exact_mut(count).enumerate() {
            let width = (channels - piece * PIECE).min(PIECE);
            each(steps, row * channels + piece * PIECE, width, bits, row);
        }
    }
    let (out, _) = out.as_chunks_mut::<LANES>();
    for (group, out) in out.chunks_exact_mut(count).enumerate() {
        let (piece, shift) = (group * GROUP / PIECE, group * GROUP % PIECE);
        let words = &bits[piece * count..(piece + 1) * count];
        for (nibbles, words) in out.iter_mut().zip(words) {
            for (nibble, word) in nibbles.iter_mut().zip(words) {
                *nibble = (word >> shift) as u8 & 15;
            }
        }
    }
}

/// Sixteen bytes of 0 or 1 as bits.
#[inline(always)]
fn gather(bytes: &[u8; PIECE]) -> u16 {
    let half = |i: usize| {
        let eight: [u8; 8] = std::array::from_fn(|j| bytes[8 * i + j]);
        // Byte j meets 2^(56 - 7j): it lands in bit 56 + j, and nothing else lands there.
        u64::from_le_bytes(eight).wrapping_mul(0x0102_0408_1020_4080) >> 56
    };
    (half(0) | half(1) << 8) as u16
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::laws::neurons;

    /// Fires `steps` of `[rows][channels]` on every CPU and by the definition.
    fn every_isa(neuron: &Neuron, channels: usize, steps: &[Vec<f32>]) {
        let slices: Vec<&[f32]> = steps.iter().map(Vec::as_slice).collect();
        let rows = slices[0].len() / channels;
        let groups = channels.div_ceil(GROUP);
        let mut expected = vec![0u8; groups * steps.len() * LANES];
        for (row, c) in (0..rows).flat_map(|row| (0..channels).map(move |c| (row, c))) {
            let mut v = 0.0;
            for (t, step) in steps.iter().enumerate() {
                let fired;
                let x = f64::from(step[row * channels + c]);
                (fired, v) = neuron.fire(neuron.charge(None, v, x));
                let place = ((c / GROUP) * steps.len() + t) * LANES + row;
                expected[place] |= u8::from(fired) << (c % GROUP);
            }
        }
        for isa in Isa::all() {
            let mut found = vec![9; expected.len()];
            fire_rows(isa, neuron, None, &Rows { steps: &slices, channels }, &mut found);
            assert_eq!(found, expected, "{}", isa.name());
        }
    }

    proptest! {
        #[test]
        fn every_isa_fires_as_the_definition(
            neuron in neurons(), channels in 1usize..70, rows in 1usize..=LANES,
            steps in 1usize..4, drawn in vec(-8i8..16, 97),
        ) {
            let mut quarters = drawn.iter().cycle().map(|&x| f32::from(x) / 4.0);
            let mut step = || quarters.by_ref().take(rows * channels).collect();
            let steps: Vec<Vec<f32>> = (0..steps).map(|_| step()).collect();
            every_isa(&neuron, channels, &steps);
        }

        /// Neurons that are fired in 32-bit floats where these are sure: on thresholds, a hair
        /// beside them, far below, and on what is no number.
        #[test]
        fn no_spike_is_that_of_32_bits(
            tau in prop::sample::select(vec![1.0, 2.0, 4.0]), threshold in 0.3f64..2.0,
            channels in 1usize..70, rows in 1usize..=LANES, steps in 1usize..6,
            drawn in vec((0usize..8, -1.0f32..1.0), 997),
        ) {
            let neuron = Neuron::lif(tau).with_threshold(threshold);
            let mut drawn = drawn.iter().cycle().map(|&(kind, x)| match kind {
                0 => (tau * threshold) as f32,
                1 => (tau * threshold * (1.0 + f64::from(x) * 1e-7)) as f32,
                2 => (tau * threshold * (1.0 + f64::from(x) * 1e-5)) as f32,
                3 => -1e6 * x,
                4 => 1e30 / x,
                5 => (tau * threshold) as f32 / 2.0,
                _ => 3.0 * x,
            });
            let mut step = || drawn.by_ref().take(rows * channels).collect();
            let steps: Vec<Vec<f32>> = (0..steps).map(|_| step()).collect();
            every_isa(&neuron, channels, &steps);
        }
    }

    #[test]
    fn infinities_and_what_is_no_number_charge_as_in_64_bits() {
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 0.5, 3.0];
        let step = |t: usize| (0..7 * 40).map(|i| odd[(i + t * (i / 7)) % 7]).collect();
        every_isa(&Neuron::lif(2.0), 40, &(0..4).map(step).collect::<Vec<_>>());
    }
}

//! Neurons over currents as an array has them: row after row of channels.

use crate::{
    neuron::{Charge, Neuron, Reset},
    packed::{
        isa::{Isa, Level},
        layout::{GROUP, LANES},
    },
};

/// Channels of a piece: their spikes are the bits of a word.
const PIECE: usize = 16;

/// The currents of a block of rows, step by step: `[rows][channels]` each.
pub(in crate::packed) struct Rows<'a, N> {
    pub(in crate::packed) steps: &'a [&'a [N]],
    pub(in crate::packed) channels: usize,
}

/// A number of such an array: `f32` or `f64`.
pub(in crate::packed) trait Number: Into<f64> + Copy + Default + Sync {}
impl Number for f32 {}
impl Number for f64 {}

/// Fires in 64-bit floats, from rest; `out` gets the spikes, `[groups][T][64]`.
/// Rows that are not there are left as they are.
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
    };
    each_block(rows, each, out);
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

    proptest! {
        #[test]
        fn every_isa_fires_as_the_definition(
            neuron in neurons(), channels in 1usize..70, rows in 1usize..=LANES,
            steps in 1usize..4, drawn in vec(-8i8..16, 97),
        ) {
            let mut quarters = drawn.iter().cycle().map(|&x| f32::from(x) / 4.0);
            let mut step = || quarters.by_ref().take(rows * channels).collect::<Vec<f32>>();
            let steps: Vec<Vec<f32>> = (0..steps).map(|_| step()).collect();
            let slices: Vec<&[f32]> = steps.iter().map(Vec::as_slice).collect();
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
                let mut found = vec![0; expected.len()];
                fire_rows(isa, &neuron, None, &Rows { steps: &slices, channels }, &mut found);
                prop_assert_eq!(&found, &expected, "{}", isa.name());
            }
        }
    }
}

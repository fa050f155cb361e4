use super::QUAD;
use crate::packed::{
    isa::{Isa, Level},
    layout::{GROUP, LANES},
    panel::Entry,
};

/// Partial sums, enough of them to fill several vector registers.
const PARTS: usize = 8 * GROUP;

/// Weights as they are stored.
pub(in crate::packed) trait Weight:
    Copy + Into<f64> + Send + Sync + 'static
{
}
impl Weight for f32 {}
impl Weight for f64 {}

/// What one row sees of its input: an entry every `stride`, group after group.
#[derive(Clone, Copy)]
pub(in crate::packed) struct Column<'a, E> {
    pub(in crate::packed) entries: &'a [E],
    /// In blocks of [`LANES`].
    pub(in crate::packed) stride: usize,
}

/// Sum of products of a row of input with `weights`, `[groups][4]`, in 64-bit
/// floats; on every CPU in the same order.
///
/// # Panics
/// If the column is shorter than the weights.
#[allow(unsafe_code)]
pub(in crate::packed) fn dot<E: Entry, W: Weight>(
    isa: Isa,
    column: Column<'_, E>,
    weights: &[W],
) -> f64 {
    match isa.level() {
        Level::Portable => plain(column, weights),
        // SAFETY: only `Isa::all` makes this value, after detecting AVX2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::avx2(column, weights) },
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::avx512(column, weights) },
    }
}

/// [`dot`] of row `lane` at every step: of panels `[bits][T][len]` of spikes worth 1, 2, 4...,
/// which were [`arrange`](super::arrange)d.
///
/// # Panics
/// If the panel of a step is shorter than the weights.
#[allow(unsafe_code)]
pub(in crate::packed) fn dot_arranged<W: Weight>(
    isa: Isa,
    panels: &[&[u8]],
    len: usize,
    lane: usize,
    weights: &[W],
) -> Vec<f64> {
    let groups = weights.len().div_ceil(GROUP).next_multiple_of(QUAD);
    assert!(lane < LANES && len >= groups * LANES);
    let steps = panels.first().map_or(0, |panel| panel.len() / len);
    assert!(panels.iter().all(|panel| panel.len() == steps * len), "whole steps");
    let mut sums = vec![0.0; steps];
    match isa.level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => {
            for (i, sums) in sums.chunks_mut(x86::STEPS).enumerate() {
                let all = [0, 1, 2, 3].map(|t| (i * x86::STEPS + t).min(steps - 1) * len);
                // SAFETY: only `Isa::all` makes this value, after detecting AVX-512; panels hold what
                // is read from where steps start, see above.
                let four = unsafe { x86::arranged(panels, all, lane, weights) };
                sums.iter_mut().zip(four).for_each(|(sum, four)| *sum = four);
            }
        }
        _ => {
            for (bit, panel) in (0..).zip(panels) {
                for (sum, panel) in sums.iter_mut().zip(panel.chunks_exact(len)) {
                    let column = Column { entries: &panel[lane..], stride: 1 };
                    *sum += dot(isa, column, weights) * f64::from(1 << bit);
                }
            }
        }
    }
    sums
}

#[inline(always)]
fn plain<E: Entry, W: Weight>(column: Column<'_, E>, weights: &[W]) -> f64 {
    let (weights, _) = weights.as_chunks::<GROUP>();
    let stride = column.stride * LANES;
    let entries = &column.entries[..weights.len().saturating_sub(1) * stride + 1];
    let mut parts = [[0.0; GROUP]; PARTS / GROUP];
    let (whole, rest) = weights.as_chunks::<{ PARTS / GROUP }>();
    for (i, weights) in whole.iter().enumerate() {
        for (j, (part, weights)) in parts.iter_mut().zip(weights).enumerate() {
            add(part, entries[(i * PARTS / GROUP + j) * stride].channels(), weights);
        }
    }
    for (j, (part, weights)) in parts.iter_mut().zip(rest).enumerate() {
        add(part, entries[(whole.len() * PARTS / GROUP + j) * stride].channels(), weights);
    }
    parts.as_flattened().iter().sum()
}

/// Adds the products of a group.
#[inline(always)]
fn add<W: Weight>(part: &mut [f64; GROUP], seen: [u8; GROUP], weights: &[W; GROUP]) {
    for i in 0..GROUP {
        let w: f64 = weights[i].into();
        part[i] += f64::from(seen[i]) * w;
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use std::arch::x86_64::*;

    use super::*;

    #[target_feature(enable = "avx2")]
    pub(super) fn avx2<E: Entry, W: Weight>(c: Column<'_, E>, weights: &[W]) -> f64 {
        plain(c, weights)
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn avx512<E: Entry, W: Weight>(c: Column<'_, E>, weights: &[W]) -> f64 {
        plain(c, weights)
    }

    /// Steps that share a pass over the weights.
    pub(super) const STEPS: usize = 4;

    /// Quads of as many channels as there are partial sums.
    const QUADS: usize = PARTS / (QUAD * GROUP);

    /// Adds those of `wide` that the spikes of a row select, in `N` quads from `starts` on.
    ///
    /// # Safety
    /// The CPU has AVX-512 F and VL; the panels hold the four bytes of a row in each of the quads.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    // SAFETY: callers keep what is said under `# Safety`.
    unsafe fn add_quads<const N: usize>(
        panels: &[&[u8]],
        starts: [usize; STEPS],
        mut wide: [__m512d; PARTS / 8],
        bits: [__m256i; 2],
        sums: &mut [[__m512d; PARTS / 8]; STEPS],
    ) {
        for (bit, panel) in panels.iter().enumerate() {
            if bit > 0 {
                wide = wide.map(|wide| _mm512_add_pd(wide, wide));
            }
            for (sums, start) in sums.iter_mut().zip(starts) {
                for quad in 0..N {
                    let at = start + quad * LANES * QUAD;
                    // SAFETY: the four bytes of a row, see above.
                    let row = unsafe { panel.as_ptr().add(at).cast::<i32>().read_unaligned() };
                    let row = _mm256_set1_epi32(row);
                    for (half, bits) in bits.into_iter().enumerate() {
                        let place = 2 * quad + half;
                        let spikes = _mm256_test_epi32_mask(row, bits);
                        sums[place] =
                            _mm512_mask_add_pd(sums[place], spikes, sums[place], wide[place]);
                    }
                }
            }
        }
    }

    /// The nibbles of a row lie together: two of them are a mask of eight channels. Panels of the
    /// steps start at `starts`.
    ///
    /// # Safety
    /// The CPU has AVX-512 F, DQ and VL; from each start on a panel holds whole quads for all
    /// weights; `lane` is below 64.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn arranged<W: Weight>(
        panels: &[&[u8]],
        starts: [usize; STEPS],
        lane: usize,
        weights: &[W],
    ) -> [f64; STEPS] {
        // Nibble `i / 4` of a row is the low half of byte `i / 4`.
        let bits = [
            _mm256_setr_epi32(1, 2, 4, 8, 1 << 8, 2 << 8, 4 << 8, 8 << 8),
            _mm256_setr_epi32(
                1 << 16,
                2 << 16,
                4 << 16,
                8 << 16,
                1 << 24,
                2 << 24,
                4 << 24,
                8 << 24,
            ),
        ];
        let mut sums = [[_mm512_setzero_pd(); PARTS / 8]; STEPS];
        let mut starts = starts.map(|start| start + lane * QUAD);
        for weights in weights.chunks(PARTS) {
            let mut numbers = [0.0f64; PARTS];
            for (number, &w) in numbers.iter_mut().zip(weights) {
                *number = w.into();
            }
            let mut wide = [_mm512_setzero_pd(); PARTS / 8];
            for (j, wide) in wide.iter_mut().enumerate() {
                // SAFETY: eight numbers.
                *wide = unsafe { _mm512_loadu_pd(numbers[8 * j..].as_ptr()) };
            }
            // SAFETY: what is read of the panels are rows of quads that have weights.
            unsafe {
                match weights.len().div_ceil(QUAD * GROUP) {
                    1 => add_quads::<1>(panels, starts, wide, bits, &mut sums),
                    _ => add_quads::<QUADS>(panels, starts, wide, bits, &mut sums),
                }
            }
            starts = starts.map(|start| start + QUADS * LANES * QUAD);
        }
        let mut all = [0.0; STEPS];
        for (all, sums) in all.iter_mut().zip(sums) {
            let mut parts = [0.0; PARTS];
            for (parts, sum) in parts.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
                // SAFETY: eight numbers.
                unsafe { _mm512_storeu_pd(parts.as_mut_ptr(), sum) };
            }
            *all = parts.iter().sum();
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{
        super::{QUAD, arrange},
        *,
    };

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_isa_sums_the_same_in_either_layout(
            (nibbles, weights) in (1usize..6).prop_flat_map(|quads| (
                vec(0u8..16, quads * QUAD * LANES),
                (0..QUAD).prop_flat_map(move |less| {
                    vec(-1.0f32..1.0, (quads * QUAD - less) * GROUP)
                }),
            )),
            lane in 0..LANES,
        ) {
            let column = Column { entries: &nibbles[lane..], stride: 1 };
            let expected = plain(column, &weights);
            for isa in Isa::all() {
                prop_assert_eq!(dot(isa, column, &weights), expected, "{}", isa.name());
                let mut panel = nibbles.clone();
                arrange(isa, &mut panel);
                let mut quiet = vec![0; panel.len()];
                arrange(isa, &mut quiet);
                let steps = [&panel[..], &quiet, &panel, &quiet, &panel].concat();
                let found = dot_arranged(isa, &[&steps], panel.len(), lane, &weights);
                let all = [expected, 0.0, expected, 0.0, expected];
                prop_assert_eq!(&found[..], &all[..], "{}, arranged", isa.name());
                let found = dot_arranged(isa, &[&steps, &steps], panel.len(), lane, &weights);
                for (found, expected) in found.into_iter().zip(all) {
                    prop_assert!((found - 3.0 * expected).abs() < 1e-9, "{}, counts", isa.name());
                }
            }
        }
    }
}

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

/// [`dot`] of row `lane` of panels of spikes worth 1, 2, 4..., which were
/// [`arrange`](super::arrange)d.
///
/// # Panics
/// If a panel is shorter than the weights.
#[allow(unsafe_code)]
pub(in crate::packed) fn dot_arranged<W: Weight>(
    isa: Isa,
    panels: &[&[u8]],
    lane: usize,
    weights: &[W],
) -> f64 {
    let groups = weights.len().div_ceil(GROUP).next_multiple_of(QUAD);
    assert!(lane < LANES && panels.iter().all(|panel| panel.len() >= groups * LANES));
    match isa.level() {
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 and BMI2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::arranged(panels, lane, weights) },
        _ => {
            let column = |panel| Column { entries: panel, stride: 1 };
            let sums = panels.iter().map(|panel| dot(isa, column(&panel[lane..]), weights));
            sums.zip(0..).map(|(sum, bit)| sum * f64::from(1 << bit)).sum()
        }
    }
}

#[inline(always)]
fn plain<E: Entry, W: Weight>(column: Column<'_, E>, weights: &[W]) -> f64 {
    let (weights, _) = weights.as_chunks::<GROUP>();
    let stride = column.stride * LANES;
    let entries = &column.entries[..weights.len().saturating_sub(1) * stride + 1];
    let mut parts = [0.0; PARTS];
    for (q, weights) in weights.chunks(PARTS / GROUP).enumerate() {
        let mut seen = [[0; GROUP]; PARTS / GROUP];
        for (j, seen) in seen.iter_mut().enumerate().take(weights.len()) {
            *seen = entries[(PARTS / GROUP * q + j) * stride].channels();
        }
        add(&mut parts, &seen, weights);
    }
    parts.iter().sum()
}

/// Adds the products of up to [`PARTS`] channels.
#[inline(always)]
fn add<W: Weight>(
    parts: &mut [f64; PARTS],
    seen: &[[u8; GROUP]; PARTS / GROUP],
    weights: &[[W; GROUP]],
) {
    let products = seen.as_flattened().iter().zip(weights.as_flattened());
    for (part, (&x, &w)) in parts.iter_mut().zip(products) {
        let w: f64 = w.into();
        *part += f64::from(x) * w;
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

    /// The nibbles of a row lie together: sixteen channels are one mask.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi2")]
    pub(super) fn arranged<W: Weight>(panels: &[&[u8]], lane: usize, weights: &[W]) -> f64 {
        const QUADS: usize = PARTS / (QUAD * GROUP);
        let bits = |panel: &[u8], quad: usize| {
            let row = &panel[(quad * LANES + lane) * QUAD..][..QUAD];
            let row = row.first_chunk::<QUAD>().copied().map_or(0, u32::from_le_bytes);
            _pext_u32(row, 0x0f0f_0f0f)
        };
        let quads = weights.len().div_ceil(QUAD * GROUP);
        let mut sums = [_mm512_setzero_pd(); PARTS / 8];
        for (i, weights) in weights.chunks(PARTS).enumerate() {
            let mut wide = [0.0f64; PARTS];
            for (wide, &w) in wide.iter_mut().zip(weights) {
                *wide = w.into();
            }
            // SAFETY: eight numbers each.
            let mut wide: [__m512d; PARTS / 8] =
                std::array::from_fn(|j| unsafe { _mm512_loadu_pd(wide[8 * j..].as_ptr()) });
            for panel in panels {
                let mut mask = 0;
                for quad in i * QUADS..((i + 1) * QUADS).min(quads) {
                    mask |= bits(panel, quad) << (QUAD * GROUP * (quad % QUADS));
                }
                for (j, (sum, wide)) in sums.iter_mut().zip(&mut wide).enumerate() {
                    *sum = _mm512_mask_add_pd(*sum, (mask >> (8 * j)) as u8, *sum, *wide);
                    *wide = _mm512_add_pd(*wide, *wide);
                }
            }
        }
        let mut parts = [0.0; PARTS];
        for (parts, sum) in parts.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
            // SAFETY: eight numbers.
            unsafe { _mm512_storeu_pd(parts.as_mut_ptr(), sum) };
        }
        parts.iter().sum()
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
                let found = dot_arranged(isa, &[&panel], lane, &weights);
                prop_assert_eq!(found, expected, "{}, arranged", isa.name());
                let found = dot_arranged(isa, &[&panel, &panel], lane, &weights);
                prop_assert!((found - 3.0 * expected).abs() < 1e-9, "{}, counts", isa.name());
            }
        }
    }
}

use super::{Exact, TILE};
use crate::packed::{
    isa::{Isa, Level},
    layout::LANES,
};

/// Rows whose sums stay in registers.
const ROWS: usize = 16;

/// Sums of products in 64-bit floats, `sum over k of panel[k][row] weights[k][n]`;
/// on every CPU in the same order.
#[allow(unsafe_code)]
pub(in crate::packed) fn multiply(
    isa: Isa,
    panel: &[[f64; LANES]],
    weights: &[[f64; TILE]],
) -> Exact {
    match isa.level() {
        Level::Portable => plain(panel, weights),
        // SAFETY: only `Isa::all` makes this value, after detecting AVX2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::avx2(panel, weights) },
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::avx512(panel, weights) },
    }
}

#[inline(always)]
fn plain(panel: &[[f64; LANES]], weights: &[[f64; TILE]]) -> Exact {
    let mut out = [[0.0; LANES]; TILE];
    for part in 0..LANES / ROWS {
        let mut sums = [[0.0; ROWS]; TILE];
        for (x, w) in panel.iter().zip(weights) {
            for n in 0..TILE {
                for i in 0..ROWS {
                    sums[n][i] += x[part * ROWS + i] * w[n];
                }
            }
        }
        for (out, sums) in out.iter_mut().zip(&sums) {
            out[part * ROWS..(part + 1) * ROWS].copy_from_slice(sums);
        }
    }
    out
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;

    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(panel: &[[f64; LANES]], weights: &[[f64; TILE]]) -> Exact {
        plain(panel, weights)
    }

    #[target_feature(enable = "avx512f,avx512vl")]
    pub(super) fn avx512(panel: &[[f64; LANES]], weights: &[[f64; TILE]]) -> Exact {
        plain(panel, weights)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_isa_multiplies_the_same(
            (panel, weights) in (0usize..9).prop_flat_map(|k| (
                vec(-1.0f64..1.0, k * LANES), vec(-1.0f64..1.0, k * TILE),
            )),
        ) {
            let (panel, weights) = (panel.as_chunks().0, weights.as_chunks().0);
            for isa in Isa::all() {
                prop_assert_eq!(multiply(isa, panel, weights), plain(panel, weights), "{}", isa.name());
            }
        }
    }
}

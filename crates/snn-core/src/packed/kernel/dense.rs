use super::{Sums, TILE, begin};
use crate::packed::{
    isa::{Isa, Level},
    layout::{GROUP, LANES},
};

/// Small integers times weights: adds
/// `sum over g, d, i of inputs[g][row][i] weights[g][n][d][i] 256^d`, to `start` if that is given.
///
/// `inputs` is `[groups][64][4]` with no byte above `max`; `weights` is
/// `[groups][TILE][D][4]`, signed byte digits, the lowest first.
///
/// # Panics
/// If the lengths do not fit each other.
#[allow(unsafe_code)]
pub(in crate::packed) fn dense<const D: usize>(
    isa: Isa,
    inputs: &[[u8; GROUP]],
    max: u8,
    weights: &[[i8; GROUP]],
    start: Option<[i32; TILE]>,
    out: &mut Sums,
) {
    assert!(inputs.len().is_multiple_of(LANES));
    assert_eq!(inputs.len() / LANES * TILE * D, weights.len(), "weights for every group");
    begin(isa, start, out);
    match isa.level() {
        // Two products of bytes overflow the 16 bits of the AVX2 form.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 if max > 127 => portable::<D>(inputs, weights, out),
        Level::Portable => {
            let _ = max; // only the AVX2 form cares
            portable::<D>(inputs, weights, out);
        }
        // SAFETY: only `Isa::all` makes this value, after detecting AVX2; lengths were checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe {
            match D {
                1 => x86::avx2::<D, 4>(inputs, max, weights, out),
                _ => x86::avx2::<D, 2>(inputs, max, weights, out),
            }
        },
        // SAFETY: only `Isa::all` makes this value, after detecting VNNI; lengths were checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe {
            match D {
                1 => x86::avx512::<D, 4>(inputs, weights, start, out),
                _ => x86::avx512::<D, 2>(inputs, weights, start, out),
            }
        },
    }
}

/// The obvious form.
fn portable<const D: usize>(inputs: &[[u8; GROUP]], weights: &[[i8; GROUP]], out: &mut Sums) {
    let groups = inputs.chunks_exact(LANES).zip(weights.chunks_exact(TILE * D));
    for (inputs, weights) in groups {
        for (out, digits) in out.iter_mut().zip(weights.chunks_exact(D)) {
            for (out, input) in out.iter_mut().zip(inputs) {
                for (d, digit) in digits.iter().enumerate() {
                    let products = input.iter().zip(digit);
                    let sum: i32 = products.map(|(&x, &w)| i32::from(x) * i32::from(w)).sum();
                    *out = out.wrapping_add(sum.wrapping_shl(8 * d as u32));
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
#[allow(clippy::needless_range_loop)] // indices of registers, not of slices
mod x86 {
    use std::arch::x86_64::*;

    use super::{GROUP, LANES, Sums, TILE};

    /// 16 rows in a register; `ROWS` registers share each weight.
    ///
    /// # Safety
    /// The CPU has AVX-512 F and VNNI; `inputs` holds 64 rows a group and
    /// `weights` `TILE * D` for each.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn avx512<const D: usize, const ROWS: usize>(
        inputs: &[[u8; GROUP]],
        weights: &[[i8; GROUP]],
        start: Option<[i32; TILE]>,
        out: &mut Sums,
    ) {
        for part in 0..LANES / (16 * ROWS) {
            let mut sums = [[[_mm512_setzero_si512(); ROWS]; D]; TILE];
            for g in 0..inputs.len() / LANES {
                let mut x = [_mm512_setzero_si512(); ROWS];
                for (r, x) in x.iter_mut().enumerate() {
                    // SAFETY: 16 rows from row `(part * ROWS + r) * 16` of group `g`.
                    unsafe {
                        let at = inputs.as_ptr().add(g * LANES + (part * ROWS + r) * 16);
                        *x = _mm512_loadu_si512(at.cast());
                    }
                }
                for n in 0..TILE {
                    for d in 0..D {
                        // SAFETY: one of the weights of group `g`, four bytes, any alignment.
                        let w = unsafe {
                            weights
                                .as_ptr()
                                .add((g * TILE + n) * D + d)
                                .cast::<i32>()
                                .read_unaligned()
                        };
                        let w = _mm512_set1_epi32(w);
                        for r in 0..ROWS {
                            sums[n][d][r] = _mm512_dpbusd_epi32(sums[n][d][r], x[r], w);
                        }
                    }
                }
            }
            for n in 0..TILE {
                for r in 0..ROWS {
                    let first = (part * ROWS + r) * 16;
                    let place = out[n][first..first + 16].as_mut_ptr();
                    // SAFETY: the slice above has the sixteen values that are used.
                    unsafe {
                        let mut sum = match start {
                            Some(start) => _mm512_set1_epi32(start[n]),
                            None => _mm512_loadu_si512(place.cast()),
                        };
                        for d in 0..D {
                            let shift = _mm_cvtsi32_si128(8 * d as i32);
                            sum = _mm512_add_epi32(sum, _mm512_sll_epi32(sums[n][d][r], shift));
                        }
                        _mm512_storeu_si512(place.cast(), sum);
                    }
                }
            }
        }
    }

    /// 8 rows in a register, `N` channels at a time. Products of bytes are summed in 16 bits for as
    /// many groups as cannot overflow, then in 32.
    ///
    /// # Safety
    /// The CPU has AVX2; lengths as for [`avx512`]; `1 <= max <= 127` or all
    /// inputs are zero; `N` divides `TILE`.
    #[target_feature(enable = "avx2")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn avx2<const D: usize, const N: usize>(
        inputs: &[[u8; GROUP]],
        max: u8,
        weights: &[[i8; GROUP]],
        out: &mut Sums,
    ) {
        let groups = inputs.len() / LANES;
        // Two products of `max` and -128 each.
        let safe = (i16::MAX as usize / (2 * 128 * usize::from(max.max(1)))).max(1);
        let ones = _mm256_set1_epi16(1);
        const ROWS: usize = 2;
        for part in 0..LANES / (8 * ROWS) {
            for first in (0..TILE).step_by(N) {
                let mut sums = [[[_mm256_setzero_si256(); ROWS]; D]; N];
                let mut g = 0;
                while g < groups {
                    let end = (g + safe).min(groups);
                    let mut short = [[[_mm256_setzero_si256(); ROWS]; D]; N];
                    while g < end {
                        let mut x = [_mm256_setzero_si256(); ROWS];
                        for (r, x) in x.iter_mut().enumerate() {
                            // SAFETY: 8 rows from row `(part * ROWS + r) * 8` of group `g`.
                            unsafe {
                                let at = inputs.as_ptr().add(g * LANES + (part * ROWS + r) * 8);
                                *x = _mm256_loadu_si256(at.cast());
                            }
                        }
                        for n in 0..N {
                            for d in 0..D {
                                // SAFETY: one of the weights of group `g`, any alignment.
                                let w = unsafe {
                                    let at = (g * TILE + first + n) * D + d;
                                    weights.as_ptr().add(at).cast::<i32>().read_unaligned()
                                };
                                let w = _mm256_set1_epi32(w);
                                for r in 0..ROWS {
                                    let products = _mm256_maddubs_epi16(x[r], w);
                                    short[n][d][r] = _mm256_add_epi16(short[n][d][r], products);
                                }
                            }
                        }
                        g += 1;
                    }
                    for n in 0..N {
                        for d in 0..D {
                            for r in 0..ROWS {
                                let wide = _mm256_madd_epi16(short[n][d][r], ones);
                                sums[n][d][r] = _mm256_add_epi32(sums[n][d][r], wide);
                            }
                        }
                    }
                }
                for n in 0..N {
                    for d in 0..D {
                        for r in 0..ROWS {
                            let shift = _mm_cvtsi32_si128(8 * d as i32);
                            let sum = _mm256_sll_epi32(sums[n][d][r], shift);
                            let start = (part * ROWS + r) * 8;
                            let place = out[first + n][start..start + 8].as_mut_ptr();
                            // SAFETY: the slice above has the eight values that are used.
                            unsafe {
                                let old = _mm256_loadu_si256(place.cast());
                                _mm256_storeu_si256(place.cast(), _mm256_add_epi32(old, sum));
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn every_isa<const D: usize>(inputs: &[u8], max: u8, weights: &[i8]) {
        let (inputs, _) = inputs.as_chunks::<GROUP>();
        let (weights, _) = weights.as_chunks::<GROUP>();
        let weights = &weights[..inputs.len() / LANES * TILE * D];
        let mut expected = [[-3; LANES]; TILE];
        portable::<D>(inputs, weights, &mut expected);
        for isa in Isa::all() {
            let mut found = [[-3; LANES]; TILE];
            dense::<D>(isa, inputs, max, weights, None, &mut found);
            let mut fresh = [[9; LANES]; TILE];
            dense::<D>(isa, inputs, max, weights, Some([-3; TILE]), &mut fresh);
            assert_eq!(fresh, expected, "{} from the start", isa.name());
            assert_eq!(found, expected, "{} with {D} digits up to {max}", isa.name());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_isa_multiplies_the_same(
            (max, inputs, weights) in (0usize..5, any::<u8>()).prop_flat_map(|(g, max)| (
                Just(max),
                vec(0u8..=max, g * LANES * GROUP),
                vec(any::<i8>(), g * TILE * 3 * GROUP),
            )),
        ) {
            every_isa::<1>(&inputs, max, &weights);
            every_isa::<2>(&inputs, max, &weights);
            every_isa::<3>(&inputs, max, &weights);
        }
    }

    #[test]
    fn the_most_negative_sums_do_not_overflow() {
        for max in [1, 8, 127, 128, 255] {
            let inputs = vec![max; 300 * LANES * GROUP];
            every_isa::<2>(&inputs, max, &vec![i8::MIN; 300 * TILE * 2 * GROUP]);
        }
    }
}

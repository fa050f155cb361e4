use super::{Sums, TILE};
use crate::packed::{
    isa::{Isa, Level},
    layout::LANES,
};

/// Groups whose byte digits sum without leaving 16 bits.
const CHUNK: usize = 256;

/// Table lookup: adds `sum over g of table[g][n][nibbles[g][row]]`.
///
/// `nibbles` is `[groups][64]`, each below 16. `tables` is
/// `[groups][TILE][D][16]`: for each group and channel, `D` byte digits, the
/// lowest first, of 16 unsigned entries.
///
/// # Panics
/// If the lengths do not fit each other.
#[allow(unsafe_code)]
pub(in crate::packed) fn lut<const D: usize>(
    isa: Isa,
    nibbles: &[u8],
    tables: &[[u8; 16]],
    out: &mut Sums,
) {
    assert!(nibbles.len().is_multiple_of(LANES));
    assert_eq!(nibbles.len() / LANES * TILE * D, tables.len(), "a table for every group");
    for (nibbles, tables) in nibbles.chunks(CHUNK * LANES).zip(tables.chunks(CHUNK * TILE * D)) {
        match isa.level() {
            Level::Portable => portable::<D>(nibbles, tables, out),
            // SAFETY: only `Isa::all` makes this value, after detecting AVX2; lengths were checked.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::avx2::<D>(nibbles, tables, out) },
            // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 BW; as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { x86::avx512::<D>(nibbles, tables, out) },
        }
    }
}

/// The obvious form.
fn portable<const D: usize>(nibbles: &[u8], tables: &[[u8; 16]], out: &mut Sums) {
    let groups = nibbles.chunks_exact(LANES).zip(tables.chunks_exact(TILE * D));
    for (nibbles, tables) in groups {
        for (out, digits) in out.iter_mut().zip(tables.chunks_exact(D)) {
            for (out, &nibble) in out.iter_mut().zip(nibbles) {
                for (d, digit) in digits.iter().enumerate() {
                    let entry = i32::from(digit[usize::from(nibble & 15)]);
                    *out = out.wrapping_add(entry << (8 * d));
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

    use super::{LANES, Sums, TILE};

    /// 64 rows in one register.
    ///
    /// Byte digits are summed in 16-bit lanes: `all` takes both bytes of a lane
    /// and wraps, `odd` the upper one; the lower is what they differ by.
    ///
    /// # Safety
    /// The CPU has AVX-512 F and BW; `nibbles` holds at most `CHUNK` groups of
    /// 64 and `tables` `TILE * D` for each.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn avx512<const D: usize>(
        nibbles: &[u8],
        tables: &[[u8; 16]],
        out: &mut Sums,
    ) {
        let mut all = [[_mm512_setzero_si512(); D]; TILE];
        let mut odd = [[_mm512_setzero_si512(); D]; TILE];
        for g in 0..nibbles.len() / LANES {
            // SAFETY: group `g` is inside both slices.
            let (index, table) = unsafe {
                let index = _mm512_loadu_si512(nibbles.as_ptr().add(g * LANES).cast());
                (index, tables.as_ptr().add(g * TILE * D))
            };
            for n in 0..TILE {
                for d in 0..D {
                    // SAFETY: `n * D + d` is one of the tables of this group.
                    let digit = unsafe { _mm_loadu_si128(table.add(n * D + d).cast()) };
                    let v = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(digit), index);
                    all[n][d] = _mm512_add_epi16(all[n][d], v);
                    odd[n][d] = _mm512_add_epi16(odd[n][d], _mm512_srli_epi16(v, 8));
                }
            }
        }
        for n in 0..TILE {
            for d in 0..D {
                let odd = odd[n][d];
                let even = _mm512_sub_epi16(all[n][d], _mm512_slli_epi16(odd, 8));
                // Rows come in order again within each quarter of the register.
                let low = _mm512_unpacklo_epi16(even, odd);
                let high = _mm512_unpackhi_epi16(even, odd);
                let mut quarters = [_mm_setzero_si128(); 8];
                quarters[0] = _mm512_extracti32x4_epi32(low, 0);
                quarters[1] = _mm512_extracti32x4_epi32(high, 0);
                quarters[2] = _mm512_extracti32x4_epi32(low, 1);
                quarters[3] = _mm512_extracti32x4_epi32(high, 1);
                quarters[4] = _mm512_extracti32x4_epi32(low, 2);
                quarters[5] = _mm512_extracti32x4_epi32(high, 2);
                quarters[6] = _mm512_extracti32x4_epi32(low, 3);
                quarters[7] = _mm512_extracti32x4_epi32(high, 3);
                let shift = _mm_cvtsi32_si128(8 * d as i32);
                for (i, quarter) in quarters.into_iter().enumerate() {
                    let sums = _mm256_sll_epi32(_mm256_cvtepu16_epi32(quarter), shift);
                    let place = out[n][8 * i..8 * i + 8].as_mut_ptr();
                    // SAFETY: the slice above has the eight values that are read and written.
                    unsafe {
                        let old = _mm256_loadu_si256(place.cast());
                        _mm256_storeu_si256(place.cast(), _mm256_add_epi32(old, sums));
                    }
                }
            }
        }
    }

    /// As [`avx512`], 32 rows in a register, two channels at a time: what 16
    /// registers hold.
    ///
    /// # Safety
    /// The CPU has AVX2; lengths as for [`avx512`].
    #[target_feature(enable = "avx2")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn avx2<const D: usize>(nibbles: &[u8], tables: &[[u8; 16]], out: &mut Sums) {
        const PAIR: usize = 2;
        for half in 0..2 {
            for first in (0..TILE).step_by(PAIR) {
                let mut all = [[_mm256_setzero_si256(); D]; PAIR];
                let mut odd = [[_mm256_setzero_si256(); D]; PAIR];
                for g in 0..nibbles.len() / LANES {
                    // SAFETY: group `g` is inside both slices.
                    let (index, table) = unsafe {
                        let index = nibbles.as_ptr().add(g * LANES + half * 32);
                        let table = tables.as_ptr().add((g * TILE + first) * D);
                        (_mm256_loadu_si256(index.cast()), table)
                    };
                    for n in 0..PAIR {
                        for d in 0..D {
                            // SAFETY: `first + n < TILE`: a table of this group.
                            let digit = unsafe { _mm_loadu_si128(table.add(n * D + d).cast()) };
                            let v = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(digit), index);
                            all[n][d] = _mm256_add_epi16(all[n][d], v);
                            odd[n][d] = _mm256_add_epi16(odd[n][d], _mm256_srli_epi16(v, 8));
                        }
                    }
                }
                for n in 0..PAIR {
                    for d in 0..D {
                        let odd = odd[n][d];
                        let even = _mm256_sub_epi16(all[n][d], _mm256_slli_epi16(odd, 8));
                        let low = _mm256_unpacklo_epi16(even, odd);
                        let high = _mm256_unpackhi_epi16(even, odd);
                        let quarters = [
                            _mm256_castsi256_si128(low),
                            _mm256_castsi256_si128(high),
                            _mm256_extracti128_si256(low, 1),
                            _mm256_extracti128_si256(high, 1),
                        ];
                        let shift = _mm_cvtsi32_si128(8 * d as i32);
                        for (i, quarter) in quarters.into_iter().enumerate() {
                            let sums = _mm256_sll_epi32(_mm256_cvtepu16_epi32(quarter), shift);
                            let start = half * 32 + 8 * i;
                            let place = out[first + n][start..start + 8].as_mut_ptr();
                            // SAFETY: the slice above has the eight values that are used.
                            unsafe {
                                let old = _mm256_loadu_si256(place.cast());
                                _mm256_storeu_si256(place.cast(), _mm256_add_epi32(old, sums));
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

    fn every_isa<const D: usize>(groups: usize, nibbles: &[u8], tables: &[u8]) {
        let (tables, _) = tables.as_chunks::<16>();
        let tables = &tables[..groups * TILE * D];
        let mut expected = [[7; LANES]; TILE];
        portable::<D>(nibbles, tables, &mut expected);
        for isa in Isa::all() {
            let mut found = [[7; LANES]; TILE];
            lut::<D>(isa, nibbles, tables, &mut found);
            assert_eq!(found, expected, "{} with {D} digits", isa.name());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_isa_looks_up_the_same(
            (groups, nibbles, tables) in (0usize..6).prop_flat_map(|g| (
                Just(g),
                vec(0u8..16, g * LANES),
                vec(any::<u8>(), g * TILE * 3 * 16),
            )),
        ) {
            every_isa::<1>(groups, &nibbles, &tables);
            every_isa::<2>(groups, &nibbles, &tables);
            every_isa::<3>(groups, &nibbles, &tables);
        }
    }

    #[test]
    fn the_greatest_sums_of_many_groups_do_not_overflow() {
        for groups in [255, 256, 257, 600] {
            let nibbles: Vec<u8> = (0..groups * LANES).map(|i| (i % 16) as u8).collect();
            every_isa::<2>(groups, &nibbles, &vec![255; groups * TILE * 2 * 16]);
        }
    }
}

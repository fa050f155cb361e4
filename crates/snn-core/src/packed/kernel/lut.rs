use super::{Aligned, QUAD, Sums, TILE, begin};
use crate::packed::{
    isa::{Isa, Level},
    layout::LANES,
};

/// Sixteen entries for each group of a quad.
pub(in crate::packed) type Table = Aligned<[u8; 16 * QUAD]>;

/// What a unit of each digit is worth, as a power of two: the third is added to two that make a
/// number of 14 bits for each of four weights.
pub(in crate::packed) const WORTH: [u32; 3] = [0, 8, 14];

/// Quads whose byte digits sum without leaving 16 bits.
const CHUNK: usize = 256 / QUAD;

/// Lays a panel `[quads][4][64]` of nibbles out as [`lut`] reads it.
///
/// The AVX-512 form looks up four groups of a row in neighbouring bytes,
/// `[quads][64][4]`, from one table of 64 entries: the nibbles of group `j`
/// become places in its part of the table, `16 j + nibble`.
#[allow(unsafe_code)]
pub(in crate::packed) fn arrange(isa: Isa, panel: &mut [u8]) {
    match isa.level() {
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 BW.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::arrange(panel) },
        _ => {}
    }
}

/// Table lookup: adds `2^bit sum over g of table[g][n][nibbles[g][row]]`, `bit`
/// at most 6. What was in `out` before is replaced by `start` if that is given.
///
/// `panel` is `[quads][4][64]` nibbles, each below 16, [`arrange`]d. `tables` is
/// `[quads][TILE][D]`: for each quad and channel, `D` byte digits,
/// [worth](WORTH) the lowest first, of 16 unsigned entries for each group of the quad.
///
/// # Panics
/// If the lengths do not fit each other.
#[allow(unsafe_code)]
pub(in crate::packed) fn lut<const D: usize>(
    isa: Isa,
    panel: &[u8],
    tables: &[Table],
    bit: u32,
    start: Option<[i32; TILE]>,
    out: &mut Sums,
) {
    assert!(panel.len().is_multiple_of(QUAD * LANES));
    assert_eq!(panel.len() / (QUAD * LANES) * TILE * D, tables.len(), "tables for every quad");
    assert!(bit <= 6, "a power of two that fits a signed byte");
    begin(isa, start, out);
    match isa.level() {
        Level::Portable => portable::<D>(panel, tables, bit, out),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => {
            let chunks = panel.chunks(CHUNK * QUAD * LANES).zip(tables.chunks(CHUNK * TILE * D));
            for (panel, tables) in chunks {
                // SAFETY: only `Isa::all` makes this value, after detecting AVX2; lengths were
                // checked.
                unsafe {
                    match D {
                        1 => x86::avx2::<D, 4>(panel, tables, bit, out),
                        _ => x86::avx2::<D, 2>(panel, tables, bit, out),
                    }
                }
            }
        }
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 VBMI and VNNI; lengths
        // were checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe {
            match D {
                1 => x86::avx512::<D, 4>(panel, tables, bit, start, out),
                _ => x86::avx512::<D, 2>(panel, tables, bit, start, out),
            }
        },
    }
}

/// The obvious form.
fn portable<const D: usize>(panel: &[u8], tables: &[Table], bit: u32, out: &mut Sums) {
    let quads = panel.chunks_exact(QUAD * LANES).zip(tables.chunks_exact(TILE * D));
    for (nibbles, tables) in quads {
        for (out, digits) in out.iter_mut().zip(tables.chunks_exact(D)) {
            for (j, nibbles) in nibbles.chunks_exact(LANES).enumerate() {
                for (out, &nibble) in out.iter_mut().zip(nibbles) {
                    for (d, digit) in digits.iter().enumerate() {
                        let entry = i32::from(digit[16 * j + usize::from(nibble & 15)]);
                        *out = out.wrapping_add(entry << (WORTH[d] + bit));
                    }
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

    use super::{LANES, QUAD, Sums, TILE, Table, WORTH};

    /// See [`arrange`](super::arrange).
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(super) fn arrange(panel: &mut [u8]) {
        for quad in panel.chunks_exact_mut(QUAD * LANES) {
            let mut rows = [0u32; LANES];
            for (j, nibbles) in quad.chunks_exact(LANES).enumerate() {
                for (row, &nibble) in rows.iter_mut().zip(nibbles) {
                    *row |= u32::from(nibble | (16 * j) as u8) << (8 * j);
                }
            }
            for (bytes, row) in quad.chunks_exact_mut(QUAD).zip(rows) {
                bytes.copy_from_slice(&row.to_le_bytes());
            }
        }
    }

    /// 16 rows times four groups in one register: a lookup and a sum over the
    /// four groups, into 32 bits. `ROWS` registers share each table.
    ///
    /// # Safety
    /// The CPU has AVX-512 F, VBMI and VNNI; `panel` holds whole quads and
    /// `tables` `TILE * D` for each.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn avx512<const D: usize, const ROWS: usize>(
        panel: &[u8],
        tables: &[Table],
        bit: u32,
        start: Option<[i32; TILE]>,
        out: &mut Sums,
    ) {
        let worth = _mm512_set1_epi8(1 << bit);
        for part in 0..LANES / (16 * ROWS) {
            let mut sums = [[[_mm512_setzero_si512(); ROWS]; D]; TILE];
            for q in 0..panel.len() / (QUAD * LANES) {
                let mut index = [_mm512_setzero_si512(); ROWS];
                for (r, index) in index.iter_mut().enumerate() {
                    // SAFETY: 16 rows from row `(part * ROWS + r) * 16` of quad `q`.
                    unsafe {
                        let at = (q * LANES + (part * ROWS + r) * 16) * QUAD;
                        *index = _mm512_loadu_si512(panel.as_ptr().add(at).cast());
                    }
                }
                for n in 0..TILE {
                    for d in 0..D {
                        // SAFETY: one of the tables of quad `q`.
                        let table = unsafe {
                            let at = (q * TILE + n) * D + d;
                            _mm512_loadu_si512(tables.as_ptr().add(at).cast())
                        };
                        for r in 0..ROWS {
                            let entries = _mm512_permutexvar_epi8(index[r], table);
                            sums[n][d][r] = _mm512_dpbusd_epi32(sums[n][d][r], entries, worth);
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
                            let shift = _mm_cvtsi32_si128(WORTH[d] as i32);
                            sum = _mm512_add_epi32(sum, _mm512_sll_epi32(sums[n][d][r], shift));
                        }
                        _mm512_storeu_si512(place.cast(), sum);
                    }
                }
            }
        }
    }

    /// 32 rows in a register, `N` channels at a time: what 16 registers hold.
    ///
    /// Byte digits are summed in 16-bit lanes: `all` takes both bytes of a lane
    /// and wraps, `odd` the upper one; the lower is what they differ by.
    ///
    /// # Safety
    /// The CPU has AVX2; `panel` holds at most `CHUNK` quads and `tables`
    /// `TILE * D` for each; `N` divides `TILE`.
    #[target_feature(enable = "avx2")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn avx2<const D: usize, const N: usize>(
        panel: &[u8],
        tables: &[Table],
        bit: u32,
        out: &mut Sums,
    ) {
        for half in 0..2 {
            for first in (0..TILE).step_by(N) {
                let mut all = [[_mm256_setzero_si256(); D]; N];
                let mut odd = [[_mm256_setzero_si256(); D]; N];
                for q in 0..panel.len() / (QUAD * LANES) {
                    for j in 0..QUAD {
                        // SAFETY: quad `q` is inside both slices.
                        let (index, tables) = unsafe {
                            let index = panel.as_ptr().add((q * QUAD + j) * LANES + half * 32);
                            let tables = tables.as_ptr().add((q * TILE + first) * D);
                            (_mm256_loadu_si256(index.cast()), tables.cast::<u8>().add(16 * j))
                        };
                        for n in 0..N {
                            for d in 0..D {
                                // SAFETY: `first + n < TILE`: part `j` of a table of this quad.
                                let digit = unsafe {
                                    let table = tables.add((n * D + d) * size_of::<Table>());
                                    _mm_loadu_si128(table.cast())
                                };
                                let table = _mm256_broadcastsi128_si256(digit);
                                let v = _mm256_shuffle_epi8(table, index);
                                all[n][d] = _mm256_add_epi16(all[n][d], v);
                                odd[n][d] = _mm256_add_epi16(odd[n][d], _mm256_srli_epi16(v, 8));
                            }
                        }
                    }
                }
                for n in 0..N {
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
                        let shift = _mm_cvtsi32_si128((WORTH[d] + bit) as i32);
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

    fn every_isa<const D: usize>(quads: usize, nibbles: &[u8], tables: &[u8], bit: u32) {
        let (tables, _) = tables.as_chunks::<{ 16 * QUAD }>();
        let tables: Vec<Table> = tables[..quads * TILE * D].iter().copied().map(Aligned).collect();
        let tables = &tables[..];
        let mut expected = [[7; LANES]; TILE];
        portable::<D>(nibbles, tables, bit, &mut expected);
        for isa in Isa::all() {
            let mut found = [[7; LANES]; TILE];
            let mut panel = nibbles.to_vec();
            arrange(isa, &mut panel);
            lut::<D>(isa, &panel, tables, bit, None, &mut found);
            let mut fresh = [[9; LANES]; TILE];
            lut::<D>(isa, &panel, tables, bit, Some([7; TILE]), &mut fresh);
            assert_eq!(fresh, expected, "{} from the start", isa.name());
            assert_eq!(found, expected, "{} with {D} digits, bit {bit}", isa.name());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_isa_looks_up_the_same(
            (quads, nibbles, tables) in (0usize..4).prop_flat_map(|q| (
                Just(q),
                vec(0u8..16, q * QUAD * LANES),
                vec(any::<u8>(), q * TILE * 3 * 16 * QUAD),
            )),
            bit in 0u32..=6,
        ) {
            every_isa::<1>(quads, &nibbles, &tables, bit);
            every_isa::<2>(quads, &nibbles, &tables, bit);
            every_isa::<3>(quads, &nibbles, &tables, bit);
        }
    }

    #[test]
    fn the_greatest_sums_of_many_quads_do_not_overflow() {
        for quads in [63, 64, 65, 150] {
            let nibbles: Vec<u8> = (0..quads * QUAD * LANES).map(|i| (i % 16) as u8).collect();
            every_isa::<2>(quads, &nibbles, &vec![255; quads * TILE * 2 * 16 * QUAD], 2);
        }
    }
}

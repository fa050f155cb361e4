//! Tables from weights, where they are needed: they are more than three times as large as what they
//! are made of, and memory is slower than adding up.

use super::{QUAD, TILE, Table};
use crate::packed::{
    isa::{Isa, Level},
    layout::GROUP,
};

/// Weights of a quad of groups and a tile of channels, as integers of two bytes.
///
/// Entry `nibble` of a group's table is `base + sum of the weights that the nibble selects`, where no
/// entry leaves `0..=65535`; all is kept modulo 65536.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(in crate::packed) struct Words {
    /// `[pairs of channels][groups][2][4]`.
    weights: [[[[u16; GROUP]; 2]; QUAD]; TILE / 2],
    /// `[groups][channels]`.
    bases: [[u16; TILE]; QUAD],
}

/// The same of one byte.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(in crate::packed) struct Bytes {
    /// `[groups][channels][4]`.
    weights: [[[u8; GROUP]; TILE]; QUAD],
    /// `[groups][channels]`.
    bases: [[u8; TILE]; QUAD],
}

impl Words {
    pub(in crate::packed) fn set(
        &mut self,
        n: usize,
        group: usize,
        weights: [u16; GROUP],
        base: u16,
    ) {
        self.weights[n / 2][group][n % 2] = weights;
        self.bases[group][n] = base;
    }
}

impl Bytes {
    pub(in crate::packed) fn set(
        &mut self,
        n: usize,
        group: usize,
        weights: [u8; GROUP],
        base: u8,
    ) {
        self.weights[group][n] = weights;
        self.bases[group][n] = base;
    }
}

/// Makes the tables of quads as [`lut`](super::lut) reads them, `[quads][TILE][D]`: from `words`
/// digits 0 and 1, from `bytes` the one behind these. One of the two may be empty.
///
/// # Panics
/// If there are not as many tables as the weights are for.
#[allow(unsafe_code)]
pub(in crate::packed) fn tabulate(
    isa: Isa,
    words: &[Words],
    bytes: &[Bytes],
    tables: &mut [Table],
) {
    let digits = match (words.is_empty(), bytes.is_empty()) {
        (true, _) => 1,
        (_, true) => 2,
        _ => 3,
    };
    let quads = words.len().max(bytes.len());
    assert_eq!(tables.len(), quads * TILE * digits, "tables for every quad");
    assert!(digits < 3 || words.len() == bytes.len(), "all digits of every quad");
    match isa.level() {
        Level::Portable => portable(words, bytes, digits, tables),
        // SAFETY: only `Isa::all` makes this value, after detecting AVX2; lengths were checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::avx2(words, bytes, digits, tables) },
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 BW and VBMI; lengths
        // were checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::avx512(words, bytes, digits, tables) },
    }
}

/// The obvious form.
fn portable(words: &[Words], bytes: &[Bytes], digits: usize, tables: &mut [Table]) {
    let selected = |nibble: usize, i: usize| nibble >> i & 1 == 1;
    for (q, of_quad) in tables.chunks_exact_mut(TILE * digits).enumerate() {
        for (n, tables) in of_quad.chunks_exact_mut(digits).enumerate() {
            for (j, nibble) in (0..QUAD).flat_map(|j| (0..16).map(move |nibble| (j, nibble))) {
                let at = 16 * j + nibble;
                if let Some(Words { weights, bases }) = words.get(q) {
                    let weights = weights[n / 2][j][n % 2];
                    let chosen = (0..GROUP).filter(|&i| selected(nibble, i));
                    let entry = chosen.fold(bases[j][n], |sum, i| sum.wrapping_add(weights[i]));
                    let [low, high] = entry.to_le_bytes();
                    (tables[0][at], tables[1][at]) = (low, high);
                }
                if let Some(Bytes { weights, bases }) = bytes.get(q) {
                    let chosen = (0..GROUP).filter(|&i| selected(nibble, i));
                    let sum = chosen.fold(bases[j][n], |sum, i| sum.wrapping_add(weights[j][n][i]));
                    tables[digits - 1][at] = sum;
                }
            }
        }
    }
}

/// What a lane of 16 bytes is shuffled by: byte `from(entry)` of the weights for each entry, or
/// nothing.
#[cfg(target_arch = "x86_64")]
mod choice {
    use super::{GROUP, TILE};

    const NOTHING: u8 = 0x80;

    /// For words: weight `i` of channel `m` of a pair, for the first eight of 16 entries; those
    /// behind them differ by weight 3 alone, which all get.
    pub(super) const fn word(m: usize, i: usize) -> [u8; 16] {
        let mut bytes = [NOTHING; 16];
        let mut entry = 0;
        while entry < 8 {
            if i == GROUP - 1 || entry >> i & 1 == 1 {
                bytes[2 * entry] = (2 * (GROUP * m + i)) as u8;
                bytes[2 * entry + 1] = bytes[2 * entry] + 1;
            }
            entry += 1;
        }
        bytes
    }

    /// Base of channel `n`, for eight words.
    pub(super) const fn base_word(n: usize) -> [u8; 16] {
        let mut bytes = [0; 16];
        let mut i = 0;
        while i < 16 {
            bytes[i] = (2 * n + i % 2) as u8;
            i += 1;
        }
        bytes
    }

    /// For bytes: weight `i` for the first eight entries of both channels of a pair.
    pub(super) const fn byte(pair: usize, i: usize) -> [u8; 16] {
        let mut bytes = [NOTHING; 16];
        let mut at = 0;
        while at < 16 {
            let (m, entry) = (at / 8, at % 8);
            if i == GROUP - 1 || entry >> i & 1 == 1 {
                bytes[at] = (GROUP * (2 * pair + m) + i) as u8;
            }
            at += 1;
        }
        bytes
    }

    /// Bases of both channels of a pair, for eight bytes each.
    pub(super) const fn base_byte(pair: usize) -> [u8; 16] {
        let mut bytes = [0; 16];
        let mut i = 0;
        while i < 16 {
            bytes[i] = (2 * pair + i / 8) as u8;
            i += 1;
        }
        bytes
    }

    pub(super) const WORD: [[[u8; 16]; GROUP]; 2] = [
        [word(0, 0), word(0, 1), word(0, 2), word(0, 3)],
        [word(1, 0), word(1, 1), word(1, 2), word(1, 3)],
    ];
    pub(super) const BASE_WORD: [[u8; 16]; TILE] =
        [base_word(0), base_word(1), base_word(2), base_word(3)];
    pub(super) const BYTE: [[[u8; 16]; GROUP]; TILE / 2] = [
        [byte(0, 0), byte(0, 1), byte(0, 2), byte(0, 3)],
        [byte(1, 0), byte(1, 1), byte(1, 2), byte(1, 3)],
    ];
    pub(super) const BASE_BYTE: [[u8; 16]; TILE / 2] = [base_byte(0), base_byte(1)];
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
#[allow(clippy::needless_range_loop)] // indices of channels and of weights, not of slices
mod x86 {
    use std::arch::x86_64::*;

    use super::{
        Bytes, GROUP, QUAD, TILE, Table, Words,
        choice::{BASE_BYTE, BASE_WORD, BYTE, WORD},
    };

    /// Bytes `odd`, `odd + 2`, ... of each lane of one register, then of another's.
    const fn halves(odd: u8) -> [u8; 64] {
        let mut bytes = [0; 64];
        let mut i = 0;
        while i < 64 {
            let (lane, entry) = (i / 16, i % 16);
            bytes[i] = (64 * (entry / 8) + 16 * lane + 2 * (entry % 8)) as u8 + odd;
            i += 1;
        }
        bytes
    }

    const LOW: [u8; 64] = halves(0);
    const HIGH: [u8; 64] = halves(1);

    /// A group a lane.
    ///
    /// # Safety
    /// The CPU has AVX-512 F, BW and VBMI; `tables` holds `TILE * digits` for each quad.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn avx512(
        words: &[Words],
        bytes: &[Bytes],
        digits: usize,
        tables: &mut [Table],
    ) {
        // SAFETY: arrays of the sizes that are read.
        let lane = |bytes: &[u8; 16]| unsafe {
            _mm512_broadcast_i32x4(_mm_loadu_si128(bytes.as_ptr().cast()))
        };
        // SAFETY: as above.
        let all = |bytes: &[u8; 64]| unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
        let out = tables.as_mut_ptr();
        // SAFETY: `at` is one of the tables, see below.
        let store = |at: usize, table| unsafe { _mm512_storeu_si512(out.add(at).cast(), table) };
        let (low, high) = (all(&LOW), all(&HIGH));
        let to_lanes = _mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3);
        for (q, Words { weights, bases }) in words.iter().enumerate() {
            // SAFETY: `bases` is 32 bytes.
            let bases = unsafe { _mm256_loadu_si256(bases.as_ptr().cast()) };
            let bases = _mm512_permutexvar_epi64(to_lanes, _mm512_castsi256_si512(bases));
            for n in 0..TILE {
                // SAFETY: the weights of a pair are 64 bytes.
                let weights = unsafe { _mm512_loadu_si512(weights[n / 2].as_ptr().cast()) };
                let mut first = _mm512_shuffle_epi8(bases, lane(&BASE_WORD[n]));
                for i in 0..GROUP - 1 {
                    let chosen = _mm512_shuffle_epi8(weights, lane(&WORD[n % 2][i]));
                    first = _mm512_add_epi16(first, chosen);
                }
                let last = _mm512_shuffle_epi8(weights, lane(&WORD[n % 2][GROUP - 1]));
                let second = _mm512_add_epi16(first, last);
                let at = (q * TILE + n) * digits;
                store(at, _mm512_permutex2var_epi8(first, low, second));
                store(at + 1, _mm512_permutex2var_epi8(first, high, second));
            }
        }
        let to_lanes = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
        for (q, Bytes { weights, bases }) in bytes.iter().enumerate() {
            // SAFETY: `bases` is 16 bytes, `weights` 64.
            let (bases, weights) = unsafe {
                let bases = _mm_loadu_si128(bases.as_ptr().cast());
                (_mm512_castsi128_si512(bases), _mm512_loadu_si512(weights.as_ptr().cast()))
            };
            let bases = _mm512_permutexvar_epi32(to_lanes, bases);
            for pair in 0..TILE / 2 {
                let mut first = _mm512_shuffle_epi8(bases, lane(&BASE_BYTE[pair]));
                for i in 0..GROUP - 1 {
                    let chosen = _mm512_shuffle_epi8(weights, lane(&BYTE[pair][i]));
                    first = _mm512_add_epi8(first, chosen);
                }
                let last = _mm512_shuffle_epi8(weights, lane(&BYTE[pair][GROUP - 1]));
                let second = _mm512_add_epi8(first, last);
                let at = (q * TILE + 2 * pair) * digits + digits - 1;
                store(at, _mm512_unpacklo_epi64(first, second));
                store(at + digits, _mm512_unpackhi_epi64(first, second));
            }
        }
    }

    /// A group a lane, two groups at a time.
    ///
    /// # Safety
    /// The CPU has AVX2; `tables` holds `TILE * digits` for each quad.
    #[target_feature(enable = "avx2")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn avx2(
        words: &[Words],
        bytes: &[Bytes],
        digits: usize,
        tables: &mut [Table],
    ) {
        // SAFETY: an array of the size that is read.
        let lane = |bytes: &[u8; 16]| unsafe {
            _mm256_broadcastsi128_si256(_mm_loadu_si128(bytes.as_ptr().cast()))
        };
        let out = tables.as_mut_ptr();
        // SAFETY: half `half` of table `at`, which is one of the tables, see below.
        let store = |at: usize, half: usize, entries| unsafe {
            _mm256_storeu_si256(out.add(at).cast::<__m256i>().add(half), entries);
        };
        let byte = _mm256_set1_epi16(255);
        for (q, Words { weights, bases }) in words.iter().enumerate() {
            for half in 0..2 {
                let first = half * QUAD / 2;
                // SAFETY: the bases of two groups are 16 bytes.
                let bases = unsafe { _mm_loadu_si128(bases[first..].as_ptr().cast()) };
                let bases = _mm256_permute4x64_epi64::<0x50>(_mm256_castsi128_si256(bases));
                for n in 0..TILE {
                    // SAFETY: the weights of a pair of channels for two groups are 32 bytes.
                    let weights =
                        unsafe { _mm256_loadu_si256(weights[n / 2][first..].as_ptr().cast()) };
                    let mut first = _mm256_shuffle_epi8(bases, lane(&BASE_WORD[n]));
                    for i in 0..GROUP - 1 {
                        let chosen = _mm256_shuffle_epi8(weights, lane(&WORD[n % 2][i]));
                        first = _mm256_add_epi16(first, chosen);
                    }
                    let last = _mm256_shuffle_epi8(weights, lane(&WORD[n % 2][GROUP - 1]));
                    let second = _mm256_add_epi16(first, last);
                    let low = [_mm256_and_si256(first, byte), _mm256_and_si256(second, byte)];
                    let high = [_mm256_srli_epi16::<8>(first), _mm256_srli_epi16::<8>(second)];
                    let at = (q * TILE + n) * digits;
                    store(at, half, _mm256_packus_epi16(low[0], low[1]));
                    store(at + 1, half, _mm256_packus_epi16(high[0], high[1]));
                }
            }
        }
        let to_lanes = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
        for (q, Bytes { weights, bases }) in bytes.iter().enumerate() {
            for half in 0..2 {
                let first = half * QUAD / 2;
                // SAFETY: the bases of two groups are 8 bytes, their weights 32.
                let (bases, weights) = unsafe {
                    let bases = _mm_loadl_epi64(bases[first..].as_ptr().cast());
                    let weights = _mm256_loadu_si256(weights[first..].as_ptr().cast());
                    (_mm256_castsi128_si256(bases), weights)
                };
                let bases = _mm256_permutevar8x32_epi32(bases, to_lanes);
                for pair in 0..TILE / 2 {
                    let mut first = _mm256_shuffle_epi8(bases, lane(&BASE_BYTE[pair]));
                    for i in 0..GROUP - 1 {
                        let chosen = _mm256_shuffle_epi8(weights, lane(&BYTE[pair][i]));
                        first = _mm256_add_epi8(first, chosen);
                    }
                    let last = _mm256_shuffle_epi8(weights, lane(&BYTE[pair][GROUP - 1]));
                    let second = _mm256_add_epi8(first, last);
                    let at = (q * TILE + 2 * pair) * digits + digits - 1;
                    store(at, half, _mm256_unpacklo_epi64(first, second));
                    store(at + digits, half, _mm256_unpackhi_epi64(first, second));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{super::Aligned, *};

    fn words() -> impl Strategy<Value = Words> {
        (any::<[[[[u16; GROUP]; 2]; QUAD]; TILE / 2]>(), any::<[[u16; TILE]; QUAD]>())
            .prop_map(|(weights, bases)| Words { weights, bases })
    }

    fn bytes() -> impl Strategy<Value = Bytes> {
        (any::<[[[u8; GROUP]; TILE]; QUAD]>(), any::<[[u8; TILE]; QUAD]>())
            .prop_map(|(weights, bases)| Bytes { weights, bases })
    }

    proptest! {
        #[test]
        fn every_isa_makes_the_same_tables(
            (words, bytes) in (0usize..4).prop_flat_map(|q| (vec(words(), q), vec(bytes(), q))),
        ) {
            for (words, bytes, digits) in [(&[][..], &bytes[..], 1), (&words, &[], 2), (&words, &bytes, 3)] {
                let quads = words.len().max(bytes.len());
                let mut expected = vec![Aligned([7; 16 * QUAD]); quads * TILE * if quads == 0 { 1 } else { digits }];
                let mut found = expected.clone();
                portable(words, bytes, digits, &mut expected);
                for isa in Isa::all() {
                    found.fill(Aligned([9; 16 * QUAD]));
                    tabulate(isa, words, bytes, &mut found);
                    prop_assert_eq!(&found, &expected, "{} with {} digits", isa.name(), digits);
                }
            }
        }
    }

    #[test]
    fn entries_are_sums_of_what_nibbles_select() {
        let (mut words, mut bytes) = (Words::default(), Bytes::default());
        words.set(2, 1, [1000, 200u16.wrapping_neg(), 30, 4], 200);
        bytes.set(3, 2, [100, 20, 3u8.wrapping_neg(), 1], 3);
        for isa in Isa::all() {
            let mut tables = vec![Aligned([0; 16 * QUAD]); 3 * TILE];
            tabulate(isa, &[words], &[bytes], &mut tables);
            let word = |at: usize| {
                u16::from_le_bytes([tables[3 * 2][16 + at], tables[3 * 2 + 1][16 + at]])
            };
            assert_eq!([0b0000, 0b0001, 0b0010, 0b1101].map(word), [200, 1200, 0, 1234]);
            let byte = |at: usize| tables[3 * 3 + 2][32 + at];
            assert_eq!([0b0000, 0b0001, 0b0100, 0b1111].map(byte), [3, 103, 0, 121]);
        }
    }
}

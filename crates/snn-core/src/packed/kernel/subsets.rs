//! Sums of the counts that nibbles select.

use super::{TILE, View};
use crate::packed::{
    isa::{Isa, Level},
    layout::{GROUP, LANES},
};

/// What is summed: bytes that saturate, for those who take 255 and more for the same,
/// or words that must not overflow.
pub(in crate::packed) trait Sum: Copy + Default + Send + Sync + 'static {
    /// A count, or the greatest number.
    fn of(count: u16) -> Self;
    /// The sum, or the greatest number.
    fn plus(self, other: Self) -> Self;
    /// As [`subsets`], on AVX-512.
    ///
    /// # Safety
    /// The CPU has AVX-512 F, BW and VL.
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    // SAFETY: callers keep what is said under `# Safety`.
    unsafe fn fill(counts: &[u16], to: &mut Vec<[Self; 16]>);
    /// As [`select`], for lengths that fit each other.
    fn select(isa: Isa, view: &View<'_>, tables: &[[Self; 16]], sums: &mut [[[Self; LANES]; TILE]]);
}

impl Sum for u8 {
    #[inline(always)]
    fn of(count: u16) -> Self {
        count.min(u16::from(Self::MAX)) as Self
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.saturating_add(other)
    }

    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    // SAFETY: callers keep what is said under `# Safety`.
    unsafe fn fill(counts: &[u16], to: &mut Vec<[Self; 16]>) {
        // SAFETY: as above.
        unsafe { x86::fill_bytes(counts, to) }
    }

    #[allow(unsafe_code)]
    fn select(
        isa: Isa,
        view: &View<'_>,
        tables: &[[Self; 16]],
        sums: &mut [[[Self; LANES]; TILE]],
    ) {
        match isa.level() {
            Level::Portable => plain(view, tables, sums),
            // SAFETY: only `Isa::all` makes this value, after detecting AVX2; lengths were checked.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::bytes_avx2(view, tables, sums) },
            // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 BW; lengths were
            // checked.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { x86::bytes_avx512(view, tables, sums) },
        }
    }
}

impl Sum for u16 {
    #[inline(always)]
    fn of(count: u16) -> Self {
        count
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.saturating_add(other)
    }

    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    // SAFETY: callers keep what is said under `# Safety`.
    unsafe fn fill(counts: &[u16], to: &mut Vec<[Self; 16]>) {
        // SAFETY: as above.
        unsafe { x86::fill_words(counts, to) }
    }

    #[allow(unsafe_code)]
    fn select(
        isa: Isa,
        view: &View<'_>,
        tables: &[[Self; 16]],
        sums: &mut [[[Self; LANES]; TILE]],
    ) {
        match isa.level() {
            Level::Portable => plain(view, tables, sums),
            // SAFETY: only `Isa::all` makes this value, after detecting AVX2; lengths were checked.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::words_avx2(view, tables, sums) },
            // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 BW; lengths were
            // checked.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { x86::words_avx512(view, tables, sums) },
        }
    }
}

/// Appends a table for every four counts: the sums of their sixteen subsets.
///
/// # Panics
/// If counts are not whole groups.
#[allow(unsafe_code)]
pub(in crate::packed) fn subsets<S: Sum>(isa: Isa, counts: &[u16], to: &mut Vec<[S; 16]>) {
    assert!(counts.len().is_multiple_of(GROUP));
    match isa.level() {
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 F, BW and VL.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { S::fill(counts, to) },
        _ => fill(counts, to),
    }
}

fn fill<S: Sum>(counts: &[u16], to: &mut Vec<[S; 16]>) {
    to.extend(counts.as_chunks::<GROUP>().0.iter().map(|counts| {
        let mut sums = [S::default(); 16];
        for (j, &count) in counts.iter().enumerate() {
            for i in 0..1 << j {
                sums[i + (1 << j)] = sums[i].plus(S::of(count));
            }
        }
        sums
    }));
}

/// Adds to `sums`, `[channels][64]`, what the nibbles of a view select from `tables`,
/// `[channels][groups]`.
///
/// # Panics
/// If the lengths do not fit each other.
pub(in crate::packed) fn select<S: Sum>(
    isa: Isa,
    view: &View<'_>,
    tables: &[[S; 16]],
    sums: &mut [[S; LANES]],
) {
    let (sums, rest) = sums.as_chunks_mut::<TILE>();
    let groups = view.groups().len();
    assert!(rest.is_empty() && sums.len() * groups * TILE == tables.len());
    S::select(isa, view, tables, sums);
}

/// As [`select`], from tables of bytes to sums of words, which must not overflow.
///
/// # Panics
/// If the lengths do not fit each other.
#[allow(unsafe_code)]
pub(in crate::packed) fn select_wide(
    isa: Isa,
    view: &View<'_>,
    tables: &[[u8; 16]],
    sums: &mut [[u16; LANES]],
) {
    let (tiles, rest) = sums.as_chunks_mut::<TILE>();
    let groups = view.groups().len();
    assert!(rest.is_empty() && tiles.len() * groups * TILE == tables.len());
    match isa.level() {
        Level::Portable => {
            for (sums, tables) in sums.iter_mut().zip(tables.chunks_exact(groups.max(1))) {
                for (nibbles, table) in view.groups().zip(tables) {
                    for (i, (sum, nibble)) in sums.iter_mut().zip(nibbles).enumerate() {
                        let nibble = if view.there >> i & 1 == 1 { nibble & 15 } else { 0 };
                        *sum += u16::from(table[usize::from(nibble)]);
                    }
                }
            }
        }
        // SAFETY: only `Isa::all` makes this value, after detecting AVX2; lengths were checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::wide_avx2(view, tables, tiles) },
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 BW; lengths were
        // checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::wide_avx512(view, tables, tiles) },
    }
}

/// The obvious form.
fn plain<S: Sum>(view: &View<'_>, tables: &[[S; 16]], sums: &mut [[[S; LANES]; TILE]]) {
    let of_tile = (view.groups().len() * TILE).max(1);
    for (sums, tables) in sums.iter_mut().zip(tables.chunks_exact(of_tile)) {
        let groups = view.groups().len().max(1);
        for (sums, tables) in sums.iter_mut().zip(tables.chunks_exact(groups)) {
            for (nibbles, table) in view.groups().zip(tables) {
                for (i, (sum, nibble)) in sums.iter_mut().zip(nibbles).enumerate() {
                    let nibble = if view.there >> i & 1 == 1 { nibble & 15 } else { 0 };
                    *sum = sum.plus(table[usize::from(nibble)]);
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use std::arch::x86_64::*;

    use super::{LANES, TILE, View};

    /// The entries of a table whose subset has count `j`, as bits.
    const HAS: [u16; 4] = [0xaaaa, 0xcccc, 0xf0f0, 0xff00];

    /// Four tables in a register.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(super) fn fill_bytes(counts: &[u16], to: &mut Vec<[u8; 16]>) {
        // Each quarter of a register looks at its own four bytes.
        let first = _mm512_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12);
        let first = _mm512_shuffle_epi8(first, _mm512_set1_epi32(0));
        let of = |j: usize| _mm512_add_epi8(first, _mm512_set1_epi8(j as i8));
        let places: [__m512i; 4] = std::array::from_fn(of);
        for counts in counts.chunks(16) {
            let there = u16::MAX >> (16 - counts.len());
            // SAFETY: those that are there.
            let counts = unsafe { _mm256_maskz_loadu_epi16(there, counts.as_ptr().cast()) };
            let bytes = _mm512_broadcast_i32x4(_mm256_cvtusepi16_epi8(counts));
            let mut sums = _mm512_setzero_si512();
            for (place, has) in places.into_iter().zip(HAS) {
                let has = u64::from(has) * 0x0001_0001_0001_0001;
                sums = _mm512_adds_epu8(sums, _mm512_maskz_shuffle_epi8(has, bytes, place));
            }
            let mut tables = [[0; 16]; 4];
            // SAFETY: 64 bytes.
            unsafe { _mm512_storeu_si512(tables.as_mut_ptr().cast(), sums) };
            to.extend_from_slice(&tables[..there.count_ones() as usize / 4]);
        }
    }

    /// Two tables in a register.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(super) fn fill_words(counts: &[u16], to: &mut Vec<[u16; 16]>) {
        for counts in counts.chunks(8) {
            let there = u8::MAX >> (8 - counts.len());
            // SAFETY: those that are there.
            let counts = unsafe { _mm_maskz_loadu_epi16(there, counts.as_ptr().cast()) };
            let counts = _mm512_castsi128_si512(counts);
            let mut sums = _mm512_setzero_si512();
            for (j, has) in HAS.into_iter().enumerate() {
                let place = _mm512_inserti64x4(
                    _mm512_set1_epi16(j as i16),
                    _mm256_set1_epi16(j as i16 + 4),
                    1,
                );
                let has = u32::from(has) * 0x0001_0001;
                let chosen = _mm512_maskz_permutexvar_epi16(has, place, counts);
                sums = _mm512_adds_epu16(sums, chosen);
            }
            let mut tables = [[0; 16]; 2];
            // SAFETY: 64 bytes.
            unsafe { _mm512_storeu_si512(tables.as_mut_ptr().cast(), sums) };
            to.extend_from_slice(&tables[..there.count_ones() as usize / 4]);
        }
    }

    /// # Safety
    /// The CPU has AVX-512 F and BW; `tables` holds one for each channel and
    /// group.
    #[target_feature(enable = "avx512f,avx512bw")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn bytes_avx512(
        view: &View<'_>,
        tables: &[[u8; 16]],
        sums: &mut [[[u8; LANES]; TILE]],
    ) {
        let groups = view.groups().len();
        for (sums, tables) in sums.iter_mut().zip(tables.chunks_exact((TILE * groups).max(1))) {
            // SAFETY: 64 bytes each.
            let mut all: [__m512i; TILE] =
                std::array::from_fn(|n| unsafe { _mm512_loadu_si512(sums[n].as_ptr().cast()) });
            for (g, nibbles) in view.groups().enumerate() {
                // SAFETY: 64 bytes.
                let nibbles =
                    unsafe { _mm512_maskz_loadu_epi8(view.there, nibbles.as_ptr().cast()) };
                for (n, all) in all.iter_mut().enumerate() {
                    // SAFETY: the table of this channel and group.
                    let entries = unsafe {
                        let table = tables.as_ptr().add(n * groups + g);
                        _mm512_broadcast_i32x4(_mm_loadu_si128(table.cast()))
                    };
                    let entries = _mm512_shuffle_epi8(entries, nibbles);
                    *all = _mm512_adds_epu8(*all, entries);
                }
            }
            for (sums, all) in sums.iter_mut().zip(all) {
                // SAFETY: 64 bytes.
                unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), all) };
            }
        }
    }

    /// 32 rows in a register.
    ///
    /// # Safety
    /// As for [`bytes_avx512`].
    #[target_feature(enable = "avx512f,avx512bw")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn words_avx512(
        view: &View<'_>,
        tables: &[[u16; 16]],
        sums: &mut [[[u16; LANES]; TILE]],
    ) {
        let groups = view.groups().len();
        let there = [view.there as u32, (view.there >> 32) as u32];
        for (sums, tables) in sums.iter_mut().zip(tables.chunks_exact((TILE * groups).max(1))) {
            // SAFETY: 32 numbers each.
            let mut all: [[__m512i; 2]; TILE] = std::array::from_fn(|n| unsafe {
                [0, 32].map(|half| _mm512_loadu_si512(sums[n].as_ptr().add(half).cast()))
            });
            for (g, nibbles) in view.groups().enumerate() {
                let index: [__m512i; 2] = std::array::from_fn(|half| {
                    // SAFETY: 32 bytes.
                    let bytes =
                        unsafe { _mm256_loadu_si256(nibbles.as_ptr().add(32 * half).cast()) };
                    _mm512_maskz_cvtepu8_epi16(there[half], bytes)
                });
                for (n, all) in all.iter_mut().enumerate() {
                    // SAFETY: the table of this channel and group.
                    let entries = unsafe {
                        let table = tables.as_ptr().add(n * groups + g);
                        _mm512_broadcast_i64x4(_mm256_loadu_si256(table.cast()))
                    };
                    for (all, index) in all.iter_mut().zip(index) {
                        *all = _mm512_add_epi16(*all, _mm512_permutexvar_epi16(index, entries));
                    }
                }
            }
            for (sums, all) in sums.iter_mut().zip(all) {
                for (half, all) in all.into_iter().enumerate() {
                    // SAFETY: 32 numbers.
                    unsafe { _mm512_storeu_si512(sums.as_mut_ptr().add(32 * half).cast(), all) };
                }
            }
        }
    }

    /// Bytes are added up two in a word, and the upper ones apart: what is left are the lower.
    ///
    /// # Safety
    /// As for [`bytes_avx512`].
    #[target_feature(enable = "avx512f,avx512bw")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn wide_avx512(
        view: &View<'_>,
        tables: &[[u8; 16]],
        sums: &mut [[[u16; LANES]; TILE]],
    ) {
        let groups = view.groups().len();
        let first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
        let second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
        for (sums, tables) in sums.iter_mut().zip(tables.chunks_exact((TILE * groups).max(1))) {
            let mut both = [_mm512_setzero_si512(); TILE];
            let mut upper = both;
            for (g, nibbles) in view.groups().enumerate() {
                // SAFETY: 64 bytes.
                let nibbles =
                    unsafe { _mm512_maskz_loadu_epi8(view.there, nibbles.as_ptr().cast()) };
                for n in 0..TILE {
                    // SAFETY: the table of this channel and group.
                    let entries = unsafe {
                        let table = tables.as_ptr().add(n * groups + g);
                        _mm512_broadcast_i32x4(_mm_loadu_si128(table.cast()))
                    };
                    let entries = _mm512_shuffle_epi8(entries, nibbles);
                    both[n] = _mm512_add_epi16(both[n], entries);
                    upper[n] = _mm512_add_epi16(upper[n], _mm512_srli_epi16(entries, 8));
                }
            }
            for (n, sums) in sums.iter_mut().enumerate() {
                let lower = _mm512_sub_epi16(both[n], _mm512_slli_epi16(upper[n], 8));
                let near = _mm512_unpacklo_epi16(lower, upper[n]);
                let far = _mm512_unpackhi_epi16(lower, upper[n]);
                for (half, order) in [first, second].into_iter().enumerate() {
                    let more = _mm512_permutex2var_epi64(near, order, far);
                    // SAFETY: 32 numbers.
                    unsafe {
                        let sums = sums.as_mut_ptr().add(32 * half);
                        let all = _mm512_add_epi16(_mm512_loadu_si512(sums.cast()), more);
                        _mm512_storeu_si512(sums.cast(), all);
                    }
                }
            }
        }
    }

    /// As [`wide_avx512`], 32 rows at a time.
    ///
    /// # Safety
    /// The CPU has AVX2; lengths as for [`bytes_avx512`].
    #[target_feature(enable = "avx2")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn wide_avx2(
        view: &View<'_>,
        tables: &[[u8; 16]],
        sums: &mut [[[u16; LANES]; TILE]],
    ) {
        let groups = view.groups().len();
        for half in [0, 32] {
            let there = mask((view.there >> half) as u32);
            let tables = tables.chunks_exact((TILE * groups).max(1));
            for (sums, tables) in sums.iter_mut().zip(tables) {
                let mut both = [_mm256_setzero_si256(); TILE];
                let mut upper = both;
                for (g, nibbles) in view.groups().enumerate() {
                    // SAFETY: 32 bytes.
                    let nibbles = unsafe { _mm256_loadu_si256(nibbles.as_ptr().add(half).cast()) };
                    let nibbles = _mm256_and_si256(nibbles, there);
                    for n in 0..TILE {
                        // SAFETY: the table of this channel and group.
                        let entries = unsafe {
                            let table = tables.as_ptr().add(n * groups + g);
                            _mm256_broadcastsi128_si256(_mm_loadu_si128(table.cast()))
                        };
                        let entries = _mm256_shuffle_epi8(entries, nibbles);
                        both[n] = _mm256_add_epi16(both[n], entries);
                        upper[n] = _mm256_add_epi16(upper[n], _mm256_srli_epi16(entries, 8));
                    }
                }
                for (n, sums) in sums.iter_mut().enumerate() {
                    let lower = _mm256_sub_epi16(both[n], _mm256_slli_epi16(upper[n], 8));
                    let near = _mm256_unpacklo_epi16(lower, upper[n]);
                    let far = _mm256_unpackhi_epi16(lower, upper[n]);
                    let quarters = [
                        _mm256_permute2x128_si256(near, far, 0x20),
                        _mm256_permute2x128_si256(near, far, 0x31),
                    ];
                    for (quarter, more) in quarters.into_iter().enumerate() {
                        // SAFETY: 16 numbers.
                        unsafe {
                            let sums = sums.as_mut_ptr().add(half + 16 * quarter);
                            let all = _mm256_add_epi16(_mm256_loadu_si256(sums.cast()), more);
                            _mm256_storeu_si256(sums.cast(), all);
                        }
                    }
                }
            }
        }
    }

    /// All ones in the bytes of the lanes that are there.
    #[target_feature(enable = "avx2")]
    fn mask(there: u32) -> __m256i {
        let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
        let byte = _mm256_setr_epi64x(
            0,
            0x0101_0101_0101_0101,
            0x0202_0202_0202_0202,
            0x0303_0303_0303_0303,
        );
        let spread = _mm256_shuffle_epi8(_mm256_set1_epi32(there as i32), byte);
        _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit)
    }

    /// # Safety
    /// The CPU has AVX2; lengths as for [`bytes_avx512`].
    #[target_feature(enable = "avx2")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn bytes_avx2(
        view: &View<'_>,
        tables: &[[u8; 16]],
        sums: &mut [[[u8; LANES]; TILE]],
    ) {
        let groups = view.groups().len();
        for half in [0, 32] {
            let there = mask((view.there >> half) as u32);
            let tables = tables.chunks_exact((TILE * groups).max(1));
            for (sums, tables) in sums.iter_mut().zip(tables) {
                // SAFETY: 32 bytes each.
                let mut all: [__m256i; TILE] = std::array::from_fn(|n| unsafe {
                    _mm256_loadu_si256(sums[n].as_ptr().add(half).cast())
                });
                for (g, nibbles) in view.groups().enumerate() {
                    // SAFETY: 32 bytes.
                    let nibbles = unsafe { _mm256_loadu_si256(nibbles.as_ptr().add(half).cast()) };
                    let nibbles = _mm256_and_si256(nibbles, there);
                    for (n, all) in all.iter_mut().enumerate() {
                        // SAFETY: the table of this channel and group.
                        let entries = unsafe {
                            let table = tables.as_ptr().add(n * groups + g);
                            _mm256_broadcastsi128_si256(_mm_loadu_si128(table.cast()))
                        };
                        *all = _mm256_adds_epu8(*all, _mm256_shuffle_epi8(entries, nibbles));
                    }
                }
                for (sums, all) in sums.iter_mut().zip(all) {
                    // SAFETY: 32 bytes.
                    unsafe { _mm256_storeu_si256(sums.as_mut_ptr().add(half).cast(), all) };
                }
            }
        }
    }

    /// 16 rows in a register: the lower and upper bytes of entries are looked up apart.
    ///
    /// # Safety
    /// The CPU has AVX2; lengths as for [`bytes_avx512`].
    #[target_feature(enable = "avx2")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn words_avx2(
        view: &View<'_>,
        tables: &[[u16; 16]],
        sums: &mut [[[u16; LANES]; TILE]],
    ) {
        let groups = view.groups().len();
        let bytes = _mm256_set1_epi16(0xff);
        for part in (0..LANES).step_by(16) {
            let there = mask((view.there >> part) as u32 & 0xffff);
            let there = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(there));
            let tables = tables.chunks_exact((TILE * groups).max(1));
            for (sums, tables) in sums.iter_mut().zip(tables) {
                // SAFETY: 16 numbers each.
                let mut all: [__m256i; TILE] = std::array::from_fn(|n| unsafe {
                    _mm256_loadu_si256(sums[n].as_ptr().add(part).cast())
                });
                for (g, nibbles) in view.groups().enumerate() {
                    // SAFETY: 16 bytes.
                    let nibbles = unsafe { _mm_loadu_si128(nibbles.as_ptr().add(part).cast()) };
                    let nibbles = _mm256_and_si256(_mm256_cvtepu8_epi16(nibbles), there);
                    // The upper byte of each number selects from the upper bytes of a table.
                    let index = _mm256_or_si256(nibbles, _mm256_slli_epi16(nibbles, 8));
                    for (n, all) in all.iter_mut().enumerate() {
                        // SAFETY: the table of this channel and group.
                        let entries = unsafe {
                            let table = tables.as_ptr().add(n * groups + g);
                            _mm256_loadu_si256(table.cast())
                        };
                        // Lower bytes of all sixteen in the lower half, upper ones in the other.
                        let low = _mm256_and_si256(entries, bytes);
                        let apart = _mm256_packus_epi16(low, _mm256_srli_epi16(entries, 8));
                        let low = _mm256_permute4x64_epi64(apart, 0b10_00_10_00);
                        let high = _mm256_permute4x64_epi64(apart, 0b11_01_11_01);
                        let low = _mm256_and_si256(_mm256_shuffle_epi8(low, index), bytes);
                        let high = _mm256_andnot_si256(bytes, _mm256_shuffle_epi8(high, index));
                        *all = _mm256_add_epi16(*all, _mm256_or_si256(low, high));
                    }
                }
                for (sums, all) in sums.iter_mut().zip(all) {
                    // SAFETY: 16 numbers.
                    unsafe { _mm256_storeu_si256(sums.as_mut_ptr().add(part).cast(), all) };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn every_isa<S: Sum + PartialEq + std::fmt::Debug>(
        view: &View<'_>,
        counts: &[u16],
        before: S,
        expected: impl Fn(u32) -> S,
    ) {
        let width = view.groups().len() * GROUP;
        let mut sums = vec![[before; LANES]; width];
        for (c, row) in (0..width).flat_map(|c| (0..LANES).map(move |row| (c, row))) {
            let nibble = |k: usize| view.tiles[k / GROUP * view.stride][row] >> (k % GROUP) & 1;
            let chosen = (0..width).filter(|&k| view.there >> row & 1 == 1 && nibble(k) == 1);
            let sum = chosen.map(|k| u32::from(counts[c * width + k])).sum();
            sums[c][row] = expected(sum);
        }
        for isa in Isa::all() {
            let mut tables = Vec::new();
            subsets(isa, counts, &mut tables);
            let mut found = vec![[before; LANES]; width];
            select(isa, view, &tables, &mut found);
            assert_eq!(found, sums, "{}", isa.name());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_isa_sums_what_is_selected(
            (stride, nibbles, counts) in (1usize..5, 1usize..3).prop_flat_map(|(groups, stride)| (
                Just(stride),
                vec(0u8..16, groups * stride * LANES),
                vec(prop_oneof![0u16..40, 0u16..=4000], (groups * GROUP).pow(2)),
            )),
            before: u8, there in prop_oneof![Just(u64::MAX), any::<u64>()],
        ) {
            let view = View { tiles: nibbles.as_chunks().0, stride, there };
            let byte = |sum: u32| (sum + u32::from(before)).min(255) as u8;
            every_isa(&view, &counts, before, byte);
            // Sixteen counts and what was there before stay inside a word.
            let word = |sum: u32| sum as u16 + u16::from(before);
            every_isa(&view, &counts, u16::from(before), word);
            // Small counts, whose subsets fit bytes.
            let counts: Vec<u16> = counts.into_iter().map(|count| count % 64).collect();
            let mut expected = vec![[u16::from(before); LANES]; nibbles.len() / stride / LANES * GROUP];
            let mut tables: Vec<[u16; 16]> = Vec::new();
            subsets(Isa::all()[0], &counts, &mut tables);
            select(Isa::all()[0], &view, &tables, &mut expected);
            for isa in Isa::all() {
                let mut tables = Vec::new();
                subsets(isa, &counts, &mut tables);
                let mut found = vec![[u16::from(before); LANES]; expected.len()];
                select_wide(isa, &view, &tables, &mut found);
                prop_assert_eq!(&found, &expected, "{}", isa.name());
            }
        }
    }
}

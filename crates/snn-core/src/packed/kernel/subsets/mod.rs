//! Sums of the counts that nibbles select.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

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
        unsafe { avx512::fill_bytes(counts, to) }
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
            Level::Avx2 => unsafe { avx2::bytes(view, tables, sums) },
            // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 BW; lengths were
            // checked.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512::bytes(view, tables, sums) },
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
        unsafe { avx512::fill_words(counts, to) }
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
            Level::Avx2 => unsafe { avx2::words(view, tables, sums) },
            // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 BW; lengths were
            // checked.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512::words(view, tables, sums) },
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
        Level::Avx2 => unsafe { avx2::wide(view, tables, tiles) },
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 BW; lengths were
        // checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512::wide(view, tables, tiles) },
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

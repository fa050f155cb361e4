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

/// An entry of a table: a byte that saturates, for those who take 255 and more for the same, or a
/// word that must not overflow.
pub(in crate::packed) trait Entry:
    Copy + Default + Send + Sync + 'static
{
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
    unsafe fn subsets_avx512(counts: &[u16], to: &mut [[Self; 16]]);
}

/// What entries `T` add up to: numbers as wide as they, or wider.
pub(in crate::packed) trait Sum<T: Entry>: Entry + From<T> {
    /// As [`select`], for lengths that fit each other.
    ///
    /// # Safety
    /// The CPU has AVX2.
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    // SAFETY: callers keep what is said under `# Safety`.
    unsafe fn avx2(view: &View<'_>, tables: &[[T; 16]], sums: &mut [[[Self; LANES]; TILE]]);
    /// As [`select`], for lengths that fit each other.
    ///
    /// # Safety
    /// The CPU has AVX-512 F and BW.
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    // SAFETY: callers keep what is said under `# Safety`.
    unsafe fn avx512(view: &View<'_>, tables: &[[T; 16]], sums: &mut [[[Self; LANES]; TILE]]);
}

macro_rules! entry {
    ($number:ty, $subsets:ident) => {
        impl Entry for $number {
            #[inline(always)]
            fn of(count: u16) -> Self {
                Self::try_from(count).unwrap_or(Self::MAX)
            }

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.saturating_add(other)
            }

            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: callers keep what is said under `# Safety`.
            unsafe fn subsets_avx512(counts: &[u16], to: &mut [[Self; 16]]) {
                // SAFETY: as above.
                unsafe { avx512::$subsets(counts, to) }
            }
        }
    };
}

entry!(u8, fill_bytes);
entry!(u16, fill_words);

macro_rules! sum {
    ($sum:ty, of $entry:ty, $select:ident) => {
        #[cfg_attr(target_arch = "x86_64", allow(unsafe_code))]
        impl Sum<$entry> for $sum {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: callers keep what is said under `# Safety`.
            unsafe fn avx2(
                view: &View<'_>,
                tables: &[[$entry; 16]],
                sums: &mut [[[Self; LANES]; TILE]],
            ) {
                // SAFETY: as above.
                unsafe { avx2::$select(view, tables, sums) }
            }

            #[cfg(target_arch = "x86_64")]
            // SAFETY: callers keep what is said under `# Safety`.
            unsafe fn avx512(
                view: &View<'_>,
                tables: &[[$entry; 16]],
                sums: &mut [[[Self; LANES]; TILE]],
            ) {
                // SAFETY: as above.
                unsafe { avx512::$select(view, tables, sums) }
            }
        }
    };
}

sum!(u8, of u8, bytes);
sum!(u16, of u16, words);
sum!(u16, of u8, wide);

/// A table for every four counts: the sums of their sixteen subsets.
///
/// # Panics
/// If counts are not whole groups.
#[allow(unsafe_code)]
pub(in crate::packed) fn subsets<T: Entry>(isa: Isa, counts: &[u16]) -> Vec<[T; 16]> {
    assert!(counts.len().is_multiple_of(GROUP));
    let mut to = vec![[T::default(); 16]; counts.len() / GROUP];
    match isa.level() {
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 F, BW and VL.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { T::subsets_avx512(counts, &mut to) },
        _ => fill(counts, &mut to),
    }
    to
}

fn fill<T: Entry>(counts: &[u16], to: &mut [[T; 16]]) {
    for (counts, sums) in counts.as_chunks::<GROUP>().0.iter().zip(to) {
        for (j, &count) in counts.iter().enumerate() {
            for i in 0..1 << j {
                sums[i + (1 << j)] = sums[i].plus(T::of(count));
            }
        }
    }
}

/// Adds to `sums`, `[channels][64]`, what the nibbles of a view select from `tables`,
/// `[channels][groups]`.
///
/// # Panics
/// If the lengths do not fit each other.
#[allow(unsafe_code)]
pub(in crate::packed) fn select<T: Entry, S: Sum<T>>(
    isa: Isa,
    view: &View<'_>,
    tables: &[[T; 16]],
    sums: &mut [[S; LANES]],
) {
    let (sums, rest) = sums.as_chunks_mut::<TILE>();
    let groups = view.groups().len();
    assert!(rest.is_empty() && sums.len() * groups * TILE == tables.len());
    match isa.level() {
        Level::Portable => plain(view, tables, sums.as_flattened_mut()),
        // SAFETY: only `Isa::all` makes this value, after detecting AVX2; lengths were checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { S::avx2(view, tables, sums) },
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 BW; lengths were
        // checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { S::avx512(view, tables, sums) },
    }
}

/// The obvious form.
fn plain<T: Entry, S: Sum<T>>(view: &View<'_>, tables: &[[T; 16]], sums: &mut [[S; LANES]]) {
    let groups = view.groups().len().max(1);
    for (sums, tables) in sums.iter_mut().zip(tables.chunks_exact(groups)) {
        for (nibbles, table) in view.groups().zip(tables) {
            for (i, (sum, nibble)) in sums.iter_mut().zip(nibbles).enumerate() {
                let nibble = if view.there >> i & 1 == 1 { nibble & 15 } else { 0 };
                *sum = sum.plus(S::from(table[usize::from(nibble)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn every_isa<T: Entry, S: Sum<T> + PartialEq + std::fmt::Debug>(
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
            let tables = subsets::<T>(isa, counts);
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
            every_isa::<u8, u8>(&view, &counts, before, byte);
            // Sixteen counts and what was there before stay inside a word.
            let (first, word) = (u16::from(before), |sum: u32| sum as u16 + u16::from(before));
            every_isa::<u16, u16>(&view, &counts, first, word);
            // Small counts, whose subsets fit bytes.
            let small: Vec<u16> = counts.into_iter().map(|count| count % 64).collect();
            every_isa::<u8, u16>(&view, &small, first, word);
        }
    }
}

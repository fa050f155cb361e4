//! The scan: a query against a run of codes, until one is near enough.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

use snn_core::packed::{Isa, Level};

/// Blocks whose distances are compared with the limit at once.
pub(crate) const BLOCKS: usize = 8;

/// Greatest number of codes in a group.
pub(crate) const GROUP: usize = 16 * BLOCKS;

/// A cache line: one word of 8 codes, or 16 codes of at most 32 bits.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [u64; 8]);

/// How codes lie in lines.
///
/// Lines are `[group][block][word]`, [`BLOCKS`] blocks a group. Lane `i` of a block is code
/// `block * lanes + i` of its group; a narrow lane is a half of a word, the lower first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Whether a lane has 32 bits.
    pub(crate) narrow: bool,
    /// Words of a code.
    pub(crate) words: usize,
}

impl Layout {
    pub(crate) fn of(bits: usize) -> Self {
        Self { narrow: bits <= 32, words: bits.div_ceil(64) }
    }

    /// Codes of a group.
    pub(crate) fn group(&self) -> usize {
        if self.narrow { GROUP } else { GROUP / 2 }
    }

    /// Lines of a group.
    pub(crate) fn lines(&self) -> usize {
        BLOCKS * self.words
    }
}

/// The first group from group `from` on that has a distance below `limit`. The distances of its
/// codes then stand at the beginning of `out`.
///
/// `query` is one line a word, the word of the query in every lane.
///
/// # Panics
/// If `query` is not `layout.words` lines, or `lines` no whole number of groups.
#[allow(unsafe_code)]
pub(crate) fn next_below(
    isa: Isa,
    layout: Layout,
    query: &[Line],
    lines: &[Line],
    from: usize,
    limit: u32,
    out: &mut [u32; GROUP],
) -> Option<usize> {
    assert_eq!(query.len(), layout.words, "a line for every word");
    assert!(lines.len().is_multiple_of(layout.lines()), "whole groups");
    // SAFETY (of both calls): only `Isa::all` makes such a level, after detecting it, and the counts
    // of AVX-512 are detected here; the lengths were checked.
    #[cfg(target_arch = "x86_64")]
    macro_rules! by_width {
        ($module:ident) => {
            match (layout.narrow, layout.words) {
                // SAFETY: see above.
                (true, _) => unsafe {
                    $module::next_below::<1, true>(query, lines, from, limit, out)
                },
                // SAFETY: see above.
                (_, 1) => unsafe {
                    $module::next_below::<1, false>(query, lines, from, limit, out)
                },
                // SAFETY: see above.
                (_, 2) => unsafe {
                    $module::next_below::<2, false>(query, lines, from, limit, out)
                },
                // SAFETY: see above.
                (_, 4) => unsafe {
                    $module::next_below::<4, false>(query, lines, from, limit, out)
                },
                // SAFETY: see above.
                _ => unsafe { $module::next_below::<0, false>(query, lines, from, limit, out) },
            }
        };
    }
    match isa.level() {
        Level::Portable => portable(layout, query, lines, from, limit, out),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 if is_x86_feature_detected!("avx512vpopcntdq") => by_width!(avx512),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 | Level::Avx512 => by_width!(avx2),
    }
}

/// Moves the eight distances of every wide block from the sixteen places of a narrow one to the
/// beginning.
#[cfg(target_arch = "x86_64")]
fn close_ranks(out: &mut [u32; GROUP]) {
    for block in 1..BLOCKS {
        out.copy_within(16 * block..16 * block + 8, 8 * block);
    }
}

fn portable(
    layout: Layout,
    query: &[Line],
    lines: &[Line],
    from: usize,
    limit: u32,
    out: &mut [u32; GROUP],
) -> Option<usize> {
    let groups = lines.chunks_exact(layout.lines()).enumerate().skip(from);
    for (group, lines) in groups {
        let out = &mut out[..layout.group()];
        out.fill(0);
        for (out, block) in
            out.chunks_exact_mut(layout.group() / BLOCKS).zip(lines.chunks_exact(layout.words))
        {
            for (line, query) in block.iter().zip(query) {
                for (i, (code, query)) in line.0.iter().zip(&query.0).enumerate() {
                    let differ = code ^ query;
                    if layout.narrow {
                        out[2 * i] += (differ as u32).count_ones();
                        out[2 * i + 1] += ((differ >> 32) as u32).count_ones();
                    } else {
                        out[i] += differ.count_ones();
                    }
                }
            }
        }
        if out.iter().any(|&distance| distance < limit) {
            return Some(group);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn every_isa_stops_at_the_same_group(
            (bits, query, words) in (1usize..=400, 0usize..=4).prop_flat_map(|(bits, groups)| {
                let layout = Layout::of(bits);
                let words = 8 * layout.lines() * groups;
                // Queries and codes that share bits, so that short distances occur.
                (Just(bits), vec(any::<u64>(), layout.words), vec(any::<u64>(), words))
            }),
            near in 0u32..3,
            from in 0usize..3,
            limit in 0u32..420,
        ) {
            let layout = Layout::of(bits);
            let query: Vec<Line> = query
                .iter()
                .map(|&word| if layout.narrow { word & 0xffff_ffff | word << 32 } else { word })
                .map(|word| Line([word; 8]))
                .collect();
            let lines: Vec<Line> = words
                .as_chunks::<8>()
                .0
                .iter()
                .enumerate()
                .map(|(i, &words)| {
                    let q = query[i % layout.words].0[0];
                    // With `near` above zero the codes differ from the query in few bits.
                    Line(words.map(|w| if near == 0 { w } else { q ^ w & (w >> near) & (w >> 7) }))
                })
                .collect();
            let mut expected = [u32::MAX; GROUP];
            let group = portable(layout, &query, &lines, from, limit, &mut expected);
            for isa in Isa::all() {
                let mut found = [u32::MAX; GROUP];
                let got = next_below(isa, layout, &query, &lines, from, limit, &mut found);
                prop_assert_eq!(got, group, "{}", isa.name());
                if group.is_some() {
                    let count = layout.group();
                    prop_assert_eq!(&found[..count], &expected[..count], "{}", isa.name());
                }
            }
        }
    }
}

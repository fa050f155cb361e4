use std::ops::Range;

use ndarray::Array2;
use rayon::prelude::*;

use super::{
    kernel::{GROUP, Layout, Line, next_below},
    nearest::{Nearest, Neighbor},
    sorted_rows,
};
use crate::{Isa, codes::BitCodes};

/// Bytes of codes that a batch of queries goes through together: they stay in the L1 cache.
const TILE: usize = 24 << 10;

/// Queries that share a tile; more gain nothing, fewer read the codes from memory more often.
const BATCH: usize = 256;

/// Every code against every query: the exact search for any width and any codes.
///
/// Codes lie word by word in blocks of one cache line, narrow ones (up to 32 bits) twice as dense.
/// A group of 8 blocks is skipped when its least distance is not below the distance of the `k`-th
/// neighbour so far, which is all but a few.
#[derive(Clone, Debug)]
pub struct Scan {
    isa: Isa,
    bits: usize,
    codes: usize,
    layout: Layout,
    lines: Vec<Line>,
}

impl Scan {
    /// Lays the codes out, for the best instructions of this CPU.
    ///
    /// # Panics
    /// If there are more than 2^32 codes.
    pub fn new(codes: &BitCodes) -> Self {
        Self::with_isa(codes, Isa::best())
    }

    /// As [`Scan::new`], for the instructions of `isa`.
    ///
    /// # Panics
    /// If there are more than 2^32 codes.
    pub fn with_isa(codes: &BitCodes, isa: Isa) -> Self {
        assert!(codes.len() as u64 <= 1 << 32, "an index has 32 bits");
        let layout = Layout::of(codes.bits());
        let groups = codes.len().div_ceil(layout.group());
        let mut lines = vec![Line::default(); groups * layout.lines()];
        let lanes = if layout.narrow { 16 } else { 8 };
        for (i, code) in codes.iter().enumerate() {
            let (block, lane) = (i / lanes, i % lanes);
            for (line, &word) in lines[block * layout.words..].iter_mut().zip(code) {
                if layout.narrow {
                    line.0[lane / 2] |= word << (32 * (lane % 2));
                } else {
                    line.0[lane] = word;
                }
            }
        }
        Self { isa, bits: codes.bits(), codes: codes.len(), layout, lines }
    }

    /// The `k` nearest codes of every query, nearest first, ties by lowest index:
    /// `[queries, min(k, codes)]`.
    ///
    /// # Panics
    /// If the widths differ.
    pub fn search(&self, queries: &BitCodes, k: usize) -> Array2<Neighbor> {
        assert_eq!(queries.bits(), self.bits, "queries as wide as the codes");
        let k = k.min(self.codes);
        if k == 0 || queries.is_empty() {
            return Array2::default((queries.len(), k));
        }
        let threads = rayon::current_num_threads();
        let batch = queries.len().div_ceil(4 * threads).clamp(1, BATCH);
        let batches = queries.len().div_ceil(batch);
        // Few queries: threads share them, each with a part of the codes.
        let shares = if batches < threads { threads.div_ceil(batches) } else { 1 };
        let groups = self.lines.len() / self.layout.lines();
        let found: Vec<Vec<Vec<Neighbor>>> = (0..batches * shares)
            .into_par_iter()
            .map(|task| {
                let (batch_of, share) = (task / shares, task % shares);
                let queries = batch_of * batch..((batch_of + 1) * batch).min(queries.len());
                (queries, share * groups / shares..(share + 1) * groups / shares)
            })
            .map(|(rows, groups)| self.search_part(queries, rows, groups, k))
            .collect();
        let merged = found.chunks(shares).flat_map(|shares| {
            (0..shares[0].len()).map(|query| {
                let mut all: Vec<_> =
                    shares.iter().flat_map(|share| &share[query]).copied().collect();
                all.sort_unstable(); // by distance, then index: whoever found it
                all.truncate(k);
                all
            })
        });
        sorted_rows(merged, queries.len(), k)
    }

    /// The distances of one query to all codes, in their order.
    ///
    /// # Panics
    /// If `query` has not the words of a code, or `out` not a place for every code.
    pub fn distances(&self, query: &[u64], out: &mut [u32]) {
        assert_eq!(query.len(), self.layout.words, "a query as wide as the codes");
        assert_eq!(out.len(), self.codes, "a place for every code");
        let query = self.query(query);
        let lines = self.layout.lines();
        let mut distances = [0; GROUP];
        for (out, group) in out.chunks_mut(self.layout.group()).zip(self.lines.chunks_exact(lines))
        {
            // Below the greatest number is everything.
            next_below(self.isa, self.layout, &query, group, 0, u32::MAX, &mut distances);
            out.copy_from_slice(&distances[..out.len()]);
        }
    }

    /// The nearest of the codes in `groups`, for each of the queries `rows`.
    fn search_part(
        &self,
        queries: &BitCodes,
        rows: Range<usize>,
        groups: Range<usize>,
        k: usize,
    ) -> Vec<Vec<Neighbor>> {
        let mut states: Vec<(Vec<Line>, Nearest)> =
            rows.map(|i| (self.query(queries.code(i)), Nearest::new(k))).collect();
        let lines = self.layout.lines();
        let tile = (TILE / (lines * size_of::<Line>())).max(1);
        let mut distances = [0; GROUP];
        for start in groups.clone().step_by(tile) {
            let end = (start + tile).min(groups.end);
            let tile = &self.lines[start * lines..end * lines];
            for (query, nearest) in &mut states {
                let mut from = 0;
                loop {
                    let limit = nearest.farthest().unwrap_or(u32::MAX);
                    let near =
                        next_below(self.isa, self.layout, query, tile, from, limit, &mut distances);
                    let Some(group) = near else { break };
                    // What lies past the last code is padding.
                    let first = (start + group) * self.layout.group();
                    let count = self.layout.group().min(self.codes - first);
                    for (i, &distance) in distances[..count].iter().enumerate() {
                        if distance < limit {
                            nearest.show(Neighbor { distance, index: (first + i) as u32 });
                        }
                    }
                    from = group + 1;
                }
            }
        }
        states.into_iter().map(|(_, nearest)| nearest.into_sorted()).collect()
    }

    /// A line a word, the word of the query in every lane.
    fn query(&self, code: &[u64]) -> Vec<Line> {
        let lane = |&word: &u64| if self.layout.narrow { word | word << 32 } else { word };
        code.iter().map(|word| Line([lane(word); 8])).collect()
    }
}

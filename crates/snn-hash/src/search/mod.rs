//! Exact nearest neighbours in Hamming distance.

pub(crate) mod kernel;
pub(crate) mod multi;
mod nearest;
mod scan;

use ndarray::Array2;

pub use multi::{IndexError, MultiIndex};
pub use nearest::Neighbor;
pub use scan::Scan;

use crate::codes::BitCodes;

/// The `k` nearest codes of every query, nearest first, ties by lowest index: `[queries, k]`, or
/// as many columns as there are codes if they are fewer.
///
/// [`Scan::new`] and [`Scan::search`] in one; for many batches of queries keep the [`Scan`].
///
/// # Panics
/// If the widths differ, or there are more than 2^32 codes.
pub fn top_k(queries: &BitCodes, codes: &BitCodes, k: usize) -> Array2<Neighbor> {
    Scan::new(codes).search(queries, k)
}

/// Rows of `k` as one array.
fn sorted_rows(
    rows: impl Iterator<Item = Vec<Neighbor>>,
    count: usize,
    k: usize,
) -> Array2<Neighbor> {
    let mut out = Array2::default((count, k));
    for (mut out, row) in out.outer_iter_mut().zip(rows) {
        out.iter_mut().zip(row).for_each(|(out, neighbor)| *out = neighbor);
    }
    out
}

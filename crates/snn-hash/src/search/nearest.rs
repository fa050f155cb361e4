use std::collections::BinaryHeap;

/// A code that was found, and how far it is. Orders by distance, then by index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Neighbor {
    /// Bits that differ.
    pub distance: u32,
    /// Its place among the codes.
    pub index: u32,
}

/// The `k` best of what it was shown.
pub(super) struct Nearest {
    k: usize,
    heap: BinaryHeap<Neighbor>,
}

impl Nearest {
    pub(super) fn new(k: usize) -> Self {
        Self { k, heap: BinaryHeap::with_capacity(k) }
    }

    /// The distance of the worst of a full list: what is farther cannot enter, what is as far can
    /// by its index.
    pub(super) fn farthest(&self) -> Option<u32> {
        if self.heap.len() < self.k { None } else { self.heap.peek().map(|last| last.distance) }
    }

    pub(super) fn show(&mut self, neighbor: Neighbor) {
        if self.heap.len() < self.k {
            self.heap.push(neighbor);
        } else if let Some(mut last) = self.heap.peek_mut()
            && neighbor < *last
        {
            *last = neighbor;
        }
    }

    /// Nearest first.
    pub(super) fn into_sorted(self) -> Vec<Neighbor> {
        self.heap.into_sorted_vec()
    }
}

use std::collections::VecDeque;

use ndarray::Array2;
use snn_hash::BitCodes;

/// Coincidences of queries and keys over the last steps, kept up to date step by step.
///
/// Holds the spikes of at most `capacity` steps: a new step is added to the sums, the oldest
/// subtracted. An event that comes late is put into its step if that is still held. State is this
/// value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpikeWindow {
    capacity: usize,
    /// Time of the next step.
    next: u64,
    /// Queries and keys of each step, the oldest first.
    steps: VecDeque<[BitCodes; 2]>,
    tokens: [usize; 2],
    bits: usize,
    /// Bits set in both, `[N, M]`.
    coincidence: Array2<u32>,
    /// Spikes of each query and each key.
    spikes: [Vec<u32>; 2],
    dropped: u64,
}

/// Who spikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A query.
    Query,
    /// A key.
    Key,
}

/// What became of a late event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// It counts.
    Counted,
    /// That spike was there already.
    Known,
    /// Its step is no longer held; see [`SpikeWindow::dropped`].
    Dropped,
    /// Its step has not been pushed yet.
    Early,
}

impl SpikeWindow {
    /// An empty window of `capacity` steps, for so many queries and keys of so many bits.
    ///
    /// # Panics
    /// If `capacity` or `bits` is zero.
    pub fn new(capacity: usize, [queries, keys]: [usize; 2], bits: usize) -> Self {
        assert!(capacity > 0 && bits > 0, "a window of steps of codes");
        Self {
            capacity,
            next: 0,
            steps: VecDeque::with_capacity(capacity + 1),
            tokens: [queries, keys],
            bits,
            coincidence: Array2::zeros((queries, keys)),
            spikes: [vec![0; queries], vec![0; keys]],
            dropped: 0,
        }
    }

    /// The next step: the spikes of all queries and all keys.
    ///
    /// # Panics
    /// If there are more or fewer tokens, or of another width.
    pub fn push(&mut self, queries: BitCodes, keys: BitCodes) {
        for (codes, tokens) in [&queries, &keys].into_iter().zip(self.tokens) {
            assert_eq!((codes.len(), codes.bits()), (tokens, self.bits), "tokens and bits");
        }
        let step = [queries, keys];
        self.count(&step, u32::wrapping_add);
        self.steps.push_back(step);
        self.next += 1;
        if self.steps.len() > self.capacity
            && let Some(oldest) = self.steps.pop_front()
        {
            self.count(&oldest, u32::wrapping_sub);
        }
    }

    /// A spike at step `t` of bit `r` of token `i` that was not in what was pushed; the first step
    /// pushed is 0.
    ///
    /// # Panics
    /// If there is no such token or bit.
    pub fn late(&mut self, t: u64, side: Side, i: usize, r: usize) -> Late {
        let mine = match side {
            Side::Query => 0,
            Side::Key => 1,
        };
        assert!(i < self.tokens[mine] && r < self.bits, "bit {r} of token {i}");
        if t >= self.next {
            return Late::Early;
        }
        let age = self.next - 1 - t;
        if age >= self.steps.len() as u64 {
            self.dropped += 1;
            return Late::Dropped;
        }
        let place = self.steps.len() - 1 - age as usize;
        let step = &mut self.steps[place];
        if step[mine].get(i, r) {
            return Late::Known;
        }
        step[mine].set(i, r, true);
        self.spikes[mine][i] += 1;
        let others = &step[1 - mine];
        for j in (0..others.len()).filter(|&j| others.get(j, r)) {
            let at = if mine == 0 { [i, j] } else { [j, i] };
            self.coincidence[at] += 1;
        }
        Late::Counted
    }

    /// Steps that are held.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Late events that came too late.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Forgets all steps and counts; time begins anew.
    pub fn reset(&mut self) {
        *self = Self::new(self.capacity, self.tokens, self.bits);
    }

    /// Over the steps that are held, how often query and key spike in the same bit: `[N, M]`.
    pub fn coincidence(&self) -> &Array2<u32> {
        &self.coincidence
    }

    /// The same for bits that agree, set or not (XNOR).
    pub fn matches(&self) -> Array2<u32> {
        let all = (self.len() * self.bits) as u32;
        let mut matches = self.coincidence.clone();
        for ((i, j), both) in matches.indexed_iter_mut() {
            let neither = all + *both - self.spikes[0][i] - self.spikes[1][j];
            *both += neither;
        }
        matches
    }

    /// Adds or subtracts what a step counts.
    fn count(&mut self, [queries, keys]: &[BitCodes; 2], change: impl Fn(u32, u32) -> u32) {
        for ((i, j), sum) in self.coincidence.indexed_iter_mut() {
            *sum = change(*sum, queries.overlap(i, keys, j));
        }
        for (spikes, codes) in self.spikes.iter_mut().zip([queries, keys]) {
            for (i, sum) in spikes.iter_mut().enumerate() {
                *sum = change(*sum, codes.overlap(i, codes, i));
            }
        }
    }
}

//! Event-driven sums: each spike of a row adds a row of weights. Silence costs nothing, and weights
//! of several bytes no more than those of one.

use super::Aligned;
use crate::packed::{
    isa::{Isa, Level},
    layout::{GROUP, LANES},
};

/// Output channels that are summed at once.
pub(in crate::packed) const SPAN: usize = 32;

/// Groups of a panel whose spikes make a word.
pub(in crate::packed) const WORD: usize = 16;

/// Groups of a panel that are summed at once: their weights stay in the first-level cache.
const CHUNK: usize = 4 * WORD;

/// What rows of weights consist of.
pub(in crate::packed) trait Summand: Copy {
    /// Adds to `sums` the rows that `events` names.
    fn add(rows: &[Aligned<[Self; SPAN]>], events: &[u32], sums: &mut [i32; SPAN]);
}

impl Summand for i32 {
    #[inline(always)]
    fn add(rows: &[Aligned<[i32; SPAN]>], events: &[u32], sums: &mut [i32; SPAN]) {
        let mut own = *sums; // stays in registers
        for &event in events {
            for (sum, &weight) in own.iter_mut().zip(rows[event as usize].iter()) {
                *sum = sum.wrapping_add(weight);
            }
        }
        *sums = own;
    }
}

/// Weights of one signed byte, in 16 bits.
impl Summand for i16 {
    #[inline(always)]
    fn add(rows: &[Aligned<[i16; SPAN]>], events: &[u32], sums: &mut [i32; SPAN]) {
        // So many weights of at least -128 fit 16 bits.
        for events in events.chunks(256) {
            let mut own = [[0i16; PART]; SPAN / PART];
            for &event in events {
                let (row, _) = rows[event as usize].as_chunks::<PART>();
                for (own, row) in own.iter_mut().zip(row) {
                    *own = std::array::from_fn(|n| own[n].wrapping_add(row[n]));
                }
            }
            for (sum, part) in sums.iter_mut().zip(own.as_flattened()) {
                *sum = sum.wrapping_add(i32::from(*part));
            }
        }
    }
}

/// Numbers of 16 bits in the registers of any CPU: sums of more would be cut to the width of those
/// of 32 bits.
const PART: usize = 8;

/// Who spikes in the rows of a chunk: bit `i` of word `w` of a row is input `64 w + i`.
type Words = [[u64; LANES]; CHUNK / WORD];

/// Places that are written together, whether there are so many or not.
const AT_ONCE: usize = 8;

/// Who spikes in each row of panels, chunk by chunk of their groups.
#[derive(Default)]
pub(in crate::packed) struct Events {
    /// Places in a row of input, and room for more; one that counts `c` appears `c` times.
    places: Vec<u32>,
    /// Where they end, `[panels][chunks][64]`.
    ends: Vec<[usize; LANES]>,
    /// Chunks of a panel.
    chunks: usize,
    /// Words of the chunk that is read: of inputs of at least 1, 2, ... spikes.
    words: Vec<Words>,
}

impl Events {
    pub(in crate::packed) fn clear(&mut self) {
        self.ends.clear();
    }

    /// Appends a panel of nibbles, `[groups][64]`, groups in whole words.
    pub(in crate::packed) fn of_spikes(&mut self, isa: Isa, panel: &[u8]) {
        self.append(isa, panel, |nibble, least| if least == 1 { nibble & 15 } else { 0 });
    }

    /// Appends a panel of counts, `[groups][64][4]`, each below 128.
    pub(in crate::packed) fn of_counts(&mut self, isa: Isa, panel: &[[u8; GROUP]]) {
        self.append(isa, panel, at_least);
    }

    /// Appends a panel whose entries give a nibble of the channels of at least so many spikes.
    #[allow(unsafe_code)]
    fn append<E: Copy>(&mut self, isa: Isa, panel: &[E], nibble: impl Fn(E, u8) -> u8 + Copy) {
        self.chunks = panel.len().div_ceil(CHUNK * LANES);
        for (first, chunk) in (0..).step_by(CHUNK * GROUP).zip(panel.chunks(CHUNK * LANES)) {
            match isa.level() {
                Level::Portable => self.chunk(first, chunk, nibble),
                // SAFETY: only `Isa::all` makes these values, after detecting AVX2 and POPCNT.
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 | Level::Avx512 => unsafe { chunk_avx2(self, first, chunk, nibble) },
            }
        }
    }

    #[inline(always)]
    fn chunk<E: Copy>(&mut self, first: u32, chunk: &[E], nibble: impl Fn(E, u8) -> u8) {
        self.words.clear();
        for least in 1..=u8::MAX {
            let mut words: Words = [[0; LANES]; CHUNK / WORD];
            for (words, groups) in words.iter_mut().zip(chunk.chunks(WORD * LANES)) {
                for (i, entries) in groups.chunks_exact(LANES).enumerate() {
                    for (word, &entry) in words.iter_mut().zip(entries) {
                        *word |= u64::from(nibble(entry, least)) << (GROUP * i);
                    }
                }
            }
            if words.as_flattened().iter().all(|&word| word == 0) {
                break;
            }
            self.words.push(words);
        }
        let mut end = self.ends.last().map_or(0, |ends| ends[LANES - 1]);
        let mut ends = [0; LANES];
        for (lane, place) in ends.iter_mut().enumerate() {
            let most = self.words.len() * CHUNK * GROUP + AT_ONCE;
            if self.places.len() < end + most {
                self.places.resize(2 * (end + most), 0);
            }
            for words in &self.words {
                for (first, words) in (first..).step_by(WORD * GROUP).zip(words) {
                    let (mut rest, mut at) = (words[lane], end);
                    end += rest.count_ones() as usize;
                    while at < end {
                        for place in &mut self.places[at..at + AT_ONCE] {
                            *place = first + rest.trailing_zeros();
                            rest &= rest.wrapping_sub(1);
                        }
                        at += AT_ONCE;
                    }
                }
            }
            *place = end;
        }
        self.ends.push(ends);
    }

    /// The events of panel `t`, chunk by chunk and row by row.
    fn rows(&self, t: usize) -> impl Iterator<Item = (usize, &[u32])> {
        let ends = self.ends.as_flattened();
        let rows = t * self.chunks * LANES..(t + 1) * self.chunks * LANES;
        rows.map(move |i| {
            let start = if i == 0 { 0 } else { ends[i - 1] };
            (i % LANES, &self.places[start..ends[i]])
        })
    }

    /// Most events of a row of panel `t`.
    pub(in crate::packed) fn most(&self, t: usize) -> usize {
        let mut sums = [0; LANES];
        self.rows(t).for_each(|(lane, events)| sums[lane] += events.len());
        sums.into_iter().max().unwrap_or(0)
    }
}

/// The same, compiled for more lanes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn chunk_avx2<E: Copy>(events: &mut Events, first: u32, chunk: &[E], nibble: impl Fn(E, u8) -> u8) {
    events.chunk(first, chunk, nibble);
}

/// Bit `i` says whether the `i`-th of four counts below 128 is at least `least`.
#[inline(always)]
fn at_least(counts: [u8; GROUP], least: u8) -> u8 {
    const BYTES: u32 = 0x0101_0101;
    let above = (u32::from_le_bytes(counts) | (128 * BYTES)) - u32::from(least.min(128)) * BYTES;
    let bits = above >> 7 & BYTES;
    // Brings the lowest bits of the four bytes side by side.
    (bits.wrapping_mul(1 | 1 << 7 | 1 << 14 | 1 << 21) >> 21 & 15) as u8
}

/// Sets `sums[row][n]` to the sum over the events of that row of panel `t` of `weights[event][n]`.
/// Exact in wrapping 32-bit arithmetic if those of 16 bits fit a byte.
///
/// # Panics
/// If an event names a row of weights that is not there.
#[allow(unsafe_code)]
pub(in crate::packed) fn gather<W: Summand>(
    isa: Isa,
    weights: &[Aligned<[W; SPAN]>],
    (events, t): (&Events, usize),
    sums: &mut [[i32; SPAN]; LANES],
) {
    *sums = [[0; SPAN]; LANES];
    match isa.level() {
        Level::Portable => plain(weights, (events, t), sums),
        // SAFETY: only `Isa::all` makes these values, after detecting AVX2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2(weights, (events, t), sums) },
        // SAFETY: the same, and AVX-512 F.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512(weights, (events, t), sums) },
    }
}

#[inline(always)]
fn plain<W: Summand>(
    weights: &[Aligned<[W; SPAN]>],
    (events, t): (&Events, usize),
    sums: &mut [[i32; SPAN]; LANES],
) {
    for (lane, events) in events.rows(t) {
        W::add(weights, events, &mut sums[lane]);
    }
}

/// The same, compiled for eight lanes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<W: Summand>(
    weights: &[Aligned<[W; SPAN]>],
    (events, t): (&Events, usize),
    sums: &mut [[i32; SPAN]; LANES],
) {
    plain(weights, (events, t), sums);
}

/// For sixteen.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn avx512<W: Summand>(
    weights: &[Aligned<[W; SPAN]>],
    (events, t): (&Events, usize),
    sums: &mut [[i32; SPAN]; LANES],
) {
    plain(weights, (events, t), sums);
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::packed::layout::SPREAD;

    fn check<W: Summand + Into<i32>>(
        panel: &[[u8; GROUP]],
        events: &Events,
        weights: &[Aligned<[W; SPAN]>],
    ) {
        for isa in Isa::all() {
            let mut sums = [[7; SPAN]; LANES];
            gather(isa, weights, (events, 1), &mut sums);
            for (lane, sums) in sums.iter().enumerate() {
                for (n, &sum) in sums.iter().enumerate() {
                    let counts = panel.iter().skip(lane).step_by(LANES).flatten();
                    let expected = counts.zip(weights).fold(0i32, |sum, (&c, row)| {
                        sum.wrapping_add(i32::from(c).wrapping_mul(row[n].into()))
                    });
                    assert_eq!(sum, expected, "{}, row {lane}, channel {n}", isa.name());
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn events_add_what_products_do(
            (spikes, counts, weights) in (0usize..7).prop_flat_map(|words| {
                let entries = words * WORD * LANES;
                (
                    vec(0u8..16, entries),
                    vec(prop_oneof![3 => Just([0; GROUP]), 1 => any::<[u8; GROUP]>()], entries),
                    vec(any::<[i8; SPAN]>(), words * WORD * GROUP),
                )
            }),
            most in prop::sample::select(vec![1u8, 3, 16, 127]),
        ) {
            let narrow: Vec<_> =
                weights.iter().map(|row| Aligned(row.map(i16::from))).collect();
            let wide: Vec<_> =
                weights.iter().map(|row| Aligned(row.map(|w| i32::from(w) << 16))).collect();
            let panel: Vec<_> = spikes.iter().map(|&nibble| SPREAD[usize::from(nibble)]).collect();
            let counts: Vec<_> = counts.iter().map(|c| c.map(|c| c & most)).collect();
            let mut events = Events::default();
            for isa in Isa::all() {
                events.clear();
                events.of_spikes(isa, &spikes);
                events.of_spikes(isa, &spikes);
                check(&panel, &events, &narrow);
                check(&panel, &events, &wide);
                events.clear();
                events.of_counts(isa, &counts);
                events.of_counts(isa, &counts);
                check(&counts, &events, &narrow);
                check(&counts, &events, &wide);
            }
        }
    }
}

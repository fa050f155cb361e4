//! Event-driven sums: each spike of a row adds a row of weights, or the spikes of a group together
//! the sum of theirs. Silence costs nothing, and weights of several bytes no more than those of one.

use std::hint::black_box;

use super::Aligned;
use crate::packed::{
    isa::{Isa, Level},
    layout::{GROUP, LANES},
};

/// Output channels that are summed at once.
pub(in crate::packed) const SPAN: usize = 32;

/// Groups of a panel whose spikes make a word.
pub(in crate::packed) const WORD: usize = 16;

/// What an event is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::packed) enum Event {
    /// A spike: it adds its row of weights.
    #[default]
    Spike,
    /// Spikes of a row in one group: they add the sum of their rows of weights, which is worked out
    /// once for all rows: the method of the four Russians.
    Group,
}

impl Event {
    /// Words of a chunk of groups whose rows of weights or sums stay in the first-level cache.
    const fn words(self) -> usize {
        match self {
            Self::Spike => MOST_WORDS,
            Self::Group => 1,
        }
    }

    /// The same in groups.
    const fn chunk(self) -> usize {
        self.words() * WORD
    }
}

/// Words of the longest chunk.
const MOST_WORDS: usize = 4;

/// What rows of weights consist of.
pub(in crate::packed) trait Summand: Copy + Default {
    /// Adds to `sums` the rows that `events` names.
    fn add(rows: &[Aligned<[Self; SPAN]>], events: &[u32], sums: &mut [i32; SPAN]);
    fn plus(self, other: Self) -> Self;
}

impl Summand for i32 {
    #[inline(always)]
    fn plus(self, other: i32) -> i32 {
        self.wrapping_add(other)
    }
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
    fn plus(self, other: i16) -> i16 {
        self.wrapping_add(other)
    }
    #[inline(always)]
    fn add(rows: &[Aligned<[i16; SPAN]>], events: &[u32], sums: &mut [i32; SPAN]) {
        // So many sums of four weights of at least -128 fit 16 bits.
        for events in events.chunks(63) {
            let mut own = [0i16; SPAN];
            for &event in events {
                for (own, &weight) in own.iter_mut().zip(rows[event as usize].iter()) {
                    *own = own.wrapping_add(weight);
                }
            }
            // Else sums of 16 bits would fill registers by halves, as many as there will be of 32.
            let own = black_box(own);
            for (sum, own) in sums.iter_mut().zip(own) {
                *sum = sum.wrapping_add(i32::from(own));
            }
        }
    }
}

/// Who spikes in the rows of a chunk: bit `i` of word `w` of a row is input `64 w + i`.
type Words = [[u64; LANES]; MOST_WORDS];

/// Places that are written together, whether there are so many or not.
const AT_ONCE: usize = 8;

/// Who spikes in each row of panels, chunk by chunk of their groups.
#[derive(Default)]
pub(in crate::packed) struct Events {
    event: Event,
    /// Room for more, and what spikes: the place in a row of input; or 16 times the group of the
    /// chunk, plus its nibble. What counts `c` appears `c` times.
    places: Vec<u32>,
    /// Where they end, `[panels][chunks][64]`.
    ends: Vec<[usize; LANES]>,
    /// Chunks of a panel.
    chunks: usize,
    /// Words of the chunk that is read: of inputs of at least 1, 2, ... spikes.
    words: Vec<Words>,
}

impl Events {
    /// Forgets all panels, to take some as events of one kind.
    pub(in crate::packed) fn begin(&mut self, event: Event) {
        self.event = event;
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
        let of_chunk = self.event.chunk();
        self.chunks = panel.len().div_ceil(of_chunk * LANES);
        for (first, chunk) in (0..).step_by(of_chunk * GROUP).zip(panel.chunks(of_chunk * LANES)) {
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
            let mut words: Words = [[0; LANES]; MOST_WORDS];
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
            let most = self.words.len() * self.event.chunk() * GROUP + AT_ONCE;
            if self.places.len() < end + most {
                self.places.resize(2 * (end + most), 0);
            }
            for words in &self.words {
                let words = words[..self.event.words()].iter().map(|words| words[lane]);
                for (first, word) in (first..).step_by(WORD * GROUP).zip(words) {
                    let places = &mut self.places;
                    match self.event {
                        Event::Spike => spread(word, &mut end, places, |at| first + at),
                        Event::Group => {
                            let pairs = word | word >> 1;
                            let busy = (pairs | pairs >> 2) & 0x1111_1111_1111_1111;
                            let nibble = |at: u32| word.wrapping_shr(at) as u32 & 15;
                            spread(busy, &mut end, places, |at| 4 * at + nibble(at));
                        }
                    }
                }
            }
            *place = end;
        }
        self.ends.push(ends);
    }

    /// The events of row `lane` of chunk `chunk` of panel `t`.
    fn row(&self, t: usize, chunk: usize, lane: usize) -> &[u32] {
        let (ends, i) = (self.ends.as_flattened(), (t * self.chunks + chunk) * LANES + lane);
        let start = if i == 0 { 0 } else { ends[i - 1] };
        &self.places[start..ends[i]]
    }
}

/// Writes what `place` makes of the bits of a word behind what is written so far.
#[inline(always)]
fn spread(word: u64, end: &mut usize, places: &mut [u32], place: impl Fn(u32) -> u32) {
    let (mut rest, mut at) = (word, *end);
    *end += rest.count_ones() as usize;
    while at < *end {
        for to in &mut places[at..at + AT_ONCE] {
            *to = place(rest.trailing_zeros());
            rest &= rest.wrapping_sub(1);
        }
        at += AT_ONCE;
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

/// Sets `sums[t][row][n]` to the sum over the events of that row of panel `t` of the weights of channel
/// `n`, one row of them an input. Exact in wrapping 32-bit arithmetic if those of 16 bits fit a byte.
///
/// # Panics
/// If an event names a row of weights that is not there.
#[allow(unsafe_code)]
pub(in crate::packed) fn gather<W: Summand>(
    isa: Isa,
    weights: &[Aligned<[W; SPAN]>],
    events: &Events,
    sums: &mut [[[i32; SPAN]; LANES]],
) {
    match isa.level() {
        Level::Portable => plain(weights, events, sums),
        // SAFETY: only `Isa::all` makes these values, after detecting AVX2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2(weights, events, sums) },
        // SAFETY: the same, and AVX-512 F.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512(weights, events, sums) },
    }
}

#[inline(always)]
fn plain<W: Summand>(
    weights: &[Aligned<[W; SPAN]>],
    events: &Events,
    sums: &mut [[[i32; SPAN]; LANES]],
) {
    sums.as_flattened_mut().as_flattened_mut().fill(0);
    match events.event {
        Event::Spike => {
            for (t, sums) in sums.iter_mut().enumerate() {
                for chunk in 0..events.chunks {
                    add_chunk(weights, events, [t, chunk], sums);
                }
            }
        }
        Event::Group => {
            let mut table = [Aligned([W::default(); SPAN]); NIBBLES * WORD];
            let chunks = weights.chunks(Event::Group.chunk() * GROUP);
            for (chunk, rows) in chunks.enumerate().take(events.chunks) {
                tabulate(rows, &mut table);
                for (t, sums) in sums.iter_mut().enumerate() {
                    add_chunk(&table, events, [t, chunk], sums);
                }
            }
        }
    }
}

/// Adds to the sums of each row what the events of a chunk of panel `t` name.
#[inline(always)]
fn add_chunk<W: Summand>(
    rows: &[Aligned<[W; SPAN]>],
    events: &Events,
    [t, chunk]: [usize; 2],
    sums: &mut [[i32; SPAN]; LANES],
) {
    for (lane, sums) in sums.iter_mut().enumerate() {
        W::add(rows, events.row(t, chunk, lane), sums);
    }
}

/// Values of a nibble.
const NIBBLES: usize = 1 << GROUP;

/// Sums of the rows of each group that a nibble selects, as far as there are rows.
#[inline(always)]
fn tabulate<W: Summand>(
    rows: &[Aligned<[W; SPAN]>],
    table: &mut [Aligned<[W; SPAN]>; NIBBLES * WORD],
) {
    for (rows, table) in rows.chunks_exact(GROUP).zip(table.chunks_exact_mut(NIBBLES)) {
        for (i, row) in rows.iter().enumerate() {
            let (known, next) = table[..2 << i].split_at_mut(1 << i);
            for (next, known) in next.iter_mut().zip(known) {
                for n in 0..SPAN {
                    next[n] = known[n].plus(row[n]);
                }
            }
        }
    }
}

/// The same, compiled for eight lanes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<W: Summand>(
    weights: &[Aligned<[W; SPAN]>],
    events: &Events,
    sums: &mut [[[i32; SPAN]; LANES]],
) {
    plain(weights, events, sums);
}

/// For sixteen.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn avx512<W: Summand>(
    weights: &[Aligned<[W; SPAN]>],
    events: &Events,
    sums: &mut [[[i32; SPAN]; LANES]],
) {
    plain(weights, events, sums);
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
            let mut sums = [[[7; SPAN]; LANES]; 2];
            gather(isa, weights, events, &mut sums);
            assert_eq!(sums[0], sums[1]);
            for (lane, sums) in sums[1].iter().enumerate() {
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
            let kinds = [Event::Spike, Event::Group];
            for (isa, event) in Isa::all().into_iter().flat_map(|isa| kinds.map(|event| (isa, event))) {
                events.begin(event);
                events.of_spikes(isa, &spikes);
                events.of_spikes(isa, &spikes);
                check(&panel, &events, &narrow);
                check(&panel, &events, &wide);
                events.begin(event);
                events.of_counts(isa, &counts);
                events.of_counts(isa, &counts);
                check(&counts, &events, &narrow);
                check(&counts, &events, &wide);
            }
        }
    }
}

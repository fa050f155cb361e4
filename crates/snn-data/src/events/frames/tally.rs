//! Counting the events of one frame.

use crate::events::{Event, Sensor};

/// Distance in memory between neighbours in polarity, row and column.
#[derive(Clone, Copy)]
pub(super) struct Strides {
    pub p: usize,
    pub y: usize,
    pub x: usize,
}

/// A frame of zeros and the low eight bits of its counts, which fit a core's first cache.
pub(super) struct Tally<'a> {
    sensor: Sensor,
    strides: Strides,
    frame: &'a mut [f32],
    /// One more than there are places: for events outside of the sensor.
    low: &'a mut Vec<u8>,
}

impl<'a> Tally<'a> {
    /// `low` is room that was used before.
    pub fn new(
        sensor: Sensor,
        strides: Strides,
        frame: &'a mut [f32],
        low: &'a mut Vec<u8>,
    ) -> Self {
        low.clear();
        low.resize(frame.len() + 1, 0);
        Self { sensor, strides, frame, low }
    }

    /// Adds events; false if some lie outside of the sensor.
    pub fn add(mut self, events: &[Event]) -> bool {
        #[cfg(target_arch = "x86_64")]
        let (done, inside) = vectors::add(&mut self, events);
        #[cfg(not(target_arch = "x86_64"))]
        let (done, inside) = (0, true);
        let rest_inside = self.add_each(&events[done..]);
        self.finish();
        inside && rest_inside
    }

    /// The scalar form.
    fn add_each(&mut self, events: &[Event]) -> bool {
        let (strides, mut inside) = (self.strides, true);
        for &event in events {
            inside &= self.sensor.holds(event);
            let at = usize::from(event.p()) * strides.p
                + usize::from(event.y()) * strides.y
                + usize::from(event.x()) * strides.x;
            count(self.low, self.frame, at);
        }
        inside
    }

    /// Adds the low bits to the frame.
    fn finish(self) {
        for (count, &low) in self.frame.iter_mut().zip(self.low.iter()) {
            *count += f32::from(low);
        }
    }
}

/// Counts an event at a place of `low`, and 256 of them in `frame`.
#[inline(always)]
fn count(low: &mut [u8], frame: &mut [f32], at: usize) {
    if let Some(count) = low.get_mut(at) {
        *count = count.wrapping_add(1);
        if *count == 0 {
            carry(frame, at);
        }
    }
}

#[cold]
fn carry(frame: &mut [f32], at: usize) {
    if let Some(count) = frame.get_mut(at) {
        *count += 256.0;
    }
}

/// The places of sixteen events at a time.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod vectors {
    use super::{Event, Tally, count};
    use std::arch::x86_64::*;

    /// Events whose places are worked out before they are counted: what a core has stored lately is
    /// slow to load in other widths.
    const BLOCK: usize = 64;
    /// Events whose memory is asked for ahead: counting a block keeps a core from looking far.
    const AHEAD: usize = 512;

    /// Adds as many events as make whole blocks; returns how many, and whether all lie on the
    /// sensor.
    pub fn add(tally: &mut Tally<'_>, events: &[Event]) -> (usize, bool) {
        // Places of 32 bits.
        if is_x86_feature_detected!("avx512f") && tally.low.len() <= u32::MAX as usize {
            // SAFETY: the processor has it.
            unsafe { avx512(tally, events) }
        } else {
            (0, true)
        }
    }

    #[target_feature(enable = "avx512f")]
    fn avx512(tally: &mut Tally<'_>, events: &[Event]) -> (usize, bool) {
        // The third of the three words of an event holds `y << 16 | x`, the polarity on top.
        const { assert!(size_of::<Event>() == 12 && Event::PLACE == 8) }
        const VECTOR: usize = 16;
        let all = |x: usize| _mm512_set1_epi32(x as i32);
        let (strides, outside) = (tally.strides, all(tally.frame.len()));
        let (of_p, of_y, of_x) = (all(strides.p), all(strides.y), all(strides.x));
        let [height, width] = tally.sensor.size().map(all);
        let (word, row) = (all(0xffff), all(usize::from(Event::LAST_ROW)));
        // The third words of the first two registers, then those of the last.
        let thirds = _mm512_setr_epi32(2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 0, 0, 0, 0, 0, 0);
        let last = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 19, 22, 25, 28, 31);
        let (low, frame) = (tally.low.as_mut_slice(), &mut *tally.frame);
        let (blocks, _) = events.as_chunks::<BLOCK>();
        let (mut inside, mut places) = (u16::MAX, [[0u32; VECTOR]; BLOCK / VECTOR]);
        for block in blocks {
            let (vectors, _) = block.as_chunks::<VECTOR>();
            for (vector, places) in vectors.iter().zip(&mut places) {
                let ahead = vector.as_ptr().wrapping_add(AHEAD).cast::<i8>();
                _mm_prefetch::<_MM_HINT_T0>(ahead);
                _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(64));
                _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(128));
                let words = vector.as_ptr().cast::<__m512i>();
                // SAFETY: sixteen events of three words are as long as three loads.
                let [a, b, c] = unsafe {
                    [
                        _mm512_loadu_si512(words),
                        _mm512_loadu_si512(words.add(1)),
                        _mm512_loadu_si512(words.add(2)),
                    ]
                };
                let place = _mm512_permutex2var_epi32(a, thirds, b);
                let place = _mm512_permutex2var_epi32(place, last, c);
                let x = _mm512_and_si512(place, word);
                let y = _mm512_and_si512(_mm512_srli_epi32::<16>(place), row);
                let on = _mm512_cmplt_epi32_mask(place, _mm512_setzero_si512());
                let holds = _mm512_cmplt_epu32_mask(x, width) & _mm512_cmplt_epu32_mask(y, height);
                inside &= holds;
                let at = _mm512_add_epi32(_mm512_mullo_epi32(x, of_x), _mm512_mullo_epi32(y, of_y));
                let at = _mm512_mask_add_epi32(at, on, at, of_p);
                let at = _mm512_mask_mov_epi32(outside, holds, at);
                // SAFETY: sixteen places.
                unsafe { _mm512_storeu_si512(places.as_mut_ptr().cast(), at) };
            }
            // One jump back for four events.
            for four in places.as_flattened().as_chunks::<4>().0 {
                let [a, b, c, d] = four.map(|at| at as usize);
                count(low, frame, a);
                count(low, frame, b);
                count(low, frame, c);
                count(low, frame, d);
            }
        }
        (blocks.len() * BLOCK, inside == u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    /// What the frame of zeros becomes, and whether all events lie on the sensor.
    fn counted(
        add: impl Fn(Tally<'_>, &[Event]) -> bool,
        (sensor, strides): (Sensor, Strides),
        events: &[Event],
    ) -> (Vec<f32>, bool) {
        let mut frame = vec![0.0; 2 * sensor.pixels()];
        let inside = add(Tally::new(sensor, strides, &mut frame, &mut vec![7; 3]), events);
        (frame, inside)
    }

    proptest! {
        #[test]
        fn every_form_counts_the_events_of_each_place(
            // Events of a small sensor count beyond a byte.
            (width, height) in prop_oneof![Just((1, 1)), (1u16..40, 1u16..40)],
            drawn in vec((any::<i64>(), 0u16..41, 0u16..41, any::<bool>()), 0..2000),
            outside in any::<Option<prop::sample::Index>>(),
            layout in 0usize..3,
        ) {
            let event = |(t, x, y, p)| Event::new(t, x % width, y % height, p);
            let mut events: Vec<Event> = drawn.into_iter().map(event).collect();
            if let Some(one) = outside.filter(|_| !events.is_empty()) {
                // Beside or below the sensor.
                let event = one.get_mut(&mut events);
                let (x, y, by) = (event.x(), event.y(), width.max(height));
                let (x, y) = if event.p() { (x + by, y) } else { (x, y + by) };
                *event = event.with_place(x, y);
            }
            let [w, h] = [width, height].map(usize::from);
            let first = Strides { p: h * w, y: w, x: 1 };
            let strides = [first, Strides { p: 0, ..first }, Strides { p: 1, y: 2 * w, x: 2 }];
            let how = (Sensor::new(width, height), strides[layout]);
            let scalar = |mut tally: Tally<'_>, events: &[Event]| {
                let inside = tally.add_each(events);
                tally.finish();
                inside
            };
            let (of_scalar, scalar_inside) = counted(scalar, how, &events);
            let (found, inside) = counted(|tally, events| tally.add(events), how, &events);
            let all = events.iter().all(|e| e.x() < width && e.y() < height);
            prop_assert_eq!((scalar_inside, inside), (all, all));
            if all {
                let mut expected = vec![0.0; found.len()];
                for e in &events {
                    let [x, y, p] = [e.x(), e.y(), e.p().into()].map(usize::from);
                    expected[p * how.1.p + y * how.1.y + x * how.1.x] += 1.0;
                }
                prop_assert_eq!(&of_scalar, &expected);
                prop_assert_eq!(&found, &expected);
            }
        }
    }
}

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
            let at = usize::from(event.p) * strides.p
                + usize::from(event.y) * strides.y
                + usize::from(event.x) * strides.x;
            self.count(at);
        }
        inside
    }

    /// Adds the low bits to the frame.
    fn finish(self) {
        for (count, &low) in self.frame.iter_mut().zip(self.low.iter()) {
            *count += f32::from(low);
        }
    }

    #[inline(always)]
    fn count(&mut self, at: usize) {
        if let Some(count) = self.low.get_mut(at) {
            *count = count.wrapping_add(1);
            if *count == 0
                && let Some(count) = self.frame.get_mut(at)
            {
                *count += 256.0;
            }
        }
    }
}

/// The places of eight events at a time.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod vectors {
    use super::{Event, Tally};
    use std::arch::x86_64::*;

    /// Events whose places are worked out before they are counted: what a core has stored lately is
    /// slow to load in other widths.
    const BLOCK: usize = 64;
    /// Events whose memory is asked for ahead: counting a block keeps a core from looking far.
    const AHEAD: usize = 512;

    /// Adds as many events as make whole blocks; returns how many, and whether all lie on the
    /// sensor.
    pub fn add(tally: &mut Tally<'_>, events: &[Event]) -> (usize, bool) {
        let able = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
        // Places of 32 bits.
        if able && tally.low.len() <= u32::MAX as usize {
            // SAFETY: the processor has both.
            unsafe { avx512(tally, events) }
        } else {
            (0, true)
        }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    fn avx512(tally: &mut Tally<'_>, events: &[Event]) -> (usize, bool) {
        // The parts of an event, whose other bytes are nobody's and not loaded.
        const PARTS: u64 = 0x1f00_1f00_1f00_1f00;
        const {
            assert!(size_of::<Event>() == 16 && std::mem::offset_of!(Event, x) == 8);
            assert!(std::mem::offset_of!(Event, y) == 10 && std::mem::offset_of!(Event, p) == 12);
        }
        let all = |x: usize| _mm512_set1_epi64(x as i64);
        let (strides, outside) = (tally.strides, all(tally.frame.len()));
        let (of_p, of_y, of_x) = (all(strides.p), all(strides.y), all(strides.x));
        let [height, width] = tally.sensor.size().map(all);
        let (word, on) = (all(0xffff), all(1 << 32));
        let second = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
        let (blocks, _) = events.as_chunks::<BLOCK>();
        let (mut inside, mut places) = (u8::MAX, [[0u32; 8]; BLOCK / 8]);
        for block in blocks {
            let (eights, _) = block.as_chunks::<8>();
            for (eight, places) in eights.iter().zip(&mut places) {
                let (first, ahead) = (eight.as_ptr(), eight.as_ptr().wrapping_add(AHEAD));
                _mm_prefetch::<_MM_HINT_T0>(ahead.cast());
                _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(4).cast());
                // SAFETY: four of the eight events each, of which the parts are loaded.
                let [a, b] = unsafe {
                    [first, first.add(4)].map(|at| _mm512_maskz_loadu_epi8(PARTS, at.cast()))
                };
                // x, y and p in 16 bits each.
                let parts = _mm512_permutex2var_epi64(a, second, b);
                let x = _mm512_and_si512(parts, word);
                let y = _mm512_and_si512(_mm512_srli_epi64(parts, 16), word);
                let holds = _mm512_cmplt_epu64_mask(x, width) & _mm512_cmplt_epu64_mask(y, height);
                inside &= holds;
                let at = _mm512_add_epi64(_mm512_mul_epu32(x, of_x), _mm512_mul_epu32(y, of_y));
                let at = _mm512_mask_add_epi64(at, _mm512_test_epi64_mask(parts, on), at, of_p);
                let at = _mm512_cvtepi64_epi32(_mm512_mask_mov_epi64(outside, holds, at));
                // SAFETY: eight places.
                unsafe { _mm256_storeu_si256(places.as_mut_ptr().cast(), at) };
            }
            for &at in places.as_flattened() {
                tally.count(at as usize);
            }
        }
        (blocks.len() * BLOCK, inside == u8::MAX)
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
            let event = |(t, x, y, p)| Event { t, x: x % width, y: y % height, p };
            let mut events: Vec<Event> = drawn.into_iter().map(event).collect();
            if let Some(one) = outside.filter(|_| !events.is_empty()) {
                // Beside or below the sensor.
                let event = one.get_mut(&mut events);
                *(if event.p { &mut event.x } else { &mut event.y }) += width.max(height);
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
            let all = events.iter().all(|e| e.x < width && e.y < height);
            prop_assert_eq!((scalar_inside, inside), (all, all));
            if all {
                let mut expected = vec![0.0; found.len()];
                for e in &events {
                    let [x, y, p] = [e.x, e.y, e.p.into()].map(usize::from);
                    expected[p * how.1.p + y * how.1.y + x * how.1.x] += 1.0;
                }
                prop_assert_eq!(&of_scalar, &expected);
                prop_assert_eq!(&found, &expected);
            }
        }
    }
}

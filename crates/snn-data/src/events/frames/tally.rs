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
        let inside = inside & self.add_each(&events[done..]);
        for (count, &low) in self.frame.iter_mut().zip(self.low.iter()) {
            *count += f32::from(low);
        }
        inside
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

    proptest! {
        #[test]
        fn both_forms_count_the_same(
            (width, height) in (1u16..40, 1u16..40),
            drawn in vec((any::<i64>(), 0u16..41, 0u16..41, any::<bool>()), 0..2000),
            clipped: bool,
            last: bool,
        ) {
            let event = |(t, x, y, p)| match clipped {
                true => Event { t, x: x % width, y: y % height, p },
                false => Event { t, x, y, p },
            };
            let events: Vec<Event> = drawn.into_iter().map(event).collect();
            let (sensor, [w, h]) = (Sensor::new(width, height), [width, height].map(usize::from));
            let strides = match last {
                true => Strides { p: 1, y: 2 * w, x: 2 },
                false => Strides { p: h * w, y: w, x: 1 },
            };
            let (mut low, mut found) = (Vec::new(), vec![0.0; 2 * h * w]);
            let inside = Tally::new(sensor, strides, &mut found, &mut low).add(&events);
            prop_assert_eq!(inside, events.iter().all(|&event| sensor.holds(event)));
            let mut expected = vec![0.0; 2 * h * w];
            for e in &events {
                let [x, y, p] = [e.x, e.y, e.p.into()].map(usize::from);
                if let Some(count) = expected.get_mut(p * strides.p + y * strides.y + x * strides.x) {
                    *count += 1.0;
                }
            }
            if inside {
                prop_assert_eq!(found, expected);
            }
        }
    }
}

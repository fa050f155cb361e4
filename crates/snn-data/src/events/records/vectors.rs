//! Records by the vector instructions of x86: the rule of [`Lanes`](super::Lanes) on two or four
//! events at a time.

#![allow(unsafe_code)]

use super::{Common, Event, Record};
use std::{arch::x86_64::*, mem::MaybeUninit};

type Slots = [MaybeUninit<Event>];

/// Fills slots as far as whole loads go; returns how many, and whether a record was odd.
pub fn write<R: Record>(records: &[u8], common: Common, slots: &mut Slots) -> (usize, bool) {
    // Three words, of which every value is an event: the time in two, the place and the polarity.
    const { assert!(R::SIZE <= 8 && size_of::<Event>() == 12 && Event::PLACE == 8) }
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vbmi") {
        // SAFETY: the processor has both.
        unsafe { avx512::<R>(records, common, slots) }
    } else if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has it.
        unsafe { avx2::<R>(records, common, slots) }
    } else {
        (0, false)
    }
}

/// The bytes to pick for one event after another, as words.
const fn picked<R: Record, const WORDS: usize>() -> [u32; WORDS] {
    let mut words = [0; WORDS];
    let mut i = 0;
    while i < 4 * WORDS {
        let byte = R::LANES.bytes[i % 16];
        let byte = if byte < 0 { 0xff } else { byte as u32 + (i / 16 * R::SIZE) as u32 };
        words[i / 4] |= byte << (8 * (i % 4));
        i += 1;
    }
    words
}

/// Limits of the words: the polarity becomes 0 or 1.
const MOST: [u32; 4] = [u32::MAX, u32::MAX, u32::MAX, 1];

/// The bit of the place that the polarity takes.
const ON: [u32; 4] = [0, 0, 1 << 31, 0];

/// The words that are stored, one event behind the other; the last are nobody's.
const fn stored<const WORDS: usize>() -> [u32; WORDS] {
    let (mut words, mut i) = ([0; WORDS], 0);
    while i < WORDS / 4 * 3 {
        words[i] = (i / 3 * 4 + i % 3) as u32;
        i += 1;
    }
    words
}

fn high(common: Common) -> [u32; 4] {
    let [low, up] = [common.high as u32, (common.high >> 32) as u32];
    [low, up, 0, 0]
}

#[target_feature(enable = "avx2")]
fn avx2<R: Record>(records: &[u8], common: Common, slots: &mut Slots) -> (usize, bool) {
    const LOAD: usize = 16;
    // SAFETY: the array is as long as the load.
    let all = |words: [u32; 8]| unsafe { _mm256_loadu_si256(words.as_ptr().cast()) };
    let each = |[a, b, c, d]: [u32; 4]| all([a, b, c, d, a, b, c, d]);
    let bytes = all(const { picked::<R, 8>() });
    let (right, right_mask) = (each(R::LANES.right), each(R::LANES.right_mask));
    let (left, left_mask) = (each(R::LANES.left), each(R::LANES.left_mask));
    let (flip, most, high) = (each(R::LANES.flip), each(MOST), each(high(common)));
    let like = each([common.like, 0, 0, 0]);
    let (on, order) = (each(ON), all(const { stored() }));
    let (mut done, mut seen) = (0, _mm256_setzero_si256());
    for records in records.windows(LOAD).step_by(2 * R::SIZE) {
        // A store is longer than two events; the next writes over its end.
        let Some(slots) = slots.get_mut(done..done + 3) else { break };
        // SAFETY: the window is as long as the load.
        let w = unsafe { _mm_loadu_si128(records.as_ptr().cast()) };
        let w = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(w), bytes);
        seen = _mm256_or_si256(seen, _mm256_xor_si256(w, like));
        let low = _mm256_and_si256(_mm256_srlv_epi32(w, right), right_mask);
        let up = _mm256_and_si256(_mm256_sllv_epi32(w, left), left_mask);
        let w = _mm256_xor_si256(_mm256_or_si256(low, up), flip);
        let w = _mm256_or_si256(_mm256_min_epu32(w, most), high);
        let w = _mm256_or_si256(w, _mm256_and_si256(_mm256_srli_epi64(w, 1), on));
        let w = _mm256_permutevar8x32_epi32(w, order);
        // SAFETY: three slots are longer than the store.
        unsafe { _mm256_storeu_si256(slots.as_mut_ptr().cast(), w) }
        done += 2;
    }
    (done, _mm256_testz_si256(seen, each(R::LANES.odd)) == 0)
}

#[target_feature(enable = "avx512f,avx512vbmi")]
fn avx512<R: Record>(records: &[u8], common: Common, slots: &mut Slots) -> (usize, bool) {
    const LOAD: usize = 64;
    // SAFETY: the array is as long as the load.
    let all = |words: [u32; 16]| unsafe { _mm512_loadu_si512(words.as_ptr().cast()) };
    let each = |words: [u32; 4]| all(std::array::from_fn(|i| words[i % 4]));
    let bytes = const { picked::<R, 16>() };
    let (bytes, there) = (all(bytes), const { present(picked::<R, 16>()) });
    let (right, right_mask) = (each(R::LANES.right), each(R::LANES.right_mask));
    let (left, left_mask) = (each(R::LANES.left), each(R::LANES.left_mask));
    let (flip, most, high) = (each(R::LANES.flip), each(MOST), each(high(common)));
    let like = each([common.like, 0, 0, 0]);
    let (on, order) = (each(ON), all(const { stored() }));
    let (mut done, mut seen) = (0, _mm512_setzero_si512());
    for records in records.windows(LOAD).step_by(4 * R::SIZE) {
        // A store is longer than four events; the next writes over its end.
        let Some(slots) = slots.get_mut(done..done + 6) else { break };
        // SAFETY: the window is as long as the load.
        let w = unsafe { _mm512_loadu_si512(records.as_ptr().cast()) };
        let w = _mm512_maskz_permutexvar_epi8(there, bytes, w);
        seen = _mm512_or_si512(seen, _mm512_xor_si512(w, like));
        let low = _mm512_and_si512(_mm512_srlv_epi32(w, right), right_mask);
        let up = _mm512_and_si512(_mm512_sllv_epi32(w, left), left_mask);
        let w = _mm512_xor_si512(_mm512_or_si512(low, up), flip);
        let w = _mm512_or_si512(_mm512_min_epu32(w, most), high);
        let w = _mm512_or_si512(w, _mm512_and_si512(_mm512_srli_epi64(w, 1), on));
        let w = _mm512_permutexvar_epi32(order, w);
        // SAFETY: six slots are longer than the store.
        unsafe { _mm512_storeu_si512(slots.as_mut_ptr().cast(), w) }
        done += 4;
    }
    (done, _mm512_test_epi32_mask(seen, each(R::LANES.odd)) != 0)
}

/// A bit for each byte that is one of the record.
const fn present(words: [u32; 16]) -> u64 {
    let (mut mask, mut i) = (0, 0);
    while i < 64 {
        let none = words[i / 4] >> (8 * (i % 4)) & 0xff == 0xff;
        mask |= (!none as u64) << i;
        i += 1;
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::{super::write_each, *};
    use crate::events::formats::{aedat2, aedat3, atis, dat};
    use proptest::{collection::vec, prelude::*};

    // SAFETY: of the kind of `avx2` and `avx512`, called where their instructions were detected.
    type Form = unsafe fn(&[u8], Common, &mut Slots) -> (usize, bool);

    fn agree<R: Record>(records: &[u8], common: Common) {
        let count = records.len() / R::SIZE;
        let events = |form: Form| {
            let mut events = Vec::with_capacity(count);
            let slots = &mut events.spare_capacity_mut()[..count];
            // SAFETY: the caller asked whether the processor has what the form needs.
            let (done, odd) = unsafe { form(records, common, slots) };
            assert!(done + 13 > count, "{done} of {count}");
            // SAFETY: the first slots are filled.
            unsafe { events.set_len(done) };
            (events, odd)
        };
        let mut want: Vec<Event> = Vec::with_capacity(count);
        let scalar =
            |records: &[u8], common, slots: &mut Slots| write_each::<R>(records, common, slots);
        let _ = scalar(records, common, &mut want.spare_capacity_mut()[..count]);
        // SAFETY: the scalar form fills every slot.
        unsafe { want.set_len(count) };
        let mut forms: Vec<Form> = Vec::new();
        if is_x86_feature_detected!("avx2") {
            forms.push(avx2::<R>);
        }
        if is_x86_feature_detected!("avx512vbmi") {
            forms.push(avx512::<R>);
        }
        for form in forms {
            let (found, odd) = events(form);
            assert_eq!(found, want[..found.len()]);
            let seen = records.chunks_exact(R::SIZE).take(found.len());
            assert_eq!(odd, seen.clone().any(|r| R::is_odd(r, common.like)));
        }
    }

    proptest! {
        #[test]
        fn every_form_agrees(
            mut records in vec(any::<u8>(), 0..400), high: i16, like: u32, calm: u8,
        ) {
            records.iter_mut().for_each(|b| *b &= calm);
            let common = Common { high: i64::from(high) << 31, like };
            agree::<aedat2::Dvs128>(&records, common);
            agree::<aedat2::Davis>(&records, common);
            agree::<aedat2::Plain>(&records, common);
            agree::<aedat3::Polarity>(&records, common);
            agree::<atis::Spike>(&records, common);
            agree::<dat::Cd>(&records, common);
        }
    }
}

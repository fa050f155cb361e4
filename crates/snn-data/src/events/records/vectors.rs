//! Records by the vector instructions of x86: the rule of [`Lanes`](super::Lanes) on four or eight
//! events at a time, whose words of time and place lie side by side.

#![allow(unsafe_code)]

use super::{Bits, Common, Event, Record};
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

/// The bytes to pick for the words of one record after another.
const fn picked<R: Record, const WORDS: usize>() -> [u32; WORDS] {
    let mut words = [0; WORDS];
    let mut i = 0;
    while i < 4 * WORDS {
        let byte = if i % 8 < 4 { R::LANES.time[i % 8] } else { R::LANES.place[i % 8 - 4] };
        let byte = if byte < 0 { 0xff } else { byte as u32 + (i / 8 * R::SIZE) as u32 };
        words[i / 4] |= byte << (8 * (i % 4));
        i += 1;
    }
    words
}

/// The bit of the place that the polarity takes.
const ON: u32 = 1 << 31;

/// The bits of the place that tell the polarity.
const fn telling<R: Record>() -> u32 {
    match R::LANES.on {
        Bits::Any(bits) | Bits::None(bits) => bits,
    }
}

/// For each word of events that follow one another, from `from` on, the word of time or place that
/// it takes; the high half of a time takes none.
const fn taken<const WORDS: usize>(from: usize) -> [u32; WORDS] {
    let (mut words, mut i) = ([0; WORDS], 0);
    while i < WORDS {
        let (event, part) = ((from + i) / 3, (from + i) % 3);
        words[i] = (2 * event + part / 2) as u32;
        i += 1;
    }
    words
}

/// A bit for each word, from `from` on, that is the high half of a time.
const fn high<const WORDS: usize>(from: usize) -> u32 {
    let (mut mask, mut i) = (0, 0);
    while i < WORDS {
        mask |= (((from + i) % 3 == 1) as u32) << i;
        i += 1;
    }
    mask
}

#[target_feature(enable = "avx2")]
fn avx2<R: Record>(records: &[u8], common: Common, slots: &mut Slots) -> (usize, bool) {
    const EVENTS: usize = 4;
    // SAFETY: the array is as long as the load.
    let all = |words: [u32; 8]| unsafe { _mm256_loadu_si256(words.as_ptr().cast()) };
    let each = |[a, b]: [u32; 2]| all([a, b, a, b, a, b, a, b]);
    let [a, b, c, d] = const { picked::<R, 4>() };
    let bytes = all([a, b, c, d, a, b, c, d]);
    let (right, left) = (each([0, R::LANES.right]), each([0, R::LANES.left]));
    let right_mask = each([R::LANES.time_mask, R::LANES.right_mask]);
    let left_mask = each([0, R::LANES.left_mask]);
    let (telling, on) = (each([0, const { telling::<R>() }]), each([0, ON]));
    let (low, like) = (each([common.high as u32, 0]), each([common.like, 0]));
    let up = _mm256_set1_epi32((common.high >> 32) as i32);
    let (first, second) = (all(const { taken(0) }), all(const { taken(8) }));
    let (mut done, mut seen) = (0, _mm256_setzero_si256());
    let loads = records.windows(2 * R::SIZE + 16).step_by(EVENTS * R::SIZE);
    for (slots, records) in slots.chunks_exact_mut(EVENTS).zip(loads) {
        // SAFETY: the window is as long as both loads, two records apart.
        let w = unsafe {
            let second = records.as_ptr().add(2 * R::SIZE);
            _mm256_loadu2_m128i(second.cast(), records.as_ptr().cast())
        };
        let w = _mm256_shuffle_epi8(w, bytes);
        seen = _mm256_or_si256(seen, _mm256_xor_si256(w, like));
        let none = _mm256_cmpeq_epi32(_mm256_and_si256(w, telling), _mm256_setzero_si256());
        let on = match R::LANES.on {
            Bits::Any(_) => _mm256_andnot_si256(none, on),
            Bits::None(_) => _mm256_and_si256(none, on),
        };
        let x = _mm256_and_si256(_mm256_srlv_epi32(w, right), right_mask);
        let y = _mm256_and_si256(_mm256_sllv_epi32(w, left), left_mask);
        let w = _mm256_or_si256(_mm256_or_si256(x, y), _mm256_or_si256(on, low));
        let a = _mm256_permutevar8x32_epi32(w, first);
        let a = _mm256_blend_epi32::<{ high::<8>(0) as i32 }>(a, up);
        let b = _mm256_permutevar8x32_epi32(w, second);
        let b = _mm256_blend_epi32::<{ high::<8>(8) as i32 }>(b, up);
        let at = slots.as_mut_ptr().cast::<__m128i>();
        // SAFETY: four slots are as long as the two stores.
        unsafe {
            _mm256_storeu_si256(at.cast(), a);
            _mm_storeu_si128(at.add(2), _mm256_castsi256_si128(b));
        }
        done += EVENTS;
    }
    (done, _mm256_testz_si256(seen, each(R::LANES.odd)) == 0)
}

#[target_feature(enable = "avx512f,avx512vbmi")]
fn avx512<R: Record>(records: &[u8], common: Common, slots: &mut Slots) -> (usize, bool) {
    const EVENTS: usize = 8;
    /// The words of places.
    const PLACES: u16 = 0xaaaa;
    // SAFETY: the array is as long as the load.
    let all = |words: [u32; 16]| unsafe { _mm512_loadu_si512(words.as_ptr().cast()) };
    let each = |words: [u32; 2]| all(std::array::from_fn(|i| words[i % 2]));
    let bytes = const { picked::<R, 16>() };
    let (bytes, there) = (all(bytes), const { present(picked::<R, 16>()) });
    let (right, left) = (each([0, R::LANES.right]), each([0, R::LANES.left]));
    let right_mask = each([R::LANES.time_mask, R::LANES.right_mask]);
    let left_mask = each([0, R::LANES.left_mask]);
    let (telling, on) = (each([0, const { telling::<R>() }]), each([0, ON]));
    let (low, like) = (each([common.high as u32, 0]), each([common.like, 0]));
    let up = _mm512_set1_epi32((common.high >> 32) as i32);
    let (first, second) = (all(const { taken(0) }), all(const { taken(16) }));
    let (mut done, mut seen) = (0, _mm512_setzero_si512());
    let loads = records.windows(64).step_by(EVENTS * R::SIZE);
    for (slots, records) in slots.chunks_exact_mut(EVENTS).zip(loads) {
        // SAFETY: the window is as long as the load.
        let w = unsafe { _mm512_loadu_si512(records.as_ptr().cast()) };
        let w = _mm512_maskz_permutexvar_epi8(there, bytes, w);
        seen = _mm512_or_si512(seen, _mm512_xor_si512(w, like));
        let is_on = match R::LANES.on {
            Bits::Any(_) => _mm512_test_epi32_mask(w, telling),
            Bits::None(_) => _mm512_testn_epi32_mask(w, telling) & PLACES,
        };
        let x = _mm512_and_si512(_mm512_srlv_epi32(w, right), right_mask);
        let y = _mm512_and_si512(_mm512_sllv_epi32(w, left), left_mask);
        let w = _mm512_or_si512(_mm512_or_si512(x, y), low);
        let w = _mm512_mask_or_epi32(w, is_on, w, on);
        let a = _mm512_mask_permutexvar_epi32(up, const { !high::<16>(0) as u16 }, first, w);
        let b = _mm512_mask_permutexvar_epi32(up, const { !high::<16>(16) as u16 }, second, w);
        let at = slots.as_mut_ptr().cast::<__m256i>();
        // SAFETY: eight slots are as long as the two stores.
        unsafe {
            _mm512_storeu_si512(at.cast(), a);
            _mm256_storeu_si256(at.add(2), _mm512_castsi512_si256(b));
        }
        done += EVENTS;
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

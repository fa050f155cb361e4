//! Events of a fixed number of bytes, many at a time.

#[cfg(target_arch = "x86_64")]
mod vectors;

use super::Event;
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Where the parts of an event lie in its record.
pub(super) trait Record {
    /// Bytes of a record, at most 8.
    const SIZE: usize;
    /// The same rule as [`event`](Self::event) for vector instructions.
    const LANES: Lanes;

    /// The event of a record whose upper bits of the time are `high`.
    fn event(record: &[u8], high: i64) -> Event;

    /// Whether it may be more than an event: a word of it, that of the time compared with `like`,
    /// has a bit of [`Lanes::odd`].
    fn is_odd(_record: &[u8], _like: u32) -> bool {
        false
    }
}

/// A rule on two 32-bit words of a record, that of the time and that of the place w, which become
/// the low half of the time and `y << 16 | x`: `w >> right & right_mask | w << left & left_mask`.
pub(super) struct Lanes {
    /// The bytes of the record that make the word of the time, the lowest first.
    pub time: [i8; 4],
    /// The bytes that make the word of the place; [`NONE`] for zero.
    pub place: [i8; 4],
    pub time_mask: u32,
    pub right: u32,
    pub right_mask: u32,
    pub left: u32,
    pub left_mask: u32,
    /// What makes an event ON.
    pub on: Bits,
    /// Bits of the two words that an event does not have.
    pub odd: [u32; 2],
}

/// A rule on bits of the word of the place.
#[derive(Clone, Copy)]
pub(super) enum Bits {
    /// One of them is set.
    Any(u32),
    /// None of them is set.
    None(u32),
}

/// No byte of the record.
pub(super) const NONE: i8 = -1;

/// Records that a thread decodes at a time.
const SHARE: usize = 16 << 10;

/// What the records of a piece have in common.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Common {
    /// Bits that are joined to each time.
    pub high: i64,
    /// A time whose bits decide which records are odd.
    pub like: u32,
}

/// Appends the events of whole records, on all threads where this is one of rayon's. Returns
/// whether there was an odd record.
#[allow(unsafe_code)]
pub(super) fn append<R: Record>(records: &[u8], common: Common, out: &mut Vec<Event>) -> bool {
    let count = records.len() / R::SIZE;
    out.reserve(count);
    let length = out.len() + count;
    let slots = &mut out.spare_capacity_mut()[..count];
    let odd = if count < 2 * SHARE || rayon::current_thread_index().is_none() {
        write::<R>(records, common, slots)
    } else {
        let shares = slots.par_chunks_mut(SHARE).zip(records.par_chunks(SHARE * R::SIZE));
        shares
            .map(|(slots, records)| write::<R>(records, common, slots))
            .reduce(|| false, |a, b| a | b)
    };
    // SAFETY: `write` has put an event into each of the `count` slots behind the old length.
    unsafe { out.set_len(length) }
    odd
}

/// Puts an event into every slot; there are at least as many records as slots.
fn write<R: Record>(records: &[u8], common: Common, slots: &mut [MaybeUninit<Event>]) -> bool {
    #[cfg(target_arch = "x86_64")]
    let (done, odd) = vectors::write::<R>(records, common, slots);
    #[cfg(not(target_arch = "x86_64"))]
    let (done, odd) = (0, false);
    odd | write_each::<R>(&records[done * R::SIZE..], common, &mut slots[done..])
}

/// The scalar form.
fn write_each<R: Record>(records: &[u8], common: Common, slots: &mut [MaybeUninit<Event>]) -> bool {
    let records = records[..slots.len() * R::SIZE].chunks_exact(R::SIZE);
    let mut odd = false;
    for (slot, record) in slots.iter_mut().zip(records) {
        slot.write(R::event(record, common.high));
        odd |= R::is_odd(record, common.like);
    }
    odd
}

#[cfg(test)]
mod tests {
    use super::{
        super::formats::{aedat2, aedat3, atis, dat},
        *,
    };
    use proptest::{collection::vec, prelude::*};

    fn agree<R: Record>(records: &[u8], common: Common) {
        let mut found = vec![Event::default(); 3];
        let odd = append::<R>(records, common, &mut found);
        let records = records.chunks_exact(R::SIZE);
        assert_eq!(odd, records.clone().any(|r| R::is_odd(r, common.like)));
        let want = records.map(|r| R::event(r, common.high));
        assert!(found[..3].iter().all(|&e| e == Event::default()));
        assert!(found[3..].iter().copied().eq(want));
    }

    fn all_agree(records: &[u8], high: i16, like: u32) {
        let common = Common { high: i64::from(high) << 31, like };
        agree::<aedat2::Dvs128>(records, common);
        agree::<aedat2::Davis>(records, common);
        agree::<aedat2::Plain>(records, common);
        agree::<aedat3::Polarity>(records, common);
        agree::<atis::Spike>(records, common);
        agree::<dat::Cd>(records, common);
    }

    proptest! {
        #[test]
        fn vectors_and_scalars_agree(mut records in vec(any::<u8>(), 0..400), high: i16, like: u32, calm: u8) {
            records.iter_mut().for_each(|b| *b &= calm);
            all_agree(&records, high, like);
        }
    }

    #[test]
    fn threads_agree_with_one() {
        let records: Vec<u8> = (0..40 * SHARE as u64)
            .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
            .collect();
        rayon::scope(|_| all_agree(&records, 3, 0));
    }
}

use super::View;
use crate::packed::{
    isa::{Isa, Level},
    layout::GROUP,
};

/// Appends the channels of `x` as words: bit `i` is lane `i`.
#[allow(unsafe_code)]
pub(in crate::packed) fn channel_words(isa: Isa, x: &View<'_>, words: &mut Vec<u64>) {
    match isa.level() {
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 BW.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::channel_words(x, words) },
        _ => plain_words(x, words),
    }
}

fn plain_words(x: &View<'_>, words: &mut Vec<u64>) {
    for nibbles in x.groups() {
        let mut of_group = [0; GROUP];
        for (i, eight) in nibbles.as_chunks::<8>().0.iter().enumerate() {
            for (c, word) in of_group.iter_mut().enumerate() {
                // One bit of each byte, gathered into the top byte.
                let bits = u64::from_le_bytes(*eight) >> c & 0x0101_0101_0101_0101;
                *word |= (bits.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i);
            }
        }
        words.extend(of_group.map(|word| word & x.there));
    }
}

/// How many bits each channel of `a` has in common with each channel of `b`, both
/// `[words][width]`: `counts` is `[channels of a][channels of b]`.
///
/// # Panics
/// If the lengths do not fit each other, or channels are not whole groups.
#[allow(unsafe_code)]
pub(in crate::packed) fn overlaps(
    isa: Isa,
    a: &[u64],
    b: &[u64],
    width: usize,
    counts: &mut [u16],
) {
    assert!(width.is_multiple_of(GROUP) && a.len().is_multiple_of(width.max(1)));
    assert!(a.len() == b.len() && counts.len() == width * width, "a count for every pair");
    match isa.level() {
        Level::Portable => plain(a, b, width, counts),
        // SAFETY: only `Isa::all` makes this value, after detecting AVX2 and POPCNT.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::avx2(a, b, width, counts) },
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 with VPOPCNTDQ; lengths
        // were checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::avx512(a, b, width, counts) },
    }
}

/// The obvious form.
#[inline(always)]
fn plain(a: &[u64], b: &[u64], width: usize, counts: &mut [u16]) {
    counts.fill(0);
    let words = a.chunks_exact(width.max(1)).zip(b.chunks_exact(width.max(1)));
    for (a, b) in words {
        for (a, counts) in a.iter().zip(counts.chunks_exact_mut(width)) {
            for (b, count) in b.iter().zip(counts) {
                *count += (a & b).count_ones() as u16;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use std::arch::x86_64::*;

    use super::{GROUP, View, plain};

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn channel_words(x: &View<'_>, words: &mut Vec<u64>) {
        for nibbles in x.groups() {
            // SAFETY: 64 bytes.
            let nibbles = unsafe { _mm512_loadu_si512(nibbles.as_ptr().cast()) };
            let bits = [1, 2, 4, 8].map(|bit| _mm512_set1_epi8(bit));
            let of_group = bits.map(|bit| _mm512_mask_test_epi8_mask(x.there, nibbles, bit));
            words.extend_from_slice(&of_group);
        }
    }

    #[target_feature(enable = "avx2,popcnt")]
    pub(super) fn avx2(a: &[u64], b: &[u64], width: usize, counts: &mut [u16]) {
        plain(a, b, width, counts);
    }

    /// Eight channels of `b` in a register, four of `a` at a time.
    ///
    /// # Safety
    /// The CPU has AVX-512 F, BW, VL and VPOPCNTDQ; `a` and `b` are `[words][width]`,
    /// `width` whole groups, and `counts` is `[width][width]`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn avx512(a: &[u64], b: &[u64], width: usize, counts: &mut [u16]) {
        for first in (0..width).step_by(8) {
            let there = u8::MAX >> (8 - (width - first).min(8));
            for c in (0..width).step_by(GROUP) {
                let mut sums = [_mm512_setzero_si512(); GROUP];
                for word in 0..a.len() / width {
                    // SAFETY: channels `c..c + 4` and those that are there from `first` on, of one
                    // word.
                    unsafe {
                        let a = a.as_ptr().add(word * width + c);
                        let b = b.as_ptr().add(word * width + first).cast();
                        let b = _mm512_maskz_loadu_epi64(there, b);
                        for (i, sum) in sums.iter_mut().enumerate() {
                            let a = _mm512_set1_epi64(a.add(i).read() as i64);
                            let both = _mm512_popcnt_epi64(_mm512_and_si512(a, b));
                            *sum = _mm512_add_epi64(*sum, both);
                        }
                    }
                }
                for (i, sum) in sums.into_iter().enumerate() {
                    let narrow = _mm512_cvtepi64_epi16(sum);
                    // SAFETY: those that are there in row `c + i`.
                    unsafe {
                        let row = counts.as_mut_ptr().add((c + i) * width + first);
                        _mm_mask_storeu_epi16(row.cast(), there, narrow);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::packed::layout::LANES;

    proptest! {
        #[test]
        fn every_isa_counts_the_common_bits(
            (width, a, b) in (0usize..4, 1usize..6).prop_flat_map(|(words, groups)| {
                let width = groups * GROUP;
                (Just(width), vec(any::<u64>(), words * width), vec(any::<u64>(), words * width))
            }),
        ) {
            let mut expected = vec![0; width * width];
            for (i, expected) in expected.iter_mut().enumerate() {
                let words = |x: &[u64], c: usize| x[c.min(x.len())..].iter().step_by(width).copied().collect::<Vec<_>>();
                let (a, b) = (words(&a, i / width), words(&b, i % width));
                let bits = (0..64 * a.len()).filter(|i| a[i / 64] & b[i / 64] & 1 << (i % 64) != 0);
                *expected = bits.count() as u16;
            }
            for isa in Isa::all() {
                let mut found = vec![9; expected.len()];
                overlaps(isa, &a, &b, width, &mut found);
                prop_assert_eq!(&found, &expected, "{}", isa.name());
            }
        }

        #[test]
        fn every_isa_makes_words_of_channels(
            (groups, stride, nibbles) in (1usize..4, 1usize..3).prop_flat_map(|(groups, stride)| {
                (Just(groups), Just(stride), vec(0u8..16, groups * stride * LANES))
            }),
            there: u64,
        ) {
            let (tiles, _) = nibbles.as_chunks();
            for isa in Isa::all() {
                let mut words = Vec::new();
                channel_words(isa, &View { tiles, stride, there }, &mut words);
                prop_assert_eq!(words.len(), groups * GROUP);
                for (c, word) in words.into_iter().enumerate() {
                    for (i, nibble) in tiles[c / GROUP * stride].iter().enumerate() {
                        let bit = u64::from(nibble >> (c % GROUP) & 1) & there >> i;
                        prop_assert_eq!(word >> i & 1, bit, "{}", isa.name());
                    }
                }
            }
        }
    }
}

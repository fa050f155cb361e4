use crate::packed::{
    isa::{Isa, Level},
    layout::GROUP,
};

/// One bit of every count, as nibbles: counts are sums of spikes worth 1, 2, 4...
///
/// # Panics
/// If the lengths differ.
#[allow(unsafe_code)]
pub(in crate::packed) fn plane(isa: Isa, counts: &[[u8; GROUP]], bit: u32, nibbles: &mut [u8]) {
    assert_eq!(counts.len(), nibbles.len());
    match isa.level() {
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 BW and BMI2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::avx512(counts, bit, nibbles) },
        _ => plain(counts, bit, nibbles),
    }
}

fn plain(counts: &[[u8; GROUP]], bit: u32, nibbles: &mut [u8]) {
    for (nibble, count) in nibbles.iter_mut().zip(counts) {
        let bits = u32::from_le_bytes(*count) >> bit & 0x0101_0101;
        *nibble = (bits | bits >> 7 | bits >> 14 | bits >> 21) as u8 & 15;
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use std::arch::x86_64::*;

    use super::*;

    #[target_feature(enable = "avx512f,avx512bw,bmi2")]
    pub(super) fn avx512(counts: &[[u8; GROUP]], bit: u32, nibbles: &mut [u8]) {
        let (counts, counts_rest) = counts.as_chunks::<16>();
        let (nibbles, nibbles_rest) = nibbles.as_chunks_mut::<16>();
        let mask = _mm512_set1_epi8(1i8 << bit);
        for (counts, nibbles) in counts.iter().zip(nibbles) {
            // SAFETY: 64 bytes.
            let counts = unsafe { _mm512_loadu_si512(counts.as_ptr().cast()) };
            let bits = _mm512_test_epi8_mask(counts, mask);
            for (i, nibbles) in nibbles.chunks_exact_mut(8).enumerate() {
                let spread = _pdep_u64(bits >> (32 * i), 0x0f0f_0f0f_0f0f_0f0f);
                nibbles.copy_from_slice(&spread.to_le_bytes());
            }
        }
        plain(counts_rest, bit, nibbles_rest);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn planes_add_up_to_counts(counts in vec(any::<[u8; GROUP]>(), 0..70)) {
            for isa in Isa::all() {
                let mut sums = vec![[0u8; GROUP]; counts.len()];
                for bit in 0..8 {
                    let mut nibbles = vec![255; counts.len()];
                    plane(isa, &counts, bit, &mut nibbles);
                    for (sums, nibble) in sums.iter_mut().zip(nibbles) {
                        prop_assert!(nibble < 16);
                        for (i, sum) in sums.iter_mut().enumerate() {
                            *sum += (nibble >> i & 1) << bit;
                        }
                    }
                }
                prop_assert_eq!(&sums, &counts, "{}", isa.name());
            }
        }
    }
}

//! How active rows are: what the error of a current is proportional to.

use crate::packed::{
    isa::{Isa, Level},
    layout::{GROUP, LANES},
};

/// So many groups have spikes that fit a byte.
const FEW: usize = u8::MAX as usize / GROUP;

/// The most spikes of a row of a panel of nibbles, `[groups][64]`, each below 16.
///
/// # Panics
/// If rows are missing.
#[allow(unsafe_code)]
pub(in crate::packed) fn most_spikes(isa: Isa, panel: &[u8]) -> u32 {
    let (groups, rest) = panel.as_chunks::<LANES>();
    assert!(rest.is_empty(), "whole groups");
    let mut sums = [0u32; LANES];
    for groups in groups.chunks(FEW) {
        let spikes = match isa.level() {
            Level::Portable => spikes(groups),
            // SAFETY: only `Isa::all` makes this value, after detecting AVX2.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::spikes_avx2(groups) },
            // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 F and BW.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { x86::spikes_avx512(groups) },
        };
        sums.iter_mut().zip(spikes).for_each(|(sum, spikes)| *sum += u32::from(spikes));
    }
    sums.into_iter().max().unwrap_or(0)
}

/// The greatest sum of a row of a panel of counts, `[groups][64][4]`.
///
/// # Panics
/// If rows are missing.
#[allow(unsafe_code)]
pub(in crate::packed) fn most_units(isa: Isa, panel: &[[u8; GROUP]]) -> u32 {
    let (groups, rest) = panel.as_chunks::<LANES>();
    assert!(rest.is_empty(), "whole groups");
    let sums = match isa.level() {
        Level::Portable => units(groups),
        // SAFETY: only `Isa::all` makes this value, after detecting AVX2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::units_avx2(groups) },
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 F and VNNI.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::units_avx512(groups) },
    };
    sums.into_iter().max().unwrap_or(0)
}

/// The spikes of each row of at most [`FEW`] groups.
fn spikes(groups: &[[u8; LANES]]) -> [u8; LANES] {
    let mut sums = [0; LANES];
    for nibbles in groups {
        sums.iter_mut().zip(nibbles).for_each(|(sum, nibble)| *sum += nibble.count_ones() as u8);
    }
    sums
}

/// The sum of each row.
fn units(groups: &[[[u8; GROUP]; LANES]]) -> [u32; LANES] {
    let mut sums = [0; LANES];
    for counts in groups {
        for (sum, counts) in sums.iter_mut().zip(counts) {
            *sum += counts.iter().copied().map(u32::from).sum::<u32>();
        }
    }
    sums
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use std::arch::x86_64::*;

    use super::*;

    /// Bits of a nibble.
    const BITS: [i8; 16] = [0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4];

    #[target_feature(enable = "avx2")]
    pub(super) fn spikes_avx2(groups: &[[u8; LANES]]) -> [u8; LANES] {
        // SAFETY: sixteen bytes.
        let bits = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(BITS.as_ptr().cast()) });
        let mut sums = [_mm256_setzero_si256(); 2];
        for nibbles in groups {
            for (half, sum) in sums.iter_mut().enumerate() {
                // SAFETY: half of 64 bytes.
                let nibbles = unsafe { _mm256_loadu_si256(nibbles[32 * half..].as_ptr().cast()) };
                *sum = _mm256_add_epi8(*sum, _mm256_shuffle_epi8(bits, nibbles));
            }
        }
        let mut out = [0; LANES];
        for (half, sum) in sums.into_iter().enumerate() {
            // SAFETY: as above.
            unsafe { _mm256_storeu_si256(out[32 * half..].as_mut_ptr().cast(), sum) };
        }
        out
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn spikes_avx512(groups: &[[u8; LANES]]) -> [u8; LANES] {
        // SAFETY: sixteen bytes.
        let bits = _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(BITS.as_ptr().cast()) });
        let mut sum = _mm512_setzero_si512();
        for nibbles in groups {
            // SAFETY: 64 bytes.
            let nibbles = unsafe { _mm512_loadu_si512(nibbles.as_ptr().cast()) };
            sum = _mm512_add_epi8(sum, _mm512_shuffle_epi8(bits, nibbles));
        }
        let mut out = [0; LANES];
        // SAFETY: 64 bytes.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), sum) };
        out
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn units_avx2(groups: &[[[u8; GROUP]; LANES]]) -> [u32; LANES] {
        let ones = (_mm256_set1_epi8(1), _mm256_set1_epi16(1));
        let mut sums = [_mm256_setzero_si256(); LANES / 8];
        for counts in groups {
            for (sum, counts) in sums.iter_mut().zip(counts.as_chunks::<8>().0) {
                // SAFETY: eight times four bytes.
                let counts = unsafe { _mm256_loadu_si256(counts.as_ptr().cast()) };
                let pairs = _mm256_maddubs_epi16(counts, ones.0);
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones.1));
            }
        }
        let mut out = [0; LANES];
        for (sum, out) in sums.into_iter().zip(out.as_chunks_mut::<8>().0) {
            // SAFETY: eight numbers of 32 bits.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), sum) };
        }
        out
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn units_avx512(groups: &[[[u8; GROUP]; LANES]]) -> [u32; LANES] {
        let ones = _mm512_set1_epi8(1);
        let mut sums = [_mm512_setzero_si512(); LANES / 16];
        for counts in groups {
            for (sum, counts) in sums.iter_mut().zip(counts.as_chunks::<16>().0) {
                // SAFETY: sixteen times four bytes.
                let counts = unsafe { _mm512_loadu_si512(counts.as_ptr().cast()) };
                *sum = _mm512_dpbusd_epi32(*sum, counts, ones);
            }
        }
        let mut out = [0; LANES];
        for (sum, out) in sums.into_iter().zip(out.as_chunks_mut::<16>().0) {
            // SAFETY: sixteen numbers of 32 bits.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), sum) };
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn every_isa_finds_the_most_active_row(
            (nibbles, counts) in (0usize..140).prop_flat_map(|groups| (
                vec(0u8..16, groups * LANES),
                vec(any::<[u8; GROUP]>(), groups * LANES),
            )),
            (row, full) in (0..LANES, any::<bool>()),
        ) {
            let (mut nibbles, mut counts) = (nibbles, counts);
            if full {
                nibbles.iter_mut().skip(row).step_by(LANES).for_each(|nibble| *nibble = 15);
                counts.iter_mut().skip(row).step_by(LANES).for_each(|counts| *counts = [255; GROUP]);
            }
            let of_rows = |of: &dyn Fn(usize) -> u32| (0..LANES).map(of).max();
            let spikes = |row| nibbles.iter().skip(row).step_by(LANES).map(|n| n.count_ones()).sum();
            let units = |row| counts.iter().skip(row).step_by(LANES).flatten().map(|&c| u32::from(c)).sum();
            for isa in Isa::all() {
                prop_assert_eq!(Some(most_spikes(isa, &nibbles)), of_rows(&spikes), "{}", isa.name());
                prop_assert_eq!(Some(most_units(isa, &counts)), of_rows(&units), "{}", isa.name());
            }
        }
    }
}

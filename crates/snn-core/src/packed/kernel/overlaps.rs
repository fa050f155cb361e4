use crate::packed::isa::{Isa, Level};

/// How many bits each row of `k` has in common with each row of `v`, both
/// `[rows][words]`: `counts` is `[rows of k][rows of v]`.
///
/// # Panics
/// If the lengths do not fit each other.
#[allow(unsafe_code)]
pub(in crate::packed) fn overlaps(
    isa: Isa,
    k: &[u64],
    v: &[u64],
    words: usize,
    counts: &mut [u16],
) {
    assert_eq!(k.len() / words * (v.len() / words), counts.len(), "a count for every pair");
    match isa.level() {
        Level::Portable => plain(k, v, words, counts),
        // SAFETY: only `Isa::all` makes these values, after detecting POPCNT.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 | Level::Avx512 => unsafe { popcnt(k, v, words, counts) },
    }
}

#[inline(always)]
fn plain(k: &[u64], v: &[u64], words: usize, counts: &mut [u16]) {
    let rows = v.len() / words;
    for (k, counts) in k.chunks_exact(words).zip(counts.chunks_exact_mut(rows.max(1))) {
        for (v, count) in v.chunks_exact(words).zip(counts) {
            let both = k.iter().zip(v).map(|(k, v)| (k & v).count_ones());
            *count = both.sum::<u32>() as u16;
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt")]
fn popcnt(k: &[u64], v: &[u64], words: usize, counts: &mut [u16]) {
    plain(k, v, words, counts);
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn every_isa_counts_the_common_bits(
            (words, k, v) in (1usize..4, 0usize..9, 0usize..9).prop_flat_map(|(words, k, v)| (
                Just(words), vec(any::<u64>(), k * words), vec(any::<u64>(), v * words),
            )),
        ) {
            let mut expected = Vec::new();
            for k in k.chunks(words) {
                for v in v.chunks(words) {
                    let bits = (0..64 * words).filter(|i| k[i / 64] & v[i / 64] & 1 << (i % 64) != 0);
                    expected.push(bits.count() as u16);
                }
            }
            for isa in Isa::all() {
                let mut found = vec![9; expected.len()];
                overlaps(isa, &k, &v, words, &mut found);
                prop_assert_eq!(&found, &expected, "{}", isa.name());
            }
        }
    }
}

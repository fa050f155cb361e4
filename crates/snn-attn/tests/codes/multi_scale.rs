use std::num::NonZeroUsize;

use ndarray::Array2;
use proptest::prelude::*;
use snn_attn::codes::MultiScaleAttention;
use snn_hash::{Fusion, MultiCodes};

use crate::{Head, close, weighted};

proptest! {
    #[test]
    fn it_is_the_mean_of_the_most_similar(
        head in Head::any(), cut in any::<prop::sample::Index>(), share in 0.0..=1.0, keep in 0..80usize,
    ) {
        prop_assume!(head.keys.bits() > 1);
        let cut = 1 + cut.index(head.keys.bits() - 1);
        let scales = |codes: &snn_hash::BitCodes| {
            MultiCodes::new(vec![codes.columns(0..cut), codes.columns(cut..codes.bits())])
        };
        let (queries, keys) = (scales(&head.queries), scales(&head.keys));
        for fusion in [Fusion::Weighted(vec![share, 1.0 - share]), Fusion::Concat, Fusion::Max] {
            let weights: Array2<f64> = queries.similarities(&keys, &fusion) + 1.0;
            let attention = MultiScaleAttention { fusion, keep: NonZeroUsize::new(keep) };
            let found = attention.attend(&queries, &keys, head.values.view());
            // Codes that are opposite in everything weigh zero up to rounding.
            prop_assume!(weights.rows().into_iter().all(|row| row.sum() > 1e-6));
            let keep = if keep == 0 { usize::MAX } else { keep };
            close(&found, &weighted(&weights, &head.values, keep, false), 1e-9);
        }
    }
}

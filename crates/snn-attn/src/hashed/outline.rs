use snn_core::{
    Outline, Signal,
    outline::{Real, Spikes},
};

use super::{CodeSimilarity, HashAttend, HashFunctions, RelativeDelays};
use crate::codes::Bias;

/// `like` with another number of channels.
fn with_channels(like: &impl Signal<Outline>, channels: usize) -> Vec<usize> {
    let shape = like.shape();
    [&shape[..shape.len() - 1], &[channels]].concat()
}

fn channels(x: &impl Signal<Outline>) -> usize {
    x.shape().last().copied().unwrap_or(0)
}

impl HashAttend for Outline {
    fn hash(&self, sides: &[&Real], functions: &HashFunctions<Vec<usize>>) -> Vec<Real> {
        let bits: usize = functions.scales.iter().map(|scale| scale.bits).sum();
        let side = |x: &&Real| {
            let of_points = functions.support.iter().product::<usize>();
            assert_eq!(channels(*x) * functions.points, of_points, "channels of support points");
            Real::new(&with_channels(*x, functions.heads * bits))
        };
        sides.iter().map(side).collect()
    }

    fn latency(&self, y: &Real) -> Spikes {
        Spikes::new(&y.shape())
    }

    fn delay(&self, x: &Spikes, delta: &Vec<usize>, _causal: bool) -> Spikes {
        assert_eq!(channels(x), delta.iter().product::<usize>(), "a delay for every bit");
        x.clone()
    }

    fn attend_codes(
        &self,
        q: &Spikes,
        k: &Spikes,
        v: &Spikes,
        heads: usize,
        similarity: &CodeSimilarity<Vec<usize>>,
    ) -> Real {
        let bits: usize = similarity.bits.iter().sum();
        assert_eq!([channels(q), channels(k)], [heads * bits; 2], "bits of queries and keys");
        if let Some(RelativeDelays { window, table, .. }) = &similarity.delays {
            let found = table.iter().product::<usize>();
            assert_eq!(found, heads * (2 * window + 1), "a delay for every head and distance");
        }
        Real::new(&with_channels(q, channels(v)))
    }

    fn attend_hashed(&self, codes: &Spikes, v: &Real, heads: usize, _bias: Bias) -> Real {
        assert!(channels(codes).is_multiple_of(heads), "bits of {heads} heads");
        v.clone()
    }

    fn attend_dense(&self, q: &Real, k: &Real, v: &Spikes, _heads: usize, _scale: f64) -> Real {
        assert_eq!(channels(q), channels(k), "channels of queries and keys");
        Real::new(&with_channels(q, channels(v)))
    }
}

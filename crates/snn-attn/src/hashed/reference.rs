use ndarray::ArrayD;
use snn_core::{Reference, reference::Scalar, tensor::Spikes};

use super::{CodeSimilarity, HashAttend, HashFunctions, dense};
use crate::codes::Bias;

impl<F: Scalar> HashAttend for Reference<F> {
    fn hash(&self, sides: &[&ArrayD<F>], functions: &HashFunctions<ArrayD<F>>) -> Vec<ArrayD<F>> {
        dense::hash(sides, functions)
    }

    fn latency(&self, y: &ArrayD<F>) -> Spikes {
        dense::latency(y)
    }

    fn delay(&self, x: &Spikes, delta: &ArrayD<F>, causal: bool) -> Spikes {
        dense::delay(x, delta, causal)
    }

    fn attend_codes(
        &self,
        q: &Spikes,
        k: &Spikes,
        v: &Spikes,
        heads: usize,
        similarity: &CodeSimilarity<ArrayD<F>>,
    ) -> ArrayD<F> {
        dense::attend_codes(q, k, v, heads, similarity)
    }

    fn attend_hashed(&self, codes: &Spikes, v: &ArrayD<F>, heads: usize, bias: Bias) -> ArrayD<F> {
        dense::attend_hashed(codes, v, heads, bias)
    }

    fn attend_dense(
        &self,
        q: &ArrayD<F>,
        k: &ArrayD<F>,
        v: &Spikes,
        heads: usize,
        scale: f64,
    ) -> ArrayD<F> {
        dense::attend_dense(q, k, v, heads, scale)
    }
}

use snn_core::{
    Unfolded,
    unfold::{Real, Spikes},
};

use super::{CodeSimilarity, HashAttend, HashFunctions};
use crate::codes::Bias;

/// What hashes and compares spikes has no levels to unfold.
impl<B: HashAttend> HashAttend for Unfolded<B> {
    fn hash(&self, sides: &[&Real<B>], functions: &HashFunctions<B::Param>) -> Vec<Real<B>> {
        let sides: Vec<&B::Real> = sides.iter().map(|x| x.below()).collect();
        self.below().hash(&sides, functions).into_iter().map(Real::new).collect()
    }

    fn latency(&self, y: &Real<B>) -> Spikes<B> {
        Spikes::new(self.below().latency(y.below()))
    }

    fn delay(&self, x: &Spikes<B>, delta: &B::Param, causal: bool) -> Spikes<B> {
        Spikes::new(self.below().delay(x.below(), delta, causal))
    }

    fn attend_codes(
        &self,
        q: &Spikes<B>,
        k: &Spikes<B>,
        v: &Spikes<B>,
        heads: usize,
        similarity: &CodeSimilarity<B::Param>,
    ) -> Real<B> {
        let [q, k, v] = [q, k, v].map(|x| x.below());
        Real::new(self.below().attend_codes(q, k, v, heads, similarity))
    }

    fn attend_hashed(&self, codes: &Spikes<B>, v: &Real<B>, heads: usize, bias: Bias) -> Real<B> {
        Real::new(self.below().attend_hashed(codes.below(), v.below(), heads, bias))
    }

    fn attend_dense(
        &self,
        q: &Real<B>,
        k: &Real<B>,
        v: &Spikes<B>,
        heads: usize,
        scale: f64,
    ) -> Real<B> {
        Real::new(self.below().attend_dense(q.below(), k.below(), v.below(), heads, scale))
    }
}

//! Losses over time. This one is of no paper: it is a sketch that this project began with, read so
//! that it does what it was meant to.

use tch::{Kind, Tensor};

/// Neighbouring steps should look alike, distant ones may differ: with `cos_ij` between the steps
/// of `x` `[T, B, D]`, the mean of `1 - cos_ij` over `j = i + 1`, and `lambda` times that of
/// `max(0, cos_ij - margin)` over `j - i >= distance`.
///
/// Means are over the pairs that there are, and over the samples; no pair, as with one step, costs
/// nothing. Silence is like nothing: it has a cosine of 0 with anything, and no gradient.
pub fn temporal_alignment(x: &Tensor, lambda: f64, distance: usize, margin: f64) -> Tensor {
    let steps = x.size()[0];
    let x = x.transpose(0, 1); // [B, T, D]
    let least = f64::from(f32::MIN_POSITIVE); // the root of zero has no slope
    let length = x.square().sum_dim_intlist(-1, true, None::<Kind>).clamp_min(least).sqrt();
    let lengths = length.matmul(&length.transpose(1, 2));
    // To divide by next to nothing would make the slope of silence next to infinite.
    let silent = lengths.lt(1e-8);
    let cosine = x.matmul(&x.transpose(1, 2)) / lengths.masked_fill(&silent, 1.0);
    let cosine = cosine.masked_fill(&silent, 0.0);
    let time = Tensor::arange(steps, (Kind::Int64, x.device()));
    let apart = time.view([1, -1]) - time.view([-1, 1]);
    let mean = |cost: Tensor, pairs: Tensor| {
        let pairs = pairs.to_kind(cost.kind());
        let count = pairs.sum(None::<Kind>) * cost.size()[0];
        (cost * pairs).sum(None::<Kind>) / count.clamp_min(1.0)
    };
    let near = mean(1.0 - &cosine, apart.eq(1));
    let far = mean((cosine - margin).relu(), apart.ge(distance.max(1) as i64));
    near + far * lambda
}

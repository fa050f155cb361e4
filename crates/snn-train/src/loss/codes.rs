//! Losses of networks that hash tokens to codes.
//!
//! Codes are soft while they learn: `h = tanh(y)` of what the bits are the signs of, `[..., N, b]`.
//! Everything here is our reading of ideas that no paper defines.

use tch::{Kind, Tensor};

/// Which pairs of tokens should have similar codes, and which dissimilar ones: `[..., N, M]`, 1 for
/// a pair of the kind, else 0.
pub struct Pairs {
    /// Similar pairs.
    pub alike: Tensor,
    /// Dissimilar pairs.
    pub unlike: Tensor,
}

impl Pairs {
    /// In each row of a teacher's attention `[..., N, M]`, the `neighbours` greatest are alike, the
    /// `neighbours` least are not; where both claim a pair it is alike. Ties by lowest index.
    pub fn of(teacher: &Tensor, neighbours: usize) -> Self {
        let teacher = teacher.detach();
        let size = teacher.size();
        let count = (neighbours as i64).min(size[size.len() - 1]);
        let first = |greatest: bool| {
            let (_, order) = teacher.sort_stable(true, -1, greatest);
            teacher.zeros_like().scatter_value(-1, &order.narrow(-1, 0, count), 1.0)
        };
        let alike = first(true);
        let unlike = first(false) * (1.0 - &alike);
        Self { alike, unlike }
    }
}

/// The mean of `x` where `mask` is 1; 0 where it is so nowhere.
fn mean_of(x: &Tensor, mask: &Tensor) -> Tensor {
    (x * mask).sum(None) / mask.sum(None).clamp_min(1.0)
}

/// Similar pairs should agree in more bits than `margins[0]` says, dissimilar ones in fewer than
/// `margins[1]`: `mean max(0, margins[0] - s) + mean max(0, s - margins[1])` over the pairs of each
/// kind.
///
/// `similarity` `[..., N, M]` is between -1 and 1: for soft codes `h_i . h_j / b`.
pub fn hash(similarity: &Tensor, pairs: &Pairs, margins: [f64; 2]) -> Tensor {
    let missing = (margins[0] - similarity).relu();
    let excess = (similarity - margins[1]).relu();
    mean_of(&missing, &pairs.alike) + mean_of(&excess, &pairs.unlike)
}

/// How far the codes of similar pairs are apart, `sum_s share_s mean |q_s - k_s|^2 / (4 b_s)`,
/// between 0 and 1.
///
/// `queries` and `keys` are soft codes of each scale, `[..., N, b]` and `[..., M, b]`; `shares`
/// `[scales]` sum to 1.
pub fn fusion(queries: &[Tensor], keys: &[Tensor], shares: &Tensor, alike: &Tensor) -> Tensor {
    let scales = queries.iter().zip(keys).map(|(q, k)| {
        let bits = q.size()[q.dim() - 1] as f64;
        let square = |x: &Tensor| x.square().sum_dim_intlist(-1, true, None);
        let apart = square(q) + square(k).transpose(-1, -2) - q.matmul(&k.transpose(-1, -2)) * 2.0;
        mean_of(&apart, alike) / (4.0 * bits)
    });
    (Tensor::stack(&scales.collect::<Vec<_>>(), 0) * shares).sum(None)
}

/// How much the scales repeat each other: the mean over pairs of scales of
/// `|H_s^T H_s'|^2 / (N^2 b_s b_s')`, `H` `[..., N, b]` soft codes less their mean over tokens. 0
/// for a single scale.
pub fn diversity(codes: &[Tensor]) -> Tensor {
    let centred: Vec<Tensor> =
        codes.iter().map(|h| h - h.mean_dim([-2i64].as_slice(), true, None)).collect();
    let mut pairs = Vec::new();
    for (s, a) in centred.iter().enumerate() {
        for b in &centred[s + 1..] {
            let size = a.size();
            let [tokens, bits] = [size[size.len() - 2], size[size.len() - 1]].map(|n| n as f64);
            let scale = tokens * tokens * bits * b.size()[b.dim() - 1] as f64;
            let both = a.transpose(-1, -2).matmul(b).square();
            let sum = both.sum_dim_intlist([-2i64, -1].as_slice(), false, None::<Kind>);
            pairs.push(sum.mean(None) / scale);
        }
    }
    match (pairs.is_empty(), codes.first()) {
        (true, Some(code)) => Tensor::zeros([], (code.kind(), code.device())),
        _ => Tensor::stack(&pairs, 0).mean(None),
    }
}

/// The entropy of `shares` `[scales]`, which sum to 1; greatest where all are equal.
pub fn entropy(shares: &Tensor) -> Tensor {
    -(shares * shares.clamp_min(f64::from(f32::MIN_POSITIVE)).log()).sum(None)
}

/// How far bits are from being set half of the time: the mean over bits of the squared mean over
/// tokens, of soft codes `[..., N, b]`.
pub fn balance(codes: &Tensor) -> Tensor {
    codes.mean_dim([-2i64].as_slice(), false, None).square().mean(None)
}

/// How long delays `[heads, bits]` are, in steps: the mean of `|delta|`.
pub fn align(delays: &Tensor) -> Tensor {
    delays.abs().mean(None)
}

/// How far delays are from whole steps: the mean of `sin^2(pi delta)`.
pub fn fraction(delays: &Tensor) -> Tensor {
    (delays * std::f64::consts::PI).sin().square().mean(None)
}

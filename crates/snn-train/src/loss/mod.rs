//! What training minimises. Every loss is a scalar tensor to run backwards from.

pub mod codes;
mod temporal;

use tch::{Kind, Reduction, Tensor};
pub use temporal::temporal_alignment;

/// `ignore_index` of libtorch; no class has it.
const NONE_IGNORED: i64 = -100;

/// Cross entropy, the mean over the samples.
///
/// `logits` `[B, K]`; `targets` `[B, K]`: shares of the classes, rows sum to 1.
/// With `smoothing` s they become `(1 - s) targets + s / K`.
pub fn cross_entropy(logits: &Tensor, targets: &Tensor, smoothing: f64) -> Tensor {
    logits.cross_entropy_loss(targets, None::<Tensor>, Reduction::Mean, NONE_IGNORED, smoothing)
}

/// Temporal efficient training: a loss at every time step,
/// `(1 - lambda) mean_t CE(logits[t]) + lambda mean (logits - 1)^2`.
///
/// `logits` `[T, B, K]`; `targets` and `smoothing` as for [`cross_entropy`].
/// Source: Deng et al., *Temporal Efficient Training*, ICLR 2022, eq. 12, with
/// the mean square at 1 as the authors released it.
pub fn tet(logits: &Tensor, targets: &Tensor, smoothing: f64, lambda: f64) -> Tensor {
    let size = logits.size();
    let rows = logits.reshape([-1, size[size.len() - 1]]);
    let entropy = cross_entropy(&rows, &targets.repeat([size[0], 1]), smoothing);
    entropy * (1.0 - lambda) + (logits - 1.0).square().mean(None) * lambda
}

/// Fine-grained distillation: how far two attentions are from comparing tokens
/// alike, `mean_b |G(x) - G(teacher)|^2`, where `G = F F^T / |F F^T|` holds what
/// every two tokens have in common.
///
/// `x` and `teacher` are queries or keys `[T, B, positions..., C]` of as many
/// tokens; `T`, `C` and the worth of a spike may differ, since `F`
/// `[B, N, T C]` only enters with its direction. Source: Qiu et al., *Quantized
/// Spike-driven Transformer*, ICLR 2025, section 4; its code is not released,
/// and that steps stand beside each other is our reading.
pub fn distill_tokens(x: &Tensor, teacher: &Tensor) -> Tensor {
    let common = |x: &Tensor| {
        let size = x.size();
        let (steps, batch, channels) = (size[0], size[1], size[size.len() - 1]);
        let tokens = x.reshape([steps, batch, -1, channels]).permute([1, 2, 0, 3]).flatten(2, 3);
        let both = tokens.matmul(&tokens.transpose(1, 2));
        let norm = both.square().sum_dim_intlist([1i64, 2].as_slice(), true, None::<Kind>);
        // Silence is like nothing: its norm of 0 must not divide.
        &both / norm.clamp_min(f64::from(f32::MIN_POSITIVE)).sqrt()
    };
    let difference = common(x) - common(&teacher.detach());
    difference.square().sum_dim_intlist([1i64, 2].as_slice(), false, None::<Kind>).mean(None)
}

/// Distillation towards the class that the teacher chose: the mean cross
/// entropy of `logits` `[B, K]` against the greatest of `teacher` `[B, K]`.
/// Source: Touvron et al., *DeiT*, ICML 2021, eq. 3.
pub fn distill_hard(logits: &Tensor, teacher: &Tensor) -> Tensor {
    let chosen = teacher.detach().argmax(-1, false);
    logits.cross_entropy_loss(&chosen, None::<Tensor>, Reduction::Mean, NONE_IGNORED, 0.0)
}

/// Distillation towards the teacher's softened shares:
/// `tau^2 KL(softmax(teacher / tau) || softmax(logits / tau))`, the mean over
/// all `B K` elements of `[B, K]` as the authors released it. Source: Touvron
/// et al., *DeiT*, ICML 2021, eq. 2.
pub fn distill_soft(logits: &Tensor, teacher: &Tensor, tau: f64) -> Tensor {
    let shares = |x: &Tensor| (x / tau).log_softmax(-1, None::<Kind>);
    let (own, target) = (shares(logits), shares(&teacher.detach()));
    own.kl_div(&target, Reduction::Mean, true) * (tau * tau)
}

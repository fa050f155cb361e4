//! What training minimises. Every loss is a scalar tensor to run backwards from.

use tch::{Kind, Reduction, Tensor};

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

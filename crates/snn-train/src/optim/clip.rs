use tch::{Kind, Tensor};

/// Scales the gradients of all parameters together so that their common
/// Euclidean norm is at most `max_norm`; gives the norm before. As
/// `torch.nn.utils.clip_grad_norm_`.
///
/// A norm that is not finite says that training has diverged: gradients that
/// are not finite stay so.
pub fn clip_grad_norm(parameters: &[(String, Tensor)], max_norm: f64) -> f64 {
    let norm = grad_norm(parameters.iter().map(|(_, parameter)| parameter));
    let scale = max_norm / (norm + 1e-6);
    if scale < 1.0 || scale.is_nan() {
        tch::no_grad(|| {
            for (_, parameter) in parameters {
                let mut gradient = parameter.grad();
                if gradient.defined() {
                    let _ = gradient.g_mul_scalar_(scale);
                }
            }
        });
    }
    norm
}

/// The common Euclidean norm of the gradients.
pub(super) fn grad_norm<'a>(parameters: impl IntoIterator<Item = &'a Tensor>) -> f64 {
    let norms: Vec<Tensor> = parameters
        .into_iter()
        .map(Tensor::grad)
        .filter(Tensor::defined)
        .map(|gradient| gradient.detach().norm())
        .collect();
    if norms.is_empty() {
        0.0
    } else {
        Tensor::stack(&norms, 0).to_kind(Kind::Double).norm().double_value(&[])
    }
}

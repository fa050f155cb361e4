use snn_core::Signal;

use crate::{
    attend::Attend,
    window::{DilatedWindows, Reach},
};

/// An attention of every token on itself over time, into the past and into the future, blended by
/// a learned gate. This is no part of TEFormer: it is the sketch that this project began with,
/// read so that it looks along time.
///
/// `h_f` of step `t` is `scale sum (q_t . k_u) v_u` over `u <= t`, `h_b` over `u >= t`; the result
/// is the current `g h_f + (1 - g) h_b` with `g = sigmoid(gate(h_f, h_b))`, for neurons. All are
/// `[T, B, positions..., C]`. With one step both are the same.
pub fn bidirectional_temporal_fusion<B: Attend>(
    backend: &B,
    qkv: [&B::Counts; 3],
    heads: usize,
    scale: f64,
    gate: impl FnOnce(&B::Real, &B::Real) -> B::Real,
) -> B::Real {
    let shape = qkv[0].shape();
    let (t, b, channels) = (shape[0], shape[1], shape[shape.len() - 1]);
    let tokens: usize = shape[2..shape.len() - 1].iter().product();
    // Time as the positions of `b tokens` samples.
    let [q, k, v] = qkv.map(|x| x.reshape(&[1, t, b * tokens, channels]).permute(&[0, 2, 1, 3]));
    let attend = |reach| {
        let windows = DilatedWindows { reach, ..DilatedWindows::new(t, vec![1]) };
        let y = backend.window_attention([&q, &k, &v], heads, scale, &windows);
        y.permute(&[0, 2, 1, 3]).reshape(&shape)
    };
    let (forward, backward) = (attend(Reach::Past), attend(Reach::Future));
    let gate = gate(&forward, &backward);
    backend.blend(&gate, &forward, &backward)
}

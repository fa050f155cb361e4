use snn_core::Window;
use tch::Tensor;

use super::{
    convert::length,
    frames::{join, split},
};

/// The greatest input under each window of `[T, B, H, W, C]`. The gradient
/// goes to the first maximum of a window, row by row.
pub(super) fn max_pool(x: &Tensor, window: Window) -> Tensor {
    let side = |n: usize| [length(n); 2];
    let (frames, time) = split(x);
    let pooled = frames.max_pool2d(
        side(window.size),
        side(window.stride),
        side(window.padding),
        side(window.dilation),
        false,
    );
    join(&pooled, time)
}

use snn_core::{Response, Window};
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

/// What each window of `[T, B, H, W, C]` sees, added up. The gradient goes to all that it sees.
pub(super) fn response_pool(x: &Tensor, window: Window, response: Response) -> Tensor {
    assert_eq!(window.dilation, 1, "windows of a response are dense");
    let side = |n: usize| [length(n); 2];
    let (frames, time) = split(x);
    let pooled = frames.avg_pool2d(
        side(window.size),
        side(window.stride),
        side(window.padding),
        false,
        false, // padding does not count
        (response == Response::Sum).then_some(1),
    );
    join(&pooled, time)
}

//! `[T, B, H, W, C]` as the images that libtorch convolves and pools.

use tch::Tensor;

/// The axes of time and batch.
pub(super) type Frames = [i64; 2];

/// `[T, B, H, W, C]` as `[T B, C, H, W]` with channels last in memory: a view
/// where `x` is contiguous.
pub(super) fn split(x: &Tensor) -> (Tensor, Frames) {
    let [t, b, height, width, channels] = x.size()[..] else {
        panic!("expected [T, B, H, W, C], found {:?}", x.size())
    };
    (x.reshape([t * b, height, width, channels]).permute([0, 3, 1, 2]), [t, b])
}

/// Undoes [`split`].
pub(super) fn join(x: &Tensor, [t, b]: Frames) -> Tensor {
    let [_, channels, height, width] = x.size()[..] else {
        unreachable!("images have four axes, found {:?}", x.size())
    };
    x.permute([0, 2, 3, 1]).reshape([t, b, height, width, channels])
}

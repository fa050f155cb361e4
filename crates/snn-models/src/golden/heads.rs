//! Heads side by side, as recorded, and one after the other, as the operations take them.

use ndarray::ArrayD;

use super::reshaped;

/// `[T, B, h, N, d]` to `[T, B, N, h d]`.
pub(super) fn merged<T: Clone>(x: &ArrayD<T>) -> ArrayD<T> {
    let [t, b, heads, tokens, width] = five(x);
    let tokens_first = x.view().permuted_axes(vec![0, 1, 3, 2, 4]);
    reshaped(tokens_first.as_standard_layout().into_owned(), &[t, b, tokens, heads * width])
}

/// Undoes [`merged`].
pub(super) fn in_heads(x: ArrayD<f64>, heads: usize) -> ArrayD<f64> {
    let (outer, channels) = (x.shape()[..3].to_vec(), x.shape()[3]);
    let split = reshaped(x, &[&outer[..], &[heads, channels / heads]].concat());
    split.permuted_axes(vec![0, 1, 3, 2, 4])
}

/// Lengths of the axes.
pub(super) fn five<T>(x: &ArrayD<T>) -> [usize; 5] {
    let Ok(shape) = x.shape().try_into() else {
        unreachable!("files with other axes were refused, found {:?}", x.shape())
    };
    shape
}

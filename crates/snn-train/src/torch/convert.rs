//! Numbers between `ndarray` and libtorch.

use ndarray::{ArrayD, IxDyn};
use snn_core::Tensor as Published;
use tch::{Kind, Tensor, kind::Element};

/// Lengths of the axes.
pub(crate) fn shape(x: &Tensor) -> Vec<usize> {
    x.size().into_iter().map(|n| usize::try_from(n).unwrap_or(0)).collect()
}

/// Lengths of axes as libtorch takes them.
pub(super) fn lengths(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&n| length(n)).collect()
}

/// One length as libtorch takes it.
pub(super) fn length(n: usize) -> i64 {
    match i64::try_from(n) {
        Ok(n) => n,
        Err(_) => unreachable!("no tensor in memory is that long"),
    }
}

/// A tensor on the CPU with these numbers.
pub(crate) fn to_torch<T: Element + Clone>(values: &ArrayD<T>) -> Tensor {
    let rows = values.as_standard_layout();
    let flat = match rows.as_slice() {
        Some(flat) => Tensor::from_slice(flat),
        None => unreachable!("the standard layout is one slice"),
    };
    flat.view(lengths(values.shape()).as_slice())
}

/// The numbers of `x`, converted to `T`.
pub(super) fn from_torch<T: Element + Copy + Default>(x: &Tensor) -> ArrayD<T> {
    let mut values = vec![T::default(); x.numel()];
    let count = values.len();
    x.detach().to_kind(T::KIND).copy_data(&mut values, count);
    match ArrayD::from_shape_vec(IxDyn(&shape(x)), values) {
        Ok(array) => array,
        Err(e) => unreachable!("lengths are those of the tensor: {e}"),
    }
}

/// A published tensor as it stands.
pub(crate) fn publish(x: &Tensor) -> Published {
    match x.kind() {
        Kind::Int64 => Published::I64(from_torch(x)),
        _ => Published::F32(from_torch(x)),
    }
}

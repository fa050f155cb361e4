use std::ops::AddAssign;

use ndarray::{Array2, ArrayD, Axis, LinalgScalar};
use rayon::prelude::*;

use super::reshape;

/// The matrix product over the last two axes, one pair of matrices a task.
pub(super) fn matmul<T>(a: &ArrayD<T>, b: &ArrayD<T>) -> ArrayD<T>
where
    T: LinalgScalar + AddAssign + Send + Sync,
{
    let (outer, [n, m]) = matrices(a);
    let (outer_b, [inner, p]) = matrices(b);
    assert!(
        m == inner && outer == outer_b,
        "matrices {:?} do not multiply {:?}",
        a.shape(),
        b.shape()
    );
    let batch: usize = outer.iter().product();
    let (a, b) = (reshape(a, &[batch * n, m]), reshape(b, &[batch * m, p]));
    let mut product = Array2::<T>::zeros((batch * n, p));
    product.axis_chunks_iter_mut(Axis(0), n.max(1)).into_par_iter().enumerate().for_each(
        |(i, mut product)| {
            for row in 0..n {
                for k in 0..m {
                    let factor = a[[i * n + row, k]];
                    for column in 0..p {
                        product[[row, column]] += factor * b[[i * m + k, column]];
                    }
                }
            }
        },
    );
    let shape: Vec<usize> = outer.into_iter().chain([n, p]).collect();
    reshape(&product.into_dyn(), &shape)
}

fn matrices<T>(x: &ArrayD<T>) -> (Vec<usize>, [usize; 2]) {
    let (outer, matrix) = x.shape().split_at(x.ndim() - 2);
    (outer.to_vec(), [matrix[0], matrix[1]])
}

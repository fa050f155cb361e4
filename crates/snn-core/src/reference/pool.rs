use ndarray::{ArrayD, s};

use super::Scalar;
use crate::map::{Response, Window};

/// The greatest input under each window; `outside` is what padding counts as.
pub(super) fn max_pool<T: Copy>(
    x: &ArrayD<T>,
    window: Window,
    outside: T,
    max: impl Fn(T, T) -> T,
) -> ArrayD<T> {
    let [t, b, height, width, channels] = *x.shape() else {
        panic!("pooling takes [T, B, H, W, C], found {:?}", x.shape())
    };
    let (rows, columns) = (window.outputs(height), window.outputs(width));
    let mut pooled = ArrayD::from_elem(vec![t, b, rows, columns, channels], outside);
    for row in 0..rows {
        for column in 0..columns {
            for y in (0..window.size).filter_map(|tap| window.source(row, tap, height)) {
                for x_ in (0..window.size).filter_map(|tap| window.source(column, tap, width)) {
                    let from = x.slice(s![.., .., y, x_, ..]);
                    let mut to = pooled.slice_mut(s![.., .., row, column, ..]);
                    to.zip_mut_with(&from, |to, &from| *to = max(*to, from));
                }
            }
        }
    }
    pooled
}

/// What each window sees, added up, row by row.
pub(super) fn response_pool<F: Scalar>(
    x: &ArrayD<F>,
    window: Window,
    response: Response,
) -> ArrayD<F> {
    let [t, b, height, width, channels] = *x.shape() else {
        panic!("pooling takes [T, B, H, W, C], found {:?}", x.shape())
    };
    let (rows, columns) = (window.outputs(height), window.outputs(width));
    let mut pooled = ArrayD::zeros(vec![t, b, rows, columns, channels]);
    for row in 0..rows {
        for column in 0..columns {
            let mut to = pooled.slice_mut(s![.., .., row, column, ..]);
            let mut seen = 0;
            for y in (0..window.size).filter_map(|tap| window.source(row, tap, height)) {
                for x_ in (0..window.size).filter_map(|tap| window.source(column, tap, width)) {
                    to += &x.slice(s![.., .., y, x_, ..]);
                    seen += 1;
                }
            }
            if response == Response::Mean {
                // A window on padding alone has nothing to answer.
                to.mapv_inplace(|sum| sum / F::of(f64::from(seen.max(1))));
            }
        }
    }
    pooled
}

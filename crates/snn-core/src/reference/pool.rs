use ndarray::{ArrayD, s};

use crate::map::Window;

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

use ndarray::{ArrayView2, ArrayViewMut2, Axis, Ix2, IxDyn, s};
use rayon::prelude::*;
use snn_core::{packed::Isa, tensor::Counts};

use super::{
    WinnerTakeAll,
    choose::{Seen, choose},
};
use crate::{levels::Levels, visible::Visible};

/// [`Attend::winner_take_all`](crate::Attend::winner_take_all) on packed rows: scores are counts of
/// bits, and the values of the winners are copied.
pub(crate) fn packed(
    isa: Isa,
    [q, k, v]: [&Counts; 3],
    heads: usize,
    wta: &WinnerTakeAll,
    visible: &Visible,
) -> Counts {
    let mut shape = q.shape().to_vec();
    let (t, b) = (shape[0], shape[1]);
    let [q, k, v] = [q, k, v].map(frames);
    let (channels, width) = (q.shape()[2], v.shape()[2] / heads.max(1));
    assert!(channels.is_multiple_of(heads), "{heads} heads do not divide {channels} channels");
    let mut y = Counts::zeros(vec![t * b, q.shape()[1], heads * width]);
    y.outer_iter_mut().into_par_iter().enumerate().for_each(|(frame, mut y)| {
        for head in 0..heads {
            let part = |x: &Counts, width: usize| {
                let x = x.slice(s![frame, .., head * width..(head + 1) * width]).to_owned();
                x.into_dimensionality::<Ix2>()
                    .unwrap_or_else(|e| unreachable!("one index and two ranges: {e}"))
            };
            let [q, k] = [&q, &k].map(|x| part(x, channels / heads));
            let v = part(&v, width);
            let y = y.slice_mut(s![.., head * width..(head + 1) * width]);
            let y = y.into_dimensionality::<Ix2>();
            let y = y.unwrap_or_else(|e| unreachable!("two ranges: {e}"));
            attend(isa, [q.view(), k.view(), v.view()], wta, (visible, frame % b.max(1)), y);
        }
    });
    *shape.last_mut().unwrap_or(&mut 0) = heads * width;
    y.into_shape_with_order(IxDyn(&shape))
        .unwrap_or_else(|e| unreachable!("positions are only split again: {e}"))
}

/// One head: `q` `[N, d]`, `k` `[M, d]`, `v` `[M, width]`, `y` `[N, width]`.
fn attend(
    isa: Isa,
    [q, k, v]: [ArrayView2<'_, u32>; 3],
    wta: &WinnerTakeAll,
    (visible, sample): (&Visible, usize),
    mut y: ArrayViewMut2<'_, u32>,
) {
    let (n, m) = (q.nrows(), k.nrows());
    let [queries, keys] = [q, k].map(rows);
    let mut scores = vec![0; m];
    for (i, mut y) in y.outer_iter_mut().enumerate() {
        keys.products(isa, &queries, i, &mut scores);
        let seen = match &visible.keys {
            None if visible.causal => Seen::First((i + 1 + m).saturating_sub(n)),
            None => Seen::First(m),
            Some(_) => {
                Seen::These((0..m).filter(|&j| visible.sees(sample, [i, n], [j, m])).collect())
            }
        };
        for winner in choose(wta, &scores, &seen) {
            y += &v.index_axis(Axis(0), winner);
        }
    }
}

fn rows(x: ArrayView2<'_, u32>) -> Levels {
    let mut levels = Levels::new(x.ncols().max(1), x.iter().copied().max().unwrap_or(0));
    x.outer_iter().for_each(|row| levels.push(row.iter().copied()));
    levels
}

/// `[T, B, positions..., C]` as `[T B, N, C]`.
fn frames(x: &Counts) -> Counts {
    let shape = x.shape();
    let (outer, channels) = (shape[0] * shape[1], shape[shape.len() - 1]);
    let tokens: usize = shape[2..shape.len() - 1].iter().product();
    match x.to_shape(IxDyn(&[outer, tokens, channels])) {
        Ok(frames) => frames.to_owned(),
        Err(e) => unreachable!("the elements stay the same: {e}"),
    }
}

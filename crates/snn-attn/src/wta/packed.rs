use ndarray::{Array3, ArrayD, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;
use snn_core::packed::{Counts, Isa};
use snn_hash::BitCodes;

use super::{
    WinnerTakeAll,
    choose::{Seen, choose},
};
use crate::{
    codes::{Scores, Scratch},
    heads::codes,
    levels::Levels,
    visible::Visible,
};

/// [`Attend::winner_take_all`](crate::Attend::winner_take_all) on packed rows: scores are counts of
/// bits, and the values of the winners are copied.
pub(crate) fn packed(
    isa: Isa,
    [q, k, v]: [&Counts; 3],
    heads: usize,
    wta: &WinnerTakeAll,
    visible: &Visible,
) -> ArrayD<u32> {
    let mut shape = q.shape().to_vec();
    let (batch, channels) = (shape[1], shape[shape.len() - 1]);
    assert!(channels.is_multiple_of(heads), "{heads} heads do not divide {channels} channels");
    let values = frames(&v.unpack());
    let (count, m, all) = values.dim();
    let (n, width) = (shape[2..shape.len() - 1].iter().product::<usize>(), all / heads.max(1));
    let mut y = Array3::zeros((count, n, heads * width));
    let mut parts = Vec::with_capacity(count * heads);
    for (frame, mut rest) in y.outer_iter_mut().enumerate() {
        for head in 0..heads {
            let (part, next) = rest.split_at(Axis(1), width);
            let values = values.slice(s![frame, .., head * width..(head + 1) * width]);
            parts.push((frame, head, values, part));
            rest = next;
        }
    }
    match [q, k].map(Counts::spikes) {
        [Some(q), Some(k)] if visible.keys.is_none() => {
            let [q, k] = [q, k].map(|x| codes(x, heads));
            parts.into_par_iter().for_each(|(frame, head, values, y)| {
                let at = frame * heads + head;
                let q = q.rows(at * n..(at + 1) * n);
                let k = k.rows(at * m..(at + 1) * m);
                of_codes(isa, [&q, &k], values, wta, visible.causal, y);
            });
        }
        _ => {
            let [q, k] = [q, k].map(|x| frames(&x.unpack()));
            let of_head = channels / heads;
            parts.into_par_iter().for_each(|(frame, head, values, y)| {
                let [q, k] =
                    [&q, &k].map(|x| x.slice(s![frame, .., head * of_head..(head + 1) * of_head]));
                of_levels(isa, [q, k], values, wta, (visible, frame % batch.max(1)), y);
            });
        }
    }
    *shape.last_mut().unwrap_or(&mut 0) = heads * width;
    y.into_shape_with_order(shape)
        .unwrap_or_else(|e| unreachable!("positions are only split again: {e}"))
}

/// How many of `m` keys query `i` of `n` sees, where it sees none behind it.
fn seen(causal: bool, [i, n]: [usize; 2], m: usize) -> usize {
    if causal { (i + 1 + m).saturating_sub(n).min(m) } else { m }
}

/// One head of spikes: `q` `[N]`, `k` `[M]`, `v` `[M, width]`, `y` `[N, width]`.
fn of_codes(
    isa: Isa,
    [q, k]: [&BitCodes; 2],
    v: ArrayView2<'_, u32>,
    wta: &WinnerTakeAll,
    causal: bool,
    mut y: ArrayViewMut2<'_, u32>,
) {
    let scores = Scores::common(isa, k);
    let mut scratch = Scratch::default();
    let wins = |common: u32| common > 0 || !wta.silent_rule;
    for (i, mut y) in y.outer_iter_mut().enumerate() {
        let seen = seen(causal, [i, q.len()], k.len());
        match wta.winners.among(seen) {
            0 => {}
            1 => {
                let best = scores.best(q.code(i), seen, &mut scratch);
                if let Some((winner, _)) = best.filter(|&(_, common)| wins(common as u32)) {
                    y.assign(&v.row(winner));
                }
            }
            count => {
                let common = |j| q.overlap(i, k, j);
                let weigh = |j| f64::from(common(j));
                let query = [q.code(i)];
                for &winner in scores.heaviest(&query, (seen, count), weigh, &mut scratch) {
                    if wins(common(winner as usize)) {
                        y += &v.row(winner as usize);
                    }
                }
            }
        }
    }
}

/// One head of levels: `q` `[N, d]`, `k` `[M, d]`, `v` `[M, width]`, `y` `[N, width]`.
fn of_levels(
    isa: Isa,
    [q, k]: [ArrayView2<'_, u32>; 2],
    v: ArrayView2<'_, u32>,
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
            None => Seen::First(seen(visible.causal, [i, n], m)),
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
fn frames(x: &ArrayD<u32>) -> Array3<u32> {
    let shape = x.shape();
    let (outer, channels) = (shape[0] * shape[1], shape[shape.len() - 1]);
    let tokens: usize = shape[2..shape.len() - 1].iter().product();
    match x.to_shape((outer, tokens, channels)) {
        Ok(frames) => frames.to_owned(),
        Err(e) => unreachable!("the elements stay the same: {e}"),
    }
}

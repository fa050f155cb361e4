use ndarray::{Array3, ArrayD, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;
use snn_core::{
    Backend, Packed,
    packed::{Counts, Isa, Spikes},
};

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
    engine: &Packed,
    [q, k, v]: [&Counts; 3],
    heads: usize,
    wta: &WinnerTakeAll,
    visible: &Visible,
) -> Counts {
    let channels = q.shape().last().copied().unwrap_or(0);
    assert!(channels.is_multiple_of(heads), "{heads} heads do not divide {channels} channels");
    let isa = engine.isa();
    match [q, k].map(Counts::spikes) {
        [Some(q), Some(k)] if visible.keys.is_none() => match v.spikes() {
            Some(v) if wta.winners.is_one() => {
                engine.widen(&copied(isa, [q, k, v], heads, wta, visible.causal))
            }
            _ => engine.counts(&added(isa, [q, k], v, heads, wta, visible.causal)),
        },
        _ => engine.counts(&of_levels(isa, [q, k, v], heads, wta, visible)),
    }
}

/// How many of `m` keys query `i` of `n` sees, where it sees none behind it.
fn seen(causal: bool, [i, n]: [usize; 2], m: usize) -> usize {
    if causal { (i + 1 + m).saturating_sub(n).min(m) } else { m }
}

/// One winner among spikes: its value is the output.
fn copied(
    isa: Isa,
    [q, k, v]: [&Spikes; 3],
    heads: usize,
    wta: &WinnerTakeAll,
    causal: bool,
) -> Spikes {
    let mut shape = q.shape().to_vec();
    let parts = shape[0] * shape[1] * heads;
    *shape.last_mut().unwrap_or(&mut 0) = v.shape().last().copied().unwrap_or(0);
    let [q, k, v] = [q, k, v].map(|x| codes(x, heads));
    let (n, m, each) = (q.len() / parts.max(1), k.len() / parts.max(1), v.words_per_code());
    let mut y = vec![0; parts * n * each];
    let of_heads = y.par_chunks_mut((n * each).max(1)).enumerate();
    of_heads.for_each_init(Scratch::default, |scratch, (part, y)| {
        let scores = Scores::common(isa, &k.rows(part * m..(part + 1) * m));
        for (i, y) in y.chunks_exact_mut(each).enumerate() {
            let seen = seen(causal, [i, n], m);
            let best = scores.best(q.code(part * n + i), seen, scratch);
            if let Some((winner, _)) = best.filter(|&(_, common)| common > 0 || !wta.silent_rule) {
                y.copy_from_slice(v.code(part * m + winner));
            }
        }
    });
    Spikes::from_words(&shape, heads, &y)
}

/// Winners among spikes: their values are added up.
fn added(
    isa: Isa,
    [q, k]: [&Spikes; 2],
    v: &Counts,
    heads: usize,
    wta: &WinnerTakeAll,
    causal: bool,
) -> ArrayD<u32> {
    let shape = q.shape().to_vec();
    let [q, k] = [q, k].map(|x| codes(x, heads));
    each_head(&shape, v, heads, |[frame, head], v, mut y| {
        let (part, n, m) = (frame * heads + head, y.nrows(), v.nrows());
        let (q, k) = (q.rows(part * n..(part + 1) * n), k.rows(part * m..(part + 1) * m));
        let (scores, mut scratch) = (Scores::common(isa, &k), Scratch::default());
        for (i, mut y) in y.outer_iter_mut().enumerate() {
            let seen = seen(causal, [i, n], m);
            let (query, count) = ([q.code(i)], wta.winners.among(seen));
            let common = |j| f64::from(q.overlap(i, &k, j));
            let (keys, scores) = scores.heaviest(&query, (seen, count), common, &mut scratch);
            for (&key, _) in keys.iter().zip(scores).filter(|&(_, &s)| s > 0.0 || !wta.silent_rule)
            {
                y += &v.row(key as usize);
            }
        }
    })
}

/// Levels, or keys that are partly padding.
fn of_levels(
    isa: Isa,
    [q, k, v]: [&Counts; 3],
    heads: usize,
    wta: &WinnerTakeAll,
    visible: &Visible,
) -> ArrayD<u32> {
    let (shape, batch) = (q.shape(), q.shape()[1]);
    let [q, k] = [q, k].map(|x| frames(&x.unpack()));
    let width = q.dim().2 / heads;
    each_head(shape, v, heads, |[frame, head], v, y| {
        let of_head = head * width..(head + 1) * width;
        let [q, k] = [&q, &k].map(|x| x.slice(s![frame, .., of_head.clone()]));
        head_of_levels(isa, [q, k, v], wta, (visible, frame % batch.max(1)), y);
    })
}

/// Calls `each([frame, head], values, y)` with `[M, width]` and `[N, width]` for every step, sample
/// and head; gives all `y`, `[T, B, positions..., Cv]`, for queries `[T, B, positions..., C]`.
fn each_head(
    queries: &[usize],
    v: &Counts,
    heads: usize,
    each: impl Fn([usize; 2], ArrayView2<'_, u32>, ArrayViewMut2<'_, u32>) + Sync,
) -> ArrayD<u32> {
    let values = frames(&v.unpack());
    let (count, _, channels) = values.dim();
    let mut shape = queries.to_vec();
    let (n, width) = (shape[2..shape.len() - 1].iter().product(), channels / heads.max(1));
    let mut y = Array3::zeros((count, n, channels));
    let mut parts = Vec::with_capacity(count * heads);
    for (frame, mut rest) in y.outer_iter_mut().enumerate() {
        for head in 0..heads {
            let (part, next) = rest.split_at(Axis(1), width);
            let values = values.slice(s![frame, .., head * width..(head + 1) * width]);
            parts.push(([frame, head], values, part));
            rest = next;
        }
    }
    parts.into_par_iter().for_each(|(at, values, y)| each(at, values, y));
    *shape.last_mut().unwrap_or(&mut 0) = channels;
    y.into_shape_with_order(shape)
        .unwrap_or_else(|e| unreachable!("positions are only split again: {e}"))
}

/// One head of levels: `q` `[N, d]`, `k` `[M, d]`, `v` `[M, width]`, `y` `[N, width]`.
fn head_of_levels(
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

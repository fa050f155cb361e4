use ndarray::{Array2, Array3};
use snn_attn::{
    Attend, DilatedWindows, Visible, WinnerTakeAll, Winners,
    heads::{merge_heads, split_heads},
};
use snn_core::Signal;
use tch::{Kind, Tensor};

use super::{
    Torch,
    convert::{length, to_torch},
    signal::{Counts, Real, Spikes},
};

/// Stands for the score of a key that is not seen: its exponential is zero, and it makes no NaN
/// where no key is seen.
const HIDDEN: f64 = -1e30;

impl Attend for Torch {
    /// Backwards, the choice is `softmax(scale scores / tau)`.
    fn winners(
        &self,
        scores: &Counts,
        scale: f64,
        wta: &WinnerTakeAll,
        visible: &Visible,
    ) -> Spikes {
        let kind = scores.0.kind();
        let seen = self.seen(visible, &scores.0);
        let chosen = tch::no_grad(|| choose(&scores.0, seen.as_ref(), wta));
        let hard = chosen.to_kind(kind);
        let soft = softmax(&(&scores.0 * (scale / wta.tau)), seen.as_ref());
        let live = chosen.any_dim(-1, true).to_kind(kind);
        Spikes(hard + (&soft - soft.detach()) * live)
    }

    fn softmax(&self, scores: &Real, visible: &Visible) -> Real {
        let seen = self.seen(visible, &scores.0);
        let weights = softmax(&scores.0, seen.as_ref());
        Real(match seen {
            Some(seen) => weights * seen.to_kind(scores.0.kind()),
            None => weights,
        })
    }

    /// All products, those outside of the windows times zero: on so few tokens that is faster than
    /// gathering keys.
    fn window_attention(
        &self,
        [q, k, v]: [&Counts; 3],
        heads: usize,
        scale: f64,
        windows: &DilatedWindows,
    ) -> Real {
        let shape = q.shape();
        let positions = &shape[2..shape.len() - 1];
        let [q, k, v] = [q, k, v].map(|x| split_heads::<Self, _>(x, heads).0);
        let inside = self.inside(windows, heads, positions).to_kind(q.kind());
        let scores = q.matmul(&k.transpose(3, 4)) * inside;
        merge_heads::<Self, _>(&Real(scores.matmul(&v) * scale), positions)
    }
}

impl Torch {
    /// The keys in the windows of every head, `[heads, N, N]`.
    fn inside(&self, windows: &DilatedWindows, heads: usize, positions: &[usize]) -> Tensor {
        let tokens = positions.iter().product();
        let mut inside = Array3::from_elem((heads, tokens, tokens), false);
        for head in 0..heads {
            for (i, keys) in windows.seen([head, heads], positions).into_iter().enumerate() {
                keys.into_iter().for_each(|j| inside[[head, i, j]] = true);
            }
        }
        to_torch(&inside.into_dyn()).to_device(self.device)
    }

    /// What every query sees, broadcast against scores `[T, B, heads, N, M]`; `None` if all.
    fn seen(&self, visible: &Visible, scores: &Tensor) -> Option<Tensor> {
        let size = scores.size();
        let (n, m) = (size[3], size[4]);
        let bring = |x: Array2<bool>| to_torch(&x.into_dyn()).to_device(self.device);
        let keys = visible.keys.as_ref().map(|keys| bring(keys.clone()).view([1, -1, 1, 1, m]));
        let past = visible.causal.then(|| {
            Tensor::ones([n, m], (Kind::Bool, self.device)).tril(m - n).view([1, 1, 1, n, m])
        });
        match (keys, past) {
            (Some(keys), Some(past)) => Some(keys.logical_and(&past)),
            (keys, past) => keys.or(past),
        }
    }
}

fn softmax(scores: &Tensor, seen: Option<&Tensor>) -> Tensor {
    let scores = match seen {
        Some(seen) => scores.masked_fill(&seen.logical_not(), HIDDEN),
        None => scores.shallow_clone(),
    };
    scores.softmax(-1, None::<Kind>)
}

/// The winners among scores `[..., M]`, as booleans.
fn choose(scores: &Tensor, seen: Option<&Tensor>, wta: &WinnerTakeAll) -> Tensor {
    let m = scores.size().last().copied().unwrap_or(0);
    // Ranks of whole numbers, all different: of equal scores the lower index ranks higher.
    let order = Tensor::arange_start_step(m - 1, -1, -1, (Kind::Int64, scores.device()));
    let ranks = scores.to_kind(Kind::Int64) * m + order;
    let may_win = match seen {
        Some(seen) => seen.shallow_clone(),
        None => Tensor::ones([1; 5], (Kind::Bool, scores.device())),
    };
    let ranks = ranks.masked_fill(&may_win.logical_not(), -1);
    let least = match wta.winners {
        Winners::Count(1) => ranks.max_dim(-1, true).0,
        Winners::Count(count) => {
            let best = ranks.topk(length(count).min(m), -1, true, true).0;
            best.slice(-1, -1, None, 1)
        }
        Winners::Share(share) => {
            let visible = ranks.ge(0).sum_dim_intlist(-1, true, Kind::Int64);
            let count = (visible.to_kind(Kind::Double) * share).floor().to_kind(Kind::Int64);
            let (sorted, _) = ranks.sort(-1, true);
            sorted.gather(-1, &(count.clamp(1, m) - 1), false)
        }
    };
    let won = ranks.ge_tensor(&least).logical_and(&may_win);
    if wta.silent_rule { won.logical_and(&scores.gt(0.0)) } else { won }
}

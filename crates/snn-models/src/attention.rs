//! What attentions tell the probe of a pass.

use snn_attn::{Agreement, Attend, pool_head_planes};
use snn_core::{Backend, Event, Pass, Signal};

/// Reports the two products of `Q (K^T V)`: a spike of `k` adds the values of
/// its token and head, a spike of `q` adds a row of `K^T V`.
pub(crate) fn account<B: Backend>(
    pass: &mut Pass<'_, B>,
    name: &str,
    q: &impl Signal<B>,
    k: &impl Signal<B>,
    v: &impl Signal<B>,
    heads: usize,
) {
    let width = v.shape().last().copied().unwrap_or(0) / heads;
    product(pass, name, "kv", k, width);
    product(pass, name, "qkv", q, width);
}

/// Reports what a-XNOR adds to the products of binary `q`, `k` and `v`: in the
/// form `a (d sum(V) - |q| sum(V) - sum(|k| V))`, the sums.
pub(crate) fn account_silence<B: Backend>(
    pass: &mut Pass<'_, B>,
    name: &str,
    agreement: &Agreement<B>,
    [q, k, v]: [&B::Spikes; 3],
) {
    if let Agreement::Xnor(_) = agreement {
        for (sum, x) in [("sum_q", q), ("sum_k", k), ("sum_v", v), ("sum_kv", v)] {
            product(pass, name, sum, x, 1);
        }
    }
}

/// Reports the sums of SDSA-1: each token where `k` and `v` agree is one
/// addition. What remains are masks. The tokens that `q` looks at are those
/// where key and value spike together.
pub(crate) fn account_masks<B: Attend>(
    pass: &mut Pass<'_, B>,
    name: &str,
    agreement: &Agreement<B>,
    planes: Option<usize>,
    [q, k, v]: [&B::Spikes; 3],
    heads: usize,
) {
    if !pass.is_watched() {
        return;
    }
    let both = pass.backend.mask(k, v);
    let both = planes.map_or_else(|| both.clone(), |h| pool_head_planes(pass.backend, &both, h));
    pass.observe(Event::Attention { name, q: q.input(), k: both.input(), heads });
    product(pass, name, "kv", &both, 1);
    if let Agreement::Xnor(_) = agreement {
        product(pass, name, "sum_k", k, 1);
        product(pass, name, "sum_v", v, 1);
    }
}

/// Reports that each spike of `left` costs `fan_out` additions.
pub(crate) fn product<B: Backend>(
    pass: &mut Pass<'_, B>,
    name: &str,
    product: &str,
    left: &impl Signal<B>,
    fan_out: usize,
) {
    let name = format!("{name}.{product}");
    pass.observe(Event::Product { name: &name, left: left.input(), fan_out });
}

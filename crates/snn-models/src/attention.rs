//! What attentions tell the probe of a pass.

use snn_core::{Backend, Event, Pass, Signal};

/// Reports the two products of `Q (K^T V)`: a spike of `k` adds the values of
/// its token and head, a spike of `q` adds a row of `K^T V`.
pub(crate) fn account<B: Backend>(
    pass: &mut Pass<'_, B>,
    name: &str,
    q: &B::Counts,
    k: &B::Counts,
    v: &B::Counts,
    heads: usize,
) {
    let width = v.shape().last().copied().unwrap_or(0) / heads;
    for (product, left) in [("kv", k), ("qkv", q)] {
        let name = format!("{name}.{product}");
        pass.observe(Event::Product { name: &name, left: left.input(), fan_out: width });
    }
}

//! The files are not part of this repository: `SNN_GOLDEN` names their folder, `../shared/golden`
//! beside the workspace is the default.

use std::num::NonZeroUsize;

use ndarray::{Array, Array2, Axis, Ix2, Ix4, Ix5, s};
use snn_attn::codes::{
    Bias, Delays, HammingAttention, KernelHashAttention, LshCache, LshConfig, Measure,
    MultiScaleAttention, SpikeWindow, Synchrony, each_head,
};
use snn_hash::{BitCodes, Fusion, MultiCodes, lsh::Hyperplanes};

use crate::{close, delays::packed, file::File};

impl File {
    /// A tensor `[..., bits]` as codes: 1 where it is above zero.
    fn codes(&self, name: &str) -> BitCodes {
        let signs = self.get::<ndarray::IxDyn>(name);
        let bits = *signs.shape().last().unwrap();
        let rows = signs.len() / bits;
        BitCodes::from_signs(signs.into_shape_with_order((rows, bits)).unwrap().view())
    }
}

/// Sample and head as one axis.
fn heads(x: Array<f64, Ix4>) -> ndarray::Array3<f64> {
    let (b, h, n, d) = x.dim();
    x.into_shape_with_order((b * h, n, d)).unwrap()
}

#[test]
fn ecoformer_in_both_forms() {
    let Some(file) = File::open("ecoformer-hash-a") else { return };
    let (codes, values) = (file.codes("codes"), heads(file.get("v")));
    for (bias, name) in
        [(Bias::Official, "attn_out_official"), (Bias::Consistent, "attn_out_paper")]
    {
        let attention = KernelHashAttention { bias };
        let found = each_head(&codes, &codes, values.view(), |q, k, v| attention.attend(q, k, v));
        let expected = heads(file.get(name));
        for (found, expected) in found.outer_iter().zip(expected.outer_iter()) {
            close(&found.to_owned(), &expected.to_owned(), 1e-5);
        }
    }
}

#[test]
fn several_scales() {
    let Some(file) = File::open("multi-scale-hash-a") else { return };
    let alpha = file.get::<ndarray::Ix1>("alpha").to_vec();
    let (values, all) = (heads(file.get("v")), heads(file.get("attn_out")));
    let best = heads(file.get("attn_out_topk"));
    let codes = |side: &str, h: usize, n: usize| {
        let scale = |i| file.codes(&format!("s{i}.code_{side}")).rows(h * n..(h + 1) * n);
        MultiCodes::new((0..3).map(scale).collect())
    };
    let (n, m) = (all.dim().1, values.dim().1);
    for h in 0..values.dim().0 {
        let (queries, keys) = (codes("q", h, n), codes("k", h, m));
        for (keep, expected) in [(None, &all), (NonZeroUsize::new(3), &best)] {
            let attention = MultiScaleAttention { fusion: Fusion::Weighted(alpha.clone()), keep };
            let found = attention.attend(&queries, &keys, values.index_axis(Axis(0), h));
            close(&found, &expected.index_axis(Axis(0), h).to_owned(), 1e-5);
        }
    }
}

#[test]
fn a_xnor_is_a_measure() {
    let Some(file) = File::open("a-xnor-a") else { return };
    // With the identity as values, attention gives the similarities divided by their sum.
    for d in [1, 5, 32, 48, 64, 65, 96, 127, 128, 200] {
        for r in 0..3 {
            let [queries, keys] = ["q", "k"].map(|side| file.codes(&format!("d{d}.r{r}.{side}")));
            for a in ["0", "0.1", "0.5", "1"] {
                let mut expected: Array2<f64> = file.get(&format!("d{d}.r{r}.a{a}"));
                for mut row in expected.rows_mut() {
                    let sum = row.sum();
                    row.mapv_inplace(|s| if sum > 0.0 { s / sum } else { 0.0 });
                }
                let measure = Measure::Xnor { a: a.parse().unwrap() };
                let attention = HammingAttention { measure, keep: None, causal: false };
                let found = attention.attend(&queries, &keys, Array2::eye(keys.len()).view());
                close(&found, &expected, 1e-9);
            }
        }
    }
}

#[test]
fn delays_windows_and_synchrony() {
    let Some(file) = File::open("temporal-alignment-a") else { return };
    let (q, k) = (file.get::<Ix5>("q"), file.get::<Ix5>("k"));
    let delays = Delays::new(file.get::<Ix2>("delta"));
    let expected = file.get::<Ix5>("k_soft_shift");
    assert!(delays.soft(&k).iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6));
    let gradient = delays.backward(&k, &file.get("grad_out")).delta;
    close(&gradient, &file.get("grad_delta"), 1e-5);
    let mean_abs = file.get::<ndarray::Ix1>("loss_align_mean_abs")[0];
    assert!((delays.mean_abs() - mean_abs).abs() < 1e-6);

    let tokens = k.dim().3;
    let (queries, keys) = (packed(&q), packed(&k));
    let shifted = delays.hard(&keys, tokens);
    assert_eq!(shifted, packed(&file.get("k_hard_shift")));
    for (keys, name) in [(&keys, "sync_before"), (&shifted, "sync_after")] {
        let mut synchrony = Synchrony::default();
        synchrony.add(&queries, keys);
        let expected = file.get::<ndarray::Ix1>(name)[0];
        assert!((synchrony.rate().unwrap() - expected).abs() < 1e-6, "{name}");
    }

    let (steps, _, heads, _, bits) = q.dim();
    let windowed = file.get::<Ix5>("window_coincidence_w3");
    for h in 0..heads {
        let mut window = SpikeWindow::new(3, [tokens, tokens], bits);
        let mut whole = SpikeWindow::new(steps, [tokens, tokens], bits);
        for t in 0..steps {
            let rows = h * tokens..(h + 1) * tokens;
            let step = || (queries[t].rows(rows.clone()), shifted[t].rows(rows.clone()));
            let ((q, k), (again_q, again_k)) = (step(), step());
            window.push(q, k);
            whole.push(again_q, again_k);
            let found = window.coincidence().mapv(f64::from);
            assert_eq!(found, windowed.slice(s![t, 0, h, .., ..]));
        }
        let all = |name| file.get::<Ix4>(name).slice(s![0, h, .., ..]).to_owned();
        assert_eq!(whole.coincidence().mapv(f64::from), all("coincidence"));
        assert_eq!(whole.matches().mapv(f64::from), all("xnor_match"));
    }
}

#[test]
fn sampled_keys() {
    let Some(file) = File::open("lsh-attention-a") else { return };
    let (query, expected) = (file.get::<Ix4>("query"), file.get::<Ix4>("out_lsh"));
    let (keys, values) = (file.get::<Ix4>("keys"), file.get::<Ix4>("values"));
    let (new_key, new_value) = (file.get::<Ix4>("new_key"), file.get::<Ix4>("new_value"));
    let matrix = file.get::<Ix4>("hash_matrix");
    let group = query.dim().1 / keys.dim().1;
    for head in 0..query.dim().1 {
        let kv = head / group;
        let planes = Hyperplanes::new(matrix.slice(s![0, kv, .., ..]).to_owned(), 4);
        let config = LshConfig { sink: 4, local: 8 };
        let of_head = |x: &Array<f64, Ix4>, h: usize| x.slice(s![0, h, .., ..]).to_owned();
        let (keys, values) = (of_head(&keys, kv), of_head(&values, kv));
        let mut cache = LshCache::prefill(config, planes, keys.view(), values.view());
        cache.push(new_key.slice(s![0, kv, 0, ..]), new_value.slice(s![0, kv, 0, ..]));
        let found = cache.attend(query.slice(s![0, head, 0, ..])).unwrap();
        let found = found.insert_axis(Axis(0));
        close(&found, &of_head(&expected, head), 1e-5);
    }
}

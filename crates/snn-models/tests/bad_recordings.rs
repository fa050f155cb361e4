//! Golden files that somebody else made, or broke: an error, never a panic.

use ndarray::{ArrayD, IxDyn};
use proptest::{collection::vec, prelude::*, sample::select};
use snn_core::{Packed, Reference, Tensor, Weights};
use snn_models::golden::Recording;

/// A kind of recording: metadata, and the axes of its tensors by letter.
type Kind = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, &'static str)],
);

const KINDS: [Kind; 11] = [
    (
        "teformer-block",
        &[("heads", "1"), ("mlp_ratio", "1.0")],
        &[
            ("x", "tbdn"),
            ("q", "tbdn"),
            ("k", "tbdn"),
            ("v_preact", "tbdn"),
            ("v_fused", "tbdn"),
            ("v", "tbdn"),
            ("token_gate", "tb1n"),
            ("attn_out", "tbdn"),
            ("mlp_hidden", "tbdn"),
            ("mlp_out", "tbdn"),
            ("out", "tbdn"),
            ("alpha", "1"),
            ("theta", "1"),
            ("ema_kernel", "tt"),
            ("q_conv.weight", "dd1"),
            ("q_bn.weight", "d"),
            ("q_bn.bias", "d"),
            ("q_bn.running_mean", "d"),
            ("q_bn.running_var", "d"),
            ("k_conv.weight", "dd1"),
            ("k_bn.weight", "d"),
            ("k_bn.bias", "d"),
            ("k_bn.running_mean", "d"),
            ("k_bn.running_var", "d"),
            ("v_conv.weight", "dd3"),
            ("v_bn.weight", "d"),
            ("v_bn.bias", "d"),
            ("v_bn.running_mean", "d"),
            ("v_bn.running_var", "d"),
            ("proj_conv.weight", "dd1"),
            ("proj_conv.bias", "d"),
            ("proj_bn.weight", "d"),
            ("proj_bn.bias", "d"),
            ("proj_bn.running_mean", "d"),
            ("proj_bn.running_var", "d"),
            ("mlp.input_x.weight", "dd1"),
            ("mlp.input_x.bias", "d"),
            ("mlp.forget_x.weight", "dd1"),
            ("mlp.forget_x.bias", "d"),
            ("mlp.forget_h.weight", "dd1"),
            ("mlp.forget_h.bias", "d"),
            ("mlp.fc_conv2.weight", "dd1"),
            ("mlp.fc_conv2.bias", "d"),
            ("mlp.fc_bn2.weight", "d"),
            ("mlp.fc_bn2.bias", "d"),
            ("mlp.fc_bn2.running_mean", "d"),
            ("mlp.fc_bn2.running_var", "d"),
        ],
    ),
    (
        "dilated-window",
        &[("grid", "(1, 3)"), ("window", "3"), ("dilations", "[1, 2]"), ("scale", "0.125")],
        &[
            ("q", "tbhnd"),
            ("k", "tbhnd"),
            ("v", "tbhnd"),
            ("out", "tbhnd"),
            ("out_spikes", "tbhnd"),
            ("idx2d_dil2", "n9"),
            ("idx1d_w3_dil2", "n3"),
            ("idx1d_w2_dil3_causal", "n2"),
            ("pool_in", "tbd57"),
            ("pool_response", "tbd23"),
            ("pool_out", "tbd23"),
            ("maxpool_out", "tbd23"),
        ],
    ),
    (
        "a-xnor",
        &[],
        &[
            ("d2.r0.q", "n2"),
            ("d2.r0.k", "m2"),
            ("d2.r0.a0.5", "nm"),
            ("attn.q", "tbhnd"),
            ("attn.k", "tbhnd"),
            ("attn.v", "tbhnd"),
            ("attn.a_per_head", "h"),
            ("attn.similarity", "tbhnn"),
            ("attn.output_scaled_0p125", "tbhnd"),
            ("grad.upstream", "tbhnn"),
            ("grad.a", "h"),
            ("grad.q", "tbhnd"),
            ("grad.k", "tbhnd"),
        ],
    ),
    (
        "wta-attention",
        &[("k", "2")],
        &[
            ("q", "tbhnd"),
            ("k", "tbhnd"),
            ("v", "tbhnd"),
            ("key_valid", "bn"),
            ("attn_wta", "tbhnn"),
            ("attn_wta_causal", "tbhnn"),
            ("attn_topk", "tbhnn"),
            ("attn_topk_causal", "tbhnn"),
            ("attn_wta_no_zero_rule", "tbhnn"),
            ("out_wta", "tbhnd"),
            ("out_wta_causal", "tbhnd"),
            ("out_topk", "tbhnd"),
            ("out_topk_causal", "tbhnd"),
            ("out_wta_spikes", "tbhnd"),
        ],
    ),
    (
        "ecoformer-hash",
        &[],
        &[
            ("x", "bhnd"),
            ("v", "bhnd"),
            ("anchor", "1hmd"),
            ("mvec", "1h1m"),
            ("A_trained", "hrm"),
            ("pre_sign", "bhnr"),
            ("codes", "bhnr"),
            ("attn_out_official", "bhnd"),
            ("attn_out_paper", "bhnd"),
        ],
    ),
    (
        "multi-scale-hash",
        &[("bits", "[2]"), ("bandwidth_multipliers", "[1.0]"), ("topk", "1")],
        &[
            ("q", "bhnd"),
            ("k", "bhkd"),
            ("v", "bhkd"),
            ("anchor", "1hmd"),
            ("scale_logits", "1"),
            ("s0.mvec", "1h1m"),
            ("s0.A", "h2m"),
            ("s0.pre_q", "bhn2"),
            ("s0.pre_k", "bhk2"),
            ("s0.code_q", "bhn2"),
            ("s0.code_k", "bhk2"),
            ("attn_out", "bhnd"),
            ("attn_out_topk", "bhnd"),
        ],
    ),
    (
        "temporal-alignment",
        &[("window", "3")],
        &[
            ("q", "tbhnr"),
            ("k", "tbhnr"),
            ("delta", "hr"),
            ("k_hard_shift", "tbhnr"),
            ("temporal_difference", "tbhnR"),
            ("sync_before", "1"),
            ("sync_after", "1"),
            ("window_coincidence_w3", "tbhnn"),
            ("coincidence", "bhnn"),
            ("xnor_match", "bhnn"),
        ],
    ),
    (
        "lsh-attention",
        &[("K", "2"), ("sink", "1"), ("window", "1")],
        &[
            ("query", "1h1d"),
            ("keys", "1hnd"),
            ("values", "1hnd"),
            ("new_key", "1h1d"),
            ("new_value", "1h1d"),
            ("hash_matrix", "1hd2"),
            ("out_lsh", "1h1d"),
        ],
    ),
    (
        "mttfs",
        &[("levels", "4")],
        &[
            ("mask_level", "1"),
            ("x", "nd"),
            ("weight", "hd"),
            ("scale", "1"),
            ("zero_point", "1"),
            ("levels", "nd"),
            ("histogram", "4"),
            ("plain_time", "nd"),
            ("silent_fraction_plain", "1"),
            ("time_dz1", "nd"),
            ("decoded_dz1", "nd"),
            ("silent_fraction_dz1", "1"),
            ("linear_out_dz1", "nh"),
            ("spikes_dz1", "nd3"),
        ],
    ),
    (
        "log-quant",
        &[("bits", "4")],
        &[
            ("w", "nd"),
            ("row_scale", "n1"),
            ("code_pow2", "nd"),
            ("dequant_pow2", "nd"),
            ("code_sqrt2", "nd"),
            ("dequant_sqrt2", "nd"),
            ("code_log1p", "nd"),
            ("dequant_log1p", "nd"),
            ("delta_log1p", "1"),
        ],
    ),
    (
        "nf4",
        &[("blocksize", "32")],
        &[
            ("code", "n"),
            ("boundaries", "n"),
            ("w", "nd"),
            ("packed", "n"),
            ("absmax", "1"),
            ("dequant", "nd"),
            ("ragged_w", "n"),
            ("ragged_packed", "n"),
            ("ragged_absmax", "1"),
            ("ragged_dequant", "1n"),
            ("tie_input", "n"),
            ("tie_index", "n"),
            ("nested_code256", "n"),
            ("nested_offset", "1"),
            ("nested_absmax2", "1"),
            ("nested_absmax_u8", "1"),
            ("nested_absmax_restored", "1"),
            ("nested_dequant", "nd"),
        ],
    ),
];

/// Lengths of the axes that letters stand for; digits stand for themselves.
fn shape(axes: &str, sizes: &[usize]) -> Vec<usize> {
    let length = |axis: char| match axis {
        '0'..='9' => axis as usize - '0' as usize,
        'R' => 2 * sizes["bhndmrkt".find('r').unwrap()],
        letter => sizes["bhndmrkt".find(letter).unwrap()],
    };
    axes.chars().map(length).collect()
}

fn recording(kind: &Kind, sizes: &[usize], value: f32) -> Weights {
    let (system, metadata, tensors) = *kind;
    let mut file = Weights::default();
    for (key, value) in metadata.iter().chain(&[("system", system)]) {
        file.metadata.insert((*key).into(), (*value).into());
    }
    for (i, (name, axes)) in tensors.iter().enumerate() {
        let values = ArrayD::from_elem(IxDyn(&shape(axes, sizes)), value * (i + 1) as f32);
        file.insert(*name, Tensor::F32(values));
    }
    file
}

fn look(file: &Weights) -> Result<usize, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    file.save(&path).unwrap();
    let recording = Recording::load(&path).map_err(|e| e.to_string())?;
    let compared = recording.compare(&Reference::<f64>::new()).map_err(|e| e.to_string())?;
    // Other code, behind the same checks.
    recording.compare(&Packed::default()).map_err(|e| e.to_string())?;
    Ok(compared.differences.len())
}

#[test]
fn what_fits_is_compared() {
    for kind in &KINDS {
        // Ones are no spikes or codes of some, zeros no weights of others.
        let found =
            [0.0, 1.0].map(|value| look(&recording(kind, &[1, 2, 3, 2, 2, 2, 3, 4], value)));
        let compared = found.iter().any(|found| found.as_ref().is_ok_and(|&count| count > 0));
        assert!(compared, "{}: {found:?}", kind.0);
    }
}

#[test]
fn queries_keys_and_values_are_of_the_same_heads() {
    let Some(kind) = KINDS.iter().find(|kind| kind.0 == "a-xnor") else { panic!("no such kind") };
    for (name, shape) in [("attn.k", [1, 1, 1, 2, 1]), ("attn.v", [1, 1, 1, 2, 1])] {
        let mut file = recording(kind, &[1, 1, 1, 1, 1, 1, 1, 1], 0.0);
        assert_eq!(look(&file), Ok(6), "all of it fits");
        file.insert("attn.q", Tensor::F32(ArrayD::zeros(IxDyn(&[1, 1, 2, 1, 1]))));
        assert!(look(&file).is_err_and(|e| e.contains("`attn.k`")), "heads");
        file.insert("attn.q", Tensor::F32(ArrayD::zeros(IxDyn(&[1, 1, 1, 1, 1]))));
        file.insert(name, Tensor::F32(ArrayD::zeros(IxDyn(&shape))));
        assert!(look(&file).is_err(), "{name}");
    }
}

#[test]
fn a_network_of_another_system_is_told_so_whatever_its_configuration() {
    for config in ["{}", r#"{"mlp_ratio": 2.5}"#, "[]"] {
        let mut file = Weights::default();
        for (key, value) in [("system", "another-former"), ("config", config)] {
            file.metadata.insert(key.into(), value.into());
        }
        let message = look(&file).expect_err("no such system");
        assert!(message.contains("`another-former`, expected a system of the zoo"), "{message}");
    }
}

proptest! {
    /// Any lengths, one tensor of another shape, one entry of metadata with another text.
    #[test]
    fn nothing_panics(
        kind in select(&KINDS[..]),
        sizes in vec(0..4usize, 8),
        value in select(&[0.0, 0.5, 1.0, 9.0, -3.0, f32::NAN, f32::INFINITY][..]),
        other in any::<prop::sample::Index>(),
        axes in prop::option::of(vec(0..4usize, 0..6)),
        key in any::<prop::sample::Index>(),
        text in prop::option::of(select(&[
            "", "0", "-1", "1", "17", "64", "18446744073709551615", "[]", "[0]", "[1, 2]", "[1e9]", "x",
        ][..])),
    ) {
        let mut file = recording(&kind, &sizes, value);
        if let Some(axes) = axes {
            let name = other.get(kind.2).0;
            file.insert(name, Tensor::F32(ArrayD::from_elem(IxDyn(&axes), value)));
        }
        if let (Some(text), false) = (text, kind.1.is_empty()) {
            file.metadata.insert(key.get(kind.1).0.into(), text.into());
        }
        if let Err(message) = look(&file) {
            prop_assert_eq!(message.lines().count(), 1);
            prop_assert!(message.contains('`'), "{}", message);
        }
    }
}

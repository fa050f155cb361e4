//! Winner-take-all attention on libtorch: the reference's winners, and the gradient of a softmax.

#[path = "../../snn-models/tests/common/mod.rs"]
mod common;

use ndarray::{Array2, ArrayD, IxDyn};
use proptest::{collection::vec, prelude::*};
use snn_attn::{Attend, DilatedWindows, TemporalAttend, Visible, WinnerTakeAll, Winners};
use snn_core::{Backend, Reference, Weights};
use snn_train::{Precision, Torch, torch};
use tch::{Device, Kind, Tensor};

const REFERENCE: Reference<f64> = Reference::new();

fn torch() -> Torch {
    Torch::new(Device::Cpu, Precision::Double).unwrap()
}

fn wta() -> impl Strategy<Value = WinnerTakeAll> {
    let winners = prop_oneof![
        (1usize..6).prop_map(Winners::Count),
        (0.01f64..=1.0).prop_map(Winners::Share),
    ];
    (winners, any::<bool>(), 0.3f64..2.0).prop_map(|(winners, silent_rule, tau)| WinnerTakeAll {
        winners,
        silent_rule,
        tau,
    })
}

fn visible(samples: usize, keys: usize) -> impl Strategy<Value = Visible> {
    let valid = vec(prop::bool::weighted(0.7), samples * keys);
    let valid = valid.prop_map(move |x| Array2::from_shape_vec((samples, keys), x).unwrap());
    (any::<bool>(), prop::option::of(valid)).prop_map(|(causal, keys)| Visible { causal, keys })
}

/// Scores `[T, B, heads, N, M]`, and who sees whom.
fn cases() -> impl Strategy<Value = (ArrayD<u32>, WinnerTakeAll, Visible)> {
    (1usize..3, 1usize..3, 1usize..3, 1usize..6, 0usize..3).prop_flat_map(|(t, b, h, n, before)| {
        let shape = vec![t, b, h, n, n + before];
        let count = shape.iter().product::<usize>();
        let scores = vec(0..5u32, count)
            .prop_map(move |x| ArrayD::from_shape_vec(IxDyn(&shape), x).unwrap());
        (scores, wta(), visible(b, n + before))
    })
}

/// The gradient of `sum(upstream * winners)` by the scaled scores.
fn gradient(
    scores: &ArrayD<u32>,
    upstream: &ArrayD<f32>,
    wta: &WinnerTakeAll,
    visible: &Visible,
) -> (Vec<f64>, Vec<i64>) {
    let (torch, scale) = (torch(), 0.7);
    let scores = torch.counts(scores);
    let leaf = scores.tensor().set_requires_grad(true);
    let winners = torch.winners(&scores, scale, wta, visible);
    let upstream = torch.real(upstream);
    (winners.tensor() * upstream.tensor()).sum(Kind::Double).backward();
    let gradient = leaf.grad() / scale;
    (Vec::try_from(gradient.flatten(0, -1)).unwrap(), leaf.size())
}

/// Queries, keys and values `[T, B, H, W, C]`, and windows on them.
fn windowed() -> impl Strategy<Value = ([ArrayD<u32>; 3], usize, DilatedWindows)> {
    let axes = (1usize..3, 1usize..3, 1usize..5, 1usize..5, 1usize..3, 1usize..4);
    let windows = (0usize..3, vec(1usize..4, 1..3), any::<bool>()).prop_map(
        |(half, dilations, global_head)| DilatedWindows {
            global_head,
            ..DilatedWindows::new(2 * half + 1, dilations)
        },
    );
    (axes, windows).prop_flat_map(|((t, b, y, x, heads, width), windows)| {
        let shape = vec![t, b, y, x, heads * width];
        let count = shape.iter().product::<usize>();
        vec(0..3u32, 3 * count).prop_map(move |values| {
            let tensor = |i: usize| {
                let values = values[i * count..(i + 1) * count].to_vec();
                ArrayD::from_shape_vec(shape.clone(), values).unwrap()
            };
            (std::array::from_fn(tensor), heads, windows.clone())
        })
    })
}

proptest! {
    #[test]
    fn the_winners_are_those_of_the_reference((scores, wta, visible) in cases()) {
        let torch = torch();
        let found = torch.winners(&torch.counts(&scores), 0.4, &wta, &visible);
        let expected = REFERENCE.winners(&scores, 0.4, &wta, &visible);
        prop_assert_eq!(torch.read(snn_core::Input::Spikes(&found)), expected.mapv(f64::from));
        let real = scores.mapv(|n| n as f32 * 0.3);
        let found = torch.softmax(&torch.real(&real), &visible);
        let expected = REFERENCE.softmax(&REFERENCE.real(&real), &visible);
        let found = torch.read(snn_core::Input::Real(&found));
        prop_assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn the_gradient_is_that_of_a_tempered_softmax((scores, wta, visible) in cases()) {
        let upstream = ArrayD::from_shape_fn(scores.raw_dim(), |i| {
            ((i[0] * 7 + i[1] * 5 + i[2] * 3 + i[3] * 11 + i[4] * 13) % 9) as f32 - 4.0
        });
        let (found, _) = gradient(&scores, &upstream, &wta, &visible);
        let winners = REFERENCE.winners(&scores, 0.7, &wta, &visible);
        let (n, m) = (scores.shape()[3], scores.shape()[4]);
        let rows = found.chunks_exact(m).zip(winners.as_slice().unwrap().chunks_exact(m));
        for (row, (found, won)) in rows.enumerate() {
            let (sample, i) = (row / (n * scores.shape()[2]) % scores.shape()[1], row % n);
            let at = |x: &ArrayD<u32>, j| f64::from(x.as_slice().unwrap()[row * m + j]);
            let g = |j: usize| f64::from(upstream.as_slice().unwrap()[row * m + j]);
            let seen: Vec<usize> = (0..m).filter(|&j| visible.sees(sample, [i, n], [j, m])).collect();
            let weight = |j: usize| (at(&scores, j) * 0.7 / wta.tau).exp();
            let sum: f64 = seen.iter().map(|&j| weight(j)).sum();
            let mean: f64 = seen.iter().map(|&j| weight(j) / sum * g(j)).sum();
            prop_assert!(found.iter().sum::<f64>().abs() < 1e-9);
            for (j, &found) in found.iter().enumerate() {
                let live = seen.contains(&j) && won.contains(&true);
                let expected =
                    if live { weight(j) / sum * (g(j) - mean) / wta.tau } else { 0.0 };
                prop_assert!((found - expected).abs() < 1e-9, "{} for {}", found, expected);
            }
        }
    }

    #[test]
    fn windows_are_those_of_the_reference_and_pass_their_gradient(
        ([q, k, v], heads, windows) in windowed(),
    ) {
        let (torch, scale) = (torch(), 0.25);
        let leaves = [&q, &k, &v].map(|x| torch.counts(x));
        let inputs = leaves.each_ref().map(|x| x.tensor().set_requires_grad(true));
        let [a, b, c] = &leaves;
        let found = torch.window_attention([a, b, c], heads, scale, &windows);
        let expected = REFERENCE.window_attention([&q, &k, &v], heads, scale, &windows);
        let read = torch.read(snn_core::Input::Real(&found));
        prop_assert!(read.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9));
        // It is linear in each of the three, so that a gradient times its leaf is the sum.
        let upstream = ArrayD::from_shape_fn(v.raw_dim(), |i| {
            ((i[0] * 7 + i[1] * 5 + i[2] * 3 + i[3] * 11 + i[4] * 13) % 9) as f32 - 4.0
        });
        let sum = (found.tensor() * torch.real(&upstream).tensor()).sum(Kind::Double);
        sum.backward();
        for input in inputs {
            let linear = (input.grad() * &input).sum(Kind::Double).double_value(&[]);
            let sum = sum.double_value(&[]);
            prop_assert!((linear - sum).abs() < 1e-9 * (1.0 + sum.abs()), "{} is {}", linear, sum);
        }
    }
}

proptest! {
    #[test]
    fn looking_along_time_is_as_the_reference_does_and_is_learned(
        (t, x) in (1usize..6).prop_flat_map(|t| (Just(t), vec(-2.0..2.0f32, t * 3))),
        raw in -3.0..3.0f32,
    ) {
        let (torch, x) = (torch(), ArrayD::from_shape_vec(IxDyn(&[t, 1, 1, 3]), x).unwrap());
        let squares = x.mapv(|x| x * x);
        let theta = snn_core::Tensor::F32(ndarray::arr0(raw).into_dyn());
        let fused = |torch: &Torch, theta: &Tensor| {
            let y = torch.fuse_forward(&torch.real(&x), theta);
            torch.blend(&torch.scale_real(&y, -1.5), &y, &torch.real(&squares))
        };
        let learned = torch.param("theta", &theta);
        let found = fused(&torch, &learned);
        let expected = {
            let learned = REFERENCE.param("theta", &theta);
            let y = REFERENCE.fuse_forward(&REFERENCE.real(&x), &learned);
            REFERENCE.blend(&y.mapv(|y| -1.5 * y), &y, &REFERENCE.real(&squares))
        };
        let read = torch.read(snn_core::Input::Real(&found));
        prop_assert!(read.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 1e-12));
        found.tensor().sum(Kind::Double).backward();
        let at = |shift: f64| {
            tch::no_grad(|| fused(&torch, &(&learned + shift)).tensor().sum(Kind::Double))
                .double_value(&[])
        };
        let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
        let gradient = learned.grad().double_value(&[]);
        prop_assert!((gradient - slope).abs() < 1e-6 * (1.0 + slope.abs()), "{gradient} {slope}");
    }
}

#[test]
fn the_recorded_gradient() {
    let Some(folder) = common::golden_folder() else { return };
    let file = Weights::load(&folder.join("wta-attention-a.safetensors")).unwrap();
    let get = |name: &str| file.get(name).unwrap().to_f32();
    let valid = get("key_valid").mapv(|x| x != 0.0).into_dimensionality().unwrap();
    let visible = Visible { causal: false, keys: Some(valid) };
    let torch = torch();
    let scale: f64 = file.metadata["scale"].parse().unwrap();
    let scores = torch.counts(&get("counts").mapv(|x| x as u32));
    let leaf: Tensor = scores.tensor().set_requires_grad(true);
    let winners = torch.winners(&scores, scale, &WinnerTakeAll::default(), &visible);
    let upstream: torch::Real = torch.real(&get("grad_attn"));
    (winners.tensor() * upstream.tensor()).sum(Kind::Double).backward();
    let found: Vec<f64> = Vec::try_from((leaf.grad() / scale).flatten(0, -1)).unwrap();
    for (found, expected) in found.iter().zip(&get("grad_scores")) {
        assert!((found - f64::from(*expected)).abs() < 1e-5, "{found} for {expected}");
    }
}

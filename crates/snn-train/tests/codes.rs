//! Hashing that learns: gradients and losses.

#[path = "../../snn-hash/tests/common/file.rs"]
mod file;

use file::File;
use ndarray::{ArrayD, IxDyn};
use proptest::{collection::vec, prelude::*};
use snn_attn::{
    CodeSimilarity, HashAttend, HashFunctions, HashScale, RelativeDelays,
    codes::{Bias, Delays, Measure},
};
use snn_core::{Backend, Input, Reference, neuron::SIGN};
use snn_train::{
    Precision, Torch,
    loss::codes::{Pairs, align, balance, diversity, entropy, fraction, fusion, hash},
};
use tch::{Device, Kind, Tensor};

fn torch() -> Torch {
    Torch::new(Device::Cpu, Precision::Double).unwrap()
}

/// Learnable, as the network's tensors are.
fn param(backend: &Torch, name: &str, x: &ArrayD<f64>) -> Tensor {
    backend.param(name, &snn_core::Tensor::F32(x.mapv(|x| x as f32)))
}

fn tensor(x: &ArrayD<f64>) -> Tensor {
    let shape: Vec<i64> = x.shape().iter().map(|&n| n as i64).collect();
    Tensor::from_slice(x.as_standard_layout().as_slice().unwrap()).view(shape.as_slice())
}

fn close(found: &Tensor, expected: &ArrayD<f64>, tolerance: f64) {
    let difference = (found - tensor(expected)).abs().max().double_value(&[]);
    assert!(difference < tolerance, "{difference}");
}

/// `[B, h, N, d]` as `[1, B, N, h d]`.
fn tokens_first(x: ArrayD<f64>) -> ArrayD<f64> {
    let [b, heads, n, d] = *x.shape() else { panic!("four axes") };
    let x = x.permuted_axes(vec![0, 2, 1, 3]).as_standard_layout().into_owned();
    x.into_shape_with_order(vec![1, b, n, heads * d]).unwrap()
}

#[test]
fn the_gradient_passes_sign_and_bandwidth() {
    let Some(file) = File::open("ecoformer-hash-a") else { return };
    let get = |name: &str| file.get::<IxDyn>(name);
    let backend = torch();
    let functions = HashFunctions {
        heads: 2,
        points: 5,
        support: param(&backend, "anchor", &get("anchor")),
        scales: vec![HashScale {
            bandwidth: 1.0,
            bits: 8,
            centre: param(&backend, "mvec", &get("mvec")),
            projection: param(&backend, "A", &get("A_trained")),
        }],
    };
    let real = |x: ArrayD<f64>| backend.real(&tokens_first(x).mapv(|x| x as f32));
    let units = param(&backend, "units", &tokens_first(get("qk_unit")));
    // A parameter times one is a tensor of the backend with a gradient.
    let ones = backend.real(&ArrayD::ones(IxDyn(&[1, 2, 12, 16])));
    let tokens = backend.scale_learned(&ones, &units, snn_core::Activation::Identity);
    let signs = backend.hash(&[&tokens], &functions).remove(0);
    let codes = backend.fire(&SIGN, None, &signs, None).0;
    let mean = backend.attend_hashed(&codes, &real(get("v")), 2, Bias::Official);
    close(mean.tensor(), &tokens_first(get("attn_out_official")), 1e-5);
    (mean.tensor() * real(get("grad_out")).tensor()).sum(Kind::Double).backward();
    // What points along a token of length one is lost in the normalisation.
    let expected = tensor(&tokens_first(get("grad_qk_unit"))).view([1, 2, 12, 2, 8]);
    let units = units.detach().view([1, 2, 12, 2, 8]);
    let along = (&expected * &units).sum_dim_intlist(-1, true, None) * units;
    let expected = (expected - along).view([1, 2, 12, 16]);
    let found = backend.parameters().into_iter().find(|(name, _)| name == "units").unwrap().1;
    let worst = (found.grad() - &expected).abs().max().double_value(&[]);
    assert!(worst < 1e-5 * (1.0 + expected.abs().max().double_value(&[])), "{worst}");
}

#[test]
fn recorded_losses() {
    if let Some(file) = File::open("multi-scale-hash-a") {
        let get = |name: &str| tensor(&file.get::<IxDyn>(name));
        let pairs = Pairs { alike: get("pos_pairs"), unlike: get("neg_pairs") };
        let found = hash(&get("similarity"), &pairs, [0.5, 0.0]);
        close(&found, &file.get("loss_hash"), 1e-5);
    }
    let Some(file) = File::open("temporal-alignment-a") else { return };
    let found = align(&tensor(&file.get("delta")));
    close(&found, &file.get("loss_align_mean_abs"), 1e-6);
}

#[test]
fn delays_learn_from_the_soft_shift() {
    let Some(file) = File::open("temporal-alignment-a") else { return };
    // [T, B, h, N, b] to [T, B, N, h b].
    let merged = |name: &str| {
        let x = file.get::<IxDyn>(name).permuted_axes(vec![0, 1, 3, 2, 4]);
        let shape = [&x.shape()[..3], &[12]].concat();
        x.as_standard_layout().into_owned().into_shape_with_order(shape).unwrap()
    };
    let backend = torch();
    let delta = param(&backend, "delays", &file.get("delta"));
    let keys = backend.spikes(&merged("k").mapv(|bit| bit != 0.0));
    let delayed = backend.delay(&keys, &delta, false);
    close(delayed.tensor(), &merged("k_hard_shift"), 1e-12);
    (delayed.tensor() * tensor(&merged("grad_out"))).sum(Kind::Double).backward();
    close(&delta.grad(), &file.get("grad_delta"), 1e-5);
}

fn numbers(count: usize) -> impl Strategy<Value = Vec<f64>> {
    vec(-2.0..2.0f64, count)
}

proptest! {
    /// There is one step: nowhere to go.
    #[test]
    fn delays_reach_no_further_than_time(delta in numbers(2), spikes in vec(any::<bool>(), 6)) {
        let backend = torch();
        let delta = ArrayD::from_shape_vec(vec![1, 2], delta).unwrap();
        let spikes = ArrayD::from_shape_vec(vec![1, 1, 3, 2], spikes).unwrap();
        let x = backend.spikes(&spikes);
        let found = backend.delay(&x, &param(&backend, "delays", &delta), false);
        prop_assert_eq!(backend.read(Input::Spikes(&found)), spikes.mapv(f64::from));
        prop_assert_eq!(Delays::<f64>::range(1, false), (-0.0, 0.0));
    }

    /// Forwards, keys are late by whole steps, as on the reference; backwards, weights move with
    /// the mixture of the two steps around the delay.
    #[test]
    fn delays_by_distance_shift_hard_and_learn_softly(
        spikes in vec(any::<bool>(), 3 * 48),
        // Between whole steps, and less than the two that three steps allow.
        eighths in vec(prop::sample::select(vec![-13i8, -11, -5, -3, -1, 1, 3, 5, 11, 13]), 2 * 3),
        upstream in numbers(48), keep in 0..4usize,
    ) {
        let (steps, tokens, heads, bits) = (3, 4, 2, 2);
        let at = |i: usize| {
            let part = spikes[i * 48..(i + 1) * 48].to_vec();
            ArrayD::from_shape_vec(vec![steps, 1, tokens, heads * bits], part).unwrap()
        };
        let shape = vec![heads, 3];
        let table: Vec<f64> = eighths.iter().map(|&x| f64::from(x) / 8.0).collect();
        let table = ArrayD::from_shape_vec(shape, table).unwrap();
        let upstream = ArrayD::from_shape_vec(vec![steps, 1, tokens, heads * bits], upstream);
        let upstream = upstream.unwrap();
        let keep = std::num::NonZeroUsize::new(keep);
        fn similarity<P>(table: P, keep: Option<std::num::NonZeroUsize>) -> CodeSimilarity<P> {
            let delays = Some(RelativeDelays { window: 1, table, causal: false });
            CodeSimilarity { measure: Measure::Coincidence, bits: vec![2], scales: None, keep, delays }
        }
        let (backend, reference) = (torch(), Reference::<f64>::new());
        let learned = param(&backend, "delays", &table);
        let [q, k, v] = [0, 1, 2].map(|i| backend.spikes(&at(i)));
        let with = similarity(learned.shallow_clone(), keep);
        let found = backend.attend_codes(&q, &k, &v, heads, &with);
        let with = similarity(table.clone(), keep);
        let expected = reference.attend_codes(&at(0), &at(1), &at(2), heads, &with);
        close(found.tensor(), &expected, 1e-12);
        if keep.is_some() { return Ok(()) }

        (found.tensor() * tensor(&upstream)).sum(Kind::Double).backward();
        let [q, k, v] = [0, 1, 2].map(|i| at(i).mapv(|bit| f64::from(u8::from(bit))));
        let mut of_table = ArrayD::<f64>::zeros(table.raw_dim());
        for h in 0..heads {
            let column = |i: usize, j: usize| (j + 1).saturating_sub(i).min(2);
            let count = |t: usize, n: f64, i: usize, j: usize| -> f64 {
                let from = t as f64 - n;
                if !(0.0..steps as f64).contains(&from) { return 0.0 }
                let both = |c: usize| q[[t, 0, i, h * bits + c]] * k[[from as usize, 0, j, h * bits + c]];
                (0..bits).map(both).sum()
            };
            for (t, i) in (0..steps).flat_map(|t| (0..tokens).map(move |i| (t, i))) {
                let delay = |j: usize| table[[h, column(i, j)]];
                let weight = |j: usize| count(t, delay(j).round_ties_even(), i, j);
                let sum: f64 = (0..tokens).map(weight).sum();
                if sum == 0.0 { continue }
                for (j, c) in (0..tokens).flat_map(|j| (0..bits).map(move |c| (j, h * bits + c))) {
                    let of_weight = (v[[t, 0, j, c]] - expected[[t, 0, i, c]]) / sum;
                    let whole = delay(j).floor();
                    let slope = count(t, whole + 1.0, i, j) - count(t, whole, i, j);
                    of_table[[h, column(i, j)]] += upstream[[t, 0, i, c]] * of_weight * slope;
                }
            }
        }
        let gradient = learned.grad();
        prop_assert!(gradient.defined());
        close(&gradient, &of_table, 1e-10);
    }

    /// A set bit fires once, others never, as on the reference.
    #[test]
    fn latency_is_earlier_the_surer(y in numbers(3 * 4)) {
        let y = ArrayD::from_shape_vec(vec![3, 1, 1, 4], y).unwrap().mapv(|y| y as f32);
        let (backend, reference) = (torch(), Reference::<f64>::new());
        let found = backend.latency(&backend.real(&y));
        let found = backend.read(Input::Spikes(&found));
        let expected = reference.latency(&reference.real(&y));
        prop_assert_eq!(&found, &expected.mapv(f64::from));
        for c in 0..4 {
            let mean: f32 = (0..3).map(|t| y[[t, 0, 0, c]]).sum::<f32>() / 3.0;
            let spikes: f64 = (0..3).map(|t| found[[t, 0, 0, c]]).sum();
            prop_assert_eq!(spikes, if mean > 1e-6 { 1.0 } else if mean < -1e-6 { 0.0 } else { spikes });
        }
    }

    #[test]
    fn pairs_are_disjoint(row in numbers(9), neighbours in 1..12usize) {
        let pairs = Pairs::of(&Tensor::from_slice(&row).view([1, 9]), neighbours);
        let both = (&pairs.alike * &pairs.unlike).sum(Kind::Double).double_value(&[]);
        prop_assert_eq!(both, 0.0);
        let count = |x: &Tensor| x.sum(Kind::Double).double_value(&[]) as usize;
        prop_assert_eq!(count(&pairs.alike), neighbours.min(9));
        prop_assert_eq!(count(&pairs.unlike), neighbours.min(9 - neighbours.min(9)));
    }

    #[test]
    fn losses_are_shares(values in vec(-1.0..1.0f64, 2 * 5 * 3), shares in vec(0.01..1.0f64, 2)) {
        let halves = Tensor::from_slice(&values).view([2, 5, 3]);
        let codes: Vec<Tensor> = halves.unbind(0);
        let shares = Tensor::from_slice(&shares);
        let shares = &shares / shares.sum(Kind::Double);
        let all = Tensor::ones([5, 5], (Kind::Double, Device::Cpu));
        let number = |x: Tensor| x.double_value(&[]);
        let apart = number(fusion(&codes, &codes, &shares, &Tensor::eye(5, (Kind::Double, Device::Cpu))));
        prop_assert!(apart.abs() < 1e-12, "a code is no distance from itself: {apart}");
        let apart = number(fusion(&codes, &codes, &shares, &all));
        prop_assert!((0.0..=1.0).contains(&apart));
        prop_assert_eq!(number(diversity(&codes[..1])), 0.0);
        prop_assert!((0.0..=1.0).contains(&number(diversity(&codes))));
        prop_assert!((0.0..=1.0).contains(&number(balance(&codes[0]))));
        let most = (2.0f64).ln();
        prop_assert!((0.0..=most + 1e-12).contains(&number(entropy(&shares))));
        let whole = number(fraction(&Tensor::from_slice(&[-2.0, 0.0, 3.0])));
        prop_assert!(whole < 1e-20);
        prop_assert!((number(fraction(&Tensor::from_slice(&[0.5, 1.5]))) - 1.0).abs() < 1e-12);
    }

    /// Attention on codes is the formula, weight by weight.
    #[test]
    fn codes_attend_as_the_reference(
        spikes in vec(any::<bool>(), 3 * 4 * 6),
        keep in 0..5usize, weighted: bool, offset in 0..3u32,
    ) {
        let at = |i: usize| {
            let part = spikes[i * 24..(i + 1) * 24].to_vec();
            ArrayD::from_shape_vec(vec![2, 1, 2, 6], part).unwrap()
        };
        let logits = ArrayD::from_shape_vec(vec![2], vec![0.25, -0.5]).unwrap();
        let similarity = |scales| CodeSimilarity {
            measure: if offset == 0 { Measure::Coincidence } else { Measure::Match { offset } },
            bits: vec![2, 1],
            scales,
            keep: std::num::NonZeroUsize::new(keep),
            delays: None,
        };
        let (backend, reference) = (torch(), Reference::<f64>::new());
        let learned = weighted.then(|| param(&backend, "scales", &logits));
        let [q, k, v] = [0, 1, 2].map(|i| backend.spikes(&at(i)));
        let found = backend.attend_codes(&q, &k, &v, 2, &similarity(learned));
        let expected = reference.attend_codes(
            &at(0), &at(1), &at(2), 2, &similarity_of(similarity(None), weighted.then_some(logits)),
        );
        let found = backend.read(Input::Real(&found));
        prop_assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}

fn similarity_of(
    similarity: CodeSimilarity<Tensor>,
    scales: Option<ArrayD<f64>>,
) -> CodeSimilarity<ArrayD<f64>> {
    let CodeSimilarity { measure, bits, keep, .. } = similarity;
    CodeSimilarity { measure, bits, scales, keep, delays: None }
}

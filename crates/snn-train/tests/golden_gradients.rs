//! Gradients, statistics and outputs of one training pass against those of the authors' own code.
//!
//! The files are not part of this repository: `SNN_GOLDEN` names their folder, `../shared/golden`
//! beside the workspace is the default.

use std::path::PathBuf;

use ndarray::ArrayD;
use snn_core::{Pass, Tensor};
use snn_models::{Frames, golden::Golden};
use snn_train::{Precision, Torch, loss};
use tch::{Device, Kind};

fn golden(name: &str) -> Option<Golden> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden");
    let folder = std::env::var_os("SNN_GOLDEN").map_or_else(|| beside.into(), PathBuf::from);
    if !folder.is_dir() {
        println!("skipped: no golden files in {}", folder.display());
        return None;
    }
    Some(Golden::load(&folder.join(name).with_extension("safetensors")).unwrap())
}

/// Whether `found` is `expected` up to a relative error of its norm, or an absolute one of every
/// element where the norm is nothing but noise.
fn close(found: &ArrayD<f32>, expected: &ArrayD<f32>, relative: f64, absolute: f64) -> bool {
    assert_eq!(found.shape(), expected.shape());
    let squares = |x: &mut dyn Iterator<Item = f32>| x.map(|v| f64::from(v).powi(2)).sum::<f64>();
    let norm = squares(&mut expected.iter().copied()).sqrt();
    let differences = || found.iter().zip(expected).map(|(a, b)| a - b);
    if norm > 1e-6 {
        squares(&mut differences()).sqrt() <= relative * norm
    } else {
        differences().all(|d| f64::from(d.abs()) <= absolute)
    }
}

fn check(name: &str, precision: Precision, relative: f64, absolute: f64) {
    let Some(golden) = golden(name) else { return };
    let comparison = golden.compare(&Torch::new(Device::Cpu, precision).unwrap()).unwrap();
    assert_eq!(comparison.failures().count(), 0, "{:?}", comparison.failures().next());

    let backend = Torch::new(Device::Cpu, precision).unwrap();
    let network = golden.config.load(&backend, &golden.weights).unwrap();
    assert_eq!(backend.weights().tensors, golden.weights.tensors);
    let input = Frames::from_torch_layout(&backend, &golden.tensor("input").unwrap().to_f32());
    let logits = network.forward(&mut Pass::train(&backend), &input);
    let Tensor::I64(labels) = golden.tensor("labels").unwrap() else { panic!("labels are whole") };
    let labels = tch::Tensor::from_slice(labels.as_slice().unwrap());
    let targets = labels.one_hot(logits.tensor().size()[1]).to_kind(precision.kind());
    let loss = loss::cross_entropy(logits.tensor(), &targets, 0.0);
    let expected = golden.tensor("loss").unwrap().to_f32()[[0]];
    assert!((loss.double_value(&[]) - f64::from(expected)).abs() < 1e-5);
    loss.backward();

    let mut compared = 0;
    for (name, parameter) in backend.parameters() {
        let gradient = parameter.grad();
        let Ok(expected) = golden.tensor(&format!("grad.{name}")) else {
            assert!(!gradient.defined(), "{name} has a gradient");
            continue;
        };
        let values = Vec::<f32>::try_from(gradient.to_kind(Kind::Float).reshape([-1])).unwrap();
        let found = ArrayD::from_shape_vec(expected.shape(), values).unwrap();
        assert!(close(&found, &expected.to_f32(), relative, absolute), "gradient of {name}");
        compared += 1;
    }
    assert_eq!(compared, golden.recorded.keys().filter(|name| name.starts_with("grad.")).count());

    let after = backend.weights();
    let mut compared = 0;
    for (name, expected) in &golden.recorded {
        let Some(name) = name.strip_prefix("after.") else { continue };
        let (found, expected) = (after.get(name).unwrap().to_f32(), expected.to_f32());
        assert!(close(&found, &expected, 1e-6, 1e-6), "{name} after the pass");
        compared += 1;
    }
    assert!(compared > 0);
}

#[test]
fn spikformer() {
    check("spikformer-grad-a", Precision::Double, 1e-5, 1e-6);
}

#[test]
fn spikformer_in_single_precision() {
    check("spikformer-grad-a", Precision::Single, 1e-3, 1e-5);
}

#[test]
fn spike_driven_transformer() {
    check("spike-driven-transformer-grad-a", Precision::Double, 1e-5, 1e-6);
}

#[test]
fn statten() {
    check("statten-grad-a", Precision::Double, 1e-5, 1e-6);
}

#[test]
fn qkformer() {
    check("qkformer-grad-a", Precision::Double, 1e-5, 1e-6);
}

#[test]
fn meta_spikeformer() {
    check("meta-spikeformer-grad-a", Precision::Double, 1e-5, 1e-6);
}

#[test]
fn e_spikeformer() {
    check("e-spikeformer-grad-a", Precision::Double, 1e-5, 1e-6);
}

#[test]
fn e_spikeformer_large() {
    check("e-spikeformer-large-grad-a", Precision::Double, 1e-5, 1e-6);
}

#[test]
fn qsd_transformer() {
    check("qsd-transformer-grad-a", Precision::Double, 1e-5, 1e-6);
}

#[test]
fn integer_neurons_in_single_precision() {
    check("e-spikeformer-grad-a", Precision::Single, 1e-3, 1e-5);
    check("qsd-transformer-grad-a", Precision::Single, 1e-3, 1e-5);
}

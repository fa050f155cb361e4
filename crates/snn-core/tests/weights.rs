//! Checkpoints: round trips, and what is wrong with those that do not fit.

use std::fs;

use ndarray::ArrayD;
use proptest::prelude::*;
use snn_core::{Builder, Init, LoadError, Reference, Stage, Tensor, Weights};

fn sample() -> Weights {
    let backend = Reference::<f32>::new();
    let builder = Builder::draw(&backend, 3);
    layer(&builder).unwrap();
    let mut weights = builder.finish().unwrap();
    weights.metadata.insert("system".into(), "test".into());
    weights
}

fn layer(builder: &Builder<'_, Reference<f32>>) -> Result<(), LoadError> {
    let stage = Stage::linear("fc", 3, 4).bias(Init::Normal(1.0)).norm("bn");
    builder.sub("block").synapse(stage).map(drop)
}

fn load(weights: &Weights) -> Result<(), LoadError> {
    let backend = Reference::<f32>::new();
    let builder = Builder::load(&backend, weights);
    layer(&builder)?;
    builder.finish().map(drop)
}

#[test]
fn a_file_holds_what_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    sample().save(&path).unwrap();
    assert_eq!(Weights::load(&path).unwrap(), sample());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file is left");
    load(&sample()).unwrap();
}

#[test]
fn the_same_seed_draws_the_same() {
    assert_eq!(sample(), sample());
    let names: Vec<_> = sample().tensors.into_keys().collect();
    let bn = ["bias", "num_batches_tracked", "running_mean", "running_var", "weight"];
    let mut expected: Vec<String> = bn.iter().map(|n| format!("block.bn.{n}")).collect();
    expected.extend(["block.fc.bias".into(), "block.fc.weight".into()]);
    assert_eq!(names, expected);
    assert_eq!(sample().parameters(), 12 + 4 + 4 + 4);
}

#[test]
fn what_does_not_fit_is_named() {
    let mut missing = sample();
    let tensor = missing.tensors.remove("block.fc.weight").unwrap();
    missing.tensors.insert("module.block.fc.weight".into(), tensor);
    assert_eq!(
        load(&missing).unwrap_err().to_string(),
        "tensor `block.fc.weight` is missing, expected shape [4, 3]; is this checkpoint of \
         another system or preset? The file has `module.block.fc.weight`."
    );
    let mut extra = sample();
    extra.insert("head.weight", Tensor::F32(ArrayD::zeros(vec![2, 5])));
    assert_eq!(
        load(&extra).unwrap_err().to_string(),
        "unexpected tensor `head.weight` of shape [2, 5]; is this checkpoint of another system \
         or preset?"
    );
    let mut shape = sample();
    shape.insert("block.bn.bias", Tensor::F32(ArrayD::zeros(vec![5])));
    assert_eq!(
        load(&shape).unwrap_err().to_string(),
        "tensor `block.bn.bias` has shape [5], expected [4]; the configuration does not fit the \
         weights"
    );
    let mut diverged = sample();
    diverged.insert("block.bn.bias", Tensor::F32(ArrayD::from_elem(vec![4], f32::NAN)));
    assert!(matches!(load(&diverged), Err(LoadError::NotFinite { index: 0, .. })));
}

#[test]
fn what_is_never_read_may_hold_anything() {
    let backend = Reference::<f32>::new();
    let mut weights = Weights::default();
    weights.insert("norm", Tensor::F32(ArrayD::from_elem(vec![2], f32::NAN)));
    let builder = Builder::load(&backend, &weights);
    builder.unused("norm", &[2], Init::Constant(1.0)).unwrap();
    builder.finish().unwrap();
}

#[test]
fn a_missing_file_is_named() {
    let error = Weights::load("no/such.safetensors".as_ref()).unwrap_err();
    assert_eq!(error.to_string(), "cannot access checkpoint no/such.safetensors");
}

#[test]
fn a_folder_that_takes_no_file_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    fs::create_dir(&path).unwrap(); // a rename over a folder fails, after the bytes are written
    assert!(matches!(sample().save(&path), Err(LoadError::Io { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn cut_and_flipped_files_are_errors_or_other_numbers(at in 0.0..1.0, flip in 0u8..8, cut: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let mut whole = sample();
        // Minus zero is zero.
        whole.insert("block.bn.bias", Tensor::F32(ArrayD::ones(vec![4])));
        whole.insert("block.bn.running_mean", Tensor::F32(ArrayD::ones(vec![4])));
        whole.save(&path).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let at = (at * bytes.len() as f64) as usize;
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << flip;
        }
        fs::write(&path, bytes).unwrap();
        match Weights::load(&path) {
            Ok(weights) => prop_assert!(!cut && weights != whole),
            Err(error) => prop_assert!(!error.to_string().contains('\n')),
        }
    }
}

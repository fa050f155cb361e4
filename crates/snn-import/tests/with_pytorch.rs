//! Networks of every family, saved by PyTorch as it is installed: `SNN_PYTHON` names a Python
//! that has torch and safetensors. Without it the tests pass over themselves.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::Command,
};

use ndarray::ArrayD;
use snn_core::{Reference, Tensor, Weights};
use snn_import::{Request, import};
use snn_models::{Config, Preset};
use tempfile::TempDir;

struct PyTorch {
    python: PathBuf,
    folder: TempDir,
}

impl PyTorch {
    fn installed() -> Option<Self> {
        let Some(python) = env::var_os("SNN_PYTHON") else {
            println!("skipped: SNN_PYTHON names no Python with torch");
            return None;
        };
        Some(Self { python: python.into(), folder: tempfile::tempdir().unwrap() })
    }

    /// Saves weights with `make_pth.py convert`.
    fn save(&self, weights: &Weights, options: &[&str]) -> PathBuf {
        let (source, target) = (self.path("weights.safetensors"), self.path("weights.pth"));
        weights.save(&source).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/make_pth.py");
        let mut command = Command::new(&self.python);
        command.args(["-B", "-W", "ignore"]).arg(script).arg("convert");
        let output = command.arg(source).arg(&target).args(options).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.is_empty(), "{options:?}");
        target
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The smallest published network of each kind of file, made smaller still.
fn networks() -> Vec<Config> {
    let mut smallest: BTreeMap<String, Preset> = BTreeMap::new();
    for preset in Preset::all() {
        let table = toml::Table::try_from(&preset.config).unwrap();
        let kind = format!("{} {:?}", preset.config.system(), table.get("variant"));
        let entry = smallest.entry(kind).or_insert_with(|| preset.clone());
        if preset.parameters < entry.parameters {
            *entry = preset;
        }
    }
    smallest.into_values().map(|preset| shrunk(&preset.config)).collect()
}

fn shrunk(config: &Config) -> Config {
    let mut table = toml::Table::try_from(config).unwrap();
    let integers = |value: &toml::Value, to: i64| match value {
        toml::Value::Array(items) => vec![toml::Value::Integer(to); items.len()].into(),
        _ => toml::Value::Integer(to),
    };
    for (key, to) in
        [("dim", 16), ("embed_dims", 8), ("depth", 1), ("depths", 1), ("heads", 1), ("classes", 3)]
    {
        if let Some(value) = table.get_mut(key) {
            *value = integers(value, to);
        }
    }
    toml::Value::Table(table).try_into().unwrap()
}

/// What tensors do not tell.
fn request(config: &Config) -> Request {
    let table = toml::Table::try_from(config).unwrap();
    let keys = ["heads", "image", "time_steps", "chunk", "pooling", "tet", "dvs_mode", "events"];
    let set = keys.iter().filter_map(|key| Some(format!("{key}={}", table.get(*key)?)));
    Request { system: Some(config.system().to_owned()), set: set.collect(), ..Request::default() }
}

#[test]
fn every_network_in_every_container() {
    let Some(pytorch) = PyTorch::installed() else { return };
    let ways: [&[&str]; 8] = [
        &[],
        &["--protocol", "3", "--wrap", "state_dict", "--prefix", "module."],
        &["--protocol", "4", "--wrap", "model", "--flat"],
        &["--protocol", "5", "--wrap", "checkpoint.net", "--prefix", "_orig_mod.module."],
        &["--container", "legacy"],
        &["--container", "legacy", "--protocol", "4", "--wrap", "model_state_dict"],
        &["--container", "legacy", "--flat", "--prefix", "model."],
        &["--container", "tar", "--wrap", "model"],
    ];
    let networks = networks();
    assert!(networks.len() >= 12);
    for (i, config) in networks.iter().enumerate() {
        let (_, weights) = config.draw(&Reference::<f32>::new(), i as u64).unwrap();
        // Two ways each, so that all are gone through several times.
        for options in [ways[i % ways.len()], ways[(i + 3) % ways.len()]] {
            let file = pytorch.save(&weights, options);
            let found = import(&file, &request(config));
            let found = found.unwrap_or_else(|e| panic!("{config:?} {options:?}: {e:?}"));
            assert_eq!(found.config, *config, "{options:?}");
            assert_eq!(found.weights.tensors, weights.tensors, "{config:?} {options:?}");
        }
    }
}

#[test]
fn half_precision_is_widened() {
    let Some(pytorch) = PyTorch::installed() else { return };
    let config = &networks()[0];
    let (_, weights) = config.draw(&Reference::<f32>::new(), 7).unwrap();
    let file = pytorch.save(&weights, &["--half", "--wrap", "model"]);
    let found = import(&file, &request(config)).unwrap();
    let floats = |tensor: &Tensor| matches!(tensor, Tensor::F32(_));
    let count = weights.tensors.values().filter(|tensor| floats(tensor)).count();
    assert_eq!(found.report.converted, count);
    for (name, tensor) in &weights.tensors {
        let close = |a: &ArrayD<f32>, b: &ArrayD<f32>| {
            a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-3 * b.abs().max(1e-3))
        };
        let other = found.weights.get(name).unwrap();
        assert!(close(&other.to_f32(), &tensor.to_f32()), "{name}");
    }
}

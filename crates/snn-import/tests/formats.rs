//! Files that PyTorch wrote: every release's format, every type and layout of tensors.

use std::{
    fs,
    path::{Path, PathBuf},
};

use snn_core::{Tensor, Weights};
use snn_import::{Checkpoint, Format};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn tensors(name: &str) -> (Format, Weights) {
    let mut checkpoint = Checkpoint::open(&data(name)).unwrap();
    let (weights, unreadable) = checkpoint.tensors("").unwrap();
    assert!(unreadable.is_empty(), "{name}: {unreadable:?}");
    (checkpoint.format(), weights)
}

fn expected() -> Weights {
    Weights::load(&data("expected.safetensors")).unwrap()
}

#[test]
fn every_type_and_layout_of_every_release() {
    let expected = expected();
    assert_eq!(expected.tensors.len(), 20);
    for release in ["torch1", "torch2"] {
        for (kind, format) in [("zip", Format::Zip), ("legacy", Format::Stream)] {
            for protocol in 2..=5 {
                let name = format!("{release}-{kind}-{protocol}.pth");
                let (found, weights) = tensors(&name);
                assert_eq!(found, format, "{name}");
                assert_eq!(weights, expected, "{name}");
            }
        }
    }
    let (format, weights) = tensors("torch0.3.pth");
    assert_eq!((format, &weights), (Format::Stream, &expected));
    let (format, weights) = tensors("expected.safetensors");
    assert_eq!((format, &weights), (Format::Safetensors, &expected));
}

#[test]
fn the_tar_archive_of_pytorch_0_1() {
    let expected = expected();
    let (format, mut weights) = tensors("torch0.1.pth.tar");
    assert_eq!(format, Format::Tar);
    let viewed = weights.tensors.remove("viewed").unwrap();
    assert_eq!(*viewed, Tensor::F32(ndarray::arr1(&[8.0, 7.0]).into_dyn()));
    assert_eq!(weights.tensors.len(), 15);
    for (name, tensor) in weights.tensors {
        assert_eq!(Some(&*tensor), expected.get(&name), "{name}");
    }
}

#[test]
fn a_zip_archive_without_checksums() {
    let (_, weights) = tensors("torch2-no-crc.pth");
    assert_eq!(weights.get("float"), expected().get("float"));
}

#[test]
fn a_module_that_was_saved_whole() {
    // PyTorch 1 writes source files into the first; their paths and texts were blanked afterwards.
    for name in ["torch1-module.pt", "torch2-module.pt"] {
        let mut checkpoint = Checkpoint::open(&data(name)).unwrap();
        let (weights, _) = checkpoint.tensors("net").unwrap();
        let names: Vec<_> = weights.tensors.keys().map(String::as_str).collect();
        assert_eq!(names, ["part.linear.bias", "part.linear.weight", "part.mean", "scale"]);
        let scale = Tensor::F32(ndarray::arr0(2.0).into_dyn());
        assert_eq!(weights.get("scale"), Some(&scale), "{name}");
    }
}

#[test]
fn foreign_objects_stay_closed() {
    for name in ["torch1-beside.pth.tar", "torch2-beside.pth.tar"] {
        let mut checkpoint = Checkpoint::open(&data(name)).unwrap();
        let parts: Vec<_> = checkpoint.part_names().map(str::to_owned).collect();
        assert_eq!(parts, ["unreadable", "state_dict"], "{name}");
        let (weights, unreadable) = checkpoint.tensors("unreadable").unwrap();
        assert!(weights.tensors.is_empty());
        let told: Vec<_> = unreadable.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        for part in [
            "complex: it holds ComplexFloat, expected floats",
            "quantized: it is no dense tensor: _rebuild_qtensor makes it",
            "repeated: it repeats 2 stored numbers to 6",
            "sparse: it is no dense tensor: _rebuild_sparse_tensor makes it",
        ] {
            assert!(told.iter().any(|line| line.contains(part)), "no `{part}` in {told:?}");
        }
        let (weights, _) = checkpoint.tensors("state_dict").unwrap();
        assert_eq!(weights.tensors.len(), 1);
    }
}

fn fails(path: &Path) -> String {
    let error = Checkpoint::open(path).err().unwrap();
    let mut told = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        told += &format!(": {cause}");
        source = cause.source();
    }
    told
}

#[test]
fn what_is_no_checkpoint_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let says = |path: &Path, part: &str| {
        let told = fails(path);
        assert!(told.contains(part) && told.contains(&path.display().to_string()), "{told}");
    };
    says(&data("torch2-script.pt"), "TorchScript");
    says(&folder.path().join("none.pth"), "cannot be opened");
    says(&write("empty.pth", b""), "begins with []");
    says(&write("image.pth", b"\x89PNG\r\n\x1a\n"), "begins with [89, 50, 4e, 47");
    says(&write("plain.pkl", b"\x80\x02K\x01."), "a pickle of 1");
    let zip = fs::read(data("torch2-zip-2.pth")).unwrap();
    says(&write("cut.pth", &zip[..zip.len() - 300]), "damaged or cut");
    let stream = fs::read(data("torch2-legacy-2.pth")).unwrap();
    says(&write("cut-stream.pth", &stream[..stream.len() - 9]), "more bytes and");
    let plain = fs::read(data("expected.safetensors")).unwrap();
    says(&write("cut.safetensors", &plain[..plain.len() - 9]), "instead of 1687");
    let tar = fs::read(data("torch0.1.pth.tar")).unwrap();
    says(&write("cut.pth.tar", &tar[..700]), "an end within the file");
}

#[test]
fn a_wrong_bit_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(data("torch2-zip-2.pth")).unwrap();
    // The numbers of `double`: thirds, which end like this.
    let at = bytes.windows(4).position(|word| word == [0x55, 0x55, 0x55, 0x55]).unwrap();
    bytes[at] ^= 1;
    let path = folder.path().join("wrong.pth");
    fs::write(&path, bytes).unwrap();
    let told = format!("{:?}", Checkpoint::open(&path).unwrap().tensors("").unwrap_err());
    assert!(told.contains("Checksum"), "{told}");
}

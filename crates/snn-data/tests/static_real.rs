//! The published files themselves, where they lie beside the workspace in `../shared/datasets` or
//! in the folder that `SNN_DATA_DIR` names; without them each test says so and passes.

use md5::{Digest, Md5};
use snn_data::{
    Augment, Dataset, Loader, LoaderConfig, Manifest,
    images::{
        Images,
        cifar::{self, Layout},
        decode::decode,
        folder::images_in,
        resize::EvalTransform,
    },
    manifest::Normalisation,
    segmentation::{Coding, IGNORE, Pairs, SegmentationAugment, SegmentationLoader},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The folder of `name`, or `None` with a line that says what was skipped.
fn real(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/datasets");
    let dir = std::env::var_os("SNN_DATA_DIR").map_or_else(beside, PathBuf::from).join(name);
    if !dir.is_dir() {
        eprintln!("skipped: no {name} in ../shared/datasets or $SNN_DATA_DIR");
        return None;
    }
    Some(dir)
}

fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn histogram(images: &Images) -> Vec<usize> {
    let mut counts = vec![0; images.classes()];
    images.labels().iter().for_each(|&label| counts[usize::from(label)] += 1);
    counts
}

/// Mean and deviation per channel of pixels scaled to 0..1.
fn moments(images: &Images) -> Vec<[f64; 2]> {
    let channels = images.shape()[2];
    let count = (images.len() * images.shape()[0] * images.shape()[1]) as f64;
    let mut sums = vec![[0.0; 2]; channels];
    for i in 0..images.len() {
        for pixel in images.image(i).chunks_exact(channels) {
            for (sum, &p) in sums.iter_mut().zip(pixel) {
                let p = f64::from(p) / 255.0;
                *sum = [sum[0] + p, sum[1] + p * p];
            }
        }
    }
    let moments = |[sum, squares]: [f64; 2]| {
        let mean = sum / count;
        [mean, (squares / count - mean * mean).sqrt()]
    };
    sums.into_iter().map(moments).collect()
}

fn close(moments: &[[f64; 2]], normalisation: &Normalisation, tolerance: f64) {
    let Normalisation { mean, std } = normalisation;
    for ([m, s], (mean, std)) in moments.iter().zip(mean.iter().zip(std)) {
        assert!((m - f64::from(*mean)).abs() < tolerance, "mean {m}, manifest {mean}");
        assert!((s - f64::from(*std)).abs() < tolerance, "deviation {s}, manifest {std}");
    }
}

#[test]
fn mnist_and_fashion_mnist_are_the_files_of_their_manifests() {
    for (name, train_counts, test_counts) in [
        (
            "mnist",
            [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
            [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
        ),
        ("fashion-mnist", [6000; 10], [1000; 10]),
    ] {
        let Some(dir) = real(name) else { continue };
        for file in Manifest::named(name).unwrap().files {
            let bytes = fs::read(dir.join(&file.name)).unwrap();
            assert_eq!(Some(bytes.len() as u64), file.bytes, "{}", file.name);
            assert_eq!(Some(md5(&bytes)), file.md5, "{}", file.name);
        }
        // The folder above does as well.
        let data = Dataset::open(name, dir.parent()).unwrap();
        assert_eq!(histogram(&data.train), train_counts);
        assert_eq!(histogram(&data.test), test_counts);
        close(&moments(&data.train), &data.normalisation(), 1e-4);
    }
}

#[test]
fn cifar10_is_read_as_published() {
    let Some(dir) = real("cifar10") else { return };
    let unpacked = tempfile::tempdir().unwrap();
    let folder = unpacked.path().join("cifar-10-batches-bin");
    fs::create_dir(&folder).unwrap();
    for (name, sum) in [
        ("data_batch_1.bin", "fb844f0c8abf3ee2867bc0b66db76e34"),
        ("test_batch.bin", "11e2161f06e495577766fe4411c65d23"),
    ] {
        let packed = dir.join(format!("{name}.xz"));
        let Ok(unpacked) = Command::new("xz").arg("-dc").arg(&packed).output() else {
            eprintln!("skipped: no xz program to unpack {}", packed.display());
            return;
        };
        let bytes = unpacked.stdout;
        assert_eq!(md5(&bytes), sum, "{name}");
        fs::write(folder.join(name), bytes).unwrap();
    }
    for k in 2..=5 {
        let name = format!("data_batch_{k}");
        let bytes = records(&dir.join(format!("{name}.jpgpack")));
        fs::write(folder.join(format!("{name}.bin")), bytes).unwrap();
    }
    let first = cifar::read(&folder.join("data_batch_1.bin"), Layout::Cifar10, 10_000).unwrap();
    assert_eq!(histogram(&first), [1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981]);
    assert_eq!(first.labels()[..10], [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]);
    assert_eq!(first.image(0)[..9], [59, 62, 63, 43, 46, 45, 50, 48, 43]);

    let data = Dataset::open("cifar10", Some(unpacked.path())).unwrap();
    assert_eq!((histogram(&data.train), histogram(&data.test)), (vec![5000; 10], vec![1000; 10]));
    // Most of these images come from JPEG files, which moves the means by less than one level.
    let moments = moments(&data.train);
    close(&moments, &data.normalisation(), 0.005);
    // The training recipe of the field runs on it.
    let augment: Augment = toml::from_str(
        r#"flip = 0.5
        rand_augment = "rand-m9-n1-mstd0.4-inc1"
        erase = { probability = 0.25, fill = "const" }"#,
    )
    .unwrap();
    let config = LoaderConfig { shuffle: true, drop_last: true, ..LoaderConfig::default() };
    let loader = Loader::new(data.train_source(&augment).unwrap(), config).unwrap();
    for batch in loader.epoch(0).take(3) {
        let inputs = batch.unwrap().inputs;
        assert_eq!(inputs.shape(), [1, 128, 32, 32, 3]);
        assert!(inputs.iter().all(|v| v.abs() < 2.2) && inputs.mean().unwrap().abs() < 0.3);
    }
}

/// Records in the official layout from a `jpgpack`: mark, count, labels, sizes, JPEG files.
fn records(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"JPGPACK1");
    let count = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    let (labels, rest) = bytes[12..].split_at(count);
    let (sizes, mut files) = rest.split_at(2 * count);
    let mut out = Vec::with_capacity(count * 3073);
    for (i, size) in sizes.chunks_exact(2).enumerate() {
        let (file, rest) = files.split_at(u16::from_le_bytes([size[0], size[1]]).into());
        files = rest;
        let image = image::load_from_memory(file).unwrap().to_rgb8();
        assert_eq!(image.dimensions(), (32, 32));
        out.push(labels[i]);
        (0..3).for_each(|c| out.extend(image.iter().skip(c).step_by(3)));
    }
    assert!(files.is_empty());
    out
}

#[test]
fn camvid_pairs_are_read_and_cut() {
    let Some(dir) = real("camvid-mini") else { return };
    let pairs = |part: &str| {
        let all = images_in(&dir).unwrap().into_iter();
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        let images = all.filter(|p| name(p).starts_with(part) && !name(p).contains(".label."));
        images.map(|p| (p.clone(), p.with_extension("label.png"))).collect::<Vec<_>>()
    };
    let manifest = Manifest::named("camvid").unwrap();
    let coding = Coding::From0 { ignore: 11 };
    let [train, test] =
        ["train", "test"].map(|p| Pairs::new(pairs(p), manifest.class_count(), coding));
    assert_eq!((train.len(), test.len()), (8, 4));
    let mut seen = [false; 256];
    for (set, i) in (0..8).map(|i| (&train, i)).chain((0..4).map(|i| (&test, i))) {
        let (image, mask) = set.read(i).unwrap();
        assert_eq!((image.shape(), mask.shape()), ([360, 480, 3], [360, 480, 1]));
        mask.pixels().iter().for_each(|&class| seen[usize::from(class)] = true);
    }
    // Every class occurs somewhere in the twelve pictures, and pixels without one do.
    assert!(seen[..11].iter().all(|s| *s) && seen[usize::from(IGNORE)], "{seen:?}");

    let normalisation = manifest.normalisation.unwrap();
    let augment = Some(SegmentationAugment::default());
    let config = LoaderConfig { batch: 4, shuffle: true, ..LoaderConfig::default() };
    let loader =
        SegmentationLoader::new(train, [256, 256], &normalisation, augment, config).unwrap();
    let batches: Vec<_> = loader.epoch(0).map(Result::unwrap).collect();
    assert_eq!((batches.len(), batches[0].inputs.shape()), (2, &[1, 4, 256, 256, 3][..]));
}

#[test]
fn the_evaluation_transform_agrees_with_pillow_on_a_photograph() {
    let Some(dir) = real("camvid-mini") else { return };
    let image = decode(&dir.join("test_0001TP_008550.png"), 3).unwrap();
    let out = EvalTransform { resize: 256, crop: [224, 224] }.apply(&image).unwrap();
    // md5 of the bytes that `scripts/pillow.py`'s `evaluate` gives (Pillow 9.5.0).
    assert_eq!(md5(out.pixels()), "170c3fc6ed3b8e110a3c5f957e10e8fb");
}

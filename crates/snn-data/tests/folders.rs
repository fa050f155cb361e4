//! Image files: ImageNet, Tiny-ImageNet, single files, the cache of decoded sets.

mod pictures;

use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};
use pictures::png;
use proptest::prelude::*;
use snn_data::{
    Augment, DataError, Image, Loader, LoaderConfig, Sources,
    augment::{Augmented, ResizedCrop},
    cache::{Cache, Key},
    images::{decode::decode, folder::Folder, imagenet, resize::EvalTransform, tiny_imagenet},
    manifest::Normalisation,
    segmentation::read_label,
};
use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tempfile::{TempDir, tempdir};

/// A small ImageNet: three classes, the validation images of classes 2, 0, 1, 0 side by side.
fn imagenet_tree() -> TempDir {
    let dir = tempdir().unwrap();
    for (k, class) in ["n02119789", "n02391049", "n03255030"].iter().enumerate() {
        for i in 0..2 {
            let path = dir.path().join(format!("train/{class}/{class}_{i}.JPEG"));
            png(&path, [30 + i, 40], [100 * k as u8, 0, 0]);
        }
    }
    for i in 1..=4 {
        png(&dir.path().join(format!("val/ILSVRC2012_val_0000000{i}.JPEG")), [40, 30], [0; 3]);
    }
    dir
}

fn val_labels(dir: &Path) -> Result<Vec<u16>, DataError> {
    Ok(imagenet::open(dir)?.1.labels())
}

#[test]
fn imagenet_takes_each_published_list() {
    let dir = imagenet_tree();
    let (write, root) =
        (|name: &str, text: &[u8]| fs::write(dir.path().join(name), text).unwrap(), dir.path());

    let error = val_labels(root).unwrap_err().to_string();
    assert!(error.contains("put ILSVRC2012_devkit_t12/data, LOC_val_solution.csv"), "{error}");

    let lines = |of: fn(usize) -> String| (1..=4).map(of).collect::<String>();
    write(
        "val.txt",
        lines(|i| format!("ILSVRC2012_val_0000000{i}.JPEG {}\n", [2, 0, 1, 0][i - 1])).as_bytes(),
    );
    assert_eq!(val_labels(root).unwrap(), [2, 0, 1, 0]);
    write("val.txt", b"ILSVRC2012_val_00000001.JPEG 3\n");
    assert!(val_labels(root).unwrap_err().to_string().contains("val.txt: a line is `ILSVRC2012"));
    write("val.txt", b"ILSVRC2012_val_00000001.JPEG 2\n");
    assert!(
        val_labels(root).unwrap_err().to_string().contains("expected ILSVRC2012_val_00000002.JPEG")
    );

    let classes = |i: usize| ["n03255030", "n02119789", "n02391049", "n02119789"][i - 1];
    let csv: String =
        (1..=4).map(|i| format!("ILSVRC2012_val_0000000{i},{} 1 2 3 4 \n", classes(i))).collect();
    write("LOC_val_solution.csv", format!("ImageId,PredictionString\n{csv}").as_bytes());
    assert_eq!(val_labels(root).unwrap(), [2, 0, 1, 0]);

    // The numbers of this kit: 1 n02119789, 300 n02391049, 1000 n03255030.
    fs::create_dir_all(root.join("ILSVRC2012_devkit_t12/data")).unwrap();
    let list = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt";
    write("ILSVRC2012_devkit_t12/data/meta.mat", include_bytes!("data/meta_packed.mat"));
    write(list, b"1000\n1\n300\n300\n");
    assert_eq!(val_labels(root).unwrap(), [2, 0, 1, 1]);
    write(list, b"1000\n1\n300\n");
    assert!(val_labels(root).unwrap_err().to_string().contains("number of lines is 3, expected 4"));
    write(list, b"1000\n1\n300\n299\n");
    assert!(val_labels(root).unwrap_err().to_string().contains("expected a number of meta.mat"));
    write(list, b"1000\n1\n300\n2\n");
    assert!(
        val_labels(root).unwrap_err().to_string().contains("`n02100735`, expected one of train's")
    );
}

#[test]
fn imagenet_takes_sorted_validation_folders_and_becomes_batches() {
    let dir = imagenet_tree();
    fs::remove_dir_all(dir.path().join("val")).unwrap();
    png(&dir.path().join("val/n02119789/a.JPEG"), [300, 280], [124, 116, 104]);
    let error = imagenet::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("set of class folders is 1, expected the 3 of train"), "{error}");
    for class in ["n02391049", "n03255030"] {
        png(&dir.path().join(format!("val/{class}/a.JPEG")), [300, 280], [124, 116, 104]);
    }
    let augment =
        Augment { resized_crop: Some(ResizedCrop::default()), flip: 0.5, ..Augment::default() };
    let sources = Sources::images("imagenet", Some(dir.path()), &augment, [224, 224]).unwrap();
    assert_eq!(sources.classes, ["n02119789", "n02391049", "n03255030"]);
    for source in [sources.train, sources.test] {
        let config = LoaderConfig { batch: 3, ..LoaderConfig::default() };
        let batch = Loader::new(source, config).unwrap().epoch(0).next().unwrap().unwrap();
        assert_eq!(batch.inputs.shape(), [1, 3, 224, 224, 3]);
    }
    let missing = Sources::images("imagenet", Some(&dir.path().join("val")), &augment, [224, 224]);
    let error = missing.err().unwrap().to_string();
    assert!(
        error.contains("ILSVRC2012_img_train.tar") && error.contains("image-net.org"),
        "{error}"
    );
}

#[test]
fn a_fitted_source_brings_pictures_to_the_size_of_the_crop() {
    let dir = imagenet_tree();
    let folder = Arc::new(Folder::by_class(&dir.path().join("train"), "").unwrap());
    let fit = EvalTransform { resize: 20, crop: [16, 18] };
    let source =
        Augmented::fitted(folder, fit, &Normalisation::none(3), &Augment::default()).unwrap();
    let batch =
        Loader::new(source, LoaderConfig::default()).unwrap().epoch(0).next().unwrap().unwrap();
    assert_eq!(batch.inputs.shape(), [1, 6, 16, 18, 3]);
    assert_eq!(batch.inputs[[0, 5, 15, 17, 0]], 200.0 / 255.0);
    assert_eq!(batch.labels, [0, 0, 1, 1, 2, 2]);
}

#[test]
fn tiny_imagenet_is_read_and_decoded_once() {
    let dir = tempdir().unwrap();
    let root = dir.path();
    for (k, class) in ["n01443537", "n01629819"].iter().enumerate() {
        png(&root.join(format!("train/{class}/images/{class}_0.JPEG")), [64, 64], [k as u8; 3]);
    }
    for i in 0..3 {
        png(&root.join(format!("val/images/val_{i}.JPEG")), [64, 64], [50 + i; 3]);
    }
    let list = root.join("val/val_annotations.txt");
    fs::write(&list, "val_0.JPEG\tn01629819\t0\t32\t44\t62\nval_2.JPEG\tn01443537\t0\t0\t9\t9\n")
        .unwrap();
    let (train, val) = tiny_imagenet::open(root).unwrap();
    assert_eq!((train.labels(), val.labels()), (vec![0, 1], vec![1, 0]));

    let cache = Cache::at(root.join("cache"));
    for _ in 0..2 {
        let images = val.decoded([64, 64], &cache).unwrap();
        assert_eq!((images.image(0)[0], images.image(1)[0], images.label(0)), (50, 52, 1));
    }
    let sets = |suffix: &str| {
        let names = fs::read_dir(cache.dir()).unwrap().map(|e| e.unwrap().file_name());
        names.filter(|n| n.to_string_lossy().ends_with(suffix)).count()
    };
    assert_eq!(sets(".frames"), 1);
    // Another picture under the same name is another set.
    png(&root.join("val/images/val_0.JPEG"), [64, 64], [99; 3]);
    assert_eq!(val.decoded([64, 64], &cache).unwrap().image(0)[0], 99);
    assert_eq!(sets(".frames"), 2);
    // A failure leaves nothing.
    png(&root.join("val/images/val_0.JPEG"), [64, 65], [99; 3]);
    let error = val.decoded([64, 64], &cache).unwrap_err().to_string();
    assert!(error.contains("val_0.JPEG: image shape is [64, 65, 3]"), "{error}");
    assert_eq!((sets(".frames"), fs::read_dir(cache.dir()).unwrap().count()), (2, 2));

    fs::write(&list, "val_0.JPEG\tn00000000\t0\n").unwrap();
    let error = tiny_imagenet::open(root).unwrap_err().to_string();
    assert!(error.contains("`n00000000` in line 1, expected a class of the training"), "{error}");
}

#[test]
fn a_damaged_set_of_the_cache_is_made_anew() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("source");
    fs::write(&file, [1, 2, 3]).unwrap();
    let cache = Cache::at(dir.path().join("cache"));
    let key = Key::new(&cache, "copy", std::slice::from_ref(&file)).unwrap();
    assert_ne!(key, Key::new(&cache, "copy 2", std::slice::from_ref(&file)).unwrap());
    let made = AtomicUsize::new(0);
    let load = || {
        let set = cache.load_or_make(&key, 2, 600, |i, out| {
            made.fetch_add(1, Ordering::Relaxed);
            out.copy_from_slice(&(i as u16).to_le_bytes());
            Ok(())
        });
        let set = set.unwrap();
        assert_eq!((set.len(), set.sample(599)), (600, &[87, 2][..]));
    };
    load();
    load();
    assert_eq!(made.load(Ordering::Relaxed), 600);
    let path = cache.dir().join(format!("{key}.frames"));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    load();
    assert_eq!(made.load(Ordering::Relaxed), 1200);
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn hashes_are_remembered_until_a_file_changes() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("source");
    fs::write(&file, "old").unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let set_time =
        |time| fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    set_time(long_ago);
    let cache = Cache::at(dir.path().join("cache"));
    let key = || Key::new(&cache, "", std::slice::from_ref(&file)).unwrap();
    let old = key();
    // Same size and time: taken for the same file, so the hash was not taken anew.
    fs::write(&file, "new").unwrap();
    set_time(long_ago);
    assert_eq!(key(), old);
    set_time(long_ago + std::time::Duration::from_secs(1));
    let new = key();
    assert_ne!(new, old);
    fs::write(cache.dir().join("hashes.txt"), "not a list\n\n").unwrap();
    assert_eq!(key(), new);
}

#[test]
fn files_are_told_by_content_and_bad_ones_are_errors() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("picture.jpg");
    png(&path, [3, 4], [200, 100, 50]);
    assert_eq!(decode(&path, 3).unwrap().pixel(2, 3), [200, 100, 50]);
    // (19595 * 200 + 38470 * 100 + 7471 * 50 + 32768) >> 16 = 124
    assert_eq!(decode(&path, 1).unwrap(), Image::filled([3, 4, 1], 124));

    let mut jpeg = Vec::new();
    JpegEncoder::new(&mut jpeg).encode(&[180; 64], 8, 8, ExtendedColorType::L8).unwrap();
    fs::write(&path, &jpeg).unwrap();
    assert_eq!(decode(&path, 1).unwrap(), Image::filled([8, 8, 1], 180));
    assert_eq!(decode(&path, 3).unwrap(), Image::filled([8, 8, 3], 180));

    for bytes in [&b"GIF89a"[..], b"", &jpeg[..30]] {
        fs::write(&path, bytes).unwrap();
        let error = decode(&path, 3).unwrap_err();
        assert!(matches!(error, DataError::Decode { .. }), "{error}");
        assert!(error.to_string().contains("picture.jpg: not a PNG, JPEG or BMP"), "{error}");
    }
    let error = decode(&dir.path().join("absent.png"), 3).unwrap_err();
    assert!(matches!(error, DataError::Io { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_image_files_never_panic(
        at in any::<prop::sample::Index>(), value in any::<u8>(), end in any::<prop::sample::Index>(),
        jpeg in any::<bool>(),
    ) {
        let mut bytes = Vec::new();
        if jpeg {
            JpegEncoder::new(&mut bytes).encode(&[180; 64], 8, 8, ExtendedColorType::L8).unwrap();
        } else {
            let grey = image::GrayImage::from_fn(8, 8, |x, y| image::Luma([(x * y) as u8]));
            grey.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
        }
        let (at, end) = (at.index(bytes.len()), end.index(bytes.len() + 1));
        bytes[at] = value;
        let file = tempfile::NamedTempFile::new().unwrap();
        for bytes in [&bytes[..], &bytes[..end]] {
            fs::write(file.path(), bytes).unwrap();
            let _ = decode(file.path(), 3);
            let _ = read_label(file.path());
        }
    }

    #[test]
    fn foreign_lists_never_panic(text in ".{0,200}", kit in any::<bool>()) {
        let dir = imagenet_tree();
        let list = if kit {
            fs::create_dir_all(dir.path().join("ILSVRC2012_devkit_t12/data")).unwrap();
            let meta = dir.path().join("ILSVRC2012_devkit_t12/data/meta.mat");
            fs::write(meta, include_bytes!("data/meta_plain.mat")).unwrap();
            "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"
        } else {
            "LOC_val_solution.csv"
        };
        fs::write(dir.path().join(list), text).unwrap();
        prop_assert!(val_labels(dir.path()).is_err());
    }
}

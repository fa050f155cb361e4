//! Laws of the loader.

use ndarray::Axis;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use snn_data::{
    Augment, Batch, DataError, Dataset, FrameSize, Images, Limit, Loader, LoaderConfig, Settings,
    Source, Sources,
    augment::{Augmented, Erase, Fill, Mix, ResizedCrop},
    manifest::Normalisation,
    random::Rng,
};
use std::{sync::Arc, time::Duration};

fn everything() -> Augment {
    Augment {
        resized_crop: Some(ResizedCrop::default()),
        pad: 2,
        flip: 0.5,
        rand_augment: Some("rand-m9-n2-mstd0.4-inc1".parse().unwrap()),
        erase: Some(Erase { probability: 0.5, fill: Fill::Pixel, ..Erase::default() }),
        mix: Some(Mix { mixup: 0.5, cutmix: 1.0, ..Mix::default() }),
    }
}

fn images(n: usize) -> Arc<Images> {
    let pixels = (0..n * 6 * 5 * 3).map(|i| (i * 37 % 251) as u8).collect();
    Arc::new(Images::new([6, 5, 3], pixels, (0..n).map(|i| (i % 4) as u16).collect(), 4))
}

fn loader(n: usize, augment: &Augment, config: LoaderConfig) -> Loader {
    let source = Augmented::new(images(n), &Normalisation::none(3), augment).unwrap();
    Loader::new(source, LoaderConfig { mix: augment.mix.clone(), ..config }).unwrap()
}

fn all(loader: &Loader, epoch: usize) -> Vec<Batch> {
    loader.epoch(epoch).collect::<Result<_, _>>().unwrap()
}

/// Frames over time that show their sample, time step and random stream.
struct Clock;

impl Source for Clock {
    fn len(&self) -> usize {
        5
    }
    fn shape(&self) -> [usize; 4] {
        [3, 1, 2, 1]
    }
    fn classes(&self) -> usize {
        2
    }
    fn label(&self, i: usize) -> usize {
        i % 2
    }
    fn sample(&self, i: usize, rng: &mut Rng, out: &mut [f32]) -> Result<(), DataError> {
        let noise: f32 = rng.random();
        for (t, frame) in out.chunks_exact_mut(2).enumerate() {
            frame.copy_from_slice(&[(10 * i + t) as f32, noise]);
        }
        Ok(())
    }
}

/// Fails or panics at sample 3.
struct Broken {
    panics: bool,
}

impl Source for Broken {
    fn len(&self) -> usize {
        8
    }
    fn shape(&self) -> [usize; 4] {
        [1, 1, 1, 1]
    }
    fn classes(&self) -> usize {
        1
    }
    fn label(&self, _: usize) -> usize {
        0
    }
    fn sample(&self, i: usize, _: &mut Rng, _: &mut [f32]) -> Result<(), DataError> {
        assert!(i != 3 || !self.panics, "sample 3 is broken (this panic is part of a test)");
        match i {
            3 => {
                Err(DataError::Setting { setting: "sample", expected: "whole", found: "3".into() })
            }
            _ => Ok(()),
        }
    }
}

#[test]
fn frames_lie_time_first() {
    let loader = Loader::new(Clock, LoaderConfig { batch: 2, ..LoaderConfig::default() }).unwrap();
    let batches = all(&loader, 0);
    assert_eq!(batches.len(), 3);
    assert_eq!(batches[1].inputs.shape(), [3, 2, 1, 2, 1]);
    assert!(batches[1].inputs.is_standard_layout());
    for (t, step) in batches[1].inputs.axis_iter(Axis(0)).enumerate() {
        assert_eq!([step[[0, 0, 0, 0]], step[[1, 0, 0, 0]]], [(20 + t) as f32, (30 + t) as f32]);
    }
    assert_eq!(batches[2].indices, [4]);
}

#[test]
fn an_error_or_a_panic_reaches_the_consumer_and_ends_the_epoch() {
    for panics in [false, true] {
        let config = LoaderConfig { batch: 2, ..LoaderConfig::default() };
        let loader = Loader::new(Broken { panics }, config).unwrap();
        let got: Vec<_> = loader.epoch(0).collect();
        assert_eq!(got.len(), 2);
        let error = got[1].as_ref().unwrap_err();
        match panics {
            true => assert!(matches!(error, DataError::Worker { item: 1 }), "{error}"),
            false => assert!(matches!(error, DataError::Setting { .. }), "{error}"),
        }
    }
}

/// Counts the samples it was asked for.
struct Slow(Arc<std::sync::atomic::AtomicUsize>);

impl Source for Slow {
    fn len(&self) -> usize {
        1000
    }
    fn shape(&self) -> [usize; 4] {
        [1, 1, 1, 1]
    }
    fn classes(&self) -> usize {
        1
    }
    fn label(&self, _: usize) -> usize {
        0
    }
    fn sample(&self, _: usize, _: &mut Rng, _: &mut [f32]) -> Result<(), DataError> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(1));
        Ok(())
    }
}

#[test]
fn dropping_early_neither_hangs_nor_makes_the_rest() {
    let count = Arc::default();
    let config = LoaderConfig { batch: 10, ahead: 3, workers: 2, ..LoaderConfig::default() };
    let loader = Loader::new(Slow(Arc::clone(&count)), config).unwrap();
    for _ in 0..3 {
        let mut epoch = loader.epoch(0);
        assert_eq!(epoch.len(), 100);
        epoch.next().unwrap().unwrap();
        assert_eq!(epoch.len(), 99);
    }
    drop(loader);
    // At most the batch that was taken and three ahead of it, each time.
    assert!(count.load(std::sync::atomic::Ordering::SeqCst) <= 3 * 4 * 10);
}

#[test]
fn an_epoch_of_digits_shows_every_image_once() {
    let digits = Dataset::open("digits", None).unwrap();
    let config = LoaderConfig { batch: 100, shuffle: true, seed: 3, ..LoaderConfig::default() };
    let loader = Loader::new(digits.train_source(&Augment::default()).unwrap(), config).unwrap();
    let batches = all(&loader, 5);
    assert_eq!((batches.len(), loader.len(), batches[14].len()), (15, 15, 37));
    let mut seen: Vec<usize> = batches.iter().flat_map(|b| b.indices.clone()).collect();
    assert!(!seen.is_sorted());
    seen.sort_unstable();
    assert!(seen.iter().copied().eq(0..1437));
    for (row, i) in batches[0].indices.iter().enumerate() {
        let [mean, std] = [0.3047, 0.3755];
        let input = batches[0].inputs.index_axis(Axis(1), row);
        for (value, &pixel) in input.iter().zip(digits.train.image(*i)) {
            assert!((value * std + mean - f32::from(pixel) / 255.0).abs() < 1e-6);
        }
        assert_eq!(batches[0].targets[[row, digits.train.label(*i)]], 1.0);
        assert_eq!(batches[0].targets.row(row).sum(), 1.0);
    }
}

#[test]
fn settings_out_of_range_are_told() {
    let config = LoaderConfig { batch: 0, ..LoaderConfig::default() };
    let error = Loader::new(Clock, config).err().unwrap().to_string();
    assert_eq!(error, "batch is 0, expected at least 1");
    let mix = Some(Mix { mixup: -1.0, ..Mix::default() });
    let error = Loader::new(Clock, LoaderConfig { mix, ..LoaderConfig::default() });
    assert!(error.err().unwrap().to_string().contains("augment.mix.mixup is -1"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn threads_change_nothing(
        n in 1usize..40, batch in 1usize..9, seed in any::<u64>(), epoch in 0usize..3,
        shuffle in any::<bool>(), drop_last in any::<bool>(), ahead in 1usize..5,
    ) {
        let config = LoaderConfig { batch, seed, shuffle, drop_last, ahead, ..LoaderConfig::default() };
        let on = |workers| {
            all(&loader(n, &everything(), LoaderConfig { workers, ..config.clone() }), epoch)
        };
        let one = on(1);
        prop_assert_eq!(&one, &on(4));
        prop_assert_eq!(one.len(), if drop_last { n / batch } else { n.div_ceil(batch) });
        for targets in one.iter().flat_map(|b| b.targets.rows()) {
            prop_assert!((targets.sum() - 1.0).abs() < 1e-6);
        }
    }

    #[test] // how samples are grouped into batches does not change a sample
    fn samples_do_not_depend_on_their_batch(seed in any::<u64>(), a in 1usize..9, b in 1usize..9) {
        let augment = Augment { mix: None, ..everything() };
        let flat = |batch| -> Vec<f32> {
            let config = LoaderConfig { batch, seed, ..LoaderConfig::default() };
            all(&loader(16, &augment, config), 1).iter().flat_map(|b| b.inputs.iter().copied()).collect()
        };
        prop_assert_eq!(flat(a), flat(b));
    }

    #[test]
    fn seeds_and_epochs_differ(seed in any::<u64>()) {
        let order = |seed, epoch| {
            let config = LoaderConfig { seed, shuffle: true, ..LoaderConfig::default() };
            loader(40, &Augment::default(), config).order(epoch)
        };
        prop_assert_ne!(order(seed, 0), order(seed, 1));
        prop_assert_ne!(order(seed, 0), order(seed.wrapping_add(1), 0));
    }
}

#[test]
fn sources_of_images_are_those_of_the_dataset() {
    let digits = Dataset::open("digits", None).unwrap();
    let sources = Sources::images("digits", None, &everything(), [8, 8]).unwrap();
    assert_eq!((&sources.classes, &sources.split), (&digits.classes, &digits.manifest.split));
    let config = LoaderConfig { batch: 50, shuffle: true, seed: 4, ..LoaderConfig::default() };
    let first = |loader: Loader| loader.epoch(1).next().unwrap().unwrap();
    let want =
        first(Loader::new(digits.train_source(&everything()).unwrap(), config.clone()).unwrap());
    assert_eq!(first(Loader::new(sources.train, config.clone()).unwrap()), want);
    let want = first(Loader::new(digits.test_source().unwrap(), config.clone()).unwrap());
    assert_eq!(first(Loader::new(sources.test, config).unwrap()), want);
}

/// A limit takes samples at equal distances, says so, and is no limit where there are fewer.
#[test]
fn a_part_of_a_dataset_is_spread_over_all_of_it() {
    let size = FrameSize { steps: 1, height: 8, width: 8 };
    let open = |train, test| {
        let settings = Settings { limit: Limit { train, test }, ..Settings::default() };
        Sources::open("digits", None, &settings, size)
    };
    let (all, part) = (open(None, None).unwrap(), open(Some(100), Some(usize::MAX)).unwrap());
    assert_eq!((part.train.len(), part.test.len()), (100, all.test.len()));
    let total = all.train.len();
    assert!(
        part.split.ends_with(&format!("; 100 of {total} training and 360 of 360 test samples"))
    );
    let sample = |source: &dyn Source, i| {
        let mut out = vec![0.0; 64];
        source.sample(i, &mut Rng::seed_from_u64(0), &mut out).unwrap();
        (source.label(i), out)
    };
    for i in 0..100 {
        assert_eq!(sample(&*part.train, i), sample(&*all.train, i * total / 100));
    }
    let error = open(Some(0), None).err().unwrap().to_string();
    assert!(error.contains("limit.train"), "{error}");
}

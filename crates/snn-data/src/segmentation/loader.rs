//! Batches of images and masks.

use super::{IGNORE, Pairs, SegmentationAugment, letterbox};
use crate::{
    DataError,
    loader::{LoaderConfig, Prefetch, Stop, order, threads},
    manifest::Normalisation,
    random::{Purpose, rng},
};
use ndarray::{Array3, ArrayD, IxDyn};
use rayon::prelude::*;
use std::sync::Arc;

/// Images with a class per pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentationBatch {
    /// Inputs `[1, B, H, W, 3]`, normalised.
    pub inputs: ArrayD<f32>,
    /// Classes `[B, H, W]`, [`IGNORE`] where there is none.
    pub masks: Array3<u8>,
    /// Index of each image in its set, `[B]`.
    pub indices: Vec<usize>,
}

/// Pairs divided into batches of one size; the order and every random number depend on (seed,
/// epoch, image) only.
pub struct SegmentationLoader {
    config: LoaderConfig,
    pool: Arc<rayon::ThreadPool>,
    maker: Arc<Maker>,
}

/// Everything that a thread needs to make a batch.
struct Maker {
    pairs: Pairs,
    size: [usize; 2],
    normalisation: Normalisation,
    augment: Option<SegmentationAugment>,
    fill: Vec<u8>,
    seed: u64,
}

impl SegmentationLoader {
    /// Batches of `size` (height, width): random parts with `augment`, whole images in their
    /// proportions without.
    ///
    /// # Errors
    /// [`DataError::Setting`] when a setting is out of range, `size` or the batch is 0, mixing is
    /// asked for (it has no meaning here), the normalisation has not three channels, or the system
    /// refuses the threads.
    pub fn new(
        pairs: Pairs,
        size: [usize; 2],
        normalisation: &Normalisation,
        augment: Option<SegmentationAugment>,
        config: LoaderConfig,
    ) -> Result<Self, DataError> {
        config.validate()?;
        augment.as_ref().map_or(Ok(()), SegmentationAugment::validate)?;
        let wrong =
            |setting, expected, found: String| Err(DataError::Setting { setting, expected, found });
        if size.contains(&0) {
            return wrong("size", "at least one pixel", format!("{size:?}"));
        }
        if config.mix.is_some() {
            return wrong("augment.mix", "none for segmentation", "mixup or cutmix".into());
        }
        if normalisation.mean.len() != 3 || normalisation.std.len() != 3 {
            let found = normalisation.mean.len().to_string();
            return wrong("length of the normalisation", "three channels", found);
        }
        let fill = normalisation.mean.iter().map(|m| (m * 255.0).round() as u8).collect();
        let (normalisation, seed) = (normalisation.clone(), config.seed);
        let maker = Maker { pairs, size, normalisation, augment, fill, seed };
        Ok(Self { pool: threads(config.workers)?, config, maker: Arc::new(maker) })
    }

    /// Batches in an epoch.
    pub fn len(&self) -> usize {
        self.config.batches(self.maker.pairs.len())
    }

    /// Whether an epoch has no batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The batches of `epoch` (from 0), made ahead as by [`crate::Loader::epoch`].
    pub fn epoch(&self, epoch: usize) -> Prefetch<SegmentationBatch> {
        let (maker, config) = (Arc::clone(&self.maker), self.config.clone());
        let order = order(maker.pairs.len(), config.shuffle.then_some(config.seed), epoch);
        Prefetch::new(Arc::clone(&self.pool), self.len(), config.ahead, move |number, stop| {
            maker.batch(epoch, config.part(&order, number), stop)
        })
    }
}

impl Maker {
    fn batch(
        &self,
        epoch: usize,
        indices: &[usize],
        stop: &Stop,
    ) -> Option<Result<SegmentationBatch, DataError>> {
        let (count, [height, width]) = (indices.len(), self.size);
        let area = height * width;
        let (mut inputs, mut masks) = (vec![0.0; count * area * 3], vec![IGNORE; count * area]);
        let parts = inputs.par_chunks_exact_mut(area * 3).zip(masks.par_chunks_exact_mut(area));
        let made = parts.zip(indices).take_any_while(|_| !stop.is_set()).try_for_each(
            |((input, classes), &i)| {
                let (image, mask) = self.pairs.read(i)?;
                let mut random = rng(self.seed, epoch as u64, Purpose::Sample, i as u64);
                let (image, mask) = match &self.augment {
                    Some(a) => a.apply(&image, &mask, self.size, &self.fill, &mut random)?,
                    None => letterbox(&image, &mask, self.size, &self.fill)?,
                };
                self.normalisation.apply(image.pixels(), input);
                classes.copy_from_slice(mask.pixels());
                Ok(())
            },
        );
        if stop.is_set() {
            return None;
        }
        let shape = [1, count, height, width, 3];
        let arrays = ArrayD::from_shape_vec(IxDyn(&shape), inputs)
            .and_then(|x| Ok((x, Array3::from_shape_vec([count, height, width], masks)?)));
        let Ok((inputs, masks)) = arrays else { unreachable!("there are {shape:?} values") };
        Some(made.map(|()| SegmentationBatch { inputs, masks, indices: indices.to_vec() }))
    }
}

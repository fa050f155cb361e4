//! Augmented pictures as a source for the loader.

use super::Augment;
use crate::{
    DataError, Images,
    images::{Pictures, resize::EvalTransform},
    loader::Source,
    manifest::Normalisation,
    random::Rng,
};
use std::sync::Arc;

/// Pictures that are brought to one shape, augmented and normalised when they are asked for.
#[derive(Debug)]
pub struct Augmented<P> {
    pictures: Arc<P>,
    /// Height, width, channels of a sample.
    shape: [usize; 3],
    fit: Option<EvalTransform>,
    normalisation: Normalisation,
    augment: Augment,
    fill: Vec<u8>,
}

impl Augmented<Images> {
    /// Images of one shape, which is also that of the samples.
    ///
    /// # Errors
    /// [`DataError::Setting`] for a setting out of range, RandAugment of images that are neither
    /// grey nor colour, or a normalisation for another number of channels.
    pub fn new(
        images: Arc<Images>,
        normalisation: &Normalisation,
        augment: &Augment,
    ) -> Result<Self, DataError> {
        let shape = images.shape();
        Self::with_shape(images, shape, None, normalisation, augment)
    }
}

impl<P: Pictures> Augmented<P> {
    /// Colour pictures of any size. A random resized crop gives samples the size of `fit`'s crop;
    /// without one, `fit` does.
    ///
    /// # Errors
    /// As [`Augmented::new`].
    pub fn fitted(
        pictures: Arc<P>,
        fit: EvalTransform,
        normalisation: &Normalisation,
        augment: &Augment,
    ) -> Result<Self, DataError> {
        let shape = [fit.crop[0], fit.crop[1], 3];
        let fit = augment.resized_crop.is_none().then_some(fit);
        Self::with_shape(pictures, shape, fit, normalisation, augment)
    }

    fn with_shape(
        pictures: Arc<P>,
        shape: [usize; 3],
        fit: Option<EvalTransform>,
        normalisation: &Normalisation,
        augment: &Augment,
    ) -> Result<Self, DataError> {
        augment.validate()?;
        let channels = shape[2];
        let setting = |setting, expected, found: usize| {
            Err(DataError::Setting { setting, expected, found: found.to_string() })
        };
        if augment.rand_augment.is_some() && channels != 1 && channels != 3 {
            return setting("channels of RandAugment's images", "1 or 3", channels);
        }
        let Normalisation { mean, std } = normalisation;
        if mean.len() != channels || std.len() != channels {
            let found = mean.len().min(std.len());
            return setting("length of the normalisation", "one value per channel", found);
        }
        let fill = mean.iter().map(|m| (m * 255.0).round() as u8).collect();
        let (normalisation, augment) = (normalisation.clone(), augment.clone());
        Ok(Self { pictures, shape, fit, normalisation, augment, fill })
    }

    /// The pictures behind it.
    pub fn pictures(&self) -> &Arc<P> {
        &self.pictures
    }
}

impl<P: Pictures> Source for Augmented<P> {
    fn len(&self) -> usize {
        self.pictures.len()
    }

    fn shape(&self) -> [usize; 4] {
        let [height, width, channels] = self.shape;
        [1, height, width, channels]
    }

    fn classes(&self) -> usize {
        self.pictures.classes()
    }

    fn label(&self, i: usize) -> usize {
        self.pictures.label(i)
    }

    fn sample(&self, i: usize, rng: &mut Rng, out: &mut [f32]) -> Result<(), DataError> {
        let [height, width, _] = self.shape;
        let mut image = self.pictures.picture(i)?;
        if let Some(fit) = &self.fit {
            image = fit.apply(&image)?;
        }
        let image = self.augment.apply(image, [height, width], &self.fill, rng)?;
        self.normalisation.apply(image.pixels(), out);
        if let Some(erase) = &self.augment.erase {
            erase.apply(out, self.shape, rng);
        }
        Ok(())
    }
}

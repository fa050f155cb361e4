//! A dataset as a network takes it.

use std::{path::Path, sync::Arc};

use anyhow::{Result, ensure};
use snn_data::{Dataset, Image, Images, images::resize::resize};
use snn_models::Config;

/// Opens dataset `name` (its files in `dir`) for `model`: images of another size are resized to
/// the one that the network takes (bicubic, antialiased).
///
/// # Errors
/// Those of [`Dataset::open`]; if channels or classes are not those of the model.
pub fn open(name: &str, dir: Option<&Path>, model: &Config) -> Result<Dataset> {
    let mut dataset = Dataset::open(name, dir)?;
    let input = model.input();
    let channels = dataset.train.shape()[2];
    ensure!(
        !input.events,
        "dataset `{name}` holds images, and the model takes event frames; choose another variant"
    );
    ensure!(
        channels == input.channels,
        "dataset `{name}` has {channels} channels and the model takes {}; set model.in_channels",
        input.channels
    );
    ensure!(
        dataset.train.classes() == model.classes(),
        "dataset `{name}` has {} classes and the model {}; set model.classes",
        dataset.train.classes(),
        model.classes()
    );
    for images in [&mut dataset.train, &mut dataset.test] {
        *images = resized(images, [input.height, input.width])?;
    }
    Ok(dataset)
}

fn resized(images: &Arc<Images>, size: [usize; 2]) -> Result<Arc<Images>> {
    let [height, width, channels] = images.shape();
    if [height, width] == size {
        return Ok(Arc::clone(images));
    }
    let mut pixels = Vec::with_capacity(images.len() * size[0] * size[1] * channels);
    for i in 0..images.len() {
        let image = Image::new(images.shape(), images.image(i).to_vec());
        pixels.extend_from_slice(resize(&image, size)?.pixels());
    }
    let shape = [size[0], size[1], channels];
    Ok(Arc::new(Images::new(shape, pixels, images.labels().to_vec(), images.classes())))
}

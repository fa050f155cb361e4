//! A dataset as a network takes it.

use std::path::Path;

use anyhow::{Result, ensure};
use snn_data::{FrameSize, Settings, Sources};
use snn_models::Config;

/// Opens dataset `name` (its files in `dir`) for `model`: images and frames of another size are
/// resized to the one that the network takes.
///
/// # Errors
/// Those of [`Sources::open`]; if frames, channels or classes are not those of the model.
pub fn open(
    name: &str,
    dir: Option<&Path>,
    model: &Config,
    settings: &Settings,
) -> Result<Sources> {
    let input = model.input();
    let size = FrameSize { steps: input.frames(), height: input.height, width: input.width };
    let data = Sources::open(name, dir, settings, size)?;
    let [steps, height, width, channels] = data.train.shape();
    ensure!(
        channels == input.channels,
        "dataset `{name}` has {channels} channels and the model takes {}; set model.in_channels",
        input.channels
    );
    ensure!(
        data.train.classes() == model.classes(),
        "dataset `{name}` has {} classes and the model {}; set model.classes",
        data.train.classes(),
        model.classes()
    );
    let found = FrameSize { steps, height, width };
    ensure!(
        found == size,
        "dataset `{name}` makes samples of {found} and the model takes {size}; set model.image, or \
         choose a variant of the model for {}",
        if steps == 1 { "one frame" } else { "a frame at each time step" },
    );
    Ok(data)
}

//! Writes the initial weights of a small Spikformer: `tests/data/spikformer.safetensors` is
//! those of seed 5.
//!
//!     cargo run -p snn-import --example draw -- 5 spikformer.safetensors

use std::{env, error::Error, path::Path};

use snn_core::Reference;
use snn_models::{Config, spikformer};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(seed), Some(path)) = (arguments.next(), arguments.next()) else {
        return Err("expected a seed and a file".into());
    };
    let config = spikformer::Config {
        image: [8, 8],
        in_channels: 1,
        mlp_ratio: 1,
        time_steps: 2,
        ..spikformer::Config::cifar(1, 8, 2)
    };
    let (_, weights) = Config::Spikformer(config).draw(&Reference::<f32>::new(), seed.parse()?)?;
    weights.save(Path::new(&path))?;
    Ok(())
}

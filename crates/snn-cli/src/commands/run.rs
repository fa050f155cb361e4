use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ndarray::{ArrayD, IxDyn};
use snn_attn::Attend;
use snn_core::Pass;
use snn_data::{
    Image, Manifest,
    images::{
        decode::decode,
        resize::{EvalTransform, resize},
    },
    manifest::{Normalisation, Task},
};

use super::output;
use crate::{
    backend::{Choice, Job},
    measure,
    run_folder::Trained,
};

/// Arguments of `snn run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: snn run runs/digits-1 seven.png three.png")]
pub struct Arguments {
    /// Run folder of the network
    run: PathBuf,
    /// Image files: PNG, JPEG or BMP
    #[arg(required = true)]
    input: Vec<PathBuf>,
    /// Take images of any size: shrink or enlarge, then cut the middle out
    #[arg(long)]
    resize: bool,
    /// Classes to print
    #[arg(long, default_value_t = 3, value_name = "N")]
    top: usize,
    /// What runs the network
    #[arg(long, value_enum, default_value_t = Choice::Packed)]
    backend: Choice,
}

impl Arguments {
    pub(super) fn run(self) -> Result<()> {
        let trained = Trained::open(&self.run)?;
        let manifest = Manifest::named(&trained.description.dataset)?;
        let input = trained.description.model.input();
        if manifest.task != Task::ImageClassification {
            bail!("{} takes {}, not images", self.run.display(), manifest.task.data());
        }
        let normalisation = manifest.normalisation.clone();
        let reader = Reader {
            native: manifest.shape.map(|shape| [shape.height, shape.width]),
            size: [input.height, input.width],
            channels: input.channels,
            normalisation: normalisation.unwrap_or_else(|| Normalisation::none(input.channels)),
            any_size: self.resize,
        };
        // All of them first: a bad file is told before the network has run on the good ones.
        let images = self.input.iter().map(|path| reader.read(path)).collect::<Result<Vec<_>>>()?;
        let rankings = self.backend.run(Classify { trained: &trained, images })?;
        let class = |i: usize| manifest.classes.get(i).cloned().unwrap_or_else(|| i.to_string());
        for (path, ranking) in self.input.iter().zip(rankings) {
            let top = ranking.into_iter().take(self.top);
            let top = top.map(|(i, share)| format!("{} ({:.1} %)", class(i), 100.0 * share));
            output::print(&format!("{}: {}", path.display(), top.collect::<Vec<_>>().join(", ")))?;
        }
        Ok(())
    }
}

/// Turns image files into the input of a network.
struct Reader {
    /// Size of the dataset's own images, which training resized to `size`.
    native: Option<[usize; 2]>,
    size: [usize; 2],
    channels: usize,
    normalisation: Normalisation,
    any_size: bool,
}

impl Reader {
    /// The image as `[1, 1, H, W, C]`.
    fn read(&self, path: &Path) -> Result<ArrayD<f32>> {
        let image = decode(path, self.channels)?;
        let image = self.fit(&image).with_context(|| format!("cannot use {}", path.display()))?;
        let mut values = vec![0.0; image.pixels().len()];
        self.normalisation.apply(image.pixels(), &mut values);
        let [height, width, channels] = image.shape();
        Ok(ArrayD::from_shape_vec(IxDyn(&[1, 1, height, width, channels]), values)?)
    }

    fn fit(&self, image: &Image) -> Result<Image> {
        let [height, width, _] = image.shape();
        if [height, width] == self.size || Some([height, width]) == self.native {
            return Ok(resize(image, self.size)?);
        }
        if self.any_size {
            return Ok(EvalTransform::covering(self.size[0], self.size[1]).apply(image)?);
        }
        let [h, w] = self.native.unwrap_or(self.size);
        bail!(
            "the image is {height} x {width} pixels, expected {h} x {w}; \
             pass --resize to shrink or enlarge it"
        )
    }
}

struct Classify<'a> {
    trained: &'a Trained,
    images: Vec<ArrayD<f32>>,
}

impl Job for Classify<'_> {
    type Output = Vec<Vec<(usize, f64)>>;

    fn run<B: Attend + 'static>(self, backend: &B) -> Result<Self::Output> {
        let network = self.trained.network(backend)?;
        let rank = |image| measure::ranking(measure::logits(&*network, Pass::new(backend), image));
        Ok(self.images.iter().map(rank).collect())
    }
}

//! Learning from a network that was trained before.

use std::path::Path;

use ndarray::ArrayD;
use snn_core::{Backend, Event, Outline, Pass, Probe, Weights};
use snn_models::{self as models, Frames, Network, mean_logits};
use tch::{Device, Tensor};

use super::{Config, DistillConfig, RunError};
use crate::{
    loss,
    torch::{Precision, Torch, tensor_of},
};

/// A trained network, and what is learned from it.
pub(super) struct Teacher {
    config: DistillConfig,
    backend: Torch,
    network: Box<dyn Network<Torch>>,
}

impl Teacher {
    /// The best network of a run folder, for a network of the shape `student`.
    pub fn open(
        config: &DistillConfig,
        student: &models::Config,
        device: Device,
    ) -> Result<Self, RunError> {
        let path = &config.teacher;
        if !path.join("config.toml").is_file() {
            return Err(RunError::NoRun { path: path.clone() });
        }
        let shape = Config::load(&path.join("config.toml"), &[])?.model;
        compare(path, &shape, student, config.tokens > 0.0)?;
        let file = path.join("model.safetensors");
        let unfit = |source| RunError::Checkpoint { path: file.clone(), source };
        let weights = Weights::load(&file).map_err(unfit)?;
        let backend = Torch::new(device, Precision::Single)?;
        let network = shape.load(&backend, &weights).map_err(unfit)?;
        Ok(Self { config: config.clone(), backend, network })
    }

    /// The loss with what the teacher says about the same `input`; `supervised` is the loss against
    /// the labels.
    ///
    /// `logits` `[B, K]` or `[T, B, K]` are those that learn from a teacher; `attentions` those of
    /// the same pass.
    pub fn correct(
        &self,
        input: &ArrayD<f32>,
        supervised: &Tensor,
        logits: &Tensor,
        attentions: Option<&Tokens>,
    ) -> Tensor {
        let (taught, theirs) = tch::no_grad(|| {
            let mut theirs = self.attentions();
            let frames = Frames::new(&self.backend, input);
            let logits = self
                .network
                .forward(&mut Pass::new(&self.backend).with_probe(&mut theirs), &frames);
            (mean_logits(&self.backend, &logits), theirs)
        });
        let logits = match logits.dim() {
            3 => logits.mean_dim(0, false, None),
            _ => logits.shallow_clone(),
        };
        let share = self.config.share;
        let mut loss =
            supervised * (1.0 - share) + self.config.of(&logits, taught.tensor()) * share;
        if let (Some(own), Some(theirs)) = (attentions, theirs) {
            for (own, theirs) in own.0.iter().zip(&theirs.0) {
                loss += loss::distill_tokens(own, theirs) * self.config.tokens;
            }
        }
        loss
    }

    /// What records the attentions of a pass, if they are compared.
    pub fn attentions(&self) -> Option<Tokens> {
        (self.config.tokens > 0.0).then(Tokens::default)
    }
}

/// Queries and keys of every attention, in the order of computation.
#[derive(Default)]
pub(super) struct Tokens(Vec<Tensor>);

impl Probe<Torch> for Tokens {
    fn observe(&mut self, _: &Torch, event: Event<'_, Torch>) {
        if let Event::Attention { q, k, .. } = event {
            self.0.extend([q, k].map(|x| tensor_of(x).shallow_clone()));
        }
    }
}

/// Checks, without computing anything, that the teacher takes the same images, knows the same
/// classes and, if `attentions` are compared, compares as many tokens as often.
fn compare(
    path: &Path,
    teacher: &models::Config,
    student: &models::Config,
    attentions: bool,
) -> Result<(), RunError> {
    let unlike = |what, found: String, expected: String| {
        let path = path.to_owned();
        if found == expected {
            Ok(())
        } else {
            Err(RunError::Teacher { path, what, found, expected })
        }
    };
    let image = |model: &models::Config| {
        let input = model.input();
        format!("{} x {} x {} x {}", input.frames(), input.height, input.width, input.channels)
    };
    unlike("input of", image(teacher), image(student))?;
    let classes = |model: &models::Config| model.classes().to_string();
    unlike("classes:", classes(teacher), classes(student))?;
    if attentions {
        let tokens = |model: &models::Config| Ok::<_, RunError>(format!("{:?}", tokens(model)?));
        unlike("tokens in its attentions:", tokens(teacher)?, tokens(student)?)?;
    }
    Ok(())
}

/// How many queries and keys each attention of a network compares.
fn tokens(model: &models::Config) -> Result<Vec<usize>, RunError> {
    #[derive(Default)]
    struct Counts(Vec<usize>);
    impl<B: Backend> Probe<B> for Counts {
        fn observe(&mut self, _: &B, event: Event<'_, B>) {
            if let Event::Attention { q, .. } = event {
                let shape = q.shape();
                self.0.push(shape[2..shape.len() - 1].iter().product());
            }
        }
    }
    let (network, _) = model.outline()?;
    let input = model.input();
    let shape = vec![input.frames(), 1, input.height, input.width, input.channels];
    let frames = Frames::new(&Outline, &ArrayD::zeros(shape));
    let mut counts = Counts::default();
    network.forward(&mut Pass::new(&Outline).with_probe(&mut counts), &frames);
    Ok(counts.0)
}

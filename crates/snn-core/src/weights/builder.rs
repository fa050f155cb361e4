use std::{cell::RefCell, rc::Rc, sync::Arc};

use super::{BatchNorm, Init, LoadError, Stage, Tensor, Weights, stage::Grid};
use crate::{
    backend::{Backend, CoderConfig, CoderParts, Lsq, StageParts, SynapseParts, WeightQuantizer},
    layer::{CodedLayer, Embedding, IntegerLayer, NeuronLayer, Synapse},
    map::Map,
    neuron::{IntegerNeuron, Neuron},
};

/// Hands a network its tensors by name: from a checkpoint, or freshly drawn.
///
/// A model's constructor asks for what it needs and thereby says, once, which
/// tensors it has. [`Builder::finish`] then tells what was left over.
pub struct Builder<'a, B: Backend> {
    backend: &'a B,
    source: Source<'a>,
    prefix: String,
    used: Rc<RefCell<Weights>>,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Load(&'a Weights),
    Draw { seed: u64 },
    Zeros,
}

impl<'a, B: Backend> Builder<'a, B> {
    /// Takes every tensor from a checkpoint.
    pub fn load(backend: &'a B, weights: &'a Weights) -> Self {
        Self::new(backend, Source::Load(weights))
    }

    /// Draws every tensor as its [`Init`] says; the same seed gives the same
    /// numbers on every backend.
    pub fn draw(backend: &'a B, seed: u64) -> Self {
        Self::new(backend, Source::Draw { seed })
    }

    /// Every tensor is zero: for what depends on names and shapes alone, such
    /// as counting parameters.
    pub fn zeros(backend: &'a B) -> Self {
        Self::new(backend, Source::Zeros)
    }

    fn new(backend: &'a B, source: Source<'a>) -> Self {
        Self { backend, source, prefix: String::new(), used: Rc::default() }
    }

    /// The builder of a part: names below get `name.` in front.
    pub fn sub(&self, name: impl std::fmt::Display) -> Self {
        Self {
            backend: self.backend,
            source: self.source,
            prefix: format!("{}{name}.", self.prefix),
            used: self.used.clone(),
        }
    }

    /// The published name of the part that this builder builds.
    pub fn path(&self) -> &str {
        self.prefix.trim_end_matches('.')
    }

    /// The full published name of `name`.
    pub fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A free-standing learnable tensor.
    ///
    /// # Errors
    /// [`LoadError::Missing`] or [`LoadError::Shape`].
    pub fn param(&self, name: &str, shape: &[usize], init: Init) -> Result<B::Param, LoadError> {
        let tensor = self.tensor(name, shape, init)?;
        Ok(self.backend.param(&self.name(name), &tensor))
    }

    /// A tensor that published checkpoints carry and the network never reads; it
    /// may hold anything.
    ///
    /// # Errors
    /// As [`Builder::param`].
    pub fn unused(&self, name: &str, shape: &[usize], init: Init) -> Result<(), LoadError> {
        let tensor = self.find(name, shape, || self.drawn(name, shape, init))?;
        self.backend.keep(&self.name(name), &tensor);
        Ok(())
    }

    /// A learned vector for each of `rows` things: `name.weight`, `[rows, channels]`.
    ///
    /// # Errors
    /// As [`Builder::param`].
    pub fn embedding(
        &self,
        name: &str,
        rows: usize,
        channels: usize,
        init: Init,
    ) -> Result<Embedding<B>, LoadError> {
        let table = self.sub(name).param("weight", &[rows, channels], init)?;
        Ok(Embedding::new(self.name(name), [rows, channels], table))
    }

    /// A layer of a masked time-to-first-spike code: `name.step`, learned, and what calibration
    /// finds, `name.zero_level` and `name.mask_level`.
    ///
    /// # Errors
    /// [`LoadError::Code`] for numbers that make no code, or as [`Builder::param`].
    pub fn coded(&self, name: &str, config: CoderConfig) -> Result<CodedLayer<B>, LoadError> {
        let part = self.sub(name);
        let number = |name: &str, value: u32| {
            part.find(name, &[], || Tensor::I64(ndarray::arr0(value.into()).into_dyn()))
        };
        // Until the first training pass calibrates it, 0 is in the middle.
        let middle = config.levels.saturating_sub(1) / 2;
        let parts = CoderParts {
            name: self.name(name),
            config,
            step: part.tensor("step", &[], Init::Constant(0.5))?,
            zero_point: number("zero_level", middle)?,
            mask: number("mask_level", middle)?,
            tracked: number("num_batches_tracked", 0)?,
        };
        parts.code().map_err(|source| LoadError::Code { name: parts.name.clone(), source })?;
        Ok(CodedLayer::new(parts.name.clone(), self.backend.coder(&parts)))
    }

    /// A synapse of one stage. Its name is that of its weight.
    ///
    /// # Errors
    /// As [`Builder::param`].
    pub fn synapse(&self, stage: Stage<'_>) -> Result<Synapse<B>, LoadError> {
        self.synapse_reading(None, stage)
    }

    /// As [`Builder::synapse`], for an input that is the levels of `reads`.
    ///
    /// # Errors
    /// As [`Builder::param`].
    pub fn synapse_reading(
        &self,
        reads: Option<IntegerNeuron>,
        stage: Stage<'_>,
    ) -> Result<Synapse<B>, LoadError> {
        let (name, map) = (stage.weight.clone(), stage.map);
        self.chain(&name, map, reads, vec![stage])
    }

    /// A synapse of several linear stages that together are `map`. `reads` is
    /// the integer neuron whose levels are its input, if they are.
    ///
    /// # Errors
    /// As [`Builder::param`].
    pub fn chain(
        &self,
        name: &str,
        map: Map,
        reads: Option<IntegerNeuron>,
        stages: Vec<Stage<'_>>,
    ) -> Result<Synapse<B>, LoadError> {
        let stages = stages.into_iter().map(|stage| self.stage(stage));
        let name = self.name(name);
        let stages = stages.collect::<Result<_, _>>()?;
        let parts = SynapseParts { name: name.clone(), map, reads, stages };
        Ok(Synapse::new(name, map, self.backend.synapse(&parts)))
    }

    fn stage(&self, stage: Stage<'_>) -> Result<StageParts, LoadError> {
        let Stage { weight, map, trailing, init, bias, norms, border, grid } = stage;
        let part = self.sub(&weight);
        let mut shape = map.weight_shape();
        shape.extend(std::iter::repeat_n(1, trailing));
        let values = part.tensor("weight", &shape, init)?;
        Ok(StageParts {
            name: self.name(&weight),
            map,
            quantizer: match grid {
                None => None,
                Some(Grid::Learned { bits }) => {
                    Some(WeightQuantizer::Lsq(part.lsq(&values, bits)?))
                }
                Some(Grid::Log(code)) => Some(WeightQuantizer::Log(code)),
            },
            weight: values,
            bias: bias.map(|init| part.tensor("bias", &[map.outputs()], init)).transpose()?,
            norms: norms
                .into_iter()
                .map(|norm| self.batch_norm(norm, map.outputs()))
                .collect::<Result<_, _>>()?,
            border,
        })
    }

    /// The quantiser of `weight`, `[outputs, ...]`. Until `init_state` says that
    /// the steps are set, published code holds any bits there, and sets them
    /// from the weights in its first training pass. We do it now.
    fn lsq(&self, weight: &Tensor, bits: u32) -> Result<Lsq, LoadError> {
        let outputs = &weight.shape()[..1];
        let zeros = |name, shape| self.find(name, shape, || Tensor::filled(shape, 0.0));
        let (mut alpha, mut state) = (zeros("alpha", outputs)?, zeros("init_state", &[1])?);
        let set = state.to_f32().iter().all(|&flag| flag != 0.0);
        if !set && !matches!(self.source, Source::Zeros) {
            alpha = self.keep("alpha", Tensor::filled(outputs, Lsq::initial_step(weight, bits)));
            state = self.keep("init_state", Tensor::filled(&[1], 1.0));
        }
        self.check_finite("alpha", &alpha)?;
        self.backend.keep(&self.name("init_state"), &state);
        Ok(Lsq { name: self.name("alpha"), alpha, bits })
    }

    /// A neuron layer; a PLIF brings its learned leak, `name.w`.
    ///
    /// # Errors
    /// [`LoadError::Neuron`], or as [`Builder::param`].
    pub fn neuron(&self, name: &str, neuron: Neuron) -> Result<NeuronLayer<B>, LoadError> {
        neuron.validate()?;
        let leak = neuron
            .initial_leak()
            .map(|w| self.sub(name).param("w", &[], Init::Constant(w)))
            .transpose()?;
        Ok(NeuronLayer::new(self.name(name), neuron, leak))
    }

    /// A layer of integer neurons.
    pub fn integer_neuron(&self, name: &str, neuron: IntegerNeuron) -> IntegerLayer {
        IntegerLayer::new(self.name(name), neuron)
    }

    /// Ends building.
    ///
    /// Gives every tensor that the network asked for: with a drawn source, the
    /// network's complete initial checkpoint.
    ///
    /// # Errors
    /// [`LoadError::Extra`] if the checkpoint holds tensors that nothing asked
    /// for.
    pub fn finish(self) -> Result<Weights, LoadError> {
        let used = self.used.take();
        if let Source::Load(weights) = self.source {
            let mut extra = weights.tensors.iter().filter(|(name, _)| used.get(name).is_none());
            if let Some((name, tensor)) = extra.next() {
                return Err(LoadError::Extra {
                    name: name.clone(),
                    found: tensor.shape().to_vec(),
                    others: extra.count(),
                });
            }
        }
        Ok(used)
    }

    fn batch_norm(&self, name: &str, channels: usize) -> Result<BatchNorm, LoadError> {
        let part = self.sub(name);
        let vector = |name, value| part.tensor(name, &[channels], Init::Constant(value));
        Ok(BatchNorm {
            name: self.name(name),
            weight: vector("weight", 1.0)?,
            bias: vector("bias", 0.0)?,
            mean: vector("running_mean", 0.0)?,
            var: vector("running_var", 1.0)?,
            tracked: part
                .find("num_batches_tracked", &[], || Tensor::I64(ndarray::arr0(0).into_dyn()))?,
        })
    }

    /// A tensor that the network reads: finite numbers.
    fn tensor(&self, name: &str, shape: &[usize], init: Init) -> Result<Arc<Tensor>, LoadError> {
        let tensor = self.find(name, shape, || self.drawn(name, shape, init))?;
        self.check_finite(name, &tensor)?;
        Ok(tensor)
    }

    fn check_finite(&self, name: &str, tensor: &Tensor) -> Result<(), LoadError> {
        match self.source {
            Source::Zeros => Ok(()), // looking would make the memory real
            _ => match tensor.not_finite() {
                Some((index, found)) => {
                    Err(LoadError::NotFinite { name: self.name(name), found, index })
                }
                None => Ok(()),
            },
        }
    }

    fn drawn(&self, name: &str, shape: &[usize], init: Init) -> Tensor {
        match self.source {
            Source::Draw { seed } => Tensor::F32(init.draw(seed, &self.name(name), shape)),
            Source::Zeros => Tensor::filled(shape, 0.0),
            Source::Load(_) => unreachable!("a checkpoint draws nothing"),
        }
    }

    fn find(
        &self,
        name: &str,
        shape: &[usize],
        draw: impl FnOnce() -> Tensor,
    ) -> Result<Arc<Tensor>, LoadError> {
        let Source::Load(weights) = self.source else { return Ok(self.keep(name, draw())) };
        let full = self.name(name);
        let tensor = match weights.tensors.get(&full) {
            Some(tensor) if tensor.shape() == shape => tensor.clone(),
            Some(tensor) => {
                let (expected, found) = (shape.to_vec(), tensor.shape().to_vec());
                return Err(LoadError::Shape { name: full, expected, found });
            }
            None => {
                let near = nearest(weights, &full);
                return Err(LoadError::Missing { name: full, expected: shape.to_vec(), near });
            }
        };
        self.used.borrow_mut().tensors.insert(full, tensor.clone());
        Ok(tensor)
    }

    /// Notes a tensor that the network has asked for.
    fn keep(&self, name: &str, tensor: Tensor) -> Arc<Tensor> {
        let tensor = Arc::new(tensor);
        self.used.borrow_mut().tensors.insert(self.name(name), tensor.clone());
        tensor
    }
}

/// The tensor whose name shares the longest ending with `name`: what a wrapper
/// such as `module.` in front would hide.
fn nearest(weights: &Weights, name: &str) -> Option<String> {
    let shared =
        |other: &str| name.rsplit('.').zip(other.rsplit('.')).take_while(|(a, b)| a == b).count();
    let (count, best) = weights.tensors.keys().map(|other| (shared(other), other)).max()?;
    (count > 1).then(|| best.clone())
}

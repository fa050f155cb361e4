//! Hash functions learned from tokens alone, before training.

use std::{collections::BTreeMap, sync::Arc};

use ndarray::{Array, Array4, ArrayD, Axis, Dimension, Ix2, Ix3, concatenate};
use serde::{Deserialize, Serialize};
use snn_core::{Backend, Event, Input, Pass, Probe};
use snn_data::{Loader, LoaderConfig, Source};
use snn_hash::{Fit, MultiBandwidth, Scale};
use snn_models::{
    Config as Model, Frames, Network,
    efficient::{Attention, Hashed},
};
use tch::Tensor;

use super::RunError;
use crate::torch::{Torch, publish, to_torch};

/// The greedy fit of EcoFormer ([`Fit`]) to queries and keys as they look in the network as it is
/// drawn: attention after attention, since what one gives the next one hashes. Training goes on
/// from these functions.
///
/// Source: Liu et al., *EcoFormer*, NeurIPS 2022, arXiv 2209.09004, where the task never moves
/// them; that it does here is our reading.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HashFitConfig {
    /// Training images whose tokens are looked at, drawn from the seed of the run.
    pub images: usize,
    /// Most and least similar tokens that a token is labelled with, of the queries and keys of an
    /// image at a time step.
    pub neighbours: usize,
    /// Learning rate.
    pub rate: f64,
    /// Momentum.
    pub momentum: f64,
    /// Steps for each bit.
    pub iterations: usize,
}

impl Default for HashFitConfig {
    fn default() -> Self {
        let Fit { neighbours, rate, momentum, iterations } = Fit::default();
        Self { images: 32, neighbours, rate, momentum, iterations }
    }
}

impl HashFitConfig {
    /// Checks the numbers.
    pub(super) fn validate(&self) -> Result<(), RunError> {
        let Self { images, neighbours, rate, momentum, iterations: _ } = *self;
        let check = |key, ok, found, expected| {
            if ok { Ok(()) } else { Err(RunError::Value { key, found, expected }) }
        };
        let one = "at least 1";
        check("hash_fit.images", images > 0, images.to_string(), one)?;
        check("hash_fit.neighbours", neighbours > 0, neighbours.to_string(), one)?;
        let (positive, range) = (rate > 0.0 && rate.is_finite(), "a finite number above 0");
        check("hash_fit.rate", positive, rate.to_string(), range)?;
        let share = (0.0..1.0).contains(&momentum);
        check("hash_fit.momentum", share, momentum.to_string(), "from 0 to below 1")
    }

    /// Learns the hash functions of `network`, whose tensors `backend` owns.
    pub(super) fn run(
        &self,
        model: &Model,
        (backend, network): (&Torch, &dyn Network<Torch>),
        train: &Arc<dyn Source>,
        seed: u64,
    ) -> Result<(), RunError> {
        let hashed = match model {
            Model::EfficientSpikingTransformer(config) => match &config.attention {
                Attention::Hashed(hashed) => Some(hashed),
                Attention::Softmax => None,
            },
            _ => None,
        };
        let Some(hashed) = hashed else {
            let (found, expected) = ("given".into(), "none: the model has no hash functions");
            return Err(RunError::Value { key: "hash_fit", found, expected });
        };
        let batch = self.images.min(train.len());
        let config = LoaderConfig { batch, seed, shuffle: true, ..LoaderConfig::default() };
        let Some(batch) = Loader::new(Arc::clone(train), config)?.epoch(0).next() else {
            return Ok(());
        };
        let input = Frames::new(backend, &batch?.inputs);
        let parameters: BTreeMap<String, Tensor> = backend.parameters().into_iter().collect();
        let Self { neighbours, rate, momentum, iterations, .. } = *self;
        let fit = Fit { neighbours, rate, momentum, iterations };
        for index in 0.. {
            let mut seen = Seen { skip: index, tokens: None };
            tch::no_grad(|| {
                network.forward(&mut Pass::train(backend).with_probe(&mut seen), &input);
            });
            let Some((name, tokens)) = seen.tokens else { break };
            let functions = Functions { parameters: &parameters, name: &name, hashed };
            let seed = seed.wrapping_add(index as u64);
            let fitted = functions.get().and_then(|hash| hash.fitted(&fit, tokens.view(), seed));
            functions.set(&fitted.map_err(|source| RunError::Hash { name: name.clone(), source })?);
        }
        Ok(())
    }
}

/// Looks at the tokens of one attention.
struct Seen {
    /// Attentions before it.
    skip: usize,
    /// Its name, and queries and keys one after the other, `[T B, heads, 2 N, width]`: the last
    /// step first, when all neurons have had time to fire, since it gives the support points.
    tokens: Option<(String, Array4<f64>)>,
}

impl Probe<Torch> for Seen {
    fn observe(&mut self, backend: &Torch, event: Event<'_, Torch>) {
        let Event::Hash { name, tokens: [q, k], heads, .. } = event else { return };
        match self.skip.checked_sub(1) {
            Some(left) => self.skip = left,
            None if self.tokens.is_none() => {
                let [q, k] = [q, k].map(|x| by_head(&backend.read(Input::Real(x)), heads));
                let both = match concatenate(Axis(2), &[q.view(), k.view()]) {
                    Ok(both) => both,
                    Err(e) => unreachable!("queries and keys of the same tokens: {e}"),
                };
                self.tokens = Some((name.into(), both));
            }
            None => {}
        }
    }
}

/// `[T, B, positions..., C]` to `[T B, heads, N, C / heads]`, the last step first.
fn by_head(x: &ArrayD<f64>, heads: usize) -> Array4<f64> {
    let shape = x.shape();
    let (samples, channels) = (shape[0] * shape[1], shape[shape.len() - 1]);
    let mut x = x.view();
    x.invert_axis(Axis(0));
    let tokens = x.len() / (samples * channels).max(1);
    let shape = (samples, tokens, heads, channels / heads);
    match x.as_standard_layout().into_owned().into_shape_with_order(shape) {
        Ok(x) => x.permuted_axes([0, 2, 1, 3]).as_standard_layout().into_owned(),
        Err(e) => unreachable!("as many numbers: {e}"),
    }
}

/// The hash functions of an attention as parameters of the network.
struct Functions<'a> {
    parameters: &'a BTreeMap<String, Tensor>,
    name: &'a str,
    hashed: &'a Hashed,
}

impl Functions<'_> {
    fn parameter(&self, part: &str) -> &Tensor {
        let name = format!("{}.hash.{part}", self.name);
        match self.parameters.get(&name) {
            Some(tensor) => tensor,
            None => unreachable!("an attention that hashes has `{name}`"),
        }
    }

    fn numbers<D: Dimension>(&self, part: &str) -> Array<f64, D> {
        let numbers = publish(self.parameter(part)).to_f32().mapv(f64::from);
        match numbers.into_dimensionality() {
            Ok(numbers) => numbers,
            Err(e) => unreachable!("as the attention made it: {e}"),
        }
    }

    fn get(&self) -> Result<MultiBandwidth<f64>, snn_hash::HashError> {
        let support = self.numbers::<Ix3>("support");
        let scale = |s: usize| Scale {
            multiplier: self.hashed.bandwidth(s),
            centre: self.numbers::<Ix2>(&format!("{s}.centre")),
            projection: self.numbers::<Ix3>(&format!("{s}.projection")),
        };
        MultiBandwidth::new(support, (0..self.hashed.bits.len()).map(scale).collect())
    }

    fn set(&self, hash: &MultiBandwidth<f64>) {
        let put = |part: &str, values: ArrayD<f64>| {
            tch::no_grad(|| self.parameter(part).shallow_clone().copy_(&to_torch(&values)));
        };
        put("support", hash.support().clone().into_dyn());
        for (s, scale) in hash.scales().iter().enumerate() {
            put(&format!("{s}.centre"), scale.centre.clone().into_dyn());
            put(&format!("{s}.projection"), scale.projection.clone().into_dyn());
        }
    }
}

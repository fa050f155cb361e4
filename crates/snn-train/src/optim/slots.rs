use snn_core::{LoadError, Tensor as Published, Weights};
use tch::Tensor;

use crate::{
    shim,
    torch::{publish, shape, to_torch},
};

/// Parameters, each with the moments that an optimiser keeps of it.
#[derive(Debug)]
pub(super) struct Slots<const N: usize> {
    names: [&'static str; N],
    slots: Vec<Slot<N>>,
}

/// One parameter.
#[derive(Debug)]
pub(super) struct Slot<const N: usize> {
    name: String,
    pub parameter: Tensor,
    /// Updates so far.
    pub steps: i64,
    /// Shaped like the parameter; zero before the first step.
    pub moments: [Tensor; N],
}

/// Name under which the updates of a parameter are saved.
const STEPS: &str = "step";

impl<const N: usize> Slots<N> {
    pub(super) fn new(parameters: Vec<(String, Tensor)>, names: [&'static str; N]) -> Self {
        let slot = |(name, parameter): (String, Tensor)| Slot {
            name,
            steps: 0,
            moments: std::array::from_fn(|_| parameter.detach().zeros_like()),
            parameter,
        };
        Self { names, slots: parameters.into_iter().map(slot).collect() }
    }

    /// Begins a step: what has a gradient, with it, its step counted.
    pub(super) fn moving(&mut self) -> impl Iterator<Item = (&mut Slot<N>, Tensor)> {
        self.slots.iter_mut().filter_map(|slot| {
            let gradient = slot.parameter.grad();
            gradient.defined().then(|| {
                slot.steps += 1;
                (slot, gradient)
            })
        })
    }

    pub(super) fn zero_grad(&mut self) {
        self.slots.iter().for_each(|slot| shim::forget_gradient(&slot.parameter));
    }

    pub(super) fn state(&self) -> Weights {
        let mut state = Weights::default();
        for slot in &self.slots {
            let steps = ndarray::arr0(slot.steps).into_dyn();
            state.insert(slot.key(STEPS), Published::I64(steps));
            for (name, moment) in self.names.iter().zip(&slot.moments) {
                state.insert(slot.key(name), publish(moment));
            }
        }
        state
    }

    pub(super) fn restore(&mut self, state: &Weights) -> Result<(), LoadError> {
        let mut known = std::collections::BTreeSet::new();
        let mut find = |name: String, shape: Vec<usize>| {
            let tensor = match state.get(&name) {
                Some(tensor) if tensor.shape() == shape => tensor,
                Some(tensor) => {
                    let found = tensor.shape().to_vec();
                    return Err(LoadError::Shape { name, expected: shape, found });
                }
                None => return Err(LoadError::Missing { name, expected: shape, near: None }),
            };
            known.insert(name);
            Ok(tensor)
        };
        let mut restored = Vec::new();
        for slot in &self.slots {
            let steps = find(slot.key(STEPS), Vec::new())?;
            let moments = self
                .names
                .iter()
                .map(|name| find(slot.key(name), shape(&slot.parameter)))
                .collect::<Result<Vec<_>, _>>()?;
            restored.push((steps, moments));
        }
        let mut extra = state.tensors.iter().filter(|(name, _)| !known.contains(*name));
        if let Some((name, tensor)) = extra.next() {
            return Err(LoadError::Extra {
                name: name.clone(),
                found: tensor.shape().to_vec(),
                others: extra.count(),
            });
        }
        for (slot, (steps, moments)) in self.slots.iter_mut().zip(restored) {
            slot.steps = match steps {
                Published::I64(steps) => steps.first().copied().unwrap_or(0),
                Published::F32(steps) => steps.first().map_or(0, |&steps| steps as i64),
            };
            for (own, saved) in slot.moments.iter_mut().zip(moments) {
                own.copy_(&to_torch(&saved.to_f32()));
            }
        }
        Ok(())
    }
}

impl<const N: usize> Slot<N> {
    fn key(&self, moment: &str) -> String {
        format!("{}.{moment}", self.name)
    }

    /// Whether the parameter decays, where vectors and numbers (biases,
    /// BatchNorms, leaks) do only `with_vectors`, and delays and the steps of codes never.
    pub(super) fn decays(&self, with_vectors: bool) -> bool {
        (with_vectors || self.parameter.dim() > 1) && !self.is_delay() && !self.is("step")
    }

    /// What the learning rate is multiplied by. Delays are numbers of time
    /// steps, ten times as large as weights; the step of a code moves every
    /// level of its layer at once, and must not wander through zero.
    pub(super) fn pace(&self) -> f64 {
        if self.is_delay() {
            10.0
        } else if self.is("step") {
            0.1
        } else {
            1.0
        }
    }

    fn is_delay(&self) -> bool {
        self.is("delays")
    }

    /// Whether this is the last part of its name.
    fn is(&self, last: &str) -> bool {
        self.name.rsplit('.').next() == Some(last)
    }
}

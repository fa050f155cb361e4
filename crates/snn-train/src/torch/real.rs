use std::{cell::OnceCell, rc::Rc};

use snn_core::{Input, Signal};
use tch::Tensor;

use super::{
    Torch,
    convert::{lengths, shape},
};
use crate::shim::{self, Norm};

/// Currents, membranes, logits.
///
/// What comes out of a synapse that ends in a BatchNorm may be a promise: the
/// neuron that redeems it normalises on the way, and the current never reaches
/// memory.
#[derive(Clone, Debug)]
pub struct Real(Rc<Current>);

#[derive(Debug)]
struct Current {
    value: OnceCell<Tensor>,
    promise: Option<Promise>,
}

/// `norm` of `x` (`[T, B, positions..., C]`), on a CPU; an `x` of one step
/// stands for all `steps`.
#[derive(Debug)]
struct Promise {
    norm: Norm,
    x: Tensor,
    steps: i64,
}

impl Real {
    pub(super) fn new(value: Tensor) -> Self {
        Self(Rc::new(Current { value: value.into(), promise: None }))
    }

    pub(super) fn promise(norm: Norm, x: Tensor) -> Self {
        let steps = x.size()[0];
        Self::promised(Promise { norm, x, steps })
    }

    fn promised(promise: Promise) -> Self {
        Self(Rc::new(Current { value: OnceCell::new(), promise: Some(promise) }))
    }

    /// The promise, unless it was kept.
    fn open(&self) -> Option<&Promise> {
        if self.0.value.get().is_none() { self.0.promise.as_ref() } else { None }
    }

    /// All steps, `repeats` times one after the other.
    pub(super) fn repeated(self, repeats: i64) -> Self {
        match self.open() {
            _ if repeats == 1 => self,
            Some(promise) if promise.steps == 1 => {
                Self::promised(Promise { steps: repeats, ..promise.clone() })
            }
            _ => {
                let once = self.tensor();
                let mut whole = once.size();
                let apart = [&[repeats], &whole[..]].concat();
                whole[0] *= repeats;
                Self::new(once.unsqueeze(0).expand(apart, false).reshape(whole))
            }
        }
    }

    /// The tensor itself, floats `[T, B, positions..., C]`.
    pub fn tensor(&self) -> &Tensor {
        self.0.value.get_or_init(|| match &self.0.promise {
            Some(Promise { norm, x, steps }) => {
                let once = shim::norm(norm, x);
                let mut size = once.size();
                size[0] = *steps;
                once.expand(size, false)
            }
            None => unreachable!("without a promise there is a value"),
        })
    }

    /// What a neuron can take instead: a normalisation, if it is still to be
    /// done, what it is of, and the steps that this stands for.
    pub(super) fn parts(&self) -> (Option<&Norm>, &Tensor, i64) {
        match self.open() {
            Some(Promise { norm, x, steps }) => (Some(norm), x, *steps),
            None => (None, self.tensor(), self.tensor().size()[0]),
        }
    }
}

impl Clone for Promise {
    /// The same memory.
    fn clone(&self) -> Self {
        Self { norm: self.norm.clone(), x: self.x.shallow_clone(), steps: self.steps }
    }
}

impl Signal<Torch> for Real {
    fn input(&self) -> Input<'_, Torch> {
        Input::Real(self)
    }

    fn shape(&self) -> Vec<usize> {
        let (_, x, steps) = self.parts();
        let mut shape = shape(x);
        shape[0] = usize::try_from(steps).unwrap_or(0);
        shape
    }

    fn reshape(&self, shape: &[usize]) -> Self {
        let before = self.shape();
        let keeps_ends = shape.first() == before.first() && shape.last() == before.last();
        if let Some(promise) = self.open().filter(|_| keeps_ends) {
            let mut size = lengths(shape);
            size[0] = promise.x.size()[0];
            return Self::promised(Promise { x: promise.x.reshape(size), ..promise.clone() });
        }
        Self::new(self.tensor().reshape(lengths(shape)))
    }

    fn permute(&self, axes: &[usize]) -> Self {
        Self::new(self.tensor().permute(lengths(axes)))
    }
}

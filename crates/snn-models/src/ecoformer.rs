//! The attention of EcoFormer: queries and keys share a projection, are hashed
//! by kernels to short codes, and meet in time linear in the number of tokens.
//!
//! Source: Liu et al., *EcoFormer: Energy-Saving Attention with Linear
//! Complexity*, NeurIPS 2022, arXiv 2209.09004. It is an attention for networks
//! of real numbers (PVTv2, Twins); [`efficient`](crate::efficient) is what we
//! make of it in a spiking transformer. Parameter names and shapes are the
//! authors', so a part of their checkpoint builds it:
//!
//! ```
//! use ndarray::ArrayD;
//! use snn_core::{Backend, Builder, Pass, Reference, Signal};
//! use snn_models::ecoformer::Config;
//!
//! let backend = Reference::<f32>::new();
//! // `Builder::load` with the weights of a network, and `sub("block1.0.attn")`.
//! let from = Builder::draw(&backend, 1);
//! let attention = Config::new(32, 2).build(&from)?;
//! let tokens = backend.real(&ArrayD::from_shape_fn(vec![1, 1, 49, 32], |i| (i[2] + i[3]) as f32));
//! let y = attention.forward(&mut Pass::new(&backend), &tokens);
//! assert_eq!(y.shape(), tokens.shape());
//! # Ok::<(), snn_core::LoadError>(())
//! ```

use serde::{Deserialize, Serialize};
use snn_attn::{HashAttend, HashFunctions, HashScale, codes::Bias};
use snn_core::{
    Backend, Builder, Event, Init, LoadError, Pass, Signal, Stage, layer::Synapse, neuron::SIGN,
};

use crate::{
    attention::product,
    check::{divisor, positive},
};

/// Shape of the attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Channels C of a token.
    pub dim: usize,
    /// Heads.
    pub heads: usize,
    /// Bits of a code.
    pub bits: usize,
    /// Support points of the kernels.
    pub points: usize,
    /// Whether `to_qk` and `to_v` have a bias, as in Twins.
    pub qkv_bias: bool,
    /// Where the constant of the similarity enters; released weights expect
    /// [`Bias::Official`].
    pub bias: Bias,
}

impl Config {
    /// The attention of the released PVTv2 networks.
    pub const fn new(dim: usize, heads: usize) -> Self {
        Self { dim, heads, bits: 16, points: 25, qkv_bias: false, bias: Bias::Official }
    }

    /// Builds the attention from `to_qk`, `to_v`, `proj` and `fast_attention`.
    ///
    /// The hash functions are buffers in the released code, learned from tokens
    /// alone ([`snn_hash::Fit`]); a backend that trains fine-tunes them.
    ///
    /// # Errors
    /// [`LoadError`] if the configuration is contradictory or tensors do not
    /// fit it.
    pub fn build<B: Backend>(&self, from: &Builder<'_, B>) -> Result<Attention<B>, LoadError> {
        let Self { dim, heads, bits, points, qkv_bias, bias } = *self;
        positive("dim", dim)?;
        positive("bits", bits)?;
        positive("points", points)?;
        divisor("heads", heads, dim)?;
        let map = |name: &str, biased| {
            let stage = Stage::linear(name, dim, dim).init(Init::Normal(0.02));
            from.synapse(if biased { stage.bias(Init::Constant(0.0)) } else { stage })
        };
        let (width, hash) = (dim / heads, from.sub("fast_attention"));
        // Random features of the attention that this one was derived from.
        let features = (width as f64 * (width as f64).ln()) as usize;
        hash.unused("projection_matrix", &[features, width], Init::Constant(0.0))?;
        let ksh = hash.sub("ksh");
        let near = Init::Normal(1.0 / (width as f64).sqrt());
        let scale = HashScale {
            bandwidth: 1.0,
            bits,
            centre: ksh.param("mvec", &[1, heads, 1, points], Init::Constant((-0.5f64).exp()))?,
            projection: ksh.param("A", &[heads, bits, points], Init::Normal(1.0))?,
        };
        Ok(Attention {
            name: from.path().to_owned(),
            heads,
            bias,
            to_qk: map("to_qk", qkv_bias)?,
            to_v: map("to_v", qkv_bias)?,
            proj: map("proj", true)?,
            functions: HashFunctions {
                heads,
                points,
                support: ksh.param("anchor", &[1, heads, points, width], near)?,
                scales: vec![scale],
            },
        })
    }
}

/// The attention.
pub struct Attention<B: Backend> {
    name: String,
    heads: usize,
    bias: Bias,
    to_qk: Synapse<B>,
    to_v: Synapse<B>,
    proj: Synapse<B>,
    functions: HashFunctions<B::Param>,
}

impl<B: HashAttend> Attention<B> {
    /// Tokens `[T, B, positions..., C]` in and out.
    pub fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Real) -> B::Real {
        let (qk, v) = (self.to_qk.forward(pass, x), self.to_v.forward(pass, x));
        let signs = hashed(pass.backend, &qk, &self.functions);
        let codes = pass.backend.fire(&SIGN, None, &signs, None).0;
        let (heads, points) = (self.heads, self.functions.points);
        product(pass, &self.name, "distances", &qk, points);
        product(pass, &self.name, "signs", &signs, points);
        let width = v.shape()[v.shape().len() - 1] / heads;
        // A code of -1 and +1 adds or subtracts a row for every bit, set or not.
        for part in ["kv", "qkv"] {
            for side in [&codes, &pass.backend.complement(&codes)] {
                product(pass, &self.name, part, side, width + 1);
            }
        }
        let (q, k) = (codes.input(), codes.input());
        pass.observe(Event::Attention { name: &self.name, q, k, heads });
        let mean = pass.backend.attend_hashed(&codes, &v, heads, self.bias);
        self.proj.forward(pass, &mean)
    }
}

/// What the bits of the only side are the signs of.
fn hashed<B: HashAttend>(backend: &B, x: &B::Real, functions: &HashFunctions<B::Param>) -> B::Real {
    let mut signs = backend.hash(&[x], functions);
    match signs.pop() {
        Some(signs) => signs,
        None => unreachable!("a side gives its signs"),
    }
}

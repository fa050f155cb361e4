//! What the codes of a network cost beside its task.

use serde::{Deserialize, Serialize};
use snn_core::{Event, Probe};
use tch::{Kind, Tensor};

use crate::{
    loss::codes::{Pairs, align, balance, diversity, entropy, fraction, fusion, hash},
    torch::{Torch, tensor_of},
};

/// Weights of the losses of codes, [`loss::codes`](crate::loss::codes); those of hashes and delays
/// are means over the attentions that have them. A weight of 0 leaves a loss out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CodesConfig {
    /// Of codes that agree for tokens alike and disagree for others.
    pub hash: f64,
    /// Similarity that tokens alike should reach, -1 to 1.
    pub gamma: f64,
    /// Similarity that others should stay below.
    pub gamma_neg: f64,
    /// Most and least similar tokens that a token is compared with. Who is similar says the dot
    /// product of the tokens.
    pub neighbours: usize,
    /// Of the mean firing rate over all neurons.
    pub sparsity: f64,
    /// Firing rate to reach: then the loss is the squared distance to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Of the distance of codes of tokens alike, scale by scale.
    pub fusion: f64,
    /// Of scales that repeat each other.
    pub diversity: f64,
    /// Of the entropy of the weights of the scales, which it rewards.
    pub entropy: f64,
    /// Of bits that are not set half of the time.
    pub balance: f64,
    /// Of the length of delays.
    pub align: f64,
    /// Of delays between whole steps.
    pub fraction: f64,
}

impl Default for CodesConfig {
    fn default() -> Self {
        Self {
            hash: 0.1,
            gamma: 0.5,
            gamma_neg: 0.0,
            neighbours: 10,
            sparsity: 1e-3,
            rate: None,
            fusion: 0.1,
            diversity: 0.05,
            entropy: 0.01,
            balance: 0.01,
            align: 1e-3,
            fraction: 0.0,
        }
    }
}

impl CodesConfig {
    /// Each number with its name.
    pub(super) fn numbers(&self) -> [(&'static str, f64); 8] {
        [
            ("codes.hash", self.hash),
            ("codes.sparsity", self.sparsity),
            ("codes.fusion", self.fusion),
            ("codes.diversity", self.diversity),
            ("codes.entropy", self.entropy),
            ("codes.balance", self.balance),
            ("codes.align", self.align),
            ("codes.fraction", self.fraction),
        ]
    }
}

/// The losses of one pass, as it runs.
pub(super) struct Codes {
    config: CodesConfig,
    /// Spikes and neurons.
    fired: Option<(Tensor, f64)>,
    /// Of every attention on codes, with its weights in.
    hashes: Vec<Tensor>,
}

impl Codes {
    pub fn new(config: CodesConfig) -> Self {
        Self { config, fired: None, hashes: Vec::new() }
    }

    /// `loss` with that of the codes.
    pub fn correct(self, loss: &Tensor) -> Tensor {
        let mut loss = loss.shallow_clone();
        if let Some((spikes, neurons)) = self.fired {
            let rate = spikes / neurons;
            let cost = match self.config.rate {
                Some(target) => (rate - target).square(),
                None => rate,
            };
            loss += cost * self.config.sparsity;
        }
        if !self.hashes.is_empty() {
            loss += Tensor::stack(&self.hashes, 0).mean(None);
        }
        loss
    }
}

impl Probe<Torch> for Codes {
    fn observe(&mut self, _: &Torch, event: Event<'_, Torch>) {
        match event {
            Event::Neuron { output, unit, .. } if self.config.sparsity > 0.0 => {
                let spikes = tensor_of(output);
                let (sum, neurons) = (spikes.sum(None::<Kind>) * unit, spikes.numel() as f64);
                self.fired = Some(match self.fired.take() {
                    Some((spikes, count)) => (spikes + sum, count + neurons),
                    None => (sum, neurons),
                });
            }
            Event::Hash { tokens, signs, heads, bits, scales, delays, .. } => {
                let [tokens, signs] = [tokens, signs].map(|x| x.map(|x| x.tensor()));
                let learned = scales.map(|x| x.softmax(0, None::<Kind>));
                let mut sum = self.config.of_hash(tokens, signs, heads, bits, learned.as_ref());
                if let Some(delays) = delays {
                    sum += align(delays) * self.config.align;
                    sum += fraction(delays) * self.config.fraction;
                }
                self.hashes.push(sum);
            }
            _ => {}
        }
    }
}

impl CodesConfig {
    fn of_hash(
        &self,
        tokens: [&Tensor; 2],
        signs: [&Tensor; 2],
        heads: usize,
        bits: &[usize],
        learned: Option<&Tensor>,
    ) -> Tensor {
        let soft = signs.map(|y| by_scale(&by_head(y, heads).tanh(), bits));
        let [q, k] = tokens.map(|x| by_head(&x.detach(), heads));
        let pairs = Pairs::of(&q.matmul(&k.transpose(-1, -2)), self.neighbours);
        // As one long code, the longer scale weighs more.
        let total: usize = bits.iter().sum();
        let lengths: Vec<f64> = bits.iter().map(|&bits| bits as f64 / total as f64).collect();
        let shares = match learned {
            Some(shares) => shares.shallow_clone(),
            None => Tensor::from_slice(&lengths).to_kind(q.kind()).to_device(q.device()),
        };
        let agree = soft[0].iter().zip(&soft[1]).zip(bits);
        let agree = agree.map(|((q, k), &bits)| q.matmul(&k.transpose(-1, -2)) / bits as f64);
        let shared = agree.zip(shares.unbind(0)).map(|(agree, share)| agree * share);
        let similarity = shared.reduce(|sum, part| sum + part);
        let Some(similarity) = similarity else { unreachable!("there is a scale") };
        let margins = [self.gamma, self.gamma_neg];
        let mut loss = hash(&similarity, &pairs, margins) * self.hash;
        if self.balance > 0.0 {
            for codes in soft.iter().flatten() {
                loss += balance(codes) * (self.balance / (2 * bits.len()) as f64);
            }
        }
        if bits.len() > 1 {
            loss += fusion(&soft[0], &soft[1], &shares, &pairs.alike) * self.fusion;
            loss += diversity(&soft[1]) * self.diversity;
        }
        if learned.is_some() {
            loss -= entropy(&shares) * self.entropy;
        }
        loss
    }
}

/// `[T, B, positions..., C]` to `[T B, heads, N, C / heads]`.
fn by_head(x: &Tensor, heads: usize) -> Tensor {
    let size = x.size();
    let (heads, channels) = (heads as i64, size[size.len() - 1]);
    x.reshape([size[0] * size[1], -1, heads, channels / heads]).transpose(1, 2)
}

/// The codes of each scale.
fn by_scale(codes: &Tensor, bits: &[usize]) -> Vec<Tensor> {
    let lengths: Vec<i64> = bits.iter().map(|&bits| bits as i64).collect();
    codes.split_with_sizes(lengths, -1)
}

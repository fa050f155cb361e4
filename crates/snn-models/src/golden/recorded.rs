use serde::Deserialize;
use snn_attn::Similarity;

use crate::{
    e_spikeformer, meta_spikeformer,
    qkformer::{self, QkAttention},
    qsd_transformer,
    spike_driven_transformer::{self as sdt, Pooling, SpikeMode},
    spikformer, statten,
    zoo::Config,
};

/// The `config` of a golden file, with the keys of every system.
#[derive(Deserialize)]
pub(super) struct Recorded {
    image: [usize; 2],
    in_channels: usize,
    classes: usize,
    heads: usize,
    mlp_ratio: usize,
    time_steps: usize,
    #[serde(default)]
    dim: usize,
    #[serde(default)]
    depth: usize,
    #[serde(default)]
    pub mode: String,
    #[serde(default)]
    embed_dims: Vec<usize>,
    #[serde(default)]
    levels: u32,
    #[serde(default)]
    weight_bits: u32,
    #[serde(default)]
    distill_head: bool,
    #[serde(default)]
    choice: String,
    #[serde(default)]
    depths: Vec<usize>,
    #[serde(default)]
    pooling: Option<Pooling>,
    #[serde(default)]
    tet: bool,
    #[serde(default)]
    chunk: usize,
    #[serde(default)]
    pub spike_mode: SpikeMode,
    #[serde(default)]
    attention_mode: statten::Mode,
}

impl Recorded {
    pub fn config(&self, system: &str, variant: &str) -> Option<Config> {
        let Self { image, in_channels, classes, heads, mlp_ratio, time_steps, dim, depth, .. } =
            *self;
        match system {
            "spikformer" => Some(Config::Spikformer(spikformer::Config {
                variant: serde_json::from_value(variant.into()).ok()?,
                image,
                in_channels,
                classes,
                dim,
                depth,
                heads,
                mlp_ratio,
                time_steps,
                similarity: Similarity::Dot,
            })),
            "spike-driven-transformer" => {
                Some(Config::SpikeDrivenTransformer(self.spike_driven(variant)?))
            }
            "statten" => {
                let host = self.spike_driven(variant)?;
                let config = statten::Config::on(&host, self.chunk);
                let attention = self.attention_mode;
                Some(Config::Statten(statten::Config { attention, ..config }))
            }
            "meta-spikeformer" => Some(Config::MetaSpikeformer(meta_spikeformer::Config {
                image,
                in_channels,
                classes,
                embed_dims: self.embed_dims.clone().try_into().ok()?,
                depths: self.depths.clone().try_into().ok()?,
                heads,
                mlp_ratio,
                time_steps,
                distill_head: self.distill_head,
                similarity: Similarity::Dot,
            })),
            "e-spikeformer" => self.e_spikeformer(variant).map(Config::ESpikeformer),
            "qsd-transformer" => Some(Config::QsdTransformer(qsd_transformer::Config {
                image,
                in_channels,
                classes,
                embed_dims: self.embed_dims.clone().try_into().ok()?,
                depths: self.depths.clone().try_into().ok()?,
                heads,
                mlp_ratio,
                time_steps,
                weight_bits: self.weight_bits,
            })),
            "qkformer" => Some(Config::Qkformer(qkformer::Config {
                variant: serde_json::from_value(variant.into()).ok()?,
                image,
                in_channels,
                classes,
                dim,
                depths: self.depths.clone(),
                heads,
                mlp_ratio,
                time_steps,
                qk_attention: QkAttention::Token,
                batch_coupled: true,
                similarity: Similarity::Dot,
            })),
            _ => None,
        }
    }

    fn e_spikeformer(&self, variant: &str) -> Option<e_spikeformer::Config> {
        let Self {
            image, in_channels, classes, heads, mlp_ratio, time_steps, depth, levels, ..
        } = *self;
        match variant {
            "base" => Some(e_spikeformer::Config::Base(e_spikeformer::base::Config {
                image,
                in_channels,
                classes,
                embed_dims: self.embed_dims.clone().try_into().ok()?,
                depths: self.depths.clone().try_into().ok()?,
                heads,
                mlp_ratio,
                levels,
            })),
            "large" => Some(e_spikeformer::Config::Large(e_spikeformer::large::Config {
                image,
                in_channels,
                classes,
                embed_dims: self.embed_dims.clone().try_into().ok()?,
                depth,
                heads,
                mlp_ratio,
                time_steps,
                levels,
                distill_head: self.distill_head,
                rep_conv: self.choice == "base",
            })),
            _ => None,
        }
    }

    fn spike_driven(&self, variant: &str) -> Option<sdt::Config> {
        let dvs = match variant {
            "static" => false,
            "dvs" => true,
            _ => return None,
        };
        Some(sdt::Config {
            image: self.image,
            in_channels: self.in_channels,
            events: dvs,
            classes: self.classes,
            dim: self.dim,
            depth: self.depth,
            heads: self.heads,
            mlp_ratio: self.mlp_ratio,
            time_steps: self.time_steps,
            pooling: self.pooling?,
            dvs_mode: dvs,
            tet: self.tet,
            spike_mode: self.spike_mode,
            similarity: Similarity::Dot,
        })
    }
}

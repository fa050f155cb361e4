//! What is compared with what.

use std::num::NonZeroUsize;

use snn_models::{
    Config as Model,
    efficient::{self, Attention, Coding, DelayMode, Fusion, Hashed},
};
use snn_train::run::{CodesConfig, Config, HashFitConfig};

/// Variants that differ in one thing.
pub(super) struct Study {
    /// What it is.
    pub title: &'static str,
    /// What it asks.
    pub lead: &'static str,
    /// What is compared.
    pub variants: Vec<Variant>,
}

/// One way to configure the network.
pub(super) struct Variant {
    /// What sets it apart in its study.
    pub name: String,
    /// How it is trained, but for the seed.
    pub config: Config,
}

/// Bits of a code where a study is about something else.
const BITS: usize = 16;
/// Coarse, middle and fine.
const SCALES: [usize; 3] = [8, 16, 32];
const BANDWIDTHS: [f64; 3] = [4.0, 1.0, 0.25];

/// The studies of the network that `base` describes.
pub(super) fn studies(base: &Config, host: &efficient::Config) -> Vec<Study> {
    let of = |name: &str, attention: Attention, change: &dyn Fn(&mut CodesConfig)| {
        let mut config = base.clone();
        let model = efficient::Config { attention, ..host.clone() };
        config.model = Model::EfficientSpikingTransformer(model);
        change(config.codes.get_or_insert_default());
        Variant { name: name.into(), config }
    };
    let plain = |name: &str, change: &dyn Fn(&mut Hashed)| {
        let mut hashed = hashed(host);
        change(&mut hashed);
        of(name, Attention::Hashed(hashed), &|_| {})
    };
    let scales = |hashed: &mut Hashed, fusion| {
        (hashed.bits, hashed.bandwidths) = (SCALES.to_vec(), BANDWIDTHS.to_vec());
        hashed.fusion = fusion;
    };
    let fused = |weight: f64| {
        let mut hashed = hashed(host);
        scales(&mut hashed, Fusion::Weighted);
        let name = format!("loss weight {weight}");
        of(&name, Attention::Hashed(hashed), &|codes| codes.fusion = weight)
    };
    let delayed = |weight: f64| {
        let hashed = Hashed { delays: DelayMode::Free, ..hashed(host) };
        let name = format!("penalty {weight}");
        of(&name, Attention::Hashed(hashed), &|codes| codes.align = weight)
    };
    let fitted = || {
        let mut variant = plain("fitted", &|_| {});
        let neighbours = variant.config.codes.unwrap_or_default().neighbours;
        let fit = HashFitConfig { neighbours, ..HashFitConfig::default() };
        variant.config.hash_fit = Some(fit);
        variant
    };
    let [height, width] = host.host.image;
    let tokens = height / 4 * (width / 4);
    let kept = [32, 8, 4, 2].into_iter().filter(|&keep| keep < tokens);
    let kept = kept.map(|keep| {
        plain(&format!("the {keep} most similar"), &|h| h.keep = NonZeroUsize::new(keep))
    });
    let ssa = Variant {
        name: "SSA: spikes, dot product".into(),
        config: Config { model: Model::Spikformer(host.host.clone()), ..base.clone() },
    };
    vec![
        Study {
            title: "Bits of a code",
            lead: "Do longer codes buy accuracy, and at what cost?",
            variants: vec![
                plain("8 bits", &|h| h.bits = vec![8]),
                plain("16 bits", &|h| h.bits = vec![BITS]),
                plain("32 bits", &|h| h.bits = vec![32]),
            ],
        },
        Study {
            title: "Coding",
            lead: "How a bit becomes spikes: in every step it is set, once and early if sure, or \
                   half of the bits each way.",
            variants: vec![
                plain("rate", &|_| {}),
                plain("latency", &|h| h.coding = Coding::Latency),
                plain("hybrid", &|h| h.coding = Coding::Hybrid),
            ],
        },
        Study {
            title: "One scale or several, at equal bits",
            lead: "56 bits of one bandwidth, or 8 coarse, 16 middle and 32 fine ones.",
            variants: vec![
                plain("one scale of 56", &|h| h.bits = vec![56]),
                plain("8 + 16 + 32, learned weights", &|h| scales(h, Fusion::Weighted)),
                plain("8 + 16 + 32, one long code", &|h| scales(h, Fusion::Concat)),
            ],
        },
        Study {
            title: "Weight of the fusion loss",
            lead: "The loss pulls the codes of similar tokens together at every scale.",
            variants: [0.0, 0.1, 1.0].map(fused).into(),
        },
        Study {
            title: "Hash functions before training",
            lead: "Drawn, or fitted greedily to the tokens of a network that has learned nothing; \
                   both are trained.",
            variants: vec![plain("drawn", &|_| {}), fitted()],
        },
        Study {
            title: "Alignment in time",
            lead: "Keys delayed by learned steps, so that they meet their queries.",
            variants: vec![
                plain("no delays", &|_| {}),
                plain("delays, either way", &|h| h.delays = DelayMode::Free),
                plain("delays, never ahead", &|h| h.delays = DelayMode::Causal),
                plain("delays by distance", &|h| {
                    (h.delays, h.delay_window) = (DelayMode::Free, Some(4));
                }),
            ],
        },
        Study {
            title: "Penalty of long delays",
            lead: "The alignment loss is this weight times the mean delay in steps.",
            variants: [0.0, 1e-3, 1e-1].map(delayed).into(),
        },
        Study {
            title: "Keys that count",
            lead: "All keys cost time linear in the tokens; a limit needs every score.",
            variants: std::iter::once(plain("all keys", &|_| {})).chain(kept).collect(),
        },
        Study {
            title: "Against other attentions",
            lead: "The same network around another attention.",
            variants: vec![
                plain("codes of 16 bits", &|_| {}),
                ssa,
                of("dense: real numbers, softmax", Attention::Softmax, &|_| {}),
            ],
        },
    ]
}

/// The attention that every study starts from.
fn hashed(host: &efficient::Config) -> Hashed {
    let own = match &host.attention {
        Attention::Hashed(hashed) => hashed.clone(),
        Attention::Softmax => Hashed::new(vec![BITS]),
    };
    let Hashed { points, shared, measure, .. } = own;
    Hashed { points, shared, measure, ..Hashed::new(vec![BITS]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_builds() {
        let base = snn_train::run::preset("digits-efficient", &[]).unwrap();
        let Model::EfficientSpikingTransformer(host) = base.model.clone() else { panic!() };
        for study in studies(&base, &host) {
            assert!(study.variants.len() > 1, "{}", study.title);
            for variant in study.variants {
                variant.config.model.outline().unwrap();
            }
        }
    }
}

//! Small networks of the four-stage lineage.

use proptest::prelude::*;
use snn_attn::{Granularity, Parameterisation, Similarity};
use snn_models::{Config, e_spikeformer, meta_spikeformer, qsd_transformer};

fn similarities() -> impl Strategy<Value = Similarity> {
    let learned = |granularity| Similarity::LearnedXnor {
        granularity,
        initial: 0.1,
        parameterisation: Parameterisation::Sigmoid,
    };
    prop_oneof![
        Just(Similarity::Dot),
        (0.0..1.0).prop_map(|a| Similarity::Xnor { a }),
        Just(learned(Granularity::PerHead)),
        Just(learned(Granularity::PerChannel)),
    ]
}

prop_compose! {
    fn shapes()(
        image in [16usize..40, 16..40],
        in_channels in 1usize..4,
        classes in 1usize..6,
        half in 1usize..4,
        middle in 1usize..7,
        widths in [1usize..4, 1..4],
        depths in [0usize..2, 1..3],
        heads in 1usize..4,
        mlp_ratio in 1usize..3,
        time_steps in 1usize..4,
        levels in 1u32..7,
        flag: bool,
        similarity in similarities(),
    ) -> (meta_spikeformer::Config, u32) {
        let [c3, c4] = widths.map(|n| n * heads);
        let embed_dims = [2 * half, middle, c3, c4];
        (meta_spikeformer::Config {
            image, in_channels, classes, embed_dims, depths, heads, mlp_ratio, time_steps,
            distill_head: flag,
            similarity,
        }, levels)
    }
}

/// Any Meta-SpikeFormer.
pub fn meta() -> impl Strategy<Value = meta_spikeformer::Config> {
    shapes().prop_map(|(config, _)| config)
}

/// Any network of integer neurons.
pub fn integer() -> impl Strategy<Value = Config> {
    (shapes(), 0..3).prop_map(|((meta, levels), system)| {
        let meta_spikeformer::Config {
            image,
            in_channels,
            classes,
            embed_dims,
            depths,
            heads,
            mlp_ratio,
            time_steps,
            ..
        } = meta;
        match system {
            0 => Config::ESpikeformer(e_spikeformer::Config::Base(e_spikeformer::base::Config {
                image,
                in_channels,
                classes,
                embed_dims,
                depths,
                heads,
                mlp_ratio,
                levels,
            })),
            1 => Config::ESpikeformer(e_spikeformer::Config::Large(e_spikeformer::large::Config {
                image,
                in_channels,
                classes,
                embed_dims: [embed_dims[0], embed_dims[1], embed_dims[2]],
                depth: depths[1],
                heads,
                mlp_ratio,
                time_steps,
                levels,
                distill_head: meta.distill_head,
                rep_conv: depths[0] == 0,
            })),
            _ => Config::QsdTransformer(qsd_transformer::Config {
                image,
                in_channels,
                classes,
                embed_dims,
                depths,
                heads,
                mlp_ratio,
                time_steps,
                weight_bits: levels.max(2),
            }),
        }
    })
}

/// Any network of the lineage.
pub fn any() -> impl Strategy<Value = Config> {
    prop_oneof![meta().prop_map(Config::MetaSpikeformer), integer()]
}

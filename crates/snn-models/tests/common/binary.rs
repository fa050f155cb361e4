//! Small networks whose queries, keys and values are spikes.

use proptest::{collection::vec, option, prelude::*};
use snn_attn::{Granularity, Parameterisation, Similarity, codes::Measure};
use snn_models::{
    Config,
    efficient::{self, Attention, Coding, DelayMode, Fusion, Hashed},
    lsformer, qkformer,
    spike_driven_transformer::{self as sdt, Pooling, SpikeMode},
    spikformer, statten, teformer,
};

/// Any similarity.
pub fn similarity() -> impl Strategy<Value = Similarity> {
    let granularity = prop_oneof![
        Just(Granularity::PerLayer),
        Just(Granularity::PerHead),
        Just(Granularity::PerChannel),
    ];
    let parameterisation =
        prop_oneof![Just(Parameterisation::Sigmoid), Just(Parameterisation::Clamp)];
    prop_oneof![
        Just(Similarity::Dot),
        (0.0..=1.0).prop_map(|a| Similarity::Xnor { a }),
        (granularity, parameterisation).prop_map(|(granularity, parameterisation)| {
            Similarity::LearnedXnor { granularity, initial: 0.1, parameterisation }
        }),
    ]
}

/// Any Spikformer.
pub fn spikformer() -> impl Strategy<Value = Config> {
    let variant = prop_oneof![
        Just(spikformer::Variant::Cifar),
        Just(spikformer::Variant::Imagenet),
        Just(spikformer::Variant::Dvs),
    ];
    let sizes = (1..=2usize, 1..=2usize, 1..=3usize, 1..=3usize, 1..=2usize, 1..=4usize);
    (variant, sizes, similarity()).prop_map(
        |(variant, (y, x, wide, in_channels, mlp_ratio, time_steps), similarity)| {
            let side = if variant == spikformer::Variant::Cifar { 4 } else { 16 };
            Config::Spikformer(spikformer::Config {
                variant,
                image: [side * y, side * x],
                in_channels,
                classes: 3,
                dim: 8 * wide,
                depth: 1,
                heads: [1, 2, 4][wide - 1],
                mlp_ratio,
                time_steps,
                similarity,
            })
        },
    )
}

/// Any Spike-driven Transformer.
pub fn spike_driven() -> impl Strategy<Value = sdt::Config> {
    let sizes = (1..=3usize, 1..=3usize, 1..=3usize, 1..=3usize, 1..=2usize, 1..=4usize);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (any::<[bool; 4]>(), sizes, flags, similarity()).prop_map(
        |(pools, (y, x, wide, in_channels, mlp_ratio, time_steps), flags, similarity)| {
            let pooling = Pooling(pools);
            let (events, dvs_mode, tet, plif) = flags;
            sdt::Config {
                image: [y * pooling.stride(), x * pooling.stride()],
                in_channels,
                events,
                classes: 3,
                dim: 8 * wide,
                depth: 2,
                heads: [1, 4, 3][wide - 1],
                mlp_ratio,
                time_steps,
                pooling,
                dvs_mode,
                tet,
                spike_mode: if plif { SpikeMode::Plif } else { SpikeMode::Lif },
                similarity,
            }
        },
    )
}

/// Any STAtten network.
pub fn statten() -> impl Strategy<Value = statten::Config> {
    (spike_driven(), any::<prop::sample::Index>(), any::<bool>()).prop_map(|(host, pick, sdt)| {
        let chunks: Vec<usize> =
            (1..=host.time_steps).filter(|c| host.time_steps.is_multiple_of(*c)).collect();
        let attention = if sdt { statten::Mode::Sdt } else { statten::Mode::Statten };
        statten::Config { attention, ..statten::Config::on(&host, *pick.get(&chunks)) }
    })
}

/// Any QKFormer.
pub fn qkformer() -> impl Strategy<Value = qkformer::Config> {
    let variant = prop_oneof![
        Just(qkformer::Variant::Cifar),
        Just(qkformer::Variant::Imagenet),
        Just(qkformer::Variant::Dvs),
    ];
    let sizes = (1..=2usize, 1..=2usize, 1..=3usize, 1..=3usize, 1..=2usize, 1..=4usize);
    let flags = (any::<bool>(), any::<bool>());
    (variant, sizes, flags, vec(1..=2usize, 3), similarity()).prop_map(
        |(variant, sizes, (batch_coupled, channels), mut depths, similarity)| {
            let (y, x, wide, in_channels, mlp_ratio, time_steps) = sizes;
            let (side, least) = match variant {
                qkformer::Variant::Cifar => (4, 8),
                qkformer::Variant::Imagenet => (16, 8),
                qkformer::Variant::Dvs => (16, 16),
            };
            depths.truncate(if variant == qkformer::Variant::Dvs { 2 } else { 3 });
            qkformer::Config {
                variant,
                image: [side * y, side * x],
                in_channels,
                classes: 3,
                dim: least * wide,
                depths,
                heads: [1, 2, 3][wide - 1],
                mlp_ratio,
                time_steps,
                qk_attention: if channels {
                    qkformer::QkAttention::Channel
                } else {
                    qkformer::QkAttention::Token
                },
                batch_coupled,
                similarity,
            }
        },
    )
}

/// Any LSFormer.
pub fn lsformer() -> impl Strategy<Value = Config> {
    use lsformer::{Attention, Pool, Shortcut};
    let sizes = (1..=9usize, 1..=9usize, 1..=2usize, 1..=2usize, 1..=4usize);
    let pool = prop_oneof![Just(Pool::Mean), Just(Pool::Sum), Just(Pool::Current), Just(Pool::Max)];
    let windows = (0..=3usize, vec(1..=4usize, 1..=3), any::<[bool; 2]>());
    let flags = any::<[bool; 3]>();
    (sizes, any::<[bool; 4]>(), (pool, 2..=3usize), windows, flags, vec(0..=1usize, 3)).prop_map(
        |((y, x, wide, in_channels, time_steps), pools, (pool, pool_window), windows, flags, d)| {
            let (half, dilations, [global, global_head]) = windows;
            let [membrane, learned, events] = flags;
            let pooling = Pooling(pools);
            Config::Lsformer(lsformer::Config {
                image: [y + pooling.stride(), x + pooling.stride()],
                in_channels,
                events,
                classes: 3,
                dim: 8 * wide,
                depths: [d[0], d[1], d[2], 1],
                heads: wide,
                mlp_ratio: 1,
                time_steps,
                pooling,
                pool,
                pool_window,
                learned_thresholds: learned && matches!(pool, Pool::Mean | Pool::Sum),
                scale: if wide == 1 { 0.125 } else { 0.7 },
                attention: if global { Attention::Global } else { Attention::Window },
                window: 2 * half + 1,
                dilations,
                global_head,
                shortcut: if membrane { Shortcut::Membrane } else { Shortcut::Sew },
            })
        },
    )
}

/// Any TEFormer.
pub fn teformer() -> impl Strategy<Value = Config> {
    use teformer::{Fusion, Variant};
    let variant = prop_oneof![Just(Variant::Cifar), Just(Variant::Dvs), Just(Variant::Sequence)];
    let sizes = (1..=2usize, 1..=2usize, 1..=3usize, 1..=3usize, 1..=2usize, 1..=4usize);
    (variant, sizes, vec(1..=2usize, 3), any::<bool>()).prop_map(
        |(variant, (y, x, wide, in_channels, mlp_ratio, time_steps), mut depths, both)| {
            let (side, least) = if variant == Variant::Dvs { (16, 16) } else { (4, 8) };
            depths.truncate(if variant == Variant::Dvs { 2 } else { 3 });
            Config::Teformer(teformer::Config {
                variant,
                image: [if variant == Variant::Sequence { 1 } else { side * y }, side * x],
                in_channels,
                classes: 3,
                dim: least * wide,
                depths,
                heads: [1, 2, 3][wide - 1],
                mlp_ratio,
                time_steps,
                fusion: if both { Fusion::Bidirectional } else { Fusion::Forward },
            })
        },
    )
}

/// Any efficient spiking transformer.
pub fn efficient() -> impl Strategy<Value = Config> {
    let host = (1..=2usize, 1..=2usize, 1..=2usize, 1..=4usize);
    let coding = prop_oneof![Just(Coding::Rate), Just(Coding::Latency), Just(Coding::Hybrid)];
    let delays = prop_oneof![Just(DelayMode::Off), Just(DelayMode::Free), Just(DelayMode::Causal)];
    let measure = prop_oneof![
        Just(Measure::Coincidence),
        (0..3u32).prop_map(|offset| Measure::Match { offset }),
    ];
    // Widths below, at and past a machine word.
    let bits = prop_oneof![1..=9usize, 63..=66usize];
    let scales = vec((bits, prop_oneof![Just(0.25), Just(1.0), Just(4.0)]), 1..=3);
    let flags = (any::<[bool; 2]>(), option::of(1..5usize), option::of(0..4usize));
    let hashed = (scales, 1..=5usize, coding, delays, measure, flags).prop_map(
        |(scales, points, coding, delays, measure, ([shared, concat], keep, window))| {
            let (bits, bandwidths) = scales.into_iter().unzip();
            Attention::Hashed(Hashed {
                bits,
                bandwidths,
                fusion: if concat { Fusion::Concat } else { Fusion::Weighted },
                points,
                shared,
                coding,
                measure,
                keep: keep.and_then(std::num::NonZeroUsize::new),
                delays,
                delay_window: window.filter(|_| delays != DelayMode::Off),
            })
        },
    );
    let attention = prop_oneof![1 => Just(Attention::Softmax), 7 => hashed];
    (host, attention).prop_map(|((y, x, wide, time_steps), attention)| {
        let host = spikformer::Config {
            image: [4 * y, 4 * x],
            in_channels: 1,
            classes: 3,
            mlp_ratio: 1,
            time_steps,
            ..spikformer::Config::cifar(1, 8 * wide, wide)
        };
        Config::EfficientSpikingTransformer(efficient::Config { host, attention })
    })
}

/// Any network of these systems.
pub fn any_binary() -> impl Strategy<Value = Config> {
    prop_oneof![
        spikformer(),
        spike_driven().prop_map(Config::SpikeDrivenTransformer),
        statten().prop_map(Config::Statten),
        qkformer().prop_map(Config::Qkformer),
    ]
}

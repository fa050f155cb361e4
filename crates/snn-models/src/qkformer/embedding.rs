//! Patch embeddings: spiking layers with a spiking shortcut (SPEDS).

use snn_core::{Backend, Builder, LoadError, Pass, Stage, Window};

use super::{Layer, Variant};
use crate::network::Frames;

/// Where an embedding stands.
pub(crate) struct Place {
    /// Whose embeddings they are.
    pub variant: Variant,
    /// The stage behind it, counted from 0.
    pub stage: usize,
    /// Channels of the image.
    pub in_channels: usize,
    /// Width of the stage.
    pub width: usize,
}

/// Convolutions that each feed neurons, and a 1x1 convolution past the later
/// ones.
pub(crate) struct PatchEmbedding<B: Backend> {
    first: Conv<B>,
    others: Vec<Conv<B>>,
    shortcut: Layer<B>,
    /// Convolutions in front of the shortcut.
    before: usize,
}

struct Conv<B: Backend> {
    layer: Layer<B>,
    /// Max-pooling between BatchNorm and neurons.
    pools: bool,
}

/// What an embedding consists of.
struct Plan {
    /// Name of each convolution, its channels, and whether it pools.
    convs: Vec<(&'static str, [usize; 2], bool)>,
    /// Convolutions in front of the shortcut.
    before: usize,
    /// Stride of the shortcut.
    stride: usize,
}

impl Plan {
    /// The embedding of the image into `width` channels.
    fn first(variant: Variant, inputs: usize, width: usize) -> Self {
        let (half, quarter, eighth) = (width / 2, width / 4, width / 8);
        match variant {
            Variant::Cifar => Self {
                convs: vec![("proj", [inputs, half], false), ("proj1", [half, width], false)],
                before: 1,
                stride: 1,
            },
            Variant::Imagenet => Self {
                convs: vec![
                    ("proj", [inputs, half], true),
                    ("proj1", [half, width], true),
                    ("proj2", [width, width], false),
                ],
                before: 1,
                stride: 2,
            },
            Variant::Dvs => Self {
                convs: vec![
                    ("proj", [inputs, eighth], false),
                    ("proj1", [eighth, quarter], true),
                    ("proj2", [quarter, half], true),
                    ("proj3", [half, width], true),
                ],
                before: 2,
                stride: 4,
            },
        }
    }

    /// The embedding of the stage before, half as wide.
    fn later(variant: Variant, width: usize) -> Self {
        let first = if variant == Variant::Dvs { "proj" } else { "proj3" };
        let early = variant == Variant::Imagenet;
        let (widen, keep) = ([width / 2, width], [width, width]);
        let convs = vec![(first, widen, early), ("proj4", keep, !early)];
        Self { convs, before: 0, stride: 2 }
    }
}

impl<B: Backend> PatchEmbedding<B> {
    pub(crate) fn new(place: &Place, from: &Builder<'_, B>) -> Result<Self, LoadError> {
        let Place { variant, stage, in_channels, width } = *place;
        let Plan { convs, before, stride } = match stage {
            0 => Plan::first(variant, in_channels, width),
            _ => Plan::later(variant, width),
        };
        let conv = |name: &str, [inputs, outputs]: [usize; 2], window| {
            let stage = Stage::conv2d(format!("{name}_conv"), inputs, outputs, window);
            Layer::new(from, &format!("{name}_#"), stage)
        };
        let past = [convs[before].1[0], width];
        let shortcut = conv("proj_res", past, Window::same(1).stride(stride))?;
        let mut convs = convs.into_iter().map(|(name, widths, pools)| {
            Ok::<_, LoadError>(Conv { layer: conv(name, widths, Window::SAME3)?, pools })
        });
        let Some(first) = convs.next() else { unreachable!("every plan has convolutions") };
        let (first, others) = (first?, convs.collect::<Result<_, _>>()?);
        Ok(Self { first, others, shortcut, before })
    }

    /// Embeds the input: counts `[T, B, H', W', C]`, each 0, 1 or 2.
    pub(crate) fn image(
        &self,
        pass: &mut Pass<'_, B>,
        input: &Frames<B>,
        time_steps: usize,
    ) -> B::Counts {
        let current = input.current(pass, &self.first.layer.synapse, time_steps);
        self.rest(pass, current, None)
    }

    /// Embeds what a stage gave, `[T, B, H, W, C / 2]`.
    pub(crate) fn counts(&self, pass: &mut Pass<'_, B>, x: &B::Counts) -> B::Counts {
        let past = self.shortcut.forward(pass, x);
        let current = self.first.layer.synapse.forward(pass, x);
        self.rest(pass, current, Some(past))
    }

    /// What follows the first convolution; `past` are the spikes of the
    /// shortcut, if it left before.
    fn rest(
        &self,
        pass: &mut Pass<'_, B>,
        current: B::Real,
        mut past: Option<B::Spikes>,
    ) -> B::Counts {
        let mut spikes = self.first.fire(pass, current);
        for (i, conv) in (1..).zip(&self.others) {
            if i == self.before {
                past = Some(self.shortcut.forward(pass, &spikes));
            }
            let current = conv.layer.synapse.forward(pass, &spikes);
            spikes = conv.fire(pass, current);
        }
        let Some(past) = past else { unreachable!("every plan has a shortcut") };
        pass.backend.add(&pass.backend.widen(&spikes), &past)
    }
}

impl<B: Backend> Conv<B> {
    fn fire(&self, pass: &mut Pass<'_, B>, mut current: B::Real) -> B::Spikes {
        if self.pools {
            current = pass.backend.max_pool_real(&current, Window::HALVE3);
        }
        self.layer.lif.forward(pass, &current)
    }
}

use snn_core::{Backend, Builder, Init, LoadError, Map, Pass, Window, layer::Synapse};

use super::{Cells, Firing, Kind, Shape};
use crate::network::Frames;

/// Membranes `[T, B, H, W, C]` in and out.
pub(crate) trait Module<B: Backend> {
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Real) -> B::Real;
}

/// A module under its published name.
type Named<B> = (String, Box<dyn Module<B>>);

/// Two stages of convolution blocks at 1/2 and 1/4 of the resolution, one at
/// 1/8, and attention blocks at 1/16.
pub(crate) struct Trunk<B: Backend> {
    time_steps: usize,
    embed: Synapse<B>,
    stages: [Vec<Named<B>>; 4],
}

impl<B: Backend + 'static> Trunk<B> {
    /// `conv_block` and `block` build a block of so many channels.
    pub fn new<K: Kind<B>, C: Module<B> + 'static, A: Module<B> + 'static>(
        cells: &Cells<K>,
        shape: &Shape<'_>,
        from: &Builder<'_, B>,
        conv_block: impl Fn(&Builder<'_, B>, usize) -> Result<C, LoadError>,
        block: impl Fn(&Builder<'_, B>, usize) -> Result<A, LoadError>,
    ) -> Result<Self, LoadError> {
        let Shape { in_channels, embed_dims: dims, depths, time_steps, .. } = *shape;
        let down = |name: &str, inputs, outputs, stride| -> Result<Named<B>, LoadError> {
            let from = from.sub(name);
            let map = Map::conv2d(inputs, outputs, Window::SAME3.stride(stride));
            let stage = cells.stage(&from, "encode_conv", map)?;
            let stage = stage.bias(Init::FanIn(map.fan_in())).norm("encode_bn");
            let layer = Firing::new(cells, &from, &format!("encode_{}", cells.word), stage)?;
            Ok((name.to_owned(), Box::new(layer)))
        };
        let conv = |name: &str, dim| -> Result<Named<B>, LoadError> {
            Ok((format!("{name}.0"), Box::new(conv_block(&from.sub(name).sub(0), dim)?)))
        };
        let (half, full) = (dims[0] / 2, dims[0]);
        let mut attention = Vec::new();
        for (i, &depth) in depths.iter().enumerate() {
            let (n, stride, dim) = (i + 3, if i == 0 { 2 } else { 1 }, dims[i + 2]);
            attention.push(down(&format!("downsample{n}"), dims[i + 1], dim, stride)?);
            for j in 0..depth {
                let from = from.sub(format!("block{n}")).sub(j);
                attention.push((from.path().to_owned(), Box::new(block(&from, dim)?)));
            }
        }
        let embed = from.sub("downsample1_1");
        let map = Map::conv2d(in_channels, half, Window::same(7).stride(2));
        let stage = cells.stage(&embed, "encode_conv", map)?;
        let stage = stage.bias(Init::FanIn(map.fan_in())).norm("encode_bn");
        Ok(Self {
            time_steps,
            embed: embed.synapse(stage)?,
            stages: [
                vec![conv("ConvBlock1_1", half)?],
                vec![down("downsample1_2", half, full, 2)?, conv("ConvBlock1_2", full)?],
                vec![
                    down("downsample2", full, dims[1], 2)?,
                    conv("ConvBlock2_1", dims[1])?,
                    conv("ConvBlock2_2", dims[1])?,
                ],
                attention,
            ],
        })
    }

    /// The membranes that each stage ends with, finest first.
    pub fn forward(&self, pass: &mut Pass<'_, B>, input: &Frames<B>) -> [B::Real; 4] {
        let mut x = input.current(pass, &self.embed, self.time_steps);
        pass.output("downsample1_1", &x);
        self.stages.each_ref().map(|stage| {
            for (name, module) in stage {
                x = module.forward(pass, &x);
                pass.output(name, &x);
            }
            x.clone()
        })
    }
}

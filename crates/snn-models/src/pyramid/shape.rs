use snn_core::LoadError;

use crate::check::{at_least, divisor, multiple, positive};

/// What the shape of every network of this lineage has in common.
pub(crate) struct Shape<'a> {
    pub image: [usize; 2],
    pub in_channels: usize,
    pub classes: usize,
    /// Widths of the stages at 1/4, 1/8, 1/16 and, if there, a second one at
    /// 1/16.
    pub embed_dims: &'a [usize],
    /// Attention blocks of each stage at 1/16.
    pub depths: &'a [usize],
    pub heads: usize,
    pub mlp_ratio: usize,
    pub time_steps: usize,
}

impl Shape<'_> {
    /// Pixels of the input that one position of the last stage stands for.
    const STRIDE: usize = 16;

    pub fn validate(&self) -> Result<(), LoadError> {
        let Self { image, in_channels, classes, embed_dims, depths, heads, mlp_ratio, time_steps } =
            *self;
        positive("in_channels", in_channels)?;
        positive("classes", classes)?;
        positive("mlp_ratio", mlp_ratio)?;
        positive("time_steps", time_steps)?;
        positive("depths", depths.iter().sum())?;
        multiple("embed_dims", embed_dims[0], 2)?;
        embed_dims.iter().try_for_each(|&dim| positive("embed_dims", dim))?;
        embed_dims[2..].iter().try_for_each(|&dim| divisor("heads", heads, dim))?;
        image.iter().try_for_each(|&side| at_least("image", side, Self::STRIDE))
    }
}

//! The weighted maps between neurons.

/// A linear map over the channels of its input, without its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    /// Every position by itself: `[T, B, positions..., inputs]` to
    /// `[T, B, positions..., outputs]`; a convolution of kernel 1 is this too.
    Linear {
        /// Channels in.
        inputs: usize,
        /// Channels out.
        outputs: usize,
    },
    /// Cross-correlation over two positions: `[T, B, H, W, inputs]` to
    /// `[T, B, H', W', outputs]`, weights as published,
    /// `[outputs, inputs / groups, k, k]`.
    Conv2d {
        /// Channels in.
        inputs: usize,
        /// Channels out.
        outputs: usize,
        /// Where the kernel looks.
        window: Window,
        /// Parts that the channels are split into, each seeing only itself; as
        /// many as channels is a depthwise convolution.
        groups: usize,
    },
    /// Cross-correlation along the positions, read row by row as one line:
    /// `[T, B, positions..., inputs]` to `[T, B, positions..., outputs]`, weights as
    /// published, `[outputs, inputs, size]`. The end of a row meets the start of the next.
    Conv1d {
        /// Channels in.
        inputs: usize,
        /// Channels out.
        outputs: usize,
        /// Length of the kernel, odd; half of it looks over each end, at zeros.
        size: usize,
    },
}

/// A square window that slides over two positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Side of the window.
    pub size: usize,
    /// Step between neighbouring outputs.
    pub stride: usize,
    /// Rows and columns added on each side: zeros for a convolution, silence
    /// (minus infinity for real numbers) for a pool.
    pub padding: usize,
    /// Step between neighbouring inputs of one window; 1 is a dense window.
    pub dilation: usize,
}

impl Window {
    /// 3x3, stride 1, padding 1: keeps the size.
    pub const SAME3: Self = Self::same(3);
    /// 3x3, stride 2, padding 1: halves the size, rounding up.
    pub const HALVE3: Self = Self::same(3).stride(2);

    /// An odd window that keeps the size.
    pub const fn same(size: usize) -> Self {
        Self { size, stride: 1, padding: size / 2, dilation: 1 }
    }

    /// The same window with another stride.
    pub const fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// The same window with another padding.
    pub const fn padding(self, padding: usize) -> Self {
        Self { padding, ..self }
    }

    /// The same window with another dilation.
    pub const fn dilation(self, dilation: usize) -> Self {
        Self { dilation, ..self }
    }

    /// Number of outputs along a side of `length` inputs, rounding down.
    ///
    /// # Panics
    /// If the window is larger than the padded side.
    pub fn outputs(&self, length: usize) -> usize {
        let padded = length + 2 * self.padding;
        let reach = self.dilation * (self.size - 1) + 1;
        assert!(padded >= reach, "a window over {reach} on a side of {padded}");
        (padded - reach) / self.stride + 1
    }

    /// The input that place `tap` of output `out` sees, unless it is padding.
    pub fn source(&self, out: usize, tap: usize, length: usize) -> Option<usize> {
        (out * self.stride + tap * self.dilation)
            .checked_sub(self.padding)
            .filter(|&input| input < length)
    }
}

/// What a pooled window gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// The mean of its inputs; padding is no input.
    Mean,
    /// Their sum.
    Sum,
}

impl Map {
    /// A convolution that sees all channels.
    pub const fn conv2d(inputs: usize, outputs: usize, window: Window) -> Self {
        Self::Conv2d { inputs, outputs, window, groups: 1 }
    }

    /// A convolution of every channel by itself.
    pub const fn depthwise(channels: usize, window: Window) -> Self {
        Self::Conv2d { inputs: channels, outputs: channels, window, groups: channels }
    }

    /// Channels in.
    pub const fn inputs(&self) -> usize {
        match *self {
            Self::Linear { inputs, .. }
            | Self::Conv2d { inputs, .. }
            | Self::Conv1d { inputs, .. } => inputs,
        }
    }

    /// Channels out.
    pub const fn outputs(&self) -> usize {
        match *self {
            Self::Linear { outputs, .. }
            | Self::Conv2d { outputs, .. }
            | Self::Conv1d { outputs, .. } => outputs,
        }
    }

    /// Places that one output sees.
    pub const fn taps(&self) -> usize {
        match *self {
            Self::Linear { .. } => 1,
            Self::Conv2d { window, .. } => window.size * window.size,
            Self::Conv1d { size, .. } => size,
        }
    }

    /// Weights that one output sums over.
    pub const fn fan_in(&self) -> usize {
        match *self {
            Self::Conv2d { inputs, groups, .. } => inputs / groups * self.taps(),
            _ => self.inputs() * self.taps(),
        }
    }

    /// Shape of the weight tensor: `[outputs, inputs]`,
    /// `[outputs, inputs / groups, k, k]` or `[outputs, inputs, k]`.
    pub fn weight_shape(&self) -> Vec<usize> {
        match *self {
            Self::Linear { inputs, outputs } => vec![outputs, inputs],
            Self::Conv2d { inputs, outputs, window, groups } => {
                vec![outputs, inputs / groups, window.size, window.size]
            }
            Self::Conv1d { inputs, outputs, size } => vec![outputs, inputs, size],
        }
    }

    /// Shape of the current for an input of shape `[T, B, positions..., inputs]`.
    ///
    /// # Panics
    /// If the input has other channels or too few axes.
    pub fn output_shape(&self, input: &[usize]) -> Vec<usize> {
        let channels = input.last().copied();
        assert_eq!(channels, Some(self.inputs()), "channels of input {input:?} for {self:?}");
        let mut shape = input.to_vec();
        let last = shape.len() - 1;
        shape[last] = self.outputs();
        if let Self::Conv2d { window, .. } = self {
            assert_eq!(input.len(), 5, "a convolution takes [T, B, H, W, C], found {input:?}");
            shape[2] = window.outputs(input[2]);
            shape[3] = window.outputs(input[3]);
        }
        shape
    }

    /// Multiply-adds of a dense evaluation on this input, padding included.
    pub fn operations(&self, input: &[usize]) -> u64 {
        let outputs: usize = self.output_shape(input).iter().product();
        outputs as u64 * self.fan_in() as u64
    }
}

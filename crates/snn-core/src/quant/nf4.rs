use super::{Nested, QuantError, check, pack, unpack};

/// The sixteen numbers of NF4: quantiles of a normal distribution, divided by the greatest, and
/// 0. Source: Dettmers et al., *QLoRA*, NeurIPS 2023, appendix E; digits as bitsandbytes has them.
pub const NF4: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// Blockwise NF4: every block of weights has its greatest magnitude as the scale; the last block
/// may be short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nf4 {
    block: usize,
}

/// Weights in NF4, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Nf4Weights {
    /// Two codes a byte; see [`pack`].
    pub packed: Vec<u8>,
    /// Greatest magnitude of each block.
    pub absmax: Vec<f32>,
    /// Weights.
    pub count: usize,
    nf4: Nf4,
}

impl Nf4 {
    /// Blocks of so many weights; published code uses 64.
    ///
    /// # Errors
    /// [`QuantError::Block`] unless it is a power of two from 32 to 4096.
    pub const fn new(block: usize) -> Result<Self, QuantError> {
        match block {
            32..=4096 if block.is_power_of_two() => Ok(Self { block }),
            _ => Err(QuantError::Block { found: block }),
        }
    }

    /// Weights of a block.
    pub const fn block(&self) -> usize {
        self.block
    }

    /// The code of `u` in `[-1, 1]`: how many midpoints of neighbours lie below it. On a midpoint
    /// it is the lower neighbour.
    pub fn code(u: f32) -> u8 {
        NF4.windows(2).filter(|pair| (pair[0] + pair[1]) / 2.0 < u).count() as u8
    }

    /// Codes of weights in row-major order.
    ///
    /// # Errors
    /// [`QuantError::NotFinite`].
    pub fn quantize(&self, weights: &[f32]) -> Result<Nf4Weights, QuantError> {
        check(weights)?;
        let mut codes = Vec::with_capacity(weights.len());
        let mut absmax = Vec::with_capacity(weights.len().div_ceil(self.block));
        for block in weights.chunks(self.block) {
            let greatest = block.iter().fold(0f32, |a, w| a.max(w.abs()));
            // The published code multiplies by the inverse. Where that is no normal float, divide.
            let inverse = 1.0 / greatest;
            let unit = |w: f32| {
                let u = if inverse.is_normal() { w * inverse } else { w / greatest };
                if greatest == 0.0 { 0.0 } else { u.clamp(-1.0, 1.0) }
            };
            codes.extend(block.iter().map(|&w| Self::code(unit(w))));
            absmax.push(greatest);
        }
        let packed = pack(&codes, Self::code(0.0));
        Ok(Nf4Weights { packed, absmax, count: weights.len(), nf4: *self })
    }

    /// Weights of what a file holds.
    ///
    /// # Errors
    /// [`QuantError`] for another number of bytes or scales than `count` weights have.
    pub fn read(
        &self,
        packed: Vec<u8>,
        absmax: Vec<f32>,
        count: usize,
    ) -> Result<Nf4Weights, QuantError> {
        check(&absmax)?;
        unpack(&packed, count)?;
        let (found, expected) = (absmax.len(), count.div_ceil(self.block));
        if found != expected {
            let what = "scales of blocks";
            return Err(QuantError::Length { what, found, expected, weights: count });
        }
        Ok(Nf4Weights { packed, absmax, count, nf4: *self })
    }
}

impl Nf4Weights {
    /// The codes, 0 to 15.
    pub fn codes(&self) -> Vec<u8> {
        match unpack(&self.packed, self.count) {
            Ok(codes) => codes,
            Err(e) => unreachable!("bytes were counted when they came in: {e}"),
        }
    }

    /// The weights that the codes stand for.
    pub fn dequantize(&self) -> Vec<f32> {
        let blocks = self.codes();
        let blocks = blocks.chunks(self.nf4.block).zip(&self.absmax);
        blocks.flat_map(|(codes, s)| codes.iter().map(move |&c| NF4[usize::from(c)] * s)).collect()
    }

    /// The same codes with scales of 8 bits (double quantisation).
    pub fn nested(&self) -> Nested {
        Nested::of(&self.absmax)
    }

    /// The same codes with other scales, such as those that [`Nested::restore`] gives.
    ///
    /// # Errors
    /// [`QuantError`] for another number of scales, or one that is not finite.
    pub fn with_scales(&self, absmax: Vec<f32>) -> Result<Self, QuantError> {
        self.nf4.read(self.packed.clone(), absmax, self.count)
    }

    /// Product of rows `[rows, inputs]` with spikes `[inputs]`: only weights of inputs that spike
    /// are looked up, and each block is multiplied once.
    ///
    /// # Errors
    /// [`QuantError::Length`] if the weights do not make whole rows.
    pub fn spike_products(&self, spikes: &[bool]) -> Result<Vec<f32>, QuantError> {
        let inputs = spikes.len();
        let rows = self.count.checked_div(inputs).unwrap_or(0);
        if rows * inputs != self.count {
            let what = "weights of whole rows";
            let (found, expected) = (self.count, rows * inputs);
            return Err(QuantError::Length { what, found, expected, weights: found });
        }
        let codes = self.codes();
        let block = self.nf4.block;
        let product = |row: usize| {
            let (start, end) = (row * inputs, (row + 1) * inputs);
            let blocks = start / block..end.div_ceil(block);
            let of_block = |b: usize| {
                let places = (b * block).max(start)..((b + 1) * block).min(end);
                let active = places.filter(|i| spikes[i - start]);
                let sum: f64 = active.map(|i| f64::from(NF4[usize::from(codes[i])])).sum();
                sum * f64::from(self.absmax[b])
            };
            blocks.map(of_block).sum::<f64>() as f32
        };
        Ok((0..rows).map(product).collect())
    }
}

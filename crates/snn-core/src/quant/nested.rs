use std::sync::LazyLock;

use super::QuantError;

/// Scales of a block of scales.
pub const SIGNED_DYNAMIC_BLOCK: usize = 256;

/// The 256 numbers of the signed dynamic map, ascending: for i from 0 to 6 the midpoints of
/// `2^i + 1` points from 0.1 to 1, times `10^(i - 6)`, with both signs, then 0 and 1. Source:
/// Dettmers et al., *8-bit Optimizers*, ICLR 2022, as bitsandbytes makes it.
pub fn signed_dynamic_map() -> &'static [f32; 256] {
    static MAP: LazyLock<[f32; 256]> = LazyLock::new(|| {
        let mut map = Vec::with_capacity(256);
        for i in 0..7 {
            // Points as PyTorch computes them in 32 bits, from the nearer end.
            let steps = 1u32 << i;
            let width = (1.0 - 0.1f32) / steps as f32;
            let point = |j: u32| match j {
                j if j < steps.div_ceil(2) => width.mul_add(j as f32, 0.1),
                _ => width.mul_add(-((steps - j) as f32), 1.0),
            };
            let power = 10f64.powi(i - 6) as f32;
            for j in 0..steps {
                let middle = (point(j) + point(j + 1)) / 2.0 * power;
                map.extend([middle, -middle]);
            }
        }
        map.extend([0.0, 1.0]);
        map.sort_by(f32::total_cmp);
        match map.try_into() {
            Ok(map) => map,
            Err(_) => unreachable!("2 (1 + 2 + ... + 64) + 2 numbers"),
        }
    });
    &MAP
}

/// Scales in 8 bits: what they differ from their mean, block by block in the signed dynamic map.
/// Source: double quantisation of Dettmers et al., *QLoRA*, NeurIPS 2023, section 3.
#[derive(Clone, Debug, PartialEq)]
pub struct Nested {
    /// Places in the map, one a scale.
    pub codes: Vec<u8>,
    /// Greatest magnitude of each block of differences.
    pub absmax: Vec<f32>,
    /// Mean of the scales.
    pub offset: f32,
}

impl Nested {
    /// Codes of scales, which are finite.
    pub fn of(scales: &[f32]) -> Self {
        let sum: f64 = scales.iter().map(|&s| f64::from(s)).sum();
        let offset = (sum / scales.len().max(1) as f64) as f32;
        let mut nested = Self { codes: Vec::new(), absmax: Vec::new(), offset };
        for block in scales.chunks(SIGNED_DYNAMIC_BLOCK) {
            let differences = || block.iter().map(|s| s - offset);
            let greatest = differences().fold(0f32, |a, d| a.max(d.abs()));
            let unit = |d: f32| if greatest == 0.0 { 0.0 } else { d / greatest };
            nested.codes.extend(differences().map(|d| nearest(unit(d))));
            nested.absmax.push(greatest);
        }
        nested
    }

    /// The scales that the codes stand for.
    ///
    /// # Errors
    /// [`QuantError::Length`] if there are not as many blocks as the codes need.
    pub fn restore(&self) -> Result<Vec<f32>, QuantError> {
        let (found, count) = (self.absmax.len(), self.codes.len());
        let expected = count.div_ceil(SIGNED_DYNAMIC_BLOCK);
        if found != expected {
            let what = "scales of blocks of scales";
            return Err(QuantError::Length { what, found, expected, weights: count });
        }
        let map = signed_dynamic_map();
        let blocks = self.codes.chunks(SIGNED_DYNAMIC_BLOCK).zip(&self.absmax);
        let scale = |code: u8, s: f32| map[usize::from(code)] * s + self.offset;
        Ok(blocks.flat_map(|(codes, &s)| codes.iter().map(move |&c| scale(c, s))).collect())
    }
}

/// The place of the nearest number of the map, on a midpoint the lower.
fn nearest(u: f32) -> u8 {
    let map = signed_dynamic_map();
    let midpoint = |i: usize| (map[i] + map[i + 1]) / 2.0;
    (0..map.len() - 1).filter(|&i| midpoint(i) < u).count() as u8
}

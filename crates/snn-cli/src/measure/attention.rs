use ndarray::{Array2, ArrayD, Axis, Ix5};
use snn_core::{Backend, Event, Probe};

use crate::report::AttentionMap;

/// Records how much attention each position gets in every attention layer, for the first sample
/// of a pass.
///
/// Position `j` gets the mean of `q_i . k_j` over queries `i`, heads and time steps: the
/// similarities of `Q K^T`, summed per head over its channels, before any scale.
#[derive(Clone, Debug, Default)]
pub struct AttentionMaps {
    /// One map for each attention, in the order of computation.
    pub maps: Vec<AttentionMap>,
}

impl<B: Backend> Probe<B> for AttentionMaps {
    fn observe(&mut self, backend: &B, event: Event<'_, B>) {
        let Event::Attention { name, q, k, heads } = event else { return };
        let shape = q.shape();
        let [height, width] = match shape[2..shape.len() - 1] {
            [height, width] => [height, width],
            ref others => [1, others.iter().product()],
        };
        let received = received(&backend.read(q), &backend.read(k), [height, width], heads);
        let received = received.outer_iter().map(|row| row.to_vec()).collect();
        // The attention itself is one part of its block; readers look for the block.
        let block = name.rsplit_once('.').map_or(name, |(block, _)| block).to_owned();
        self.maps.push(AttentionMap { block, received });
    }
}

/// The map of sample 0 of `q` and `k`, both `[T, B, positions..., C]`.
///
/// The sum over queries goes first, so no `N x N` matrix is formed: since the channels of a head
/// are summed too, and heads are averaged, heads only change the divisor.
fn received(q: &ArrayD<f64>, k: &ArrayD<f64>, grid: [usize; 2], heads: usize) -> Array2<f64> {
    let [q, k] = [q, k].map(|x| {
        let (steps, channels) = (x.shape()[0], x.shape()[x.ndim() - 1]);
        let shape = [steps, x.shape()[1], grid[0], grid[1], channels];
        let x = x.to_shape(shape).map(|x| x.to_owned().into_dimensionality::<Ix5>());
        match x {
            Ok(Ok(x)) => x.index_axis_move(Axis(1), 0), // [T, h, w, C]
            _ => unreachable!("the grid was taken from this shape"),
        }
    });
    let queries = q.sum_axis(Axis(1)).sum_axis(Axis(1)); // [T, C]
    let queries = queries.insert_axis(Axis(1)).insert_axis(Axis(1));
    let steps = k.shape()[0];
    let total = (&k * &queries).sum_axis(Axis(3)).sum_axis(Axis(0));
    total / (grid[0] * grid[1] * heads * steps) as f64
}

#[cfg(test)]
mod tests {
    use ndarray::IxDyn;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_map_is_the_mean_of_all_similarities(
            bits in prop::collection::vec(any::<bool>(), 2 * 2 * 2 * 2 * 3 * 6),
            heads in prop::sample::select(vec![1, 2, 3]),
        ) {
            let (steps, height, width, channels) = (2, 2, 3, 6);
            let spike = |i: usize| f64::from(u8::from(bits[i]));
            let shape = IxDyn(&[steps, 2, height, width, channels]);
            let half = bits.len() / 2;
            let x = |offset| {
                let mut i = offset;
                ArrayD::from_shape_simple_fn(shape.clone(), || { i += 1; spike(i - 1) })
            };
            let (q, k) = (x(0), x(half));
            let found = received(&q, &k, [height, width], heads);
            let d = channels / heads;
            for (j, &value) in found.indexed_iter() {
                let mut sum = 0.0;
                for t in 0..steps { for h in 0..heads { for y in 0..height { for x in 0..width {
                    for c in h * d..(h + 1) * d {
                        sum += q[[t, 0, y, x, c]] * k[[t, 0, j.0, j.1, c]];
                    }
                } } } }
                let mean = sum / (steps * heads * height * width) as f64;
                prop_assert!((value - mean).abs() < 1e-12);
            }
        }
    }
}

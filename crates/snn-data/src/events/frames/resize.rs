//! Frames of another size.

use crate::images::resize::weights;

/// Resizes `frame` `[H, W, C]`, `from` = (height, width), to (height, width) `to` by the bilinear
/// kernel, widened when shrinking: torchvision's `Resize` of a tensor of floats, which has
/// `antialias=True`. Counts become means, not sums.
///
/// # Panics
/// If a size is 0, or the length of `frame` is no multiple of the pixels of `from`.
pub fn resize(frame: &[f32], from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    assert!(!from.contains(&0) && !to.contains(&0), "{from:?} and {to:?} must have pixels");
    let channels = frame.len() / (from[0] * from[1]);
    assert_eq!(frame.len(), from[0] * from[1] * channels, "frame must be [{from:?}, C]");
    let wide = resample(frame, from[1], channels, to[1]);
    resample(&wide, from[0], to[1] * channels, to[0])
}

/// Resamples the middle axis of `values` `[_, length, inner]` to `target` positions.
fn resample(values: &[f32], length: usize, inner: usize, target: usize) -> Vec<f32> {
    let triangle = |x: f64| (1.0 - x.abs()).max(0.0);
    let windows: Vec<_> = (0..target).map(|i| weights(length, target, i, triangle, 1.0)).collect();
    let mut out = vec![0.0; values.len() / length * target];
    for (block, out) in
        values.chunks_exact(length * inner).zip(out.chunks_exact_mut(target * inner))
    {
        for ((first, weights), out) in windows.iter().zip(out.chunks_exact_mut(inner)) {
            for (weight, line) in weights.iter().zip(block[first * inner..].chunks_exact(inner)) {
                for (sum, value) in out.iter_mut().zip(line) {
                    *sum += *weight as f32 * value;
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first of two new pixels has its centre at 0.75 of three old ones, and sees 1.5 of them
    /// either way.
    #[test]
    fn shrinking_averages_what_lies_under_a_triangle() {
        let found = resize(&[1.0, 4.0, 10.0], [1, 3], [1, 2]);
        let want = [(5.0 * 1.0 + 3.0 * 4.0) / 8.0, (3.0 * 4.0 + 5.0 * 10.0) / 8.0];
        assert!(found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
    }

    #[test]
    fn a_constant_stays_and_channels_stay_apart() {
        let frame: Vec<f32> = (0..6 * 9).flat_map(|_| [3.0, 5.0]).collect();
        for size in [[6, 9], [4, 4], [16, 12], [1, 1]] {
            let found = resize(&frame, [6, 9], size);
            assert_eq!(found.len(), size[0] * size[1] * 2);
            assert!(
                found.chunks(2).all(|c| (c[0] - 3.0).abs() < 1e-5 && (c[1] - 5.0).abs() < 1e-5)
            );
        }
        let same: Vec<f32> = (0..12).map(|i| i as f32).collect();
        assert_eq!(resize(&same, [3, 4], [3, 4]), same);
    }
}

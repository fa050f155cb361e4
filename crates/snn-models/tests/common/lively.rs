//! Weights and inputs that make small networks busy.

use ndarray::ArrayD;
use snn_core::{Tensor, Weights};
use snn_models::Config;

/// Numbers between 0 and 1, scattered by a seed and a place.
pub fn scattered(shape: &[usize], seed: u64) -> ArrayD<f32> {
    let mut state = seed;
    ArrayD::from_shape_simple_fn(shape, || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    })
}

/// Weights under which neurons of every layer fire, some of the time.
pub fn lively(config: &Config, seed: u64) -> Weights {
    let (_, mut weights) = config.outline().unwrap();
    for (i, (name, tensor)) in weights.tensors.iter_mut().enumerate() {
        let Tensor::F32(zeros) = tensor.as_ref() else { continue };
        let fan_in: usize = zeros.shape().iter().skip(1).product();
        let spread = |x: f32, low: f32, high: f32| low + x * (high - low);
        let numbers = scattered(zeros.shape(), seed.wrapping_add(i as u64));
        let bound = 3.0 / (fan_in as f32).sqrt();
        let numbers = numbers.mapv(|x| match name.rsplit('.').next().unwrap() {
            "init_state" | "signed" => 1.0,
            "alpha" => spread(x, 0.05, 0.2),
            "running_var" => spread(x, 0.5, 1.5),
            "running_mean" => spread(x, -0.3, 0.3),
            "bias" => spread(x, -0.5, 1.0),
            "layer_scale1" | "layer_scale2" => spread(x, 0.2, 0.8),
            _ if zeros.ndim() == 1 => spread(x, 0.5, 1.5),
            _ => spread(x, -bound, bound),
        });
        *tensor = Tensor::F32(numbers).into();
    }
    weights
}

/// Input of `[steps, 2, H, W, C]`, as the configuration says.
pub fn images(config: &Config, seed: u64) -> ArrayD<f32> {
    let input = config.input();
    scattered(&[1, 2, input.height, input.width, input.channels], seed) * 2.0 - 0.5
}

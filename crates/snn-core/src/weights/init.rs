use ndarray::{ArrayD, IxDyn};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, Normal, Uniform};

/// How a tensor starts before training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Every element the same.
    Constant(f64),
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
    /// Uniform between minus and plus this bound.
    Uniform(f64),
    /// Uniform between minus and plus `1 / sqrt(fan_in)`: PyTorch's default for
    /// convolutions and their biases.
    FanIn(usize),
}

impl Init {
    /// Uniform with bound `sqrt(6 / (inputs + outputs))`: Glorot and Bengio,
    /// AISTATS 2010, eq. 16.
    pub fn xavier(inputs: usize, outputs: usize) -> Self {
        Self::Uniform((6.0 / (inputs + outputs).max(1) as f64).sqrt())
    }

    /// Draws a tensor. The numbers depend on seed, name and shape alone, not on
    /// what was drawn before.
    pub(crate) fn draw(&self, seed: u64, name: &str, shape: &[usize]) -> ArrayD<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(fnv1a(name));
        let mut from = |sample: &dyn Fn(&mut ChaCha8Rng) -> f64| {
            ArrayD::from_shape_simple_fn(IxDyn(shape), || sample(&mut rng) as f32)
        };
        match *self {
            Self::Constant(value) => ArrayD::from_elem(IxDyn(shape), value as f32),
            Self::Normal(std) => match Normal::new(0.0, std) {
                Ok(normal) => from(&|rng| normal.sample(rng)),
                Err(e) => unreachable!("standard deviations are constants of the models: {e}"),
            },
            Self::Uniform(bound) => match Uniform::new_inclusive(-bound, bound) {
                Ok(uniform) => from(&|rng| uniform.sample(rng)),
                Err(e) => unreachable!("bounds are constants of the models, or positive: {e}"),
            },
            Self::FanIn(fan_in) => {
                Self::Uniform(1.0 / (fan_in.max(1) as f64).sqrt()).draw(seed, name, shape)
            }
        }
    }
}

/// Fowler-Noll-Vo hash: the same on every machine, unlike the standard hasher.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

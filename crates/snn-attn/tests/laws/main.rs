//! Laws of the attention mechanisms, on the reference backend; and other backends
//! beside it.

mod heads;
mod masks;
mod packed;
mod products;
mod temporal;
mod window;
mod wta;
mod xnor;

use ndarray::{ArrayD, IxDyn};
use proptest::{collection::vec, prelude::*};
use snn_core::Reference;

type R = Reference<f64>;
type Spikes = ArrayD<bool>;
type Counts = ArrayD<u32>;

const REFERENCE: R = Reference::new();

/// Axes of a random attention: `[t, b, y, x, heads * width]`.
#[derive(Clone, Copy, Debug)]
struct Axes {
    t: usize,
    b: usize,
    y: usize,
    x: usize,
    heads: usize,
    width: usize,
}

impl Axes {
    fn any() -> impl Strategy<Value = Self> {
        (1..=4usize, 1..=2usize, 1..=3usize, 1..=3usize, 1..=3usize, 1..=5usize)
            .prop_map(|(t, b, y, x, heads, width)| Self { t, b, y, x, heads, width })
    }

    fn shape(&self) -> Vec<usize> {
        vec![self.t, self.b, self.y, self.x, self.heads * self.width]
    }

    fn tokens(&self) -> usize {
        self.y * self.x
    }

    /// Where token `n` and channel `i` of head `h` lie.
    fn at(&self, t: usize, b: usize, h: usize, n: usize, i: usize) -> [usize; 5] {
        [t, b, n / self.x, n % self.x, h * self.width + i]
    }

    /// All `(t, b, h)`.
    fn outer(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let Self { t, b, heads, .. } = *self;
        (0..t).flat_map(move |t| (0..b).flat_map(move |b| (0..heads).map(move |h| (t, b, h))))
    }
}

fn array<T: Clone>(shape: &[usize], values: &[T]) -> ArrayD<T> {
    ArrayD::from_shape_vec(IxDyn(shape), values.to_vec()).unwrap()
}

/// Random axes and so many spike tensors of them.
fn spikes<const N: usize>() -> impl Strategy<Value = (Axes, [Spikes; N])> {
    Axes::any().prop_flat_map(|axes| {
        let count = axes.shape().iter().product::<usize>();
        vec(any::<bool>(), N * count).prop_map(move |bits| {
            let tensor = |i| array(&axes.shape(), &bits[i * count..(i + 1) * count]);
            (axes, std::array::from_fn(tensor))
        })
    })
}

/// Random axes and so many tensors of small counts.
fn counts<const N: usize>() -> impl Strategy<Value = (Axes, [Counts; N])> {
    Axes::any().prop_flat_map(|axes| {
        let count = axes.shape().iter().product::<usize>();
        vec(0..=3u32, N * count).prop_map(move |values| {
            let tensor = |i| array(&axes.shape(), &values[i * count..(i + 1) * count]);
            (axes, std::array::from_fn(tensor))
        })
    })
}

fn number(spike: bool) -> f64 {
    f64::from(u8::from(spike))
}

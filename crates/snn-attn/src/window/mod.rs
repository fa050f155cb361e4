//! Local dilated window attention: every query meets the keys around it and no others.
//!
//! Source: Li, Zhang and Yu, *Breaking Global Self-Attention Bottlenecks in Transformer-based SNNs
//! with Local Structure-Aware Self-Attention*, arXiv 2605.13887. Published is that LS-SSA has a
//! local dilated window; there is no code. What is computed here is our reading.

mod packed;

use ndarray::{Array3, ArrayD, IxDyn};
use snn_core::LoadError;

pub(crate) use packed::packed;

/// The windows of an attention: which keys each head of a query meets.
///
/// Positions are a grid `[H, W]`, where windows are squares of `window x window` keys, or a line
/// `[N]`. Neighbouring keys of a window lie a dilation apart, and the query is in its middle. Keys
/// outside of the grid are absent: there is no wrapping and no padding.
///
/// ```
/// use snn_attn::DilatedWindows;
///
/// let windows = DilatedWindows::new(3, vec![1, 2]);
/// // The corner of a grid of 4 x 4, dilation 2: itself, and three keys two steps away.
/// let keys = windows.keys(2, &[4, 4], 0);
/// assert_eq!(keys.into_iter().flatten().collect::<Vec<_>>(), [0, 2, 8, 10]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DilatedWindows {
    /// Keys along a side: odd, so that there is a middle, where windows lie around their queries.
    pub window: usize,
    /// Steps between neighbouring keys of a window: head `h` has `dilations[h mod len]`.
    pub dilations: Vec<usize>,
    /// On which sides of its query a window lies. On a grid, on all.
    pub reach: Reach,
    /// Whether the last head meets every key, as without windows; for comparison.
    pub global_head: bool,
}

/// On which sides of its query a window lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Around it.
    #[default]
    Around,
    /// Before it, up to itself: a causal window.
    Past,
    /// From itself on.
    Future,
}

impl DilatedWindows {
    /// Windows around their queries, in every head.
    pub const fn new(window: usize, dilations: Vec<usize>) -> Self {
        Self { window, dilations, reach: Reach::Around, global_head: false }
    }

    /// The same windows, up to their queries.
    pub fn causal(self) -> Self {
        Self { reach: Reach::Past, ..self }
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// [`LoadError::Config`] names the field.
    pub fn validate(&self) -> Result<(), LoadError> {
        let error = |field, found: String, expected: &str| {
            Err(LoadError::Config { field, found, expected: expected.into() })
        };
        let around = self.reach == Reach::Around;
        if self.window == 0 || around && self.window.is_multiple_of(2) {
            let expected = if around { "an odd number" } else { "at least 1" };
            return error("window", self.window.to_string(), expected);
        }
        if self.dilations.is_empty() || self.dilations.contains(&0) {
            return error(
                "dilations",
                format!("{:?}", self.dilations),
                "one number or more, each at least 1",
            );
        }
        Ok(())
    }

    /// The keys of one query at one dilation, row by row; `None` stands for one that is outside of
    /// the grid.
    ///
    /// # Panics
    /// If positions have other than one or two axes, or windows on a grid do not lie around.
    pub fn keys(&self, dilation: usize, positions: &[usize], query: usize) -> Vec<Option<usize>> {
        let side = |at: usize, length: usize| -> Vec<Option<usize>> {
            self.offsets(self.window).map(|offset| place(at, offset, dilation, length)).collect()
        };
        self.window_of(positions, query, side)
    }

    /// The keys that one head of each query meets, in rising order.
    ///
    /// # Panics
    /// As [`DilatedWindows::keys`].
    pub fn seen(&self, [head, heads]: [usize; 2], positions: &[usize]) -> Vec<Vec<usize>> {
        let tokens: usize = positions.iter().product();
        if self.global_head && head + 1 == heads {
            let seen = |i| match self.reach {
                Reach::Around => 0..tokens,
                Reach::Past => 0..i + 1,
                Reach::Future => i..tokens,
            };
            return (0..tokens).map(|i| seen(i).collect()).collect();
        }
        let dilation = self.dilations[head % self.dilations.len()];
        let side = |at: usize, length: usize| -> Vec<Option<usize>> {
            // A wider window would hold nothing more.
            let window = self.window.min(2 * length + 1);
            let places = self.offsets(window).map(|offset| place(at, offset, dilation, length));
            places.filter(Option::is_some).collect()
        };
        let seen = |i| self.window_of(positions, i, side).into_iter().flatten().collect();
        (0..tokens).map(seen).collect()
    }

    /// Places of a window along one side, in steps of a dilation.
    fn offsets(&self, window: usize) -> std::ops::RangeInclusive<i64> {
        let (window, half) = (window as i64, (window / 2) as i64);
        match self.reach {
            Reach::Around => -half..=half,
            Reach::Past => 1 - window..=0,
            Reach::Future => 0..=window - 1,
        }
    }

    fn window_of(
        &self,
        positions: &[usize],
        query: usize,
        side: impl Fn(usize, usize) -> Vec<Option<usize>>,
    ) -> Vec<Option<usize>> {
        match *positions {
            [length] => side(query, length),
            [height, width] if self.reach == Reach::Around => {
                let (rows, columns) = (side(query / width, height), side(query % width, width));
                let row = |y: Option<usize>| columns.iter().map(move |&x| Some(y? * width + x?));
                rows.into_iter().flat_map(row).collect()
            }
            _ => panic!(
                "windows lie on [N] or, around their queries, on [H, W], found {positions:?}"
            ),
        }
    }
}

/// The place `offset` dilations from `at`, on a side of `length`.
fn place(at: usize, offset: i64, dilation: usize, length: usize) -> Option<usize> {
    let steps = offset.saturating_mul(i64::try_from(dilation).unwrap_or(i64::MAX));
    at.checked_add_signed(steps as isize).filter(|&at| at < length)
}

/// The definition: `sum over the keys j of a window of (q_i . k_j) v_j`, number by number.
///
/// `q`, `k`: `[T, B, positions..., C]`, `v`: `[T, B, positions..., Cv]`, and so the result.
pub(crate) fn attend(
    qkv: [&ArrayD<u32>; 3],
    heads: usize,
    windows: &DilatedWindows,
) -> ArrayD<u32> {
    let (positions, shape) = places(qkv, heads);
    let [q, k, v] = qkv.map(frames);
    let (width, value) = (q.dim().2 / heads, v.dim().2 / heads);
    let mut y = Array3::zeros(v.raw_dim());
    for head in 0..heads {
        let seen = windows.seen([head, heads], positions);
        for frame in 0..q.dim().0 {
            for (i, seen) in seen.iter().enumerate() {
                for &j in seen {
                    let channels = head * width..(head + 1) * width;
                    let score: u32 = channels.map(|c| q[[frame, i, c]] * k[[frame, j, c]]).sum();
                    for c in head * value..(head + 1) * value {
                        y[[frame, i, c]] += score * v[[frame, j, c]];
                    }
                }
            }
        }
    }
    unframed(y, &shape)
}

/// The positions of queries, keys and values, and the shape of what comes out.
fn places([q, k, v]: [&ArrayD<u32>; 3], heads: usize) -> (&[usize], Vec<usize>) {
    let last = q.ndim() - 1;
    assert_eq!(q.shape(), k.shape(), "queries beside keys");
    assert_eq!(q.shape()[..last], v.shape()[..last], "queries beside values");
    for channels in [q.shape()[last], v.shape()[last]] {
        assert!(channels.is_multiple_of(heads), "{heads} heads do not divide {channels} channels");
    }
    (&q.shape()[2..last], v.shape().to_vec())
}

/// `[T, B, positions..., C]` as `[T B, N, C]`.
fn frames(x: &ArrayD<u32>) -> Array3<u32> {
    let shape = x.shape();
    let last = shape.len() - 1;
    let tokens: usize = shape[2..last].iter().product();
    match x.to_shape((shape[0] * shape[1], tokens, shape[last])) {
        Ok(frames) => frames.to_owned(),
        Err(e) => unreachable!("the elements stay the same: {e}"),
    }
}

/// Undoes [`frames`].
fn unframed(x: Array3<u32>, shape: &[usize]) -> ArrayD<u32> {
    x.into_shape_with_order(IxDyn(shape))
        .unwrap_or_else(|e| unreachable!("positions are only split again: {e}"))
}

use ndarray::Array2;

/// Which keys a query may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visible {
    /// Whether a query sees no key behind it. The last query stands beside the last key: where
    /// there are more keys than queries, the first ones lie before all queries.
    pub causal: bool,
    /// Keys that are there, `[B, M]`; the others are padding. All are if `None`.
    pub keys: Option<Array2<bool>>,
}

impl Visible {
    /// Every key, to every query.
    pub const fn all() -> Self {
        Self { causal: false, keys: None }
    }

    /// The keys up to the query itself.
    pub const fn causal() -> Self {
        Self { causal: true, keys: None }
    }

    /// Whether query `i` of `n` sees key `j` of `m` in this sample.
    ///
    /// # Panics
    /// If the keys are of other samples or another number.
    pub fn sees(&self, sample: usize, [i, n]: [usize; 2], [j, m]: [usize; 2]) -> bool {
        (!self.causal || j + n <= i + m) && self.keys.as_ref().is_none_or(|keys| keys[[sample, j]])
    }
}

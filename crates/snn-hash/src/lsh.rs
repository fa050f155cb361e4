//! Locality-sensitive hashing: random hyperplanes, tables of codes, and how likely two vectors
//! meet.
//!
//! Source: Chen et al., *MagicPIG: LSH Sampling for Efficient LLM Generation*, ICLR 2025, arXiv
//! 2410.16179. The hash is that of Charikar, STOC 2002.

use ndarray::{Array2, ArrayView2};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use snn_core::reference::Scalar;

use crate::{codes::BitCodes, search::multi::sort_by_value};

/// Most bits of a table.
pub const MOST_BITS: usize = 16;

/// Random hyperplanes: `tables` tables of `bits` bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Hyperplanes<F> {
    bits: usize,
    matrix: Array2<F>,
}

impl<F: Scalar> Hyperplanes<F> {
    /// Draws a standard normal matrix for vectors of `dim` numbers.
    ///
    /// # Panics
    /// If `bits` is not 1 to [`MOST_BITS`].
    pub fn draw(dim: usize, bits: usize, tables: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let matrix = Array2::from_shape_simple_fn((dim, tables * bits), || {
            let number: f64 = StandardNormal.sample(&mut rng);
            F::of(number)
        });
        Self::new(matrix, bits)
    }

    /// Takes a matrix `[D, tables * bits]`; column `l * bits + i` gives bit `i` of table `l`.
    ///
    /// # Panics
    /// If `bits` is not 1 to [`MOST_BITS`], or does not divide the columns.
    pub fn new(matrix: Array2<F>, bits: usize) -> Self {
        assert!((1..=MOST_BITS).contains(&bits), "a table has 1 to {MOST_BITS} bits");
        assert!(matrix.ncols().is_multiple_of(bits), "whole tables");
        Self { bits, matrix }
    }

    /// Bits of a table.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// How many tables.
    pub fn tables(&self) -> usize {
        self.matrix.ncols() / self.bits
    }

    /// Codes `[N, tables]` of vectors `[N, D]`: bit `i` is set where the projection is above zero.
    ///
    /// # Panics
    /// If the vectors are of another length.
    pub fn codes(&self, x: ArrayView2<'_, F>) -> Array2<u16> {
        let y = x.dot(&self.matrix);
        Array2::from_shape_fn((x.nrows(), self.tables()), |(n, l)| {
            (0..self.bits)
                .map(|i| u16::from(y[[n, l * self.bits + i]] > F::zero()) << i)
                .fold(0, |code, bit| code | bit)
        })
    }
}

/// Bit sampling: codes `[N, tables]` cut from binary codes, `bits` consecutive bits a table. Two
/// codes at Hamming distance `d` of `b` agree in a bit with probability `1 - d / b`.
///
/// # Panics
/// If `bits` is not 1 to [`MOST_BITS`], or the codes are shorter than one table.
pub fn sample_bits(codes: &BitCodes, bits: usize) -> Array2<u16> {
    assert!((1..=MOST_BITS).contains(&bits), "a table has 1 to {MOST_BITS} bits");
    let tables = codes.bits() / bits;
    assert!(tables > 0, "codes of {} bits fill no table of {bits}", codes.bits());
    Array2::from_shape_fn((codes.len(), tables), |(n, l)| {
        (0..bits).fold(0, |code, i| code | u16::from(codes.get(n, l * bits + i)) << i)
    })
}

/// Keys by their code, table by table.
#[derive(Clone, Debug)]
pub struct Tables {
    keys: usize,
    tables: Vec<Table>,
}

#[derive(Clone, Debug)]
struct Table {
    /// Where the keys of a code begin.
    offsets: Vec<u32>,
    /// Keys sorted by code, then by index.
    order: Vec<u32>,
}

impl Tables {
    /// Sorts keys by their codes `[keys, tables]`, each below `2^bits`.
    ///
    /// # Panics
    /// If a code has more bits.
    pub fn new(codes: &Array2<u16>, bits: usize) -> Self {
        let table = |codes: ndarray::ArrayView1<'_, u16>| {
            let codes: Vec<u32> = codes.iter().map(|&code| code.into()).collect();
            assert!(codes.iter().all(|&code| code < 1 << bits), "codes of {bits} bits");
            let (offsets, order) = sort_by_value(&codes, 1 << bits);
            Table { offsets, order }
        };
        let tables = codes.columns().into_iter().map(table).collect();
        Self { keys: codes.nrows(), tables }
    }

    /// In how many tables each key has the code of the query, `[keys]`.
    ///
    /// # Panics
    /// If `query` has not one code for each table.
    pub fn collisions(&self, query: &[u16]) -> Vec<u16> {
        assert_eq!(query.len(), self.tables.len(), "a code for every table");
        let mut counts = vec![0u16; self.keys];
        for (table, &code) in self.tables.iter().zip(query) {
            let code = usize::from(code);
            let Some(&[start, end]) = table.offsets.get(code..code + 2) else { continue };
            for &key in &table.order[start as usize..end as usize] {
                counts[key as usize] = counts[key as usize].saturating_add(1);
            }
        }
        counts
    }

    /// The keys that collide in at least `least` tables, in order.
    ///
    /// # Panics
    /// If `query` has not one code for each table.
    pub fn candidates(&self, query: &[u16], least: u16) -> Vec<usize> {
        let counts = self.collisions(query).into_iter().enumerate();
        counts.filter(|&(_, count)| count >= least).map(|(key, _)| key).collect()
    }
}

/// The probability `1 - acos(cos) / pi` that a random hyperplane has two vectors on one side, by
/// the cosine of their angle, which is clamped to -1 and 1.
pub fn bit_agreement(cos: f64) -> f64 {
    1.0 - cos.clamp(-1.0, 1.0).acos() / std::f64::consts::PI
}

/// The probability that two vectors share their code in at least one of `tables` tables of `bits`
/// bits that agree with probability `p` each: `1 - (1 - p^K)^L`.
pub fn collide_once(p: f64, bits: usize, tables: usize) -> f64 {
    let code = p.powi(bits as i32);
    if code >= 1.0 {
        return if tables >= 1 { 1.0 } else { 0.0 };
    }
    -(tables as f64 * (-code).ln_1p()).exp_m1()
}

/// The probability of a shared code in at least two tables:
/// `1 - (1 - p^K)^L - L p^K (1 - p^K)^(L - 1)`.
pub fn collide_twice(p: f64, bits: usize, tables: usize) -> f64 {
    let code = p.powi(bits as i32);
    if code >= 1.0 {
        return if tables >= 2 { 1.0 } else { 0.0 };
    }
    let others = (tables as f64 - 1.0) * (-code).ln_1p();
    let exactly_once = tables as f64 * code * others.exp();
    // Never below zero by rounding.
    (collide_once(p, bits, tables) - exactly_once).max(0.0)
}

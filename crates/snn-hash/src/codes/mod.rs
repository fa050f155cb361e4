//! Packed binary codes.

mod bytes;
mod error;
mod file;

use std::ops::Range;

use bitvec::{order::Lsb0, slice::BitSlice, view::BitView};
use ndarray::{ArrayView2, ArrayViewMut2};
use snn_core::reference::Scalar;

pub use error::CodesError;

const WORD: usize = u64::BITS as usize;

/// Binary codes of one width, packed into 64-bit words.
///
/// Code after code, each from a fresh word: bit `r` is bit `r % 64` of word `r / 64`, and what is
/// left of the last word is zero. So distances and overlaps are counts over whole words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitCodes {
    bits: usize,
    words: Vec<u64>,
}

impl BitCodes {
    /// So many codes without a set bit.
    ///
    /// # Panics
    /// If `bits` is zero.
    pub fn zeros(codes: usize, bits: usize) -> Self {
        assert!(bits > 0, "a code has at least one bit");
        Self { bits, words: vec![0; codes * bits.div_ceil(WORD)] }
    }

    /// Words `[codes, words]`, row-major.
    ///
    /// # Errors
    /// [`CodesError`] if `bits` is zero, the words are no whole number of codes, or a bit past the
    /// last one is set.
    pub fn from_words(bits: usize, words: Vec<u64>) -> Result<Self, CodesError> {
        if bits == 0 {
            return Err(CodesError::NoBits);
        }
        let each = bits.div_ceil(WORD);
        if !words.len().is_multiple_of(each) {
            return Err(CodesError::Length { bits, unit: "words", each, found: words.len() });
        }
        let codes = Self { bits, words };
        let set_past_the_end = |code: &[u64]| code[each - 1] & !codes.tail() != 0;
        let wrong = codes.iter().position(set_past_the_end);
        match wrong {
            Some(code) => Err(CodesError::Tail { code, bits }),
            None => Ok(codes),
        }
    }

    /// The bit `bit(i, r)` for code `i` and bit `r`.
    ///
    /// # Panics
    /// If `bits` is zero.
    pub fn from_fn(codes: usize, bits: usize, mut bit: impl FnMut(usize, usize) -> bool) -> Self {
        let mut packed = Self::zeros(codes, bits);
        for i in 0..codes {
            for r in 0..bits {
                packed.set(i, r, bit(i, r));
            }
        }
        packed
    }

    /// The signs of `[codes, bits]`: 1 where a number is above zero, so zero itself gives 0.
    ///
    /// # Panics
    /// If there are no columns.
    pub fn from_signs<F: Scalar>(y: ArrayView2<'_, F>) -> Self {
        Self::from_fn(y.nrows(), y.ncols(), |i, r| y[[i, r]] > F::zero())
    }

    /// Writes -1 for a bit 0 and +1 for a bit 1 to `[codes, bits]`.
    ///
    /// # Panics
    /// If the shape differs.
    pub fn write_signs<F: Scalar>(&self, mut out: ArrayViewMut2<'_, F>) {
        assert_eq!(out.dim(), (self.len(), self.bits), "shape of the signs");
        for ((i, r), out) in out.indexed_iter_mut() {
            *out = if self.get(i, r) { F::one() } else { -F::one() };
        }
    }

    /// How many codes.
    pub fn len(&self) -> usize {
        self.words.len() / self.words_per_code()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Bits of a code.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// Words of a code.
    pub fn words_per_code(&self) -> usize {
        self.bits.div_ceil(WORD)
    }

    /// All words, `[codes, words]`.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The words of code `i`.
    ///
    /// # Panics
    /// If there is no such code.
    pub fn code(&self, i: usize) -> &[u64] {
        let each = self.words_per_code();
        &self.words[i * each..(i + 1) * each]
    }

    /// The words of every code.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        self.words.chunks_exact(self.words_per_code())
    }

    /// Code `i` as a slice of `bits` bits.
    ///
    /// # Panics
    /// If there is no such code.
    pub fn view(&self, i: usize) -> &BitSlice<u64, Lsb0> {
        &self.code(i).view_bits()[..self.bits]
    }

    /// Code `i` as a slice of `bits` bits, to write to.
    ///
    /// # Panics
    /// If there is no such code.
    pub fn view_mut(&mut self, i: usize) -> &mut BitSlice<u64, Lsb0> {
        let each = self.words_per_code();
        &mut self.words[i * each..(i + 1) * each].view_bits_mut()[..self.bits]
    }

    /// Bit `r` of code `i`.
    ///
    /// # Panics
    /// If there is no such bit.
    pub fn get(&self, i: usize, r: usize) -> bool {
        assert!(r < self.bits, "bit {r} of {}", self.bits);
        self.code(i)[r / WORD] >> (r % WORD) & 1 == 1
    }

    /// Sets bit `r` of code `i`.
    ///
    /// # Panics
    /// If there is no such bit.
    pub fn set(&mut self, i: usize, r: usize, bit: bool) {
        assert!(r < self.bits, "bit {r} of {}", self.bits);
        let word = &mut self.words[i * self.bits.div_ceil(WORD) + r / WORD];
        *word = *word & !(1 << (r % WORD)) | u64::from(bit) << (r % WORD);
    }

    /// Sets in code `i` what is set in these words too.
    ///
    /// # Panics
    /// If there is no such code, or a bit past its width is set.
    pub fn merge(&mut self, i: usize, words: impl IntoIterator<Item = u64>) {
        let (each, tail) = (self.words_per_code(), self.tail());
        let code = &mut self.words[i * each..(i + 1) * each];
        code.iter_mut().zip(words).for_each(|(word, bits)| *word |= bits);
        assert!(code[each - 1] & !tail == 0, "bits past the width of the code");
    }

    /// The bits `range` of every code, as codes of their own.
    ///
    /// # Panics
    /// If the range is empty or leaves the code.
    pub fn columns(&self, range: Range<usize>) -> Self {
        let mut part = Self::zeros(self.len(), range.len());
        for i in 0..self.len() {
            part.view_mut(i).copy_from_bitslice(&self.view(i)[range.clone()]);
        }
        part
    }

    /// Code `i` of every part one after the other, as one code.
    ///
    /// # Panics
    /// If there is no part, or they are of different lengths.
    pub fn concat(parts: &[&Self]) -> Self {
        let codes = parts.first().map_or(0, |part| part.len());
        let mut whole = Self::zeros(codes, parts.iter().map(|part| part.bits).sum());
        let mut start = 0;
        for part in parts {
            assert_eq!(part.len(), codes, "every part has a code for every item");
            for i in 0..codes {
                let place = &mut whole.view_mut(i)[start..start + part.bits];
                place.copy_from_bitslice(part.view(i));
            }
            start += part.bits;
        }
        whole
    }

    /// The codes `range`.
    ///
    /// # Panics
    /// If it leaves the codes.
    pub fn rows(&self, range: Range<usize>) -> Self {
        let each = self.words_per_code();
        Self { bits: self.bits, words: self.words[range.start * each..range.end * each].to_vec() }
    }

    /// Hamming distance of code `i` to code `j` of `other`: the bits that differ.
    ///
    /// The dot product of the codes as -1 and +1 is `bits - 2 distance`.
    ///
    /// # Panics
    /// If the widths differ or there is no such code.
    pub fn distance(&self, i: usize, other: &Self, j: usize) -> u32 {
        assert_eq!(self.bits, other.bits, "codes of one width");
        hamming(self.code(i), other.code(j))
    }

    /// Bits set in code `i` and in code `j` of `other`.
    ///
    /// # Panics
    /// If the widths differ or there is no such code.
    pub fn overlap(&self, i: usize, other: &Self, j: usize) -> u32 {
        assert_eq!(self.bits, other.bits, "codes of one width");
        overlap(self.code(i), other.code(j))
    }

    /// Bits that are valid in the last word of a code.
    fn tail(&self) -> u64 {
        u64::MAX >> ((WORD - self.bits % WORD) % WORD)
    }
}

/// Bits that differ; words past the shorter slice are not seen.
pub fn hamming(a: &[u64], b: &[u64]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

/// Bits set in both; words past the shorter slice are not seen.
pub fn overlap(a: &[u64], b: &[u64]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a & b).count_ones()).sum()
}

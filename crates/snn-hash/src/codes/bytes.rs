//! Codes as bytes, the layout that NumPy's `packbits(bitorder="little")` and faiss use.

use super::{BitCodes, CodesError, WORD};

impl BitCodes {
    /// Bytes `[codes, ceil(bits / 8)]`, bit `r` being bit `r % 8` of byte `r / 8`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let each = self.bits.div_ceil(8);
        self.iter()
            .flat_map(|code| code.iter().flat_map(|word| word.to_le_bytes()).take(each))
            .collect()
    }

    /// Undoes [`BitCodes::to_bytes`].
    ///
    /// # Errors
    /// [`CodesError`] if `bits` is zero, the bytes are no whole number of codes, or a bit past the
    /// last one is set.
    pub fn from_bytes(bits: usize, bytes: &[u8]) -> Result<Self, CodesError> {
        if bits == 0 {
            return Err(CodesError::NoBits);
        }
        let each = bits.div_ceil(8);
        if !bytes.len().is_multiple_of(each) {
            return Err(CodesError::Length { bits, unit: "bytes", each, found: bytes.len() });
        }
        let word = |bytes: &[u8]| {
            let mut word = [0; WORD / 8];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(word)
        };
        let words = bytes.chunks_exact(each).flat_map(|code| code.chunks(WORD / 8).map(word));
        Self::from_words(bits, words.collect())
    }
}

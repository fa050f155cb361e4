//! Byte pairs, by the crate `tokenizers`.
#![cfg(feature = "tokenizers")]

use super::{TextError, Tokens};
use std::path::Path;
use tokenizers::{
    NormalizerWrapper, PostProcessorWrapper, Tokenizer, TokenizerImpl,
    models::bpe::{BPE, BpeTrainer},
    pre_tokenizers::byte_level::ByteLevel,
};

/// A tokenizer of byte pairs, or any other that a `tokenizer.json` describes.
#[derive(Clone, Debug)]
pub struct BytePairs(Tokenizer);

fn failed(error: tokenizers::Error) -> TextError {
    TextError::Tokenizer { reason: error.to_string() }
}

impl BytePairs {
    /// Reads a `tokenizer.json` as the model hubs keep them.
    ///
    /// # Errors
    /// [`TextError::Tokenizer`].
    pub fn read(path: &Path) -> Result<Self, TextError> {
        Tokenizer::from_file(path).map(Self).map_err(failed)
    }

    /// Learns `size` tokens from `text`, beginning with the 256 bytes, so that no text is unknown:
    /// Sennrich et al., *Neural machine translation of rare words with subword units*, ACL 2016, on
    /// the bytes of GPT-2.
    ///
    /// # Errors
    /// [`TextError::Tokenizer`].
    pub fn train(text: &str, size: usize) -> Result<Self, TextError> {
        let mut trainer = BpeTrainer::builder()
            .vocab_size(size)
            .show_progress(false)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build();
        let bytes = ByteLevel::new(false, false, true);
        let mut tokenizer: TokenizerImpl<
            BPE,
            NormalizerWrapper,
            ByteLevel,
            PostProcessorWrapper,
            ByteLevel,
        > = TokenizerImpl::new(BPE::default());
        tokenizer.with_pre_tokenizer(Some(bytes)).with_decoder(Some(bytes));
        tokenizer.train(&mut trainer, text.split_inclusive('\n')).map_err(failed)?;
        Ok(Self(tokenizer.into()))
    }

    /// Writes a `tokenizer.json`.
    ///
    /// # Errors
    /// [`TextError::Io`] and [`TextError::Tokenizer`].
    pub fn write(&self, path: &Path) -> Result<(), TextError> {
        let text = self.0.to_string(true).map_err(failed)?;
        let io = |e: std::io::Error| TextError::io(path, e);
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        let mut part =
            tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(io)?;
        std::io::Write::write_all(&mut part, text.as_bytes()).map_err(io)?;
        part.persist(path).map_err(|e| io(e.error))?;
        Ok(())
    }
}

impl Tokens for BytePairs {
    fn len(&self) -> usize {
        self.0.get_vocab_size(true)
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, TextError> {
        Ok(self.0.encode_fast(text, false).map_err(failed)?.get_ids().to_vec())
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, TextError> {
        let size = self.len();
        if let Some(&found) = tokens.iter().find(|&&t| t as usize >= size) {
            return Err(TextError::Token { found, size });
        }
        self.0.decode(tokens, false).map_err(failed)
    }
}

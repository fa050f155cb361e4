//! Text: corpora for language models, labelled sentences, and tokens from them.
//!
//! ```
//! use snn_data::text::{Characters, Tokens, Windows};
//!
//! let text = "to be, or not to be";
//! let characters = Characters::of(text);
//! let windows = Windows::new(characters.encode(text)?, 8)?;
//! let (input, target) = windows.get(0);
//! assert_eq!(characters.decode(input)?, "to be, o");
//! assert_eq!(characters.decode(target)?, "o be, or");
//! # Ok::<(), snn_data::text::TextError>(())
//! ```

mod bpe;
mod corpus;
mod error;
mod examples;
mod set;
mod table;
mod vocabulary;

#[cfg(feature = "tokenizers")]
pub use bpe::BytePairs;
pub use corpus::{Corpus, Windows};
pub use error::TextError;
pub use examples::{Examples, IGNORED, TextBatch};
pub use set::{Goal, TextFiles, TextSet, Unit, Vocabulary};
pub use table::{Columns, Sentence, Sentences};
pub use vocabulary::{Characters, Words};

/// A way to turn text into numbers and back.
pub trait Tokens {
    /// Number of tokens; every number is below it.
    fn len(&self) -> usize;

    /// Whether there is no token.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers of `text`.
    ///
    /// # Errors
    /// [`TextError::Unknown`] for text that has no token, and the errors of the tokenizer.
    fn encode(&self, text: &str) -> Result<Vec<u32>, TextError>;

    /// The text of `tokens`.
    ///
    /// # Errors
    /// [`TextError::Token`] for a number past the last token, and the errors of the tokenizer.
    fn decode(&self, tokens: &[u32]) -> Result<String, TextError>;
}

use ndarray::Array2;
use snn_attn::{Attend, KeyValueCache};
use snn_core::{Pass, Signal};

use super::{Task, TokenError, Tokens, WtaSpikingformer};

/// Where a causal network stands in one text: keys and values of the tokens so far, by block and
/// head.
#[derive(Clone, Debug)]
pub struct DecodeState {
    caches: Vec<Vec<KeyValueCache>>,
    tokens: usize,
}

impl DecodeState {
    /// Tokens so far.
    pub const fn len(&self) -> usize {
        self.tokens
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.tokens == 0
    }
}

impl<B: Attend> WtaSpikingformer<B> {
    /// The beginning of a text.
    pub fn start(&self) -> DecodeState {
        let caches = self.blocks.iter().map(|block| block.cache(self.config.dim)).collect();
        DecodeState { caches, tokens: 0 }
    }

    /// Goes on with one token: its logits, `[vocabulary]`, are those of [`Self::forward`] for the
    /// whole text at its place.
    ///
    /// # Errors
    /// [`TokenError`] if the token does not exist or the context is full; the state is then lost.
    ///
    /// # Panics
    /// If the network is not causal.
    pub fn step(
        &self,
        pass: &mut Pass<'_, B>,
        mut state: DecodeState,
        token: u32,
    ) -> Result<(DecodeState, B::Real), TokenError> {
        assert_eq!(self.config.task, Task::Causal, "only a causal network goes on with a text");
        let context = self.config.context;
        if state.tokens == context {
            return Err(TokenError::Length { found: context + 1, context });
        }
        let tokens = Tokens::new(&self.config, &Array2::from_elem((1, 1), token), None)?;
        let mut x = self.embed(pass, tokens.ids(), state.tokens);
        for (block, cache) in self.blocks.iter().zip(&mut state.caches) {
            x = block.step(pass, &x, cache);
        }
        let logits = self.head.forward(pass, &self.token, &x, &tokens);
        state.tokens += 1;
        Ok((state, logits.reshape(&[self.config.vocabulary])))
    }
}

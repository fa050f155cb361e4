//! Channels into heads and back.

use snn_core::{Backend, Signal, packed::Spikes};
use snn_hash::BitCodes;

/// `[T, B, positions..., C]` to `[T, B, heads, N, C / heads]`: positions row by
/// row, channel `c` to head `c / (C / heads)`.
///
/// # Panics
/// If the heads do not divide the channels.
pub fn split_heads<B: Backend, S: Signal<B>>(x: &S, heads: usize) -> S {
    let shape = x.shape();
    let (t, b, channels) = (shape[0], shape[1], shape[shape.len() - 1]);
    assert!(channels.is_multiple_of(heads), "{heads} heads do not divide {channels} channels");
    let positions: usize = shape[2..shape.len() - 1].iter().product();
    x.reshape(&[t, b, positions, heads, channels / heads]).permute(&[0, 1, 3, 2, 4])
}

/// Undoes [`split_heads`]; `positions` multiply to `N`.
pub fn merge_heads<B: Backend, S: Signal<B>>(x: &S, positions: &[usize]) -> S {
    let [t, b, heads, _, width] = x.shape()[..] else {
        panic!("heads are [T, B, heads, N, d], found {:?}", x.shape())
    };
    let shape: Vec<usize> =
        [t, b].iter().chain(positions).copied().chain([heads * width]).collect();
    x.permute(&[0, 1, 3, 2, 4]).reshape(&shape)
}

/// Spikes `[T, B, positions..., C]` as codes of `C / heads` bits, in the order `[T, B, heads, N]`.
pub(crate) fn codes(spikes: &Spikes, heads: usize) -> BitCodes {
    let channels = spikes.shape().last().copied().unwrap_or(0);
    match BitCodes::from_words(channels / heads, spikes.words(heads)) {
        Ok(codes) => codes,
        Err(e) => panic!("{channels} channels in {heads} heads: {e}"),
    }
}

use super::QuantError;

/// Packs 4-bit numbers in pairs: the low bits of element `2 i` in the high nibble of byte i,
/// those of `2 i + 1` in the low one. A last one without a partner meets `pad`. Upper bits are
/// dropped, so codes in two's complement pack as they are.
pub fn pack(codes: &[u8], pad: u8) -> Vec<u8> {
    let pair = |pair: &[u8]| pair[0] << 4 | pair.get(1).unwrap_or(&pad) & 0xf;
    codes.chunks(2).map(pair).collect()
}

/// The `count` numbers, 0 to 15, that bytes hold.
///
/// # Errors
/// [`QuantError::Length`] for another number of bytes.
pub fn unpack(bytes: &[u8], count: usize) -> Result<Vec<u8>, QuantError> {
    let (found, expected) = (bytes.len(), count.div_ceil(2));
    if found != expected {
        return Err(QuantError::Length { what: "packed bytes", found, expected, weights: count });
    }
    Ok(bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).take(count).collect())
}

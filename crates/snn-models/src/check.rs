//! What configurations have in common to check.

use snn_core::LoadError;

fn error(field: &'static str, found: usize, expected: impl Into<String>) -> LoadError {
    LoadError::Config { field, found: found.to_string(), expected: expected.into() }
}

/// `value` is at least 1.
pub(crate) fn positive(field: &'static str, value: usize) -> Result<(), LoadError> {
    if value > 0 { Ok(()) } else { Err(error(field, value, "at least 1")) }
}

/// `value` is at least `least`.
pub(crate) fn at_least(field: &'static str, value: usize, least: usize) -> Result<(), LoadError> {
    if value >= least { Ok(()) } else { Err(error(field, value, format!("at least {least}"))) }
}

/// `value` is in `range`.
pub(crate) fn within(
    field: &'static str,
    value: usize,
    range: std::ops::RangeInclusive<usize>,
) -> Result<(), LoadError> {
    let expected = format!("{} to {}", range.start(), range.end());
    if range.contains(&value) { Ok(()) } else { Err(error(field, value, expected)) }
}

/// `value` is a positive multiple of `of`.
pub(crate) fn multiple(field: &'static str, value: usize, of: usize) -> Result<(), LoadError> {
    let fits = value > 0 && value.is_multiple_of(of);
    if fits { Ok(()) } else { Err(error(field, value, format!("a positive multiple of {of}"))) }
}

/// There are `count` values, one a stage.
pub(crate) fn stages(field: &'static str, values: &[usize], count: usize) -> Result<(), LoadError> {
    if values.len() == count {
        return Ok(());
    }
    let expected = format!("{count} numbers, one a stage");
    Err(LoadError::Config { field, found: format!("{values:?}"), expected })
}

/// `value` divides `whole`.
pub(crate) fn divisor(field: &'static str, value: usize, whole: usize) -> Result<(), LoadError> {
    let fits = value > 0 && whole.is_multiple_of(value);
    if fits { Ok(()) } else { Err(error(field, value, format!("a divisor of {whole}"))) }
}

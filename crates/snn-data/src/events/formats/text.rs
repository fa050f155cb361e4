//! Text, an event a line: `t x y p`, as in the event camera dataset of Mueggler et al. (IJRR 2017).
//!
//! A time with a decimal point is in seconds, one without is in microseconds. Fields are separated
//! by spaces, tabs, commas or semicolons; p is 0 or -1 for OFF, 1 for ON. Lines that begin with
//! `#` or `%` are comments. A first line of two numbers is the size of the sensor, a first line
//! that is no number at all names the columns.

use crate::events::{
    Event, Sensor,
    bytes::{Decode, Fault, line, text},
};

/// Decoder of text.
#[derive(Debug, Default)]
pub(crate) struct Text {
    started: bool,
    sensor: Option<Sensor>,
}

/// Reads a decimal time as microseconds, rounded to the nearest.
fn time(field: &[u8]) -> Option<i64> {
    let (negative, digits) = match field {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let point = digits.iter().position(|&b| b == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&digits[..at], &digits[at + 1..]),
        None => (digits, &[][..]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digit = |b: u8| b.is_ascii_digit().then(|| i64::from(b - b'0'));
    let mut value = 0i64;
    for &b in whole {
        value = value.checked_mul(10)?.checked_add(digit(b)?)?;
    }
    if point.is_some() {
        for i in 0..6 {
            let next = fraction.get(i).map_or(Some(0), |&b| digit(b))?;
            value = value.checked_mul(10)?.checked_add(next)?;
        }
        for &b in fraction.iter().skip(6) {
            digit(b)?;
        }
        if fraction.get(6).is_some_and(|&b| b >= b'5') {
            value = value.checked_add(1)?;
        }
    }
    Some(if negative { -value } else { value })
}

/// Reads a whole number below 65536; a fraction of zeros is allowed.
fn small(field: &[u8]) -> Option<u16> {
    let whole = match field.iter().position(|&b| b == b'.') {
        Some(at) if field[at + 1..].iter().all(|&b| b == b'0') => &field[..at],
        Some(_) => return None,
        None => field,
    };
    if whole.is_empty() {
        return None;
    }
    whole.iter().try_fold(0u16, |value, &b| {
        let digit = b.is_ascii_digit().then(|| u16::from(b - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

fn polarity(field: &[u8]) -> Option<bool> {
    match field {
        b"1" | b"+1" | b"1.0" | b"True" | b"true" => Some(true),
        b"0" | b"-1" | b"0.0" | b"-1.0" | b"False" | b"false" => Some(false),
        _ => None,
    }
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|b| matches!(b, b' ' | b'\t' | b',' | b';' | b'\r' | b'\n'))
        .filter(|f| !f.is_empty())
}

fn event(line: &[u8]) -> Option<Event> {
    let mut fields = fields(line);
    let (t, x) = (time(fields.next()?)?, small(fields.next()?)?);
    let (y, p) = (small(fields.next()?)?, polarity(fields.next()?)?);
    if fields.next().is_some() { None } else { Event::checked(t, x, y, p) }
}

impl Text {
    /// Whether a first line that is no event is still in order.
    fn heading(&mut self, line: &[u8]) -> bool {
        let all: Vec<&[u8]> = fields(line).collect();
        match all.as_slice() {
            [width, height] => match (small(width), small(height)) {
                (Some(width), Some(height)) => {
                    self.sensor = Some(Sensor::new(width, height));
                    true
                }
                _ => false,
            },
            names => names.len() == 4 && names.iter().all(|n| n[0].is_ascii_alphabetic()),
        }
    }
}

impl Decode for Text {
    fn decode(&mut self, input: &[u8], last: bool, out: &mut Vec<Event>) -> Result<usize, Fault> {
        let mut used = 0;
        while let Some(line) = line(&input[used..], last, "line")? {
            match event(line) {
                Some(event) => out.push(event),
                None if matches!(line.trim_ascii_start(), [] | [b'#' | b'%', ..]) => {}
                None if !self.started && self.heading(line) => {}
                None => {
                    let found: String = text(line).chars().take(60).collect();
                    return Err(Fault::new(used, "line", "`t x y p`", format!("{found:?}")));
                }
            }
            self.started |= !matches!(line.trim_ascii_start(), [] | [b'#' | b'%', ..]);
            used += line.len();
        }
        Ok(used)
    }

    fn sensor(&self) -> Option<Sensor> {
        self.sensor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact_decimals() {
        for (text, want) in [
            ("0.003811000", 3811),
            ("0.003820001", 3820),
            ("1.9999995", 2_000_000),
            ("-1.5", -1_500_000),
            ("17", 17),
            (".5", 500_000),
            ("3.", 3_000_000),
        ] {
            assert_eq!(time(text.as_bytes()), Some(want), "{text}");
        }
        for text in ["", "-", ".", "1.2.3", "1e3", "99999999999999999999", "0.00000x", "1.0000001x"]
        {
            assert_eq!(time(text.as_bytes()), None, "{text}");
        }
    }
}

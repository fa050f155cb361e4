//! Numbers as people read them. What is not finite is a dash.

/// Shown for a number that is missing or not finite.
pub(super) const DASH: &str = "–";

/// Between a number and its unit, and between groups of digits: narrow and unbreakable.
const THIN: char = '\u{202f}';

fn finite(x: f64, show: impl FnOnce(f64) -> String) -> String {
    if x.is_finite() { show(x) } else { DASH.into() }
}

/// `0.1234` as `12.3 %`, with as many decimals as asked for.
pub(super) fn percent(fraction: f64, decimals: usize) -> String {
    finite(fraction, |x| format!("{:.decimals$}{THIN}%", 100.0 * x))
}

/// A number with a fixed count of decimals.
pub(super) fn fixed(x: f64, decimals: usize) -> String {
    finite(x, |x| if x.abs() < 1e9 { format!("{x:.decimals$}") } else { format!("{x:.2e}") })
}

/// A whole number in groups of three digits.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(THIN);
        }
        out.push(c);
    }
    out
}

/// A count that may be a mean: rounded to whole, in groups of three digits.
pub(super) fn count(x: f64) -> String {
    finite(
        x,
        |x| {
            if (0.0..1e15).contains(&x) { grouped(x.round() as u64) } else { format!("{x:.3e}") }
        },
    )
}

/// Three significant digits with an SI prefix; `base` is the power of ten of the unit, so that
/// `si(2e6, -12, "J")` is two million pJ: `2.00 µJ`.
pub(super) fn si(x: f64, base: i32, unit: &str) -> String {
    finite(x, |x| {
        let (prefix, power) = prefix(x, base);
        let scaled = scaled(x, base, power);
        if scaled.abs() >= 1e5 {
            return format!("{scaled:.2e}{THIN}{prefix}{unit}");
        }
        let decimals = match scaled.abs() {
            a if a >= 99.95 => 0,
            a if a >= 9.995 => 1,
            _ => 2,
        };
        let gap = if prefix.is_empty() && unit.is_empty() { String::new() } else { THIN.into() };
        format!("{scaled:.decimals$}{gap}{prefix}{unit}")
    })
}

/// The SI prefix that suits `x` units of `10^base`, and its power of ten.
pub(super) fn prefix(x: f64, base: i32) -> (&'static str, i32) {
    const PREFIXES: [(&str, i32); 10] = [
        ("p", -12),
        ("n", -9),
        ("µ", -6),
        ("m", -3),
        ("", 0),
        ("k", 3),
        ("M", 6),
        ("G", 9),
        ("T", 12),
        ("P", 15),
    ];
    let fits = |&&(_, power): &&(&str, i32)| x.abs() * 10f64.powi(base - power) >= 0.9995;
    let own = PREFIXES.iter().find(|p| p.1 == base).unwrap_or(&PREFIXES[4]);
    *PREFIXES.iter().rev().find(fits).filter(|p| p.1 >= base).unwrap_or(own)
}

/// `x` units of `10^base` in units of `10^power`.
pub(super) fn scaled(x: f64, base: i32, power: i32) -> f64 {
    x * 10f64.powi(base - power)
}

/// How many times `b` goes into `a`, as `5.61×`.
pub(super) fn times(a: f64, b: f64) -> String {
    let ratio = a / b;
    finite(ratio, |r| format!("{}×", fixed(r, if r < 9.995 { 2 } else { 1 })))
}

/// Seconds as `1 h 02 min`, `3 min 20 s` or `4.1 s`.
pub(super) fn duration(seconds: f64) -> String {
    finite(seconds, |s| match s.max(0.0) {
        s if s < 60.0 => format!("{s:.1}{THIN}s"),
        s => {
            let whole = s.round() as u64;
            let (h, m, s) = (whole / 3600, whole / 60 % 60, whole % 60);
            if h > 0 {
                format!("{h}{THIN}h {m:02}{THIN}min")
            } else {
                format!("{m}{THIN}min {s:02}{THIN}s")
            }
        }
    })
}

/// At most `limit` characters, with the middle cut out of what is longer.
pub(super) fn shorten(text: &str, limit: usize) -> String {
    let length = text.chars().count();
    if length <= limit {
        return text.into();
    }
    let tail = limit / 2;
    let head: String = text.chars().take(limit.saturating_sub(tail + 1)).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{head}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(percent(0.12345, 1), "12.3\u{202f}%");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(999), "999");
        assert_eq!(count(1234.5), "1\u{202f}235");
        assert_eq!(times(9.0, 4.0), "2.25×");
        assert_eq!(duration(59.94), "59.9\u{202f}s");
        assert_eq!(duration(61.0), "1\u{202f}min 01\u{202f}s");
        assert_eq!(duration(3720.0), "1\u{202f}h 02\u{202f}min");
    }

    #[test]
    fn three_digits_and_a_prefix() {
        assert_eq!(si(2e6, -12, "J"), "2.00\u{202f}µJ");
        assert_eq!(si(999.96, -12, "J"), "1.00\u{202f}nJ"); // the prefix follows the rounding
        assert_eq!(si(0.0, -12, "J"), "0.00\u{202f}pJ");
        assert_eq!(si(123.0, 0, ""), "123");
        assert_eq!(si(1_239_306.0, 0, ""), "1.24\u{202f}M");
    }

    #[test]
    fn what_is_no_number_is_a_dash() {
        for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for text in [percent(x, 1), fixed(x, 2), count(x), si(x, 0, ""), duration(x)] {
                assert_eq!(text, DASH);
            }
        }
        assert_eq!(times(1.0, 0.0), DASH);
    }

    #[test]
    fn the_ends_of_a_long_text_stay() {
        assert_eq!(shorten("block.0.attn", 12), "block.0.attn");
        assert_eq!(shorten("block.0.attn.q_lif", 9), "bloc…_lif");
        assert_eq!(shorten("ääääää", 5), "ää…ää");
    }
}

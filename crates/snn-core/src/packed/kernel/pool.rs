use crate::{
    map::Window,
    packed::{
        isa::{Isa, Level},
        layout::LANES,
    },
};

/// Outputs side by side, from a lane of their block on, and what they see.
pub(in crate::packed) struct Line {
    lane: usize,
    len: usize,
    /// The column of the first, with the padding that is left of it.
    column: usize,
    pieces: Vec<Piece>,
}

/// Inputs that lie side by side.
struct Piece {
    from: usize,
    to: usize,
    len: usize,
    /// Of the first row that the outputs see.
    first: bool,
}

/// The lines of rows `block * LANES..` up to `end` of the output of a pool over `height` rows of
/// `width` columns, where each block of the input lies `next_block` numbers behind the last.
pub(in crate::packed) fn lines(
    window: Window,
    [height, width]: [usize; 2],
    (block, end): (usize, usize),
    next_block: usize,
) -> Vec<Line> {
    let [rows, columns] = [height, width].map(|length| window.outputs(length));
    let (mut lines, mut row) = (Vec::new(), block * LANES);
    let end = end.min(row + LANES);
    while row < end {
        let (line, column) = (row / columns, row % columns);
        let len = (columns - column).min(end - row);
        let mut pieces = Vec::new();
        for y in (0..window.size).filter_map(|tap| window.source(line % rows, tap, height)) {
            let first = pieces.is_empty();
            let start = (line / rows * height + y) * width;
            let mut at = start;
            while at < start + width {
                let len = (start + width - at).min(LANES - at % LANES);
                let from = at / LANES * next_block + at % LANES;
                pieces.push(Piece { from, to: window.padding + at - start, len, first });
                at += len;
            }
        }
        lines.push(Line { lane: row % LANES, len, column: column * window.stride, pieces });
        row += len;
    }
    lines
}

/// Room for the columns that a line sees.
pub(in crate::packed) fn room(window: Window, width: usize) -> Vec<f32> {
    vec![f32::NEG_INFINITY; width + 2 * window.padding]
}

/// The greatest number of each window, `[channels][64]`, of numbers that lie `LANES` apart from
/// channel to channel: of the rows first, column by column, then of the columns. `across` is
/// [`room`]; lanes without a line stay what they are.
///
/// # Panics
/// If a line sees more than there is.
#[allow(unsafe_code)]
pub(in crate::packed) fn pool(
    isa: Isa,
    window: Window,
    lines: &[Line],
    from: &[f32],
    across: &mut [f32],
    out: &mut [[f32; LANES]],
) {
    match isa.level() {
        Level::Portable => greatest(window, lines, from, across, out),
        // SAFETY: only `Isa::all` makes this value, after detecting AVX2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::avx2(window, lines, from, across, out) },
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 F and VL.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::avx512(window, lines, from, across, out) },
    }
}

#[inline(always)]
fn greatest(
    window: Window,
    lines: &[Line],
    from: &[f32],
    across: &mut [f32],
    out: &mut [[f32; LANES]],
) {
    for (channel, out) in out.iter_mut().enumerate() {
        let from = &from[channel * LANES..];
        for line in lines {
            if line.pieces.is_empty() {
                across.fill(f32::NEG_INFINITY);
            }
            for &Piece { from: start, to, len, first } in &line.pieces {
                let (seen, most) = (&from[start..start + len], &mut across[to..to + len]);
                if first {
                    most.copy_from_slice(seen);
                } else {
                    more(most, seen);
                }
            }
            let (out, seen) = (&mut out[line.lane..line.lane + line.len], &across[line.column..]);
            match window {
                Window { size: 3, stride: 2, dilation: 1, .. } => halve(out, seen),
                _ => columns(window, out, seen),
            }
        }
    }
}

#[inline(always)]
fn max(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

/// The greater of both.
#[inline(always)]
fn more(most: &mut [f32], seen: &[f32]) {
    let ((most, rest), (seen, left)) = (most.as_chunks_mut::<8>(), seen.as_chunks::<8>());
    for (most, seen) in most.iter_mut().zip(seen) {
        for i in 0..8 {
            most[i] = max(most[i], seen[i]);
        }
    }
    for (most, &x) in rest.iter_mut().zip(left) {
        *most = max(*most, x);
    }
}

/// The greatest of three, two further each time.
#[inline(always)]
fn halve(out: &mut [f32], seen: &[f32]) {
    let (eights, rest) = out.as_chunks_mut::<8>();
    let done = 8 * eights.len();
    for (i, out) in eights.iter_mut().enumerate() {
        let Some(seen) = seen[16 * i..].first_chunk::<17>() else {
            unreachable!("each window is inside of the padded row")
        };
        for (i, out) in out.iter_mut().enumerate() {
            *out = max(max(seen[2 * i], seen[2 * i + 1]), seen[2 * i + 2]);
        }
    }
    for (out, seen) in rest.iter_mut().zip(seen[2 * done..].windows(3).step_by(2)) {
        *out = max(max(seen[0], seen[1]), seen[2]);
    }
}

/// The greatest of each window of columns.
#[inline(always)]
fn columns(window: Window, out: &mut [f32], seen: &[f32]) {
    out.fill(f32::NEG_INFINITY);
    for tap in 0..window.size {
        let seen = seen[tap * window.dilation..].iter().step_by(window.stride);
        for (out, &x) in out.iter_mut().zip(seen) {
            *out = max(*out, x);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;

    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(
        window: Window,
        lines: &[Line],
        from: &[f32],
        across: &mut [f32],
        out: &mut [[f32; LANES]],
    ) {
        greatest(window, lines, from, across, out);
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(super) fn avx512(
        window: Window,
        lines: &[Line],
        from: &[f32],
        across: &mut [f32],
        out: &mut [[f32; LANES]],
    ) {
        greatest(window, lines, from, across, out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_isa_finds_the_greatest_of_each_window(
            size in 1usize..5,
            (stride, dilation) in (1usize..4, 1usize..3),
            padding in 0usize..3,
            (samples, height, width) in (1usize..3, 1usize..12, 1usize..80),
            drawn in vec(-50i8..50, 97),
        ) {
            let window = Window { size, stride, padding, dilation };
            let reach = dilation * (size - 1) + 1;
            prop_assume!(height + 2 * padding >= reach && width + 2 * padding >= reach);
            let rows = samples * height * width;
            let (channels, next_block) = (3, 5 * LANES);
            let number = |c: usize, row: usize| f32::from(drawn[(row * 7 + c * 11) % drawn.len()]);
            let mut from = vec![f32::NAN; rows.div_ceil(LANES) * next_block];
            for (c, row) in (0..channels).flat_map(|c| (0..rows).map(move |row| (c, row))) {
                from[row / LANES * next_block + c * LANES + row % LANES] = number(c, row);
            }
            let [to_height, to_width] = [height, width].map(|length| window.outputs(length));
            let end = samples * to_height * to_width;
            for isa in Isa::all() {
                let mut across = room(window, width);
                for block in 0..end.div_ceil(LANES) {
                    let lines = lines(window, [height, width], (block, end), next_block);
                    let mut out = vec![[9.0; LANES]; channels];
                    pool(isa, window, &lines, &from, &mut across, &mut out);
                    for (c, lane) in (0..channels).flat_map(|c| (0..LANES).map(move |l| (c, l))) {
                        let row = block * LANES + lane;
                        let (line, column) = (row / to_width, row % to_width);
                        let taps = (0..size).flat_map(|y| (0..size).map(move |x| (y, x)));
                        let seen = taps.filter_map(|(y, x)| {
                            let y = window.source(line % to_height, y, height)?;
                            let x = window.source(column, x, width)?;
                            Some(number(c, (line / to_height * height + y) * width + x))
                        });
                        let most = seen.fold(f32::NEG_INFINITY, f32::max);
                        let expected = if row < end { most } else { 9.0 };
                        prop_assert_eq!(out[c][lane], expected, "{} row {}", isa.name(), row);
                    }
                }
            }
        }
    }
}

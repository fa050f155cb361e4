use super::{Membranes, TILE};
use crate::packed::{
    isa::{Isa, Level},
    layout::{GROUP, LANES},
};

/// A staircase of levels in 32-bit floats: `clamp(round(gain x) + zero, 0, most)`, levels at most
/// `zone` from `mask` counting as that.
#[derive(Clone, Copy, Debug)]
pub(in crate::packed) struct Stairs {
    pub(in crate::packed) gain: f32,
    pub(in crate::packed) zero: f32,
    pub(in crate::packed) most: f32,
    pub(in crate::packed) mask: f32,
    pub(in crate::packed) zone: f32,
}

/// The obvious form.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // one index into several arrays vectorises
fn levels(
    stairs: &Stairs,
    currents: &Membranes,
    margins: &[f32; TILE],
    out: &mut [[u8; GROUP]; LANES],
    doubt: &mut [u8; LANES],
) {
    let Stairs { gain, zero, most, mask, zone } = *stairs;
    let mut words = [0u32; LANES];
    let mut near = [0u32; LANES];
    for n in 0..TILE {
        // Beyond the ends nothing is in doubt.
        let ends = [-zero - 1.0, most - zero + 1.0];
        let certain = 0.5 - margins[n];
        for i in 0..LANES {
            let y = currents[n][i] * gain;
            let y = if y > ends[0] { y } else { ends[0] };
            let y = if y < ends[1] { y } else { ends[1] };
            let step = y.round_ties_even();
            let level = step + zero;
            let level = if level > 0.0 { level } else { 0.0 };
            let level = if level < most { level } else { most };
            let level = if (level - mask).abs() <= zone { mask } else { level };
            words[i] |= (level as i32 as u32) << (8 * n);
            near[i] |= u32::from((y - step).abs() > certain) << n;
        }
    }
    for i in 0..LANES {
        out[i] = words[i].to_le_bytes();
        doubt[i] |= near[i] as u8;
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;

    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(
        stairs: &Stairs,
        currents: &Membranes,
        margins: &[f32; TILE],
        out: &mut [[u8; GROUP]; LANES],
        doubt: &mut [u8; LANES],
    ) {
        levels(stairs, currents, margins, out, doubt);
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn avx512(
        stairs: &Stairs,
        currents: &Membranes,
        margins: &[f32; TILE],
        out: &mut [[u8; GROUP]; LANES],
        doubt: &mut [u8; LANES],
    ) {
        levels(stairs, currents, margins, out, doubt);
    }
}

/// The levels of one step of a tile, and where they are in doubt: bit `n` of a row is set where
/// channel `n` came nearer than its margin, counted in steps, to the border of two levels. What is
/// no number gets the lowest level.
#[allow(unsafe_code)]
pub(in crate::packed) fn quantize(
    isa: Isa,
    stairs: &Stairs,
    currents: &Membranes,
    margins: &[f32; TILE],
    out: &mut [[u8; GROUP]; LANES],
    doubt: &mut [u8; LANES],
) {
    match isa.level() {
        Level::Portable => levels(stairs, currents, margins, out, doubt),
        // SAFETY: only `Isa::all` makes this value, after detecting AVX2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::avx2(stairs, currents, margins, out, doubt) },
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 F, BW, DQ and VL.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::avx512(stairs, currents, margins, out, doubt) },
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn every_isa_quantises_as_the_definition(
            // Eighths of steps, so that borders and margins are met exactly.
            eighths in vec(-160i16..160, TILE * LANES),
            margins in prop::array::uniform4(prop::sample::select(vec![-1.0f32, 0.0, 0.125])),
            zero in -3i8..18, most in 1u8..17, mask in 0u8..17, zone in 0u8..4,
        ) {
            let stairs = Stairs {
                gain: 0.5,
                zero: f32::from(zero),
                most: f32::from(most),
                mask: f32::from(mask.min(most)),
                zone: f32::from(zone),
            };
            let currents: Vec<f32> = eighths.iter().map(|&x| f32::from(x) / 4.0).collect();
            let (currents, _) = currents.as_chunks::<LANES>().0.as_chunks::<TILE>();
            let currents: &Membranes = &currents[0];
            let mut expected = ([[0u8; GROUP]; LANES], [0u8; LANES]);
            for (n, i) in (0..TILE).flat_map(|n| (0..LANES).map(move |i| (n, i))) {
                let steps = f64::from(currents[n][i]) * 0.5;
                let level = steps.round_ties_even() + f64::from(zero);
                let level = level.clamp(0.0, f64::from(most)) as u8;
                let mask = mask.min(most);
                let level = if level.abs_diff(mask) <= zone { mask } else { level };
                expected.0[i][n] = level;
                let steps = steps.clamp(f64::from(-zero) - 1.0, f64::from(most) - f64::from(zero) + 1.0);
                let to_border = 0.5 - (steps - steps.round_ties_even()).abs();
                expected.1[i] |= u8::from(to_border < f64::from(margins[n])) << n;
            }
            for isa in Isa::all() {
                let mut found = ([[9; GROUP]; LANES], [0; LANES]);
                quantize(isa, &stairs, currents, &margins, &mut found.0, &mut found.1);
                prop_assert_eq!(found, expected, "{}", isa.name());
            }
        }
    }
}

//! Neurons whose currents are counts times a constant, in whole numbers.

use super::TILE;
use crate::{
    neuron::{Charge, Neuron, Reset},
    packed::{
        isa::{Isa, Level},
        layout::LANES,
    },
};

/// A neuron in whole numbers: step `t` measures membranes in units of
/// `scale / tau^(t + 1)`, so that a charge is `h = keep v + gain n` and never rounds.
#[derive(Clone, Debug)]
pub(in crate::packed) struct Counted {
    /// So many fire from any membrane; more is no different.
    most: u8,
    keep: u16,
    /// Gain and threshold of each step.
    steps: Vec<[u16; 2]>,
}

impl Counted {
    /// `neuron` on counts that are worth `scale` each; `None` where some spike might
    /// differ from that of 64-bit floats, or where a byte does not hold the counts that
    /// matter.
    pub(in crate::packed) fn new(neuron: &Neuron, scale: f64, steps: usize) -> Option<Self> {
        let power_of_two = |x: f64| x > 0.0 && x.log2().fract() == 0.0;
        let (tau, keep) = match neuron.charge {
            Charge::Integrate => (1.0, 1.0),
            Charge::Leaky { tau, decay_input: true } => (tau, tau - 1.0),
            _ => return None,
        };
        // Membranes that start at the reset and only grow never fall below it.
        let rests_at_zero = neuron.reset == Reset::Hard { to: 0.0 };
        if !rests_at_zero || !power_of_two(tau) || !power_of_two(scale) {
            return None;
        }
        let threshold = |t: usize| (neuron.threshold * tau.powi(t as i32 + 1) / scale).ceil();
        let most = threshold(0);
        if !(1.0..=f64::from(u8::MAX)).contains(&most) {
            return None;
        }
        let step = |t: usize| {
            let gain = tau.powi(t as i32);
            let greatest = keep * threshold(t) + most * gain;
            (greatest <= f64::from(u16::MAX)).then(|| [gain as u16, threshold(t) as u16])
        };
        let steps = (0..steps).map(step).collect::<Option<_>>()?;
        Some(Self { most: most as u8, keep: keep as u16, steps })
    }
}

/// The spikes of neurons from rest, `[tiles][T][64]`, from counts `[T][channels][64]`.
///
/// # Panics
/// If the lengths do not fit each other.
#[allow(unsafe_code)]
pub(in crate::packed) fn fire_counted(
    isa: Isa,
    neuron: &Counted,
    counts: &[[u8; LANES]],
    out: &mut [[u8; LANES]],
) {
    assert_eq!(counts.len(), out.len() * TILE, "counts for every spike");
    match isa.level() {
        Level::Portable => fire(neuron, counts, out),
        // SAFETY: only `Isa::all` makes this value, after detecting AVX2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::avx2(neuron, counts, out) },
        // SAFETY: only `Isa::all` makes this value, after detecting AVX-512 F, BW and VL.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::avx512(neuron, counts, out) },
    }
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // one index into several arrays vectorises
fn fire(neuron: &Counted, counts: &[[u8; LANES]], out: &mut [[u8; LANES]]) {
    let Counted { most, keep, ref steps } = *neuron;
    if steps.is_empty() {
        return;
    }
    let channels = counts.len() / steps.len();
    for (tile, out) in out.chunks_exact_mut(steps.len()).enumerate() {
        out.fill([0; LANES]);
        for n in 0..TILE {
            let mut v = [0u16; LANES];
            let counts = counts.chunks_exact(channels).map(|step| &step[tile * TILE + n]);
            for ((counts, &[gain, threshold]), spikes) in counts.zip(steps).zip(&mut *out) {
                for i in 0..LANES {
                    let h = v[i] * keep + u16::from(counts[i].min(most)) * gain;
                    let fired = h >= threshold;
                    v[i] = if fired { 0 } else { h };
                    spikes[i] |= u8::from(fired) << n;
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;

    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(neuron: &Counted, counts: &[[u8; LANES]], out: &mut [[u8; LANES]]) {
        fire(neuron, counts, out);
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(super) fn avx512(neuron: &Counted, counts: &[[u8; LANES]], out: &mut [[u8; LANES]]) {
        fire(neuron, counts, out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_isa_fires_as_the_definition(
            steps in 1usize..7, tiles in 1usize..3,
            tau in prop::sample::select(vec![1.0, 2.0, 4.0]), integrate: bool,
            threshold in prop::sample::select(vec![0.25, 0.5, 0.7, 1.0]),
            scale in prop::sample::select(vec![1.0, 0.125, 0.03125]),
            drawn in vec(prop_oneof![0u8..12, any::<u8>()], 997),
        ) {
            let charge =
                if integrate { Charge::Integrate } else { Charge::Leaky { tau, decay_input: true } };
            let neuron = Neuron { charge, ..Neuron::lif(2.0) }.with_threshold(threshold);
            let Some(counted) = Counted::new(&neuron, scale, steps) else { return Ok(()) };
            let mut drawn = drawn.iter().cycle();
            let mut next = || std::array::from_fn(|_| *drawn.next().unwrap());
            let counts: Vec<[u8; LANES]> = (0..steps * tiles * TILE).map(|_| next()).collect();
            let mut expected = vec![[0; LANES]; steps * tiles];
            for (c, row) in (0..tiles * TILE).flat_map(|c| (0..LANES).map(move |row| (c, row))) {
                let mut v = 0.0;
                for t in 0..steps {
                    let x = f64::from(counts[t * tiles * TILE + c][row]) * scale;
                    let fired;
                    (fired, v) = neuron.fire(neuron.charge(None, v, x));
                    expected[c / TILE * steps + t][row] |= u8::from(fired) << (c % TILE);
                }
            }
            for isa in Isa::all() {
                let mut found = vec![[9; LANES]; expected.len()];
                fire_counted(isa, &counted, &counts, &mut found);
                prop_assert_eq!(&found, &expected, "{}", isa.name());
            }
        }
    }

    #[test]
    fn what_bytes_and_words_do_not_hold_is_refused() {
        let neuron = Neuron::lif(2.0).with_threshold(0.5);
        assert!(Counted::new(&neuron, 0.125, 4).is_some());
        assert!(Counted::new(&neuron, 0.125, 40).is_none());
        assert!(Counted::new(&neuron, 1.0 / 1024.0, 4).is_none());
        assert!(Counted::new(&neuron, 0.1, 4).is_none());
        assert!(Counted::new(&Neuron { reset: Reset::Soft, ..neuron }, 0.125, 4).is_none());
    }
}

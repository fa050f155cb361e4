use ndarray::{ArrayD, Axis};

use super::{Quantizer, TtfsError};
use crate::tensor::{Counts, Spikes};

/// When each neuron spikes in its window: a slot from 0 on, or never.
pub type Times = ArrayD<Option<u32>>;

/// Masked time-to-first-spike coding (M-TTFS).
///
/// With mask level m, dead zone k and `T = L - 1` slots, level q
///
/// ```text
/// is silent                   if |q - m| <= k        and decodes to m
/// spikes in slot T - q        if q > m + k
/// spikes in slot T - 1 - q    if q < m - k
/// ```
///
/// Without a dead zone every level has its own spike or silence, and nothing is lost. `m = 0`
/// and `k = 0` is plain TTFS. Slots of levels that the dead zone silences stay empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaskedTtfs {
    quantizer: Quantizer,
    mask: u32,
    dead_zone: u32,
}

impl MaskedTtfs {
    /// Silence is level `mask`, and every level at most `dead_zone` away from it.
    ///
    /// # Errors
    /// [`TtfsError::Mask`] if the quantiser has no such level.
    pub fn new(quantizer: Quantizer, mask: u32, dead_zone: u32) -> Result<Self, TtfsError> {
        let greatest = quantizer.greatest();
        if mask > greatest {
            return Err(TtfsError::Mask { found: mask, greatest });
        }
        Ok(Self { quantizer, mask, dead_zone })
    }

    /// Plain TTFS: the lowest level is silent.
    pub const fn plain(quantizer: Quantizer) -> Self {
        Self { quantizer, mask: 0, dead_zone: 0 }
    }

    /// Levels, step and zero point.
    pub const fn quantizer(&self) -> &Quantizer {
        &self.quantizer
    }

    /// The level that silence stands for.
    pub const fn mask(&self) -> u32 {
        self.mask
    }

    /// How far a level may be from the mask and still be silent.
    pub const fn dead_zone(&self) -> u32 {
        self.dead_zone
    }

    /// Slots of a window, T.
    pub const fn slots(&self) -> u32 {
        self.quantizer.greatest()
    }

    /// Slots that some level uses: what a window could be cut down to.
    pub fn used_slots(&self) -> u32 {
        (0..self.quantizer.levels()).filter(|&level| !self.is_silent(level)).count() as u32
    }

    /// Whether a level does not spike.
    pub const fn is_silent(&self, level: u32) -> bool {
        level.abs_diff(self.mask) <= self.dead_zone
    }

    /// What `level` decodes to: the mask if it is silent, else itself.
    pub const fn settled(&self, level: u32) -> u32 {
        if self.is_silent(level) { self.mask } else { level }
    }

    /// The slot in which `level` spikes.
    ///
    /// # Panics
    /// If the quantiser has no such level.
    pub fn slot(&self, level: u32) -> Option<u32> {
        let slots = self.slots();
        assert!(level <= slots, "level {level} of a code up to {slots}");
        match level {
            _ if self.is_silent(level) => None,
            _ if level > self.mask => Some(slots - level),
            _ => Some(slots - 1 - level),
        }
    }

    /// The level that a spike in `slot`, or silence, stands for: the mask level for silence.
    /// `None` if no level spikes in that slot.
    pub fn level(&self, slot: Option<u32>) -> Option<u32> {
        let Some(slot) = slot else { return Some(self.mask) };
        let slots = self.slots();
        let level = slots.checked_sub(slot)?;
        let level = if slot < slots - self.mask { level } else { level.checked_sub(1)? };
        (!self.is_silent(level)).then_some(level)
    }

    /// When numbers `[...]` spike.
    ///
    /// # Errors
    /// [`TtfsError::NotFinite`].
    pub fn times(&self, x: &ArrayD<f32>) -> Result<Times, TtfsError> {
        Ok(self.quantizer.quantize(x)?.mapv(|level| self.slot(level)))
    }

    /// When levels `[...]` spike.
    ///
    /// # Errors
    /// [`TtfsError::Level`] for a level above the greatest.
    pub fn times_of(&self, levels: &Counts) -> Result<Times, TtfsError> {
        let greatest = self.quantizer.greatest();
        match levels.iter().enumerate().find(|(_, level)| **level > greatest) {
            Some((index, &found)) => Err(TtfsError::Level { index, found, greatest }),
            None => Ok(levels.mapv(|level| self.slot(level))),
        }
    }

    /// Spikes `[T, ...]` of numbers `[...]`, at most one each.
    ///
    /// # Errors
    /// [`TtfsError::NotFinite`].
    pub fn encode(&self, x: &ArrayD<f32>) -> Result<Spikes, TtfsError> {
        Ok(self.spikes(&self.times(x)?))
    }

    /// Times `[...]` as spikes `[T, ...]`. A time after the window leaves no spike.
    pub fn spikes(&self, times: &Times) -> Spikes {
        let slots = self.slots() as usize;
        let mut spikes = Spikes::from_elem([&[slots], times.shape()].concat(), false);
        for (t, mut step) in spikes.axis_iter_mut(Axis(0)).enumerate() {
            step.zip_mut_with(times, |spike, time| *spike = *time == Some(t as u32));
        }
        spikes
    }

    /// The levels that times stand for.
    ///
    /// # Errors
    /// [`TtfsError::Slot`] for a spike in a slot that the code leaves empty.
    pub fn decode(&self, times: &Times) -> Result<Counts, TtfsError> {
        let slots = self.slots();
        let level = |(index, &time): (usize, &Option<u32>)| {
            let found = time.unwrap_or_default();
            self.level(time).ok_or(TtfsError::Slot { index, found, slots })
        };
        let levels = times.iter().enumerate().map(level).collect::<Result<Vec<_>, _>>()?;
        match Counts::from_shape_vec(times.shape(), levels) {
            Ok(levels) => Ok(levels),
            Err(e) => unreachable!("one level a time: {e}"),
        }
    }

    /// The times of spikes `[T, ...]`.
    ///
    /// # Errors
    /// [`TtfsError::Window`] if they are not of one window, [`TtfsError::Spikes`] if a neuron
    /// spikes twice.
    pub fn times_of_spikes(&self, spikes: &Spikes) -> Result<Times, TtfsError> {
        let slots = self.slots();
        let found = spikes.shape().first().copied().unwrap_or(0);
        if found != slots as usize {
            return Err(TtfsError::Window { found, slots });
        }
        let mut times = Times::from_elem(&spikes.shape()[1..], None);
        let mut counts = ArrayD::<usize>::zeros(times.shape());
        for (t, step) in spikes.axis_iter(Axis(0)).enumerate() {
            ndarray::Zip::from(&mut times).and(&mut counts).and(step).for_each(
                |time, count, &spike| {
                    if spike {
                        *time = time.or(Some(t as u32));
                        *count += 1;
                    }
                },
            );
        }
        match counts.iter().enumerate().find(|(_, count)| **count > 1) {
            Some((index, &found)) => Err(TtfsError::Spikes { index, found }),
            None => Ok(times),
        }
    }
}

//! What the rows of one block see: the input of a product, group after group.

use super::{
    kernel::{Column, QUAD},
    layout::{GROUP, Geometry, LANES},
};
use crate::map::{Map, Window};

/// What the layout holds for one row and group.
pub(super) trait Entry: Copy + Default + Send + Sync {
    /// The entry where `mask` is 255, nothing where it is 0.
    fn masked(self, mask: u8) -> Self;
    /// The four channels.
    fn channels(self) -> [u8; GROUP];
}

impl Entry for u8 {
    fn masked(self, mask: u8) -> Self {
        self & mask
    }
    fn channels(self) -> [u8; GROUP] {
        super::layout::SPREAD[usize::from(self & 15)]
    }
}

impl Entry for [u8; GROUP] {
    fn masked(self, mask: u8) -> Self {
        (u32::from_ne_bytes(self) & u32::from_ne_bytes([mask; GROUP])).to_ne_bytes()
    }
    fn channels(self) -> [u8; GROUP] {
        self
    }
}

/// Which rows of the input the rows of the output see.
#[derive(Clone, Copy)]
pub(super) enum Sight {
    /// Their own.
    Same,
    /// Those in a window; sides of input and output.
    Window(Window, [usize; 2], [usize; 2]),
    /// Those in a window along a line of so many positions.
    Line(Window, usize),
}

impl Sight {
    /// For input of shape `[T, B, positions..., C]`.
    pub(super) fn new(map: Map, shape: &[usize]) -> Self {
        match map {
            Map::Linear { .. } => Self::Same,
            Map::Conv2d { window, .. } => {
                let from = [shape[shape.len() - 3], shape[shape.len() - 2]];
                Self::Window(window, from, from.map(|length| window.outputs(length)))
            }
            Map::Conv1d { size, .. } => {
                Self::Line(Window::same(size), shape[2..shape.len() - 1].iter().product())
            }
        }
    }

    pub(super) fn taps(&self) -> usize {
        match self {
            Self::Same => 1,
            Self::Window(window, ..) => window.size * window.size,
            Self::Line(window, _) => window.size,
        }
    }

    /// The row that output row `row` sees at `tap`; nothing of padding.
    pub(super) fn source(&self, row: usize, tap: usize) -> Option<usize> {
        match *self {
            Self::Same => Some(row),
            Self::Window(window, [height, width], [rows, columns]) => {
                let (sample, position) = (row / (rows * columns), row % (rows * columns));
                let y = window.source(position / columns, tap / window.size, height)?;
                let x = window.source(position % columns, tap % window.size, width)?;
                Some((sample * height + y) * width + x)
            }
            Self::Line(window, length) => {
                let first = row / length * length;
                Some(first + window.source(row - first, tap, length)?)
            }
        }
    }
}

/// Packs panels `[taps][groups][64]` for one map and one input.
pub(super) struct Packer<'a, E> {
    input: &'a [E],
    geometry: &'a Geometry,
    sight: Sight,
    /// Panels are filled up to a multiple of so many groups.
    whole: usize,
}

impl<'a, E: Entry> Packer<'a, E> {
    pub(super) fn new(map: Map, input: &'a [E], geometry: &'a Geometry) -> Self {
        Self { input, geometry, sight: Sight::new(map, &geometry.shape), whole: QUAD }
    }

    /// Panels filled up to whole `groups` groups.
    pub(super) const fn in_whole(self, groups: usize) -> Self {
        Self { whole: groups, ..self }
    }

    /// Entries of the panel of one step.
    pub(super) fn len(&self) -> usize {
        (self.sight.taps() * self.geometry.groups()).next_multiple_of(self.whole) * LANES
    }

    /// Panels `[T][taps][groups][64]` of the rows of output block `block`, each
    /// filled up, see [`in_whole`](Self::in_whole): whole quads of groups if nothing was said.
    pub(super) fn pack(&self, block: usize, panels: &mut Vec<E>) {
        panels.resize(self.geometry.steps * self.len(), E::default());
        let seen = self.sight.taps() * self.geometry.groups() * LANES;
        for panel in panels.chunks_exact_mut(self.len().max(1)) {
            panel[seen..].fill(E::default()); // the rest is written by what follows
        }
        match self.sight {
            Sight::Same => self.copy(block, panels),
            Sight::Window(window, from, to) if from == to && window.stride == 1 => {
                self.shift(window, from, block, panels);
            }
            Sight::Window(..) | Sight::Line(..) => self.gather(block, panels),
        }
    }

    /// What output row `row` sees at step `t`, tap by tap; nothing of padding.
    pub(super) fn columns(
        &self,
        t: usize,
        row: usize,
    ) -> impl ExactSizeIterator<Item = Option<Column<'a, E>>> {
        let Self { input, geometry, sight, .. } = *self;
        let column = move |row: usize| Column {
            entries: &input[geometry.entry(t, row, 0)..],
            stride: geometry.steps,
        };
        (0..sight.taps()).map(move |tap| sight.source(row, tap).map(column))
    }

    fn lanes(&self, t: usize, block: usize, group: usize) -> [E; LANES] {
        let start = self.geometry.start(t, block, group);
        let Some(lanes) = self.input[start..].first_chunk() else { unreachable!("whole blocks") };
        *lanes
    }

    fn copy(&self, block: usize, panels: &mut [E]) {
        for (t, panel) in panels.chunks_exact_mut(self.len()).enumerate() {
            let (panel, _) = panel.as_chunks_mut::<LANES>();
            for (g, entries) in panel.iter_mut().enumerate().take(self.geometry.groups()) {
                *entries = self.lanes(t, block, g);
            }
        }
    }

    /// A window that keeps the size sees, at each tap, the rows at a constant
    /// distance, but for those that lie outside of the image.
    fn shift(&self, window: Window, [height, width]: [usize; 2], block: usize, panels: &mut [E]) {
        let taps = window.size * window.size;
        let reach = window.padding * (width + 1);
        let around = reach.div_ceil(LANES); // neighbouring blocks on each side
        let mut masks = vec![[0u8; LANES]; taps];
        for lane in 0..LANES {
            let row = block * LANES + lane;
            if row >= self.geometry.rows {
                break;
            }
            let (y, x) = (row / width % height, row % width);
            for (tap, mask) in masks.iter_mut().enumerate() {
                let inside = window.source(y, tap / window.size, height).is_some()
                    && window.source(x, tap % window.size, width).is_some();
                mask[lane] = if inside { 255 } else { 0 };
            }
        }
        let offset = |tap: usize| {
            let step = |i: usize| (i * window.dilation) as isize - window.padding as isize;
            let distance = step(tap / window.size) * width as isize + step(tap % window.size);
            (around * LANES).saturating_add_signed(distance)
        };
        let groups = self.geometry.groups();
        let mut near = vec![E::default(); (2 * around + 1) * LANES];
        for (t, panel) in panels.chunks_exact_mut(self.len()).enumerate() {
            for g in 0..groups {
                for (i, near) in near.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                    *near = match (block + i).checked_sub(around) {
                        Some(other) if other < self.geometry.blocks() => self.lanes(t, other, g),
                        _ => [E::default(); LANES],
                    }
                }
                for (tap, mask) in masks.iter().enumerate() {
                    let Some(seen) = near[offset(tap)..].first_chunk::<LANES>() else {
                        unreachable!("taps reach no further")
                    };
                    let entries = &mut panel.as_chunks_mut::<LANES>().0[tap * groups + g];
                    for ((entry, &seen), &mask) in entries.iter_mut().zip(seen).zip(mask) {
                        *entry = seen.masked(mask);
                    }
                }
            }
        }
    }

    fn gather(&self, block: usize, panels: &mut [E]) {
        let groups = self.geometry.groups();
        for tap in 0..self.sight.taps() {
            let sources: [Option<usize>; LANES] = std::array::from_fn(|lane| {
                let row = self.sight.source(block * LANES + lane, tap)?;
                (row < self.geometry.rows).then_some(row)
            });
            for (t, panel) in panels.chunks_exact_mut(self.len()).enumerate() {
                for g in 0..groups {
                    let start = (tap * groups + g) * LANES;
                    for (entry, source) in panel[start..start + LANES].iter_mut().zip(&sources) {
                        let at = |row: usize| self.input[self.geometry.entry(t, row, g)];
                        *entry = source.map_or_else(E::default, at);
                    }
                }
            }
        }
    }
}

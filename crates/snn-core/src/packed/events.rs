//! The event-driven engine: spikes add rows of weights.

use super::{
    isa::Isa,
    kernel::{self, Event, Events, Membranes, SPAN, TILE},
    layout::{GROUP, LANES},
    source::Packers,
    spans::Engine,
    synapse::PackedSynapse,
    weights::Product,
};

pub(super) struct ByEvents<'a> {
    pub(super) isa: Isa,
    pub(super) synapse: &'a PackedSynapse,
    pub(super) packers: Packers<'a>,
    pub(super) product: &'a Product,
    pub(super) event: Event,
}

/// Panels `[T]`; one of them is empty.
#[derive(Default)]
pub(super) struct Panels {
    events: Events,
    bytes: Vec<[u8; GROUP]>,
    /// Arranged, for neurons in doubt.
    nibbles: Vec<u8>,
}

impl Engine for ByEvents<'_> {
    type Panels = Panels;
    type Sums = [[i32; SPAN]; LANES];
    type Hold = ();

    fn tiles(&self) -> usize {
        SPAN / TILE
    }

    fn hold(&self) {}

    fn blank(&self) -> Self::Sums {
        [[0; SPAN]; LANES]
    }

    fn pack(
        &self,
        (): &(),
        block: usize,
        Panels { events, bytes, nibbles }: &mut Panels,
        activity: Option<&mut [f32]>,
    ) {
        events.begin(self.event);
        match &self.packers {
            Packers::Spikes(packer) => {
                packer.pack(block, nibbles);
                let panels = nibbles.chunks_exact(packer.len());
                panels.clone().for_each(|panel| events.of_spikes(self.isa, panel));
                if let Some(activity) = activity {
                    for (activity, panel) in activity.iter_mut().zip(panels) {
                        *activity = kernel::most_spikes(self.isa, panel) as f32;
                    }
                    kernel::arrange(self.isa, nibbles);
                }
            }
            Packers::Counts(packer) => {
                packer.pack(block, bytes);
                let panels = bytes.chunks_exact(packer.len());
                panels.clone().for_each(|panel| events.of_counts(self.isa, panel));
                for (activity, panel) in activity.into_iter().flatten().zip(panels) {
                    *activity = kernel::most_units(self.isa, panel) as f32;
                }
            }
        }
    }

    fn multiply(&self, (): &(), span: usize, panels: &Panels, sums: &mut [Self::Sums]) {
        self.product.by_events(self.isa, span, &panels.events, sums);
    }

    fn currents(&self, (): &(), tile: usize, sums: &Self::Sums, currents: &mut Membranes) {
        let (scale, bias) = self.product.worth(tile);
        let first = tile * TILE % SPAN;
        for (lane, sums) in sums.iter().enumerate() {
            for n in 0..TILE {
                currents[n][lane] = sums[first + n] as f32 * scale[n] + bias[n];
            }
        }
    }

    fn fetch(&self, n: usize) {
        self.synapse.exact().fetch(n);
    }

    fn exact(&self, panels: &Panels, n: usize, lane: usize) -> Vec<f64> {
        let (packers, Panels { bytes, nibbles, .. }) = (&self.packers, panels);
        packers.exact(self.isa, self.synapse, (nibbles, bytes), n, lane)
    }
}

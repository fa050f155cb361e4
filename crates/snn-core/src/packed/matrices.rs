//! The engine of matrix registers, from bytes.

use super::{
    isa::Isa,
    kernel::{self, CHANNELS, Corners, MOST, Matrices, Membranes, TILE},
    layout::{GROUP, LANES},
    source::Packers,
    spans::Engine,
    synapse::PackedSynapse,
    weights::Product,
};

pub(super) struct InMatrices<'a> {
    pub(super) isa: Isa,
    pub(super) synapse: &'a PackedSynapse,
    pub(super) packers: Packers<'a>,
    pub(super) product: &'a Product,
}

/// Panels `[T]`.
#[derive(Default)]
pub(super) struct Panels {
    bytes: Vec<[u8; GROUP]>,
    /// Of spikes: arranged, for neurons in doubt.
    nibbles: Vec<u8>,
}

impl Engine for InMatrices<'_> {
    type Panels = Panels;
    type Sums = Corners;
    type Hold = Matrices;

    fn tiles(&self) -> usize {
        self.product.span() / TILE
    }

    fn hold(&self) -> Matrices {
        let Some(matrices) = Matrices::new(self.isa) else { unreachable!("only used with AMX") };
        matrices
    }

    fn blank(&self) -> Corners {
        [[[0; LANES]; CHANNELS]; MOST]
    }

    fn pack(
        &self,
        matrices: &Matrices,
        block: usize,
        Panels { bytes, nibbles }: &mut Panels,
        activity: Option<&mut [f32]>,
    ) {
        match &self.packers {
            Packers::Spikes(packer) => {
                packer.pack(block, nibbles);
                bytes.resize(nibbles.len(), [0; GROUP]);
                matrices.spread(nibbles, bytes);
            }
            Packers::Counts(packer) => packer.pack(block, bytes),
        }
        if let Some(activity) = activity {
            kernel::arrange(self.isa, nibbles);
            for (activity, panel) in activity.iter_mut().zip(bytes.chunks_exact(self.packers.len()))
            {
                *activity = kernel::most_units(self.isa, panel) as f32;
            }
        }
    }

    fn multiply(&self, matrices: &Matrices, span: usize, panels: &Panels, sums: &mut [Corners]) {
        for (t, sums) in sums.iter_mut().enumerate() {
            let panel = &panels.bytes[self.packers.at(t)];
            self.product.by_blocks(matrices, span, (panel, t), sums);
        }
    }

    fn currents(&self, matrices: &Matrices, tile: usize, sums: &Corners, currents: &mut Membranes) {
        self.product.currents_of_blocks(matrices, tile, sums, currents);
    }

    fn fetch(&self, n: usize) {
        self.synapse.exact().fetch(n);
    }

    fn exact(&self, panels: &Panels, n: usize, lane: usize) -> Vec<f64> {
        let (packers, Panels { bytes, nibbles }) = (&self.packers, panels);
        packers.exact(self.isa, self.synapse, (nibbles, bytes), n, lane)
    }
}

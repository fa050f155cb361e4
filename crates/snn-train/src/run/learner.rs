use snn_core::{LoadError, Weights};

use super::{Metrics, OptimizerConfig, RunError, RunFolder, Watch, checkpoint::Checkpoint};
use crate::{
    optim::Optimizer,
    torch::{Precision, Torch, device},
};

/// A network that learns, whatever from: what a checkpoint holds.
pub(super) struct Learner<N> {
    pub backend: Torch,
    pub network: N,
    pub optimizer: Box<dyn Optimizer>,
    pub metrics: Vec<Metrics>,
}

impl<N> Learner<N> {
    /// The network of the newest checkpoint in `folder`; freshly drawn if there is none.
    pub fn begin(
        folder: Option<&RunFolder>,
        place: &str,
        optimizer: &OptimizerConfig,
        draw: impl FnOnce(&Torch) -> Result<(N, Weights), LoadError>,
        load: impl FnOnce(&Torch, &Weights) -> Result<N, LoadError>,
    ) -> Result<Self, RunError> {
        let backend = Torch::new(device(place)?, Precision::Single)?;
        let Some((folder, checkpoint)) = newest(folder)? else {
            let (network, _) = draw(&backend)?;
            let optimizer = optimizer.build(backend.parameters());
            return Ok(Self { backend, network, optimizer, metrics: Vec::new() });
        };
        let unfit = |source| RunError::Checkpoint { path: Checkpoint::path(folder), source };
        let network = load(&backend, &checkpoint.model).map_err(unfit)?;
        let mut optimizer = optimizer.build(backend.parameters());
        optimizer.restore(&checkpoint.optimizer).map_err(unfit)?;
        Ok(Self { backend, network, optimizer, metrics: checkpoint.metrics })
    }

    /// Ends an epoch: all that goes on from it is in `folder` before anybody is told.
    pub fn end_epoch(
        &mut self,
        metrics: Metrics,
        folder: &RunFolder,
        watch: &mut dyn Watch,
    ) -> Result<(), RunError> {
        self.metrics.push(metrics.clone());
        let checkpoint = Checkpoint {
            metrics: self.metrics.clone(),
            model: self.backend.weights(),
            optimizer: self.optimizer.state(),
        };
        checkpoint.save(folder)?;
        watch.epoch(&metrics);
        Ok(())
    }
}

fn newest(folder: Option<&RunFolder>) -> Result<Option<(&RunFolder, Checkpoint)>, RunError> {
    let Some(folder) = folder else { return Ok(None) };
    Ok(Checkpoint::load(folder)?.map(|checkpoint| (folder, checkpoint)))
}

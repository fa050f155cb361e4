use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use ndarray::ArrayD;
use snn_attn::Attend;
use snn_core::Pass;
use snn_data::Source;
use snn_models::Network;

use super::{batches, logits};

/// Long enough to tell machines apart, short enough to wait for.
const ENOUGH: Duration = Duration::from_secs(2);

/// Test images that the network classifies in a second, unwatched and `batch` at a time, logits
/// read back; loading and preparing images is not counted. Measured over some seconds, after a
/// batch that warms up.
///
/// # Errors
/// As [`evaluate`](super::evaluate).
pub fn images_per_second<B: Attend>(
    backend: &B,
    network: &dyn Network<B>,
    test: &Arc<dyn Source>,
    batch: usize,
) -> Result<f64> {
    let time = |inputs: &ArrayD<f32>| {
        let start = Instant::now();
        logits(network, Pass::new(backend), inputs);
        start.elapsed()
    };
    let (mut images, mut spent) = (0, Duration::ZERO);
    let mut warm = false;
    for batch in batches(test, batch)? {
        let batch = batch?;
        if !warm {
            time(&batch.inputs);
            warm = true;
        }
        spent += time(&batch.inputs);
        images += batch.len();
        if spent >= ENOUGH {
            break;
        }
    }
    Ok(images as f64 / spent.as_secs_f64())
}

use std::collections::BTreeMap;

use snn_core::LoadError;
use snn_models::Config;

/// Axes of tensors by name.
pub(crate) type Shapes = BTreeMap<String, Vec<usize>>;

/// Names and shapes of the tensors of a network.
pub(crate) fn outline(config: &Config) -> Result<Shapes, LoadError> {
    let (_, weights) = config.outline()?;
    let shape = |(name, tensor): (String, std::sync::Arc<snn_core::Tensor>)| {
        let shape = tensor.shape().to_vec();
        (name, shape)
    };
    Ok(weights.tensors.into_iter().map(shape).collect())
}

/// Numbers in all of them.
pub(super) fn numbers(shapes: &Shapes) -> f64 {
    shapes.values().map(|shape| shape.iter().map(|&axis| axis as f64).product::<f64>()).sum()
}

use snn_core::{Activation, Backend, Builder, Init, LoadError, Pass};

use super::Module;

/// Branches with membrane shortcuts, one after the other: `x + branch(x)`, or
/// `x + scale branch(x)` with a learned scale a channel.
pub(crate) struct Residual<B: Backend> {
    branches: Vec<Branch<B>>,
}

struct Branch<B: Backend> {
    module: Box<dyn Module<B>>,
    scale: Option<B::Param>,
}

impl<B: Backend> Residual<B> {
    pub fn new() -> Self {
        Self { branches: Vec::new() }
    }

    /// The same with one more branch.
    pub fn branch(mut self, module: impl Module<B> + 'static) -> Self {
        self.branches.push(Branch { module: Box::new(module), scale: None });
        self
    }

    /// The same with one more branch, scaled by `name` of so many channels.
    pub fn scaled_branch(
        mut self,
        module: impl Module<B> + 'static,
        from: &Builder<'_, B>,
        name: &str,
        channels: usize,
    ) -> Result<Self, LoadError> {
        let scale = Some(from.param(name, &[channels], Init::Constant(1e-6))?);
        self.branches.push(Branch { module: Box::new(module), scale });
        Ok(self)
    }
}

impl<B: Backend> Module<B> for Residual<B> {
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Real) -> B::Real {
        let mut x = x.clone();
        for Branch { module, scale } in &self.branches {
            let mut y = module.forward(pass, &x);
            if let Some(scale) = scale {
                y = pass.backend.scale_learned(&y, scale, Activation::Identity);
            }
            x = pass.backend.add_real(&x, &y);
        }
        x
    }
}

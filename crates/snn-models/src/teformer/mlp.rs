//! The backward gated MLP (T-MLP): its hidden neurons run from the last step to the first.

use snn_attn::Attend;
use snn_core::{
    Backend, Builder, Init, LoadError, Neuron, Pass, Signal, Stage,
    layer::{NeuronLayer, Synapse},
};

use crate::qkformer::Layer;

/// The current of a step is a blend, learned from the step and the one after it, of what the later
/// one sent and what this one is given. The gate is no spike.
pub(super) struct BackwardMlp<B: Backend> {
    input_x: Synapse<B>,
    forget_x: Synapse<B>,
    forget_h: Synapse<B>,
    gate_lif: NeuronLayer<B>,
    fc2: Layer<B>,
}

impl<B: Attend> BackwardMlp<B> {
    pub(super) fn new(
        [width, hidden]: [usize; 2],
        from: &Builder<'_, B>,
    ) -> Result<Self, LoadError> {
        let map = |name: &str, inputs: usize, outputs: usize| {
            Stage::linear(name, inputs, outputs).trailing(1).bias(Init::FanIn(inputs))
        };
        let synapse = |name: &str, inputs| from.synapse(map(name, inputs, hidden));
        Ok(Self {
            input_x: synapse("input_x", width)?,
            forget_x: synapse("forget_x", width)?,
            forget_h: synapse("forget_h", hidden)?,
            gate_lif: from.neuron("gate_lif", Neuron::lif(2.0).with_threshold(0.5))?,
            fc2: Layer::new(from, "fc_#2", map("fc_conv2", hidden, width))?,
        })
    }

    /// Counts `[T, B, positions..., C]` in, spikes out.
    pub(super) fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Counts) -> B::Spikes {
        let input = self.input_x.forward(pass, x);
        let forget = self.forget_x.forward(pass, x);
        let steps = input.shape()[0];
        let mut later: Option<(B::Spikes, B::Real)> = None;
        let mut hidden = Vec::with_capacity(steps);
        for t in (0..steps).rev() {
            let new = pass.backend.step(&input, t);
            let (current, membrane) = match &later {
                None => (new, None),
                Some((spikes, membrane)) => {
                    let of_later = self.forget_h.compute(pass, spikes);
                    let gate = pass.backend.add_real(&pass.backend.step(&forget, t), &of_later);
                    let sent = pass.backend.scale(&pass.backend.widen(spikes), 1.0);
                    (pass.backend.blend(&gate, &sent, &new), Some(membrane))
                }
            };
            let (spikes, membrane) = self.gate_lif.fire_from(pass, &current, membrane);
            hidden.push(spikes.clone());
            later = Some((spikes, membrane));
        }
        if steps > 1 && pass.is_watched() {
            // Every step but the first was looked at by the one before it.
            let read = pass.backend.join(&hidden[..steps - 1]);
            self.forget_h.tell(pass, &read);
        }
        hidden.reverse();
        let hidden = pass.backend.join(&hidden);
        self.gate_lif.tell(pass, &hidden);
        self.fc2.forward(pass, &hidden)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, Axis};
    use proptest::{collection::vec, prelude::*};
    use snn_core::{Event, Probe, Reference};

    use super::*;

    type F64 = Reference<f64>;

    struct Hidden(Option<ArrayD<f64>>);

    impl Probe<F64> for Hidden {
        fn observe(&mut self, backend: &F64, event: Event<'_, F64>) {
            if let Event::Neuron { name: "gate_lif", output, .. } = event {
                self.0 = Some(backend.read(output));
            }
        }
    }

    /// What the hidden neurons send, `[T, 1, N, hidden]`.
    fn hidden(x: &ArrayD<u32>, seed: u64) -> ArrayD<f64> {
        let backend = F64::new();
        let builder = Builder::draw(&backend, seed);
        let mlp = BackwardMlp::new([3, 6], &builder).unwrap();
        let mut hidden = Hidden(None);
        mlp.forward(&mut Pass::new(&backend).with_probe(&mut hidden), x);
        hidden.0.unwrap()
    }

    fn counts(steps: usize) -> impl Strategy<Value = ArrayD<u32>> {
        vec(0..4u32, steps * 2 * 3)
            .prop_map(move |x| ArrayD::from_shape_vec(vec![steps, 1, 2, 3], x).unwrap())
    }

    proptest! {
        #[test]
        fn a_hidden_step_knows_only_itself_and_what_comes_later(
            (x, y) in (1usize..6).prop_flat_map(|steps| (counts(steps), counts(steps))),
            cut in any::<prop::sample::Index>(), seed in 0u64..50,
        ) {
            let steps = x.shape()[0];
            let cut = cut.index(steps);
            let mut other = x.clone();
            for t in 0..cut {
                other.index_axis_mut(Axis(0), t).assign(&y.index_axis(Axis(0), t));
            }
            let (a, b) = (hidden(&x, seed), hidden(&other, seed));
            for t in cut..steps {
                prop_assert_eq!(a.index_axis(Axis(0), t), b.index_axis(Axis(0), t));
            }
        }
    }

    #[test]
    fn what_comes_later_is_heard() {
        let x = ArrayD::from_elem(vec![3, 1, 2, 3], 2);
        let mut other = x.clone();
        other.index_axis_mut(Axis(0), 2).fill(9);
        let early =
            |x: &ArrayD<u32>, seed| hidden(x, seed).slice_axis(Axis(0), (..2).into()).to_owned();
        assert!((0..40).any(|seed| early(&x, seed) != early(&other, seed)));
    }
}

use ndarray::Zip;
use snn_core::{Backend, Event, Probe};

/// How often queries and keys of the same token spike in the same bit and step, over all
/// attentions that compare codes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Synchrony {
    coincident: f64,
    spikes: f64,
}

impl Synchrony {
    /// `2 coincident / spikes`, 0 to 1; `None` if there was no spike.
    pub fn rate(&self) -> Option<f64> {
        (self.spikes > 0.0).then(|| 2.0 * self.coincident / self.spikes)
    }
}

impl<B: Backend> Probe<B> for Synchrony {
    fn observe(&mut self, backend: &B, event: Event<'_, B>) {
        if let Event::Attention { q, k, .. } = event
            && q.shape() == k.shape()
        {
            let (q, k) = (backend.read(q), backend.read(k));
            Zip::from(&q).and(&k).for_each(|&q, &k| self.coincident += q.min(k));
            self.spikes += q.sum() + k.sum();
        }
    }
}

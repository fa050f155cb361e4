use super::MaskedTtfs;

/// The neuron that makes the code: its membrane takes in the whole window of its inputs and then
/// meets a falling staircase, once.
impl MaskedTtfs {
    /// Threshold of the neurons of layer `layer` at a step of the network, plain TTFS:
    /// `s (T - t - z) - s / 2` in slot t of the window `[layer T, (layer + 1) T)` of its layer,
    /// infinity outside (dynamic firing threshold: layers take turns, so latency is their number
    /// times T). With a mask the slots below it stand for levels one lower, and the last slot for
    /// everything that is left.
    pub fn threshold(&self, layer: usize, step: usize) -> f32 {
        let slots = self.slots() as usize;
        match step.checked_sub(layer * slots) {
            Some(slot) if slot < slots => {
                let above = (slot as u32) < self.slots() - self.mask();
                let level = self.slots() - slot as u32 - u32::from(!above);
                if level == 0 { f32::NEG_INFINITY } else { self.edge(level) }
            }
            _ => f32::INFINITY,
        }
    }

    /// The step at which a neuron of layer `layer` spikes whose membrane is `v` after its inputs:
    /// the first at which it reaches the threshold. A membrane that reaches the stairs of the
    /// silent levels first is held back for the rest of the window. On the edge of a stair it
    /// follows the rounding of the quantiser, ties to even.
    pub fn fire(&self, layer: usize, v: f32) -> Option<usize> {
        let slots = self.slots();
        let reached = (0..=slots).rev().find(|&level| level == 0 || self.reaches(v, level))?;
        Some(layer * slots as usize + self.slot(reached)? as usize)
    }

    fn edge(&self, level: u32) -> f32 {
        let steps = f64::from(level) - f64::from(self.quantizer().zero_point()) - 0.5;
        (f64::from(self.quantizer().step()) * steps) as f32
    }

    fn reaches(&self, v: f32, level: u32) -> bool {
        let steps = i64::from(level) - i64::from(self.quantizer().zero_point());
        let (v, edge) = (f64::from(v / self.quantizer().step()), steps as f64 - 0.5);
        v > edge || v == edge && steps % 2 == 0
    }
}

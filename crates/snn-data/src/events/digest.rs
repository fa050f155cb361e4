//! A sum of events that two programs can compare.

use super::Event;
use sha2::{Digest, Sha256};

/// SHA-256 over rows (t, x, y, p), each four little-endian 64-bit integers, in file order.
#[derive(Clone, Debug, Default)]
pub struct EventDigest(Sha256);

impl EventDigest {
    /// Takes in the next events.
    pub fn update(&mut self, events: &[Event]) {
        let mut rows = [0; 32 * 256];
        for events in events.chunks(256) {
            for (row, event) in rows.chunks_exact_mut(32).zip(events) {
                row.copy_from_slice(&event.row());
            }
            self.0.update(&rows[..32 * events.len()]);
        }
    }

    /// The sum in lower-case hexadecimal.
    pub fn finish(self) -> String {
        self.0.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }
}

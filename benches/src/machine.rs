//! The machine that everything runs on.

use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;
use snn_core::packed::Isa;

/// What a reader must know of the machine.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// As the processor calls itself.
    pub cpu: String,
    /// Processors that this program may use.
    pub cores: usize,
    /// Instructions that the engine uses.
    pub isa: String,
    /// Bytes a second that all processors together read from memory.
    pub bandwidth: f64,
    /// Whether the processor multiplies 16-bit floats (bfloat16).
    pub bf16: bool,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        // Only Linux has the file; elsewhere the name stays unknown.
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = info.lines().find(|line| line.starts_with(name))?;
            line.split_once(':').map(|(_, value)| value.trim().to_owned())
        };
        let flags = field("flags").unwrap_or_default();
        Self {
            cpu: field("model name").unwrap_or_else(|| "unknown CPU".into()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            isa: Isa::best().name().into(),
            bandwidth: bandwidth(),
            bf16: flags.split(' ').any(|flag| ["avx512_bf16", "amx_bf16"].contains(&flag)),
        }
    }
}

/// The best of five passes over more memory than caches hold.
fn bandwidth() -> f64 {
    let memory = vec![1u64; 1 << 25];
    let pass = |_| {
        let start = Instant::now();
        let sum: u64 = memory.par_chunks(1 << 16).map(|part| part.iter().sum::<u64>()).sum();
        std::hint::black_box(sum);
        size_of_val(&memory[..]) as f64 / start.elapsed().as_secs_f64()
    };
    (0..5).map(pass).fold(0.0, f64::max)
}

/// Greatest memory that this process has held so far, in MB (10^6 bytes); `None` where
/// the system does not tell.
pub fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn memory_is_counted_in_megabytes() {
        let touched = vec![1u8; 50_000_000];
        assert!(std::hint::black_box(&touched).iter().all(|&b| b == 1));
        let peak = super::peak_rss_mb().unwrap();
        assert!((50.0..50_000.0).contains(&peak), "{peak}");
    }
}

//! The machine that everything runs on.

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
            bf16: flags.split(' ').any(|flag| ["avx512_bf16", "amx_bf16"].contains(&flag)),
        }
    }
}

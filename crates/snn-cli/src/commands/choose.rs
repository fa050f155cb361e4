use anyhow::Result;
use snn_models::select::{Hardware, Priority, Task, select};

use super::output;

/// Arguments of `snn choose`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: snn choose --task nlp --hardware cpu --priority efficiency")]
pub struct Arguments {
    /// What the network is to do: vision (images, and sound as frames), events, nlp; none does
    /// several at once
    #[arg(long)]
    task: String,
    /// What it is to run on: gpu, cpu, edge, neuromorphic, analog
    #[arg(long)]
    hardware: String,
    /// What counts more: accuracy, efficiency
    #[arg(long)]
    priority: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn run(self) -> Result<()> {
        let (task, hardware, priority): (Task, Hardware, Priority) =
            (self.task.parse()?, self.hardware.parse()?, self.priority.parse()?);
        let pick = select(task, hardware, priority);
        if self.json {
            return output::print_json(&pick);
        }
        let mut lines = vec![pick.preset.to_owned()];
        lines.extend(pick.settings.iter().map(|setting| format!("  --set {setting}")));
        lines.extend(pick.evidence.iter().map(|evidence| format!("  {evidence}")));
        lines.extend(pick.caution.iter().map(|caution| format!("  but: {caution}")));
        let others = pick.others.iter();
        lines.extend(others.map(|other| format!("  or {}: {}", other.preset, other.evidence)));
        output::print(&lines.join("\n"))
    }
}

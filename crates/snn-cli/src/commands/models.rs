use anyhow::Result;
use serde::Serialize;
use snn_models::{Preset, Status};

use super::output;

/// Arguments of `snn models`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: snn models --json")]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A preset with the name of its system.
#[derive(Serialize)]
struct Row {
    system: &'static str,
    #[serde(flatten)]
    preset: Preset,
}

impl Arguments {
    pub(super) fn run(self) -> Result<()> {
        let presets = Preset::all();
        if self.json {
            let row = |preset: Preset| Row { system: preset.config.system(), preset };
            return output::print_json(&presets.into_iter().map(row).collect::<Vec<_>>());
        }
        let head =
            ["preset", "system", "task", "parameters", "published accuracy", "status", "source"];
        let head = head.map(str::to_owned).to_vec();
        let rows = presets.iter().map(|preset| {
            vec![
                preset.name.into(),
                preset.config.system().into(),
                preset.task.into(),
                preset.parameters.to_string(),
                preset.accuracy.map_or("-".into(), |percent| format!("{percent:.2} %")),
                status(preset.status).into(),
                preset.source.into(),
            ]
        });
        output::print(&output::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>()))
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Reproduced => "reproduced",
        Status::OurReading => "our reading",
    }
}

use anyhow::Result;
use serde::Serialize;
use snn_models::{Preset, Status, matterhorn, wta_spikingformer};

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
struct Row<C> {
    system: &'static str,
    #[serde(flatten)]
    preset: Preset<C>,
}

impl<C> Row<C> {
    fn cells(&self) -> Vec<String> {
        let Self { system, preset } = self;
        vec![
            preset.name.into(),
            (*system).into(),
            preset.task.into(),
            preset.parameters.to_string(),
            preset.accuracy.map_or("-".into(), |percent| format!("{percent:.2} %")),
            status(preset.status).into(),
            preset.source.into(),
        ]
    }
}

/// All of them, for images and for text.
#[derive(Serialize)]
#[serde(untagged)]
enum Any {
    Images(Row<snn_models::Config>),
    Text(Row<wta_spikingformer::Config>),
}

impl Any {
    fn all() -> Vec<Self> {
        let images = Preset::all().into_iter();
        let images = images.map(|preset| Row { system: preset.config.system(), preset });
        let text = wta_spikingformer::presets().into_iter().chain(matterhorn::presets());
        let text = text.map(|preset| Row { system: preset.config.system(), preset });
        images.map(Self::Images).chain(text.map(Self::Text)).collect()
    }

    fn cells(&self) -> Vec<String> {
        match self {
            Self::Images(row) => row.cells(),
            Self::Text(row) => row.cells(),
        }
    }
}

impl Arguments {
    pub(super) fn run(self) -> Result<()> {
        let rows = Any::all();
        if self.json {
            return output::print_json(&rows);
        }
        let head =
            ["preset", "system", "task", "parameters", "published accuracy", "status", "source"];
        let head = head.map(str::to_owned).to_vec();
        let rows = rows.iter().map(Any::cells);
        output::print(&output::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>()))
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Reproduced => "reproduced",
        Status::OurReading => "our reading",
    }
}

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use snn_data::{
    EventSettings, Manifest,
    events::{
        frames::Slicing,
        sets::{Convention, Splitting},
        transform::FrameAugment,
    },
    manifest::Task,
};
use snn_import::{Import, Report, Request, import};
use snn_models::Preset;

use super::output;
use crate::run_folder::Description;

/// Arguments of `snn import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: snn import spikformer.pth.tar --system spikformer")]
pub struct Arguments {
    /// File of weights: .pth, .pth.tar, .pt or .bin of PyTorch, or safetensors
    file: PathBuf,
    /// System that it is of; needed where the tensors do not tell
    #[arg(long, value_name = "NAME")]
    system: Option<String>,
    /// Published network that it is (`snn models` lists them)
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Which network of several in the file: the keys to it, such as `model_ema`
    #[arg(long, value_name = "KEYS")]
    part: Option<String>,
    /// Set a field of the configuration that the tensors do not tell, such as heads=8
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Leave out tensors of this name; `*` stands for any text
    #[arg(long, value_name = "NAME")]
    ignore: Vec<String>,
    /// Dataset that the network was trained on; that of the published network unless given
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Folder of the dataset's files
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Run folder to make; `runs/NAME-N` unless given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn run(self) -> Result<()> {
        if let Some(name) = &self.dataset {
            Manifest::named(name)?;
        }
        if let Some(out) = &self.out {
            ensure!(!out.exists(), "{} exists already; choose another with --out", out.display());
        }
        let data = self.data.as_deref().map(|dir| {
            // As an absolute path, which later commands find from anywhere.
            fs::canonicalize(dir)
                .with_context(|| format!("cannot read the folder {}", dir.display()))
        });
        let data = data.transpose()?;
        let request = Request {
            system: self.system,
            preset: self.preset,
            part: self.part,
            set: self.set,
            ignore: self.ignore,
        };
        let Import { config, mut weights, report } = import(&self.file, &request)?;
        let dataset = self.dataset.map_or_else(|| dataset(report.preset, &config), Ok)?;
        let events = events(&dataset, &config)?;
        let source = self.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let system = config.system();
        let text = format!(
            "# Imported from {source:?}, SHA-256 {}.\n\n{}",
            report.sha256,
            toml::to_string(&Description { dataset, data, model: config, events, sound: None })?
        );
        weights.metadata = BTreeMap::from([
            ("source".to_owned(), source),
            ("sha256".to_owned(), report.sha256.clone()),
        ]);
        let write = |dir: &Path| {
            fs::write(dir.join("config.toml"), &text)?;
            weights.save(&dir.join("model.safetensors")).map_err(io::Error::other)
        };
        let run = match self.out {
            Some(out) => make(&out, write)?,
            None => make_numbered(report.preset.unwrap_or(system), write)?,
        };
        let found = Found {
            file: self.file,
            run,
            system,
            parameters: weights.parameters(),
            used: weights.tensors.into_keys().collect(),
            missing: [],
            report,
        };
        if self.json { output::print_json(&found) } else { output::print(&found.text()) }
    }
}

/// The dataset of a published network, or the only one that fits.
fn dataset(preset: Option<&str>, config: &snn_models::Config) -> Result<String> {
    let word = |text: &str| -> String {
        let kept = text.chars().filter(char::is_ascii_alphanumeric);
        kept.map(|c| c.to_ascii_lowercase()).collect()
    };
    let names = Manifest::names();
    if let Some(preset) = preset.and_then(Preset::named)
        && let Some(name) = names.iter().find(|name| word(name) == word(preset.task))
    {
        return Ok((*name).to_owned());
    }
    let (input, classes) = (config.input(), config.classes());
    let fits = |name: &&str| {
        Manifest::named(name).is_ok_and(|manifest| {
            let channels = manifest.shape.map(|shape| shape.channels);
            let count = manifest.class_count.unwrap_or(manifest.classes.len());
            channels == Some(input.channels) && count == classes
        })
    };
    let fitting: Vec<_> = names.into_iter().filter(fits).collect();
    match *fitting {
        [only] => Ok(only.to_owned()),
        [] => bail!(
            "no dataset has images of {} channels in {classes} classes; say which one the \
             network is to be measured on by --dataset NAME",
            input.channels
        ),
        _ => bail!(
            "the file does not tell the dataset that the network was trained on; pass --dataset \
             NAME, such as {}",
            fitting.join(" or ")
        ),
    }
}

/// How the released code turns recordings into frames: as many events in each, and the first nine
/// tenths of each class for training where there is no official split.
fn events(dataset: &str, config: &snn_models::Config) -> Result<Option<EventSettings>> {
    if Manifest::named(dataset)?.task != Task::EventClassification {
        return Ok(None);
    }
    Ok(Some(EventSettings {
        slicing: Slicing::Number { frames: config.input().time_steps },
        convention: Convention::SpikingJelly,
        splitting: Splitting::First { share: 0.9 },
        augment: FrameAugment::default(),
        cache: false,
    }))
}

/// Makes the folder `out`, all or nothing.
fn make(out: &Path, write: impl Fn(&Path) -> io::Result<()>) -> Result<PathBuf> {
    let mut name = out.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    let made = parent
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::create_dir(&temporary))
        .and_then(|()| {
            write(&temporary).and_then(|()| fs::rename(&temporary, out)).inspect_err(|_| {
                // The first error is the one to tell; a leftover cannot be helped then.
                let _ = fs::remove_dir_all(&temporary);
            })
        });
    made.with_context(|| format!("cannot make the run folder {}", out.display()))?;
    Ok(out.to_owned())
}

/// As [`make`], in the first of `runs/name-1`, `runs/name-2`, ... that does not exist.
fn make_numbered(name: &str, write: impl Fn(&Path) -> io::Result<()>) -> Result<PathBuf> {
    let paths = (1..).map(|number| Path::new("runs").join(format!("{name}-{number}")));
    let Some(free) = paths.into_iter().find(|path| !path.exists()) else {
        unreachable!("numbers do not end")
    };
    make(&free, write)
}

/// What `snn import --json` prints.
#[derive(Serialize)]
struct Found {
    /// The file.
    file: PathBuf,
    /// The run folder.
    run: PathBuf,
    system: &'static str,
    /// Learnable numbers.
    parameters: usize,
    /// Names of the tensors that are the network's.
    used: Vec<String>,
    /// Names of those that the file lacks: none, or there would be no network.
    missing: [String; 0],
    #[serde(flatten)]
    report: Report,
}

/// Lines that a list has at most on the screen.
const LINES: usize = 8;

impl Found {
    fn text(&self) -> String {
        let Self { file, run, system, parameters, used, report, .. } = self;
        let mut lines = vec![format!("{}: {}", file.display(), report.format)];
        let network = report.preset.map_or_else(
            || format!("a {system} that is no published network"),
            |preset| format!("{preset}, of system {system}"),
        );
        lines.push(format!("network: {network}, {parameters} parameters"));
        if !report.others.is_empty() {
            let others = report.others.join(", ");
            lines.push(format!("has the same tensors: {others}; --preset takes one of them"));
        }
        let fields = report.fields.iter();
        let rows = fields.map(|f| vec![f.name.clone(), f.value.clone(), f.origin.to_string()]);
        lines.push(output::table(&rows.collect::<Vec<_>>()));
        let place = match (report.part.as_str(), report.prefix.as_str()) {
            ("", "") => String::new(),
            (part, "") => format!(", from `{part}`"),
            ("", prefix) => format!(", without `{prefix}` in front"),
            (part, prefix) => format!(", from `{part}`, without `{prefix}` in front"),
        };
        lines.push(format!("used: {} tensors{place}", used.len()));
        if report.converted > 0 {
            lines.push(format!("made 32-bit floats: {} of them", report.converted));
        }
        if let [first, ..] = &*report.uncounted {
            let count = report.uncounted.len();
            lines.push(format!("set to zero: {count} counters of steps (first `{first}`)"));
        }
        lines.push(format!("ignored: {}", report.ignored.len()));
        let shown = report.ignored.iter().take(LINES);
        lines.extend(shown.map(|ignored| format!("  `{}`: {}", ignored.name, ignored.reason)));
        if report.ignored.len() > LINES {
            let more = report.ignored.len() - LINES;
            lines.push(format!("  and {more} more, which --json lists"));
        }
        lines.push("missing: none".to_owned());
        lines.push(format!("run folder {}", run.display()));
        lines.join("\n")
    }
}

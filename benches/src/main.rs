//! `snn-bench`: the engine beside its rivals.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use ndarray::Axis;
use snn_benches::{
    Case,
    agreement::greatest_difference,
    contest::median,
    machine, report,
    serve::{self, Work, serve},
    suite::{self, Options, Results, precision},
    work::{Attention, Classify, Coded, Decode, Fire, Layer, Scores, Search},
};
use snn_core::{Map, Packed, Weights, Window, files::write_atomic, packed::Precision};
use snn_hash::{BitCodes, Isa};

/// Measures the engine beside the engines that people use today
///
/// Everybody computes the same from the same file, each in a process of its own.
/// Answers are compared first; then all are timed by turns, so that a slow minute of
/// the machine hits all of them. Writes report.html, report.md and results.json.
#[derive(Parser)]
#[command(
    name = "snn-bench",
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true,
    after_help = "Example: cargo xtask bench --model spikformer-4-384 --batch 1,16"
)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Time the engine alone on a case file: weights, `input` and `logits`
    Case {
        /// The file
        file: PathBuf,
        /// Images at once
        #[arg(long, default_value_t = 1)]
        batch: usize,
        /// Threads
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// exact, f32, i16 or i8
        #[arg(long, default_value = "exact", value_parser = precision)]
        precision: Precision,
        /// Seconds to spend
        #[arg(long, default_value_t = 4.0)]
        seconds: f64,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Take part in a contest
    #[command(hide = true)]
    Work {
        suite: suite::Suite,
        #[arg(long)]
        case: PathBuf,
        #[arg(long, default_value_t = 1)]
        batch: usize,
        #[arg(long)]
        threads: usize,
        #[arg(long, default_value = "exact", value_parser = precision)]
        precision: Precision,
        #[arg(long, default_value_t = 1)]
        heads: usize,
        #[arg(long)]
        neuron: bool,
        #[arg(long, default_value = "wta")]
        form: suite::Form,
        #[arg(long, default_value = "winner-take-all")]
        mechanism: suite::Mechanism,
        #[arg(long)]
        answer: PathBuf,
    },
}

fn main() -> ExitCode {
    // As `rivals/serve.py` does for the others.
    snn_core::memory::keep_freed();
    let cli = Cli::parse();
    let done = match cli.command {
        None => compare(&cli.options),
        Some(Command::Case { file, batch, threads, precision, seconds, json }) => {
            time_case(&file, batch, threads, precision, seconds, json)
        }
        Some(Command::Work {
            suite,
            case,
            batch,
            threads,
            precision,
            heads,
            neuron,
            form,
            mechanism,
            answer,
        }) => {
            let what = (heads, neuron, form, mechanism);
            work(suite, &case, (batch, precision), what, threads, &answer)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options) -> Result<()> {
    let file = |name| options.out.join(name);
    let (json, page, html) = (file("results.json"), file("report.md"), file("report.html"));
    // After every contest: an interrupted run keeps what it has.
    let results = suite::run(options, |results: &Results| {
        let text = serde_json::to_vec_pretty(results).context("cannot write JSON")?;
        write_atomic(&json, &text).with_context(|| format!("cannot write {}", json.display()))?;
        let text = report::markdown(results);
        write_atomic(&page, text.as_bytes())
            .with_context(|| format!("cannot write {}", page.display()))?;
        let text = report::html(results);
        write_atomic(&html, text.as_bytes())
            .with_context(|| format!("cannot write {}", html.display()))?;
        match results.contests.last() {
            Some(contest) if !options.json => println!("{}", report::section(contest)),
            _ => {}
        }
        Ok(())
    })?;
    if options.json {
        println!("{}", serde_json::to_string(&results).context("cannot write JSON")?);
    } else {
        println!("written: {}, {}, {}", html.display(), page.display(), json.display());
    }
    Ok(())
}

fn time_case(
    file: &std::path::Path,
    batch: usize,
    threads: usize,
    precision: Precision,
    seconds: f64,
    json: bool,
) -> Result<()> {
    use_threads(threads)?;
    let case = Case::load(file)?;
    let mut classify = Classify::new(&case, batch, precision)?;
    let expected = case.logits.slice_axis(Axis(0), (..batch).into()).mapv(f64::from);
    drop(case.weights);
    let error = greatest_difference(&classify.logits(), &expected);
    let start = std::time::Instant::now();
    let mut times = Vec::new();
    while times.len() < 5 || start.elapsed().as_secs_f64() < seconds {
        times.push(serve::time(&mut classify));
    }
    let (middle, least) = (median(&times), times.iter().copied().fold(f64::INFINITY, f64::min));
    let middle = middle.context("no run")?;
    let memory = machine::peak_rss_mb();
    if json {
        let found = serde_json::json!({
            "model": case.name, "batch": batch, "threads": threads,
            "precision": precision.name(), "median_s": middle, "min_s": least,
            "runs": times.len(), "max_logit_error": error, "peak_rss_mb": memory,
        });
        println!("{found}");
    } else {
        println!(
            "{}, batch {batch}, {threads} threads, {}: median {:.2} ms an image, least {:.2}, \
             {} runs; logits within {error:.1e}; {:.0} MB at most",
            classify.about(),
            case.name,
            middle / batch as f64 * 1e3,
            least / batch as f64 * 1e3,
            times.len(),
            memory.unwrap_or(f64::NAN)
        );
    }
    Ok(())
}

fn work(
    suite: suite::Suite,
    case: &std::path::Path,
    (batch, precision): (usize, Precision),
    (heads, neuron, form, mechanism): (usize, bool, suite::Form, suite::Mechanism),
    threads: usize,
    answer: &std::path::Path,
) -> Result<()> {
    use_threads(threads)?;
    let tensor = |file: &Weights, name: &str| {
        let found = file.get(name).map(snn_core::Tensor::to_f32);
        found.with_context(|| format!("{} holds no tensor `{name}`", case.display()))
    };
    match suite {
        suite::Suite::Models | suite::Suite::Curves => {
            serve(|| Classify::new(&Case::load(case)?, batch, precision), answer)
        }
        suite::Suite::Synapses => serve(
            || {
                let file = Weights::load(case)?;
                let (x, weight) = (tensor(&file, "x")?, tensor(&file, "weight")?);
                let map = match weight.shape() {
                    [outputs, inputs] => Map::Linear { inputs: *inputs, outputs: *outputs },
                    [outputs, inputs, ..] => Map::conv2d(*inputs, *outputs, Window::SAME3),
                    [..] => anyhow::bail!("{}: `weight` has no inputs", case.display()),
                };
                Layer::new(Packed::new(precision), map, &weight, &x.mapv(|x| x != 0.0))
            },
            answer,
        ),
        suite::Suite::Codes => serve(
            || {
                let file = Weights::load(case)?;
                let [x, weight, bias] =
                    [tensor(&file, "x")?, tensor(&file, "weight")?, tensor(&file, "bias")?];
                Coded::new(Packed::new(precision), &x, &weight, &bias)
            },
            answer,
        ),
        suite::Suite::Lif => serve(|| Ok(Fire::new(&tensor(&Weights::load(case)?, "x")?)), answer),
        suite::Suite::Attention => serve(
            || {
                let file = Weights::load(case)?;
                let spikes = |name| Ok::<_, anyhow::Error>(tensor(&file, name)?.mapv(|x| x != 0.0));
                Ok(Attention::new([&spikes("q")?, &spikes("k")?, &spikes("v")?], heads, neuron))
            },
            answer,
        ),
        suite::Suite::Scores => serve(
            || {
                let file = Weights::load(case)?;
                let spikes = |name| Ok::<_, anyhow::Error>(tensor(&file, name)?.mapv(|x| x != 0.0));
                Scores::new([&spikes("q")?, &spikes("k")?, &spikes("v")?], mechanism)
            },
            answer,
        ),
        suite::Suite::Decode => serve(
            || {
                let file = Weights::load(case)?;
                let spikes = |name| Ok::<_, anyhow::Error>(tensor(&file, name)?.mapv(|x| x != 0.0));
                Ok(Decode::new([&spikes("q")?, &spikes("k")?, &spikes("v")?], form))
            },
            answer,
        ),
        suite::Suite::Hamming => {
            serve(|| Ok(Search::new(&BitCodes::load(case)?, Isa::best())), answer)
        }
    }
}

fn use_threads(threads: usize) -> Result<()> {
    // This thread works too: handing every layer over to others costs a wake-up each time.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread();
    pool.build_global().context("cannot start threads")
}

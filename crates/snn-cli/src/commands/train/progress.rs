//! How training goes: a bar on a terminal, a line for each epoch everywhere.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressStyle};
use snn_train::run::{self, Metrics, Watch};

pub(super) struct Progress {
    bar: ProgressBar,
    epochs: usize,
}

impl Progress {
    /// The bar is on standard error, and invisible where that is no terminal.
    pub(super) fn new(epochs: usize) -> Self {
        let template = "epoch {prefix} [{bar:24}] {pos}/{len}  {msg}  {eta} left";
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|e| unreachable!("the template is a constant: {e}"))
            .progress_chars("=> ");
        Self { bar: ProgressBar::no_length().with_style(style), epochs }
    }
}

impl Watch for Progress {
    fn step(&mut self, progress: &run::Progress) {
        if progress.step == 1 {
            self.bar.reset();
            self.bar.set_length(progress.steps as u64);
            self.bar.set_prefix(format!("{}/{}", progress.epoch, progress.epochs));
        }
        self.bar.set_position(progress.step as u64);
        self.bar.set_message(format!(
            "loss {:.3}  accuracy {:.1} %  {:.0} images/s  firing {:.1} %",
            progress.loss,
            100.0 * progress.accuracy,
            progress.images_per_s,
            100.0 * progress.firing_rate,
        ));
    }

    fn epoch(&mut self, metrics: &Metrics) {
        self.line(metrics, |line| line);
    }
}

impl Progress {
    /// Prints the line of an epoch, as `finish` makes it of the usual one.
    pub(super) fn line(&mut self, metrics: &Metrics, finish: impl FnOnce(String) -> String) {
        let line = finish(line(metrics, self.epochs));
        // Nobody may read it any more; training goes on all the same.
        self.bar.suspend(|| {
            let _ = writeln!(io::stdout(), "{line}");
        });
        if metrics.epoch == self.epochs {
            self.bar.finish_and_clear();
        }
    }
}

fn line(metrics: &Metrics, epochs: usize) -> String {
    let width = epochs.to_string().len();
    format!(
        "epoch {:width$}/{epochs}  loss {:.3}  accuracy {:5.2} %  test loss {:.3}  \
         test accuracy {:5.2} %  firing {:4.1} %  {:.0} images/s  {:.1} s",
        metrics.epoch,
        metrics.train_loss,
        100.0 * metrics.train_accuracy,
        metrics.test_loss,
        100.0 * metrics.test_accuracy,
        100.0 * metrics.firing_rate,
        metrics.images_per_s,
        metrics.seconds,
    )
}

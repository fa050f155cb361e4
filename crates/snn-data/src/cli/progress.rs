//! Progress on standard error: a bar on a terminal, plain lines elsewhere.

use crate::fetch::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{io::IsTerminal, sync::Mutex};

/// Shows how a download goes on.
#[derive(Default)]
pub(super) struct Bar(Mutex<Option<ProgressBar>>);

impl Bar {
    fn bar(&self) -> std::sync::MutexGuard<'_, Option<ProgressBar>> {
        // A bar is never left half changed, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A bar, or a counter where the total is not known.
fn style(known: bool) -> ProgressStyle {
    let template = match known {
        true => "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        false => "{msg} {bytes} {bytes_per_sec}",
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => style.progress_chars("=> "),
        Err(_) => ProgressStyle::default_bar(),
    }
}

impl Progress for Bar {
    fn begin(&self, name: &str, done: u64, total: Option<u64>) {
        if !std::io::stderr().is_terminal() {
            match total {
                Some(total) => eprintln!("{name}: {done} of {total} bytes"),
                None => eprintln!("{name}"),
            }
        }
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.set_style(style(total.is_some()));
        bar.set_message(name.to_string());
        bar.set_position(done);
        *self.bar() = Some(bar);
    }

    fn advance(&self, bytes: u64) {
        if let Some(bar) = &*self.bar() {
            bar.inc(bytes);
        }
    }

    fn end(&self) {
        if let Some(bar) = self.bar().take() {
            bar.finish_and_clear();
        }
    }

    fn note(&self, text: &str) {
        match &*self.bar() {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }
}

//! The `%` header that Prophesee's DAT and RAW files share.

use crate::events::{
    Sensor,
    bytes::{Fault, line, text},
};

/// Reads header lines and keeps what they say of the sensor.
#[derive(Debug, Default)]
pub(super) struct Header {
    width: Option<u16>,
    height: Option<u16>,
    done: bool,
}

impl Header {
    pub fn sensor(&self) -> Option<Sensor> {
        Some(Sensor::new(self.width?, self.height?))
    }

    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Reads lines from the start of `input`; returns the bytes used.
    pub fn read(&mut self, input: &[u8], last: bool) -> Result<usize, Fault> {
        let mut used = 0;
        while !self.done {
            let rest = &input[used..];
            match rest {
                [] => break,
                [b'%'] if !last => break,
                // A data word may begin with the byte `%`, but then no space or name follows.
                [b'%', b' ' | b'\t' | b'a'..=b'z' | b'A'..=b'Z' | b'\n' | b'\r', ..] => {}
                _ => {
                    self.done = true;
                    break;
                }
            }
            let Some(line) = line(rest, last, "header")? else { break };
            used += line.len();
            self.note(&text(line));
        }
        Ok(used)
    }

    fn note(&mut self, line: &str) {
        let line = line.trim_start_matches(['%', ' ', '\t']);
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        match key.to_ascii_lowercase().as_str() {
            "end" => self.done = true,
            "width" => self.width = value.trim().parse().ok().or(self.width),
            "height" => self.height = value.trim().parse().ok().or(self.height),
            "geometry" => {
                if let Some((width, height)) = value.trim().split_once('x') {
                    self.width = width.parse().ok();
                    self.height = height.parse().ok();
                }
            }
            "format" => {
                for (key, value) in value.split(';').filter_map(|p| p.trim().split_once('=')) {
                    match key {
                        "width" => self.width = value.parse().ok(),
                        "height" => self.height = value.parse().ok(),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}

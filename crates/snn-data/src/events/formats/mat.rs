//! MATLAB 5 files of ASL-DVS: the variables `ts`, `x`, `y`, `pol`.

use crate::{
    events::{
        Event,
        reader::{Batches, Problem},
    },
    matlab::{self, Fault, Numbers},
};
use std::{collections::BTreeMap, io::Read};

/// Most bytes of a file, and of its variables unpacked.
const MOST: u64 = 256 << 20;

/// Events handed over at a time.
const BATCH: usize = 1 << 15;

impl From<Fault> for Problem {
    fn from(Fault { what, expected, found }: Fault) -> Self {
        Self::Corrupt { offset: None, what, expected, found }
    }
}

/// Events in four columns side by side.
pub(crate) struct MatEvents {
    /// ts, x, y, pol.
    columns: [Numbers<'static>; 4],
    at: usize,
}

const NAMES: [&str; 4] = ["ts", "x", "y", "pol"];

impl MatEvents {
    pub fn open(input: impl Read) -> Result<Self, Problem> {
        let mut bytes = Vec::new();
        input.take(MOST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST {
            return Err(Problem::new("file", format!("at most {MOST} bytes"), "more"));
        }
        let mut found = BTreeMap::new();
        matlab::variables(&bytes, MOST, |array| {
            let name = String::from_utf8_lossy(array.name).into_owned();
            if let Some(numbers) = array.numbers()? {
                let known = NAMES.contains(&name.as_str());
                found.insert(name, known.then(|| numbers.into_owned()));
            }
            Ok(())
        })?;
        let [Some(t), Some(x), Some(y), Some(p)] =
            NAMES.map(|name| found.get_mut(name).and_then(Option::take))
        else {
            let found: Vec<String> = found.into_keys().collect();
            return Err(Problem::new("variables", NAMES.join(", "), found.join(", ")));
        };
        let columns = [t, x, y, p];
        let lengths = columns.each_ref().map(Numbers::len);
        if lengths != [lengths[0]; 4] {
            let found = lengths.map(|n| n.to_string()).join(", ");
            return Err(Problem::new("variables ts, x, y, pol", "of one length", found));
        }
        Ok(Self { columns, at: 0 })
    }

    fn event(&self, i: usize) -> Option<Event> {
        let [t, x, y, p] = self.columns.each_ref().map(|column| column.get(i));
        let small = |v: f64| (v.fract() == 0.0 && (0.0..65536.0).contains(&v)).then_some(v as u16);
        let t = (t.abs() < 9e18).then_some(t as i64)?;
        Event::checked(t, small(x)?, small(y)?, p > 0.0)
    }
}

impl Batches for MatEvents {
    fn next_batch(&mut self, out: &mut Vec<Event>) -> Result<bool, Problem> {
        let batch = self.at..self.columns[0].len().min(self.at + BATCH);
        out.reserve(batch.len());
        for i in batch.clone() {
            out.push(self.event(i).ok_or_else(|| {
                Problem::new("event", "whole numbers that fit", format!("another at event {i}"))
            })?);
        }
        self.at = batch.end;
        Ok(!batch.is_empty())
    }
}

use std::fmt;

use super::Shapes;

/// How the tensors of a file differ from those of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// What the network needs and the file lacks, with its shape.
    pub missing: Vec<(String, Vec<usize>)>,
    /// What has another shape: that of the file, and that of the network.
    pub shapes: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// What the network does not know, with its shape.
    pub unexpected: Vec<(String, Vec<usize>)>,
    /// Counters of training steps that the file lacks; releases before 0.4.1 wrote none.
    pub uncounted: Vec<String>,
}

impl Differences {
    /// Whether the tensors are those of the network.
    pub fn none(&self) -> bool {
        self.count() == 0
    }

    pub(crate) fn count(&self) -> usize {
        self.missing.len() + self.shapes.len() + self.unexpected.len()
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let count =
            |n: usize| if n == 1 { "1 tensor is".into() } else { format!("{n} tensors are") };
        if let [(name, shape), ..] = &*self.missing {
            let n = count(self.missing.len());
            parts.push(format!("{n} missing (first `{name}` of shape {shape:?})"));
        }
        if let [(name, found, expected), ..] = &*self.shapes {
            let n = count(self.shapes.len());
            parts.push(format!(
                "{n} of another shape (first `{name}`: {found:?}, expected {expected:?})"
            ));
        }
        if let [(name, shape), ..] = &*self.unexpected {
            let n = count(self.unexpected.len());
            parts.push(format!("{n} unexpected (first `{name}` of shape {shape:?})"));
        }
        f.write_str(&parts.join(", "))
    }
}

/// Compares what is there with what a network needs.
pub(crate) fn compare(found: &Shapes, expected: &Shapes) -> Differences {
    let mut differences = Differences::default();
    for (name, shape) in expected {
        match found.get(name) {
            Some(there) if there == shape => {}
            Some(there) => {
                differences.shapes.push((name.clone(), there.clone(), shape.clone()));
            }
            None if name.ends_with("num_batches_tracked") => {
                differences.uncounted.push(name.clone());
            }
            None => differences.missing.push((name.clone(), shape.clone())),
        }
    }
    let unexpected = found.iter().filter(|(name, _)| !expected.contains_key(*name));
    differences.unexpected =
        unexpected.map(|(name, shape)| (name.clone(), shape.clone())).collect();
    differences
}

/// Why a tensor that no network has changes nothing, if that is known.
pub(crate) fn harmless(name: &str, shape: &[usize]) -> Option<&'static str> {
    match name.rsplit('.').next() {
        Some("total_ops" | "total_params") => Some("a count of operations that a profiler left"),
        // `w` is the learned leak of a PLIF, and read.
        Some("w") => None,
        Some(last) if shape.iter().product::<usize>() == 1 => {
            let path = name[..name.len() - last.len()].split('.');
            let of_neuron = path
                .into_iter()
                .any(|part| part.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with("lif"));
            of_neuron.then_some("a constant of a neuron")
        }
        _ => None,
    }
}

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use ndarray::{ArrayD, IxDyn};
use safetensors::Dtype;
use serde::Serialize;
use snn_core::{Outline, Tensor, Weights};
use snn_models::{Config, Preset};

use crate::{
    Checkpoint, Format, ImportError, Why,
    parts::{Candidate, candidates},
    recognise::{
        Choice, Differences, Family, Field, Shapes, Solved, apply, choose, compare, families,
        harmless, outline, published, solve,
    },
    tensor::Stored,
};

/// What a person knows of a file; the rest is told by the file.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The system that it is of.
    pub system: Option<String>,
    /// The published network that it is of.
    pub preset: Option<String>,
    /// Which of several networks in it: the keys to it.
    pub part: Option<String>,
    /// Fields of the configuration, `key=value`.
    pub set: Vec<String>,
    /// Names of tensors that may be left out; `*` stands for any text.
    pub ignore: Vec<String>,
}

/// A network from a file.
#[derive(Clone, Debug)]
pub struct Import {
    /// Its shape.
    pub config: Config,
    /// Its tensors, under the authors' names.
    pub weights: Weights,
    /// What became of the file.
    pub report: Report,
}

/// What became of a file.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// SHA-256 of the file, lower-case hexadecimal.
    pub sha256: String,
    /// How the file is built.
    pub format: Format,
    /// The keys to the network; empty where it is the file itself.
    pub part: String,
    /// What stood in front of its names.
    pub prefix: String,
    /// The published network that it is.
    pub preset: Option<&'static str>,
    /// Published networks of the same tensors that differ in what tensors do not tell.
    pub others: Vec<&'static str>,
    /// Every field of the configuration, and how it is known.
    pub fields: Vec<Field>,
    /// Tensors of 16-bit or 64-bit floats, now 32-bit ones.
    pub converted: usize,
    /// Counters of training steps that the file lacks, now zero.
    pub uncounted: Vec<String>,
    /// What was left out.
    pub ignored: Vec<Ignored>,
}

/// Something that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ignored {
    /// Its name, or the key to it.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Reads a file of weights and recognises the network.
///
/// # Errors
/// [`ImportError`] says what is wrong, and what to do.
pub fn import(path: &Path, request: &Request) -> Result<Import, ImportError> {
    let mut checkpoint = Checkpoint::open(path)?;
    from_checkpoint(&mut checkpoint, request)
        .map_err(|source| ImportError { path: path.into(), source })
}

/// A network that was recognised, and where it is.
struct Found<'a> {
    candidate: &'a Candidate<'a>,
    choice: Choice,
    /// Tensors that are left out, and why.
    left: Vec<Ignored>,
}

fn from_checkpoint(checkpoint: &mut Checkpoint, request: &Request) -> Result<Import, Why> {
    let families = families();
    check(request, &families)?;
    let known: BTreeSet<&str> =
        families.iter().flat_map(|family| family.tensors.keys()).map(String::as_str).collect();
    let candidates = candidates(checkpoint.parts(), &known);
    let wanted = wanted(checkpoint, &candidates, request)?;
    let mut failed = None;
    let mut found = None;
    for candidate in wanted {
        match recognise(candidate, checkpoint, request, &families) {
            Ok(recognised) => {
                found = Some(recognised);
                break;
            }
            Err(why) => failed = failed.or(Some(why)),
        }
    }
    let Some(Found { candidate, choice, left }) = found else {
        return Err(failed.unwrap_or_else(|| unreachable!("there is at least one candidate")));
    };
    let stored: BTreeMap<&str, &Stored> = candidate
        .tensors()
        .filter_map(|(name, tensor)| Some((name, tensor.as_ref().ok()?)))
        .collect();
    let expected = outline(&choice.config)?;
    let shapes = stored.iter().map(|(name, t)| ((*name).to_owned(), t.shape.clone())).collect();
    let uncounted = compare(&shapes, &expected).uncounted;
    let tensors: Vec<(String, Stored)> = stored
        .into_iter()
        .filter(|(name, _)| expected.contains_key(*name))
        .map(|(name, tensor)| (name.to_owned(), tensor.clone()))
        .collect();
    let exact = |(_, tensor): &&(String, Stored)| {
        !matches!(tensor.dtype, Dtype::F16 | Dtype::BF16 | Dtype::F64)
    };
    let mut report = Report {
        sha256: String::new(),
        format: checkpoint.format(),
        part: candidate.path().to_owned(),
        prefix: candidate.prefix.clone(),
        preset: Preset::all().iter().find(|p| p.config == choice.config).map(|p| p.name),
        others: choice.others,
        fields: choice.fields,
        converted: tensors.len() - tensors.iter().filter(exact).count(),
        ignored: ignored(checkpoint, candidate, &candidates, left),
        uncounted,
    };
    let mut weights = checkpoint.load(tensors)?;
    for name in &report.uncounted {
        weights.insert(name.as_str(), Tensor::I64(ArrayD::zeros(IxDyn(&[]))));
    }
    choice.config.load(&Outline, &weights)?;
    report.sha256 = checkpoint.sha256()?;
    Ok(Import { config: choice.config, weights, report })
}

/// Checks the names in a request.
fn check(request: &Request, families: &[Family]) -> Result<(), Why> {
    if let Some(system) = &request.system
        && !families.iter().any(|family| family.system == system)
    {
        let mut known: Vec<_> = families.iter().map(|family| family.system).collect();
        known.dedup();
        return Err(Why::System { system: system.clone(), known });
    }
    let Some(name) = &request.preset else { return Ok(()) };
    let preset = Preset::named(name).ok_or_else(|| Why::Preset { preset: name.clone() })?;
    match &request.system {
        Some(asked) if asked != preset.config.system() => {
            Err(Why::Other { asked: asked.clone(), found: preset.config.system().into() })
        }
        _ => Ok(()),
    }
}

/// The networks to look at, in this order.
fn wanted<'a>(
    checkpoint: &Checkpoint,
    candidates: &'a [Candidate<'a>],
    request: &Request,
) -> Result<Vec<&'a Candidate<'a>>, Why> {
    let mut tensors = checkpoint.parts().iter().flat_map(|part| part.tensors.keys());
    let Some(first) = tensors.next() else {
        let entries = checkpoint.entries().iter();
        let holds = entries.map(|(key, what)| format!("`{key}` ({what})")).collect();
        return Err(Why::Empty { holds });
    };
    if candidates.is_empty() {
        return Err(Why::Foreign { tensors: tensors.count() + 1, first: first.clone() });
    }
    let Some(part) = &request.part else { return Ok(candidates.iter().collect()) };
    let named: Vec<_> =
        candidates.iter().filter(|found| found.name() == *part || found.path() == part).collect();
    if named.is_empty() {
        let parts = candidates.iter().map(|found| format!("`{}`", found.name())).collect();
        return Err(Why::Part { part: part.clone(), parts });
    }
    Ok(named)
}

fn recognise<'a>(
    candidate: &'a Candidate<'a>,
    checkpoint: &Checkpoint,
    request: &Request,
    families: &[Family],
) -> Result<Found<'a>, Why> {
    let mut shapes = candidate.shapes();
    let mut left = Vec::new();
    shapes.retain(|name, shape| {
        let asked = request.ignore.iter().any(|pattern| matches(pattern, name));
        let reason = asked.then_some("as asked by --ignore").or_else(|| harmless(name, shape));
        if let Some(reason) = reason {
            left.push(Ignored { name: name.clone(), reason: reason.into() });
        }
        reason.is_none()
    });
    // What cannot be read is missing, and the reason is better than that word.
    let unreadable = |why: Why| {
        let differences = match &why {
            Why::Nothing { differences, .. } | Why::Misfit { differences, .. } => differences,
            _ => return why,
        };
        let missing: BTreeSet<&str> =
            differences.missing.iter().map(|(name, _)| name.as_str()).collect();
        let reason = candidate.tensors().find_map(|(name, tensor)| match tensor {
            Err(reason) if missing.contains(name) => Some((name.to_owned(), reason.clone())),
            _ => None,
        });
        match reason {
            Some((name, source)) => Why::Unreadable { name, source },
            None => why,
        }
    };
    let preset = request.preset.as_deref().and_then(Preset::named);
    let choice = match &preset {
        Some(preset) => {
            let family = families.iter().find(|family| family.has(preset.name));
            let solved = family.and_then(|family| solve(family, &shapes));
            published(preset, &shapes, solved.as_ref(), &request.set)
        }
        None => {
            let part = candidate.name();
            find(&part, &shapes, families, request).and_then(|(family, solved)| {
                choose(family, &solved, checkpoint.facts(), &request.set)
            })
        }
    }
    .map_err(unreadable)?;
    let differences = compare(&shapes, &outline(&choice.config)?);
    if !differences.none() {
        let asked = request.preset.clone().unwrap_or_else(|| request.set.join(" "));
        return Err(unreadable(Why::Misfit { asked, differences }));
    }
    Ok(Found { candidate, choice, left })
}

/// The family that has a network of these tensors.
fn find<'f>(
    part: &str,
    shapes: &Shapes,
    families: &'f [Family],
    request: &Request,
) -> Result<(&'f Family, Solved), Why> {
    let mut settings = toml::Table::new();
    for change in &request.set {
        apply(&mut settings, change).map_err(|e| Why::set(change, e))?;
    }
    let variant = settings.get("variant").and_then(|variant| variant.as_str());
    let asked = |family: &&Family| {
        request.system.as_deref().is_none_or(|system| family.system == system)
            && (variant.is_none() || family.variant.as_deref() == variant)
    };
    let solved = |family: &'f Family| Some((family, solve(family, shapes)?));
    let mut found: Vec<_> = families.iter().filter(asked).filter_map(solved).collect();
    found.sort_by_key(|(_, solved)| solved.differences.count());
    let fits = found.iter().take_while(|(_, solved)| solved.differences.none()).count();
    match fits {
        1 => Ok(found.swap_remove(0)),
        0 => Err(nothing(part, shapes, families, request, found)),
        _ => {
            let mut systems: Vec<_> =
                found[..fits].iter().map(|(family, _)| family.name()).collect();
            systems.sort_unstable();
            Err(Why::Ambiguous { systems })
        }
    }
}

/// Why no family has such a network.
fn nothing(
    part: &str,
    shapes: &Shapes,
    families: &[Family],
    request: &Request,
    found: Vec<(&Family, Solved)>,
) -> Why {
    if let Some(asked) = &request.system {
        let fits = |family: &&Family| {
            solve(family, shapes).is_some_and(|solved| solved.differences.none())
        };
        if let Some(family) = families.iter().find(fits) {
            return Why::Other { asked: asked.clone(), found: family.system.into() };
        }
    }
    let part = if part.is_empty() { "the file".into() } else { part.to_owned() };
    match found.into_iter().next() {
        Some((family, solved)) => {
            Why::Nothing { part, nearest: family.name(), differences: solved.differences }
        }
        None => {
            let nearest = request.system.clone().unwrap_or_else(|| "none".into());
            let unexpected = shapes.clone().into_iter().collect();
            let differences = Differences { unexpected, ..Differences::default() };
            Why::Nothing { part, nearest, differences }
        }
    }
}

fn ignored(
    checkpoint: &Checkpoint,
    candidate: &Candidate<'_>,
    candidates: &[Candidate<'_>],
    mut ignored: Vec<Ignored>,
) -> Vec<Ignored> {
    let mut add = |name: String, reason: String| ignored.push(Ignored { name, reason });
    for other in candidates.iter().filter(|other| other.name() != candidate.name()) {
        let name = other.name();
        add(name.clone(), format!("another network; --part {name} takes it"));
    }
    for name in candidate.outside() {
        add(name.to_owned(), format!("not under `{}`", candidate.prefix));
    }
    let key = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
    let taken: BTreeSet<String> = candidates.iter().map(|found| key(found.path())).collect();
    for (name, what) in checkpoint.entries().iter().filter(|(name, _)| !taken.contains(name)) {
        add(name.clone(), format!("{what}, no part of the network"));
    }
    ignored
}

/// Whether a name is that of a pattern, in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        for (pattern, name) in [("a.b", "a.b"), ("a.*", "a.b.c"), ("*.w", "a.w"), ("*b*d", "abcd")]
        {
            assert!(matches(pattern, name), "{pattern} is not {name}");
        }
        for (pattern, name) in [("a", "ab"), ("a*", "ba"), ("*.w", "a.w.b"), ("a*a", "a")] {
            assert!(!matches(pattern, name), "{pattern} is {name}");
        }
    }
}

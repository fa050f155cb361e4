//! What is known of each dataset: files, checksums, addresses, licence, split, constants.
//!
//! The manifests lie in `datasets/` at the root of the workspace, one TOML file each, and are
//! embedded in the program. Nothing here touches the disk or the network.

use crate::DataError;
use serde::{Deserialize, Serialize};

/// A dataset as its publishers describe it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name to ask for, for example `cifar10`.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// What the data is for.
    pub task: Task,
    /// Terms of use.
    pub licence: String,
    /// What to cite.
    pub citation: String,
    /// Whether its publishers want an account or a signature before they hand it out.
    pub registration: bool,
    /// Whether no address hands the files to a program, so that a person gets them from the pages
    /// in `sources`.
    #[serde(default)]
    pub by_hand: bool,
    /// Addresses, the preferred one first. One that ends in `/` is the folder of the files;
    /// any other is the address of the only archive.
    pub sources: Vec<String>,
    /// How training and test samples are told apart, in words.
    pub split: String,
    /// Number of training samples.
    pub train: usize,
    /// Number of test samples (validation, where the test labels are not published).
    pub test: usize,
    /// Names of the classes in the order of their labels; empty where the files bring them.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Number of classes where `classes` is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_count: Option<usize>,
    /// Facts that were never checked against the publisher.
    #[serde(default)]
    pub unconfirmed: Vec<String>,
    /// Shape of a sample as a model sees it; none for text and sound of free length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
    /// Constants that bring pixels to zero mean and unit deviation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalisation: Option<Normalisation>,
    /// Archives that the publishers pack the files into.
    #[serde(default)]
    pub archives: Vec<Archive>,
    /// Files as the readers want them (unpacked, but still compressed if published so).
    #[serde(default)]
    pub files: Vec<File>,
}

/// What a dataset is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Task {
    /// One class per image.
    ImageClassification,
    /// One class per pixel.
    Segmentation,
    /// One class per recording of an event camera or of any address-event sensor.
    EventClassification,
    /// Boxes in recordings of an event camera.
    EventDetection,
    /// One class per text.
    TextClassification,
    /// The next token of a text.
    LanguageModelling,
    /// One class per sound.
    AudioClassification,
}

impl Task {
    /// The data of the task in words.
    pub fn data(self) -> &'static str {
        match self {
            Self::ImageClassification => "images",
            Self::Segmentation => "images with a class per pixel",
            Self::EventClassification | Self::EventDetection => "event recordings",
            Self::TextClassification | Self::LanguageModelling => "text",
            Self::AudioClassification => "sound",
        }
    }
}

/// Shape of one image or frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 grey, 2 event polarities, 3 red green blue.
    pub channels: usize,
}

impl Shape {
    /// `[height, width, channels]`.
    pub fn dims(self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }
}

/// Per channel, `(pixel / 255 - mean) / std`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// Mean over the training set, of pixels scaled to 0..1.
    pub mean: Vec<f32>,
    /// Standard deviation over the training set, of pixels scaled to 0..1.
    pub std: Vec<f32>,
}

impl Normalisation {
    /// Pixels scaled to 0..1 and nothing else.
    pub fn none(channels: usize) -> Self {
        Self { mean: vec![0.0; channels], std: vec![1.0; channels] }
    }

    /// Writes `(pixel / 255 - mean) / std` to `out`.
    ///
    /// # Shapes
    /// `pixels` and `out`: `[..., C]`, channels last.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn apply(&self, pixels: &[u8], out: &mut [f32]) {
        assert_eq!(pixels.len(), out.len(), "pixels and out must have the same length");
        let channels = self.mean.len();
        for (pixel, value) in pixels.chunks(channels).zip(out.chunks_mut(channels)) {
            for (c, (&p, v)) in pixel.iter().zip(value).enumerate() {
                *v = (f32::from(p) / 255.0 - self.mean[c]) / self.std[c];
            }
        }
    }
}

/// A file with what is known to check it by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Name in the folder that a person passes with `--data`.
    pub name: String,
    /// Size in bytes, where published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// MD5, lower-case hexadecimal, where published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// SHA-256, lower-case hexadecimal, where published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Addresses of this very file, where they do not follow from [`Manifest::sources`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
}

/// An archive as published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// File name.
    pub name: String,
    /// Size in bytes, where published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// MD5, lower-case hexadecimal, where published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// SHA-256, lower-case hexadecimal, where published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Folder that it unpacks into, where it holds one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Folder of the dataset that its content goes to, where not to the dataset's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<String>,
    /// What becomes of archives that it holds; without it they stay packed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nested: Option<Nested>,
    /// Addresses of this very archive, where they do not follow from [`Manifest::sources`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
}

/// What becomes of the archives in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nested {
    /// Their content takes their place.
    Beside,
    /// Their content goes to a folder that is named as they are.
    Folders,
}

macro_rules! embed {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every manifest, sorted by name.
        const EMBEDDED: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../datasets/", $name, ".toml")))),*];
    };
}

embed![
    "ade20k",
    "asl-dvs",
    "camvid",
    "cifar10",
    "cifar10-dvs",
    "cifar10-dvs-aedat4",
    "cifar100",
    "digits",
    "dvs128-gesture",
    "dvs128-gesture-npy",
    "fashion-mnist",
    "fsdd",
    "gen1",
    "glue-cola",
    "glue-mnli",
    "glue-mrpc",
    "glue-qnli",
    "glue-qqp",
    "glue-rte",
    "glue-wnli",
    "imagenet",
    "mnist",
    "n-caltech101",
    "n-cars",
    "nmnist",
    "shd",
    "speech-commands",
    "speech-commands-v1",
    "ssc",
    "sst2",
    "tiny-imagenet",
    "tiny-shakespeare",
    "wikitext-2",
];

impl Manifest {
    /// Names of all datasets that this program knows, sorted.
    pub fn names() -> Vec<&'static str> {
        EMBEDDED.iter().map(|(name, _)| *name).collect()
    }

    /// The embedded manifest of dataset `name`.
    ///
    /// # Errors
    /// [`DataError::UnknownDataset`] lists the names that exist.
    pub fn named(name: &str) -> Result<Self, DataError> {
        match EMBEDDED.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => Self::parse(name, text),
            None => Err(DataError::UnknownDataset { name: name.into(), known: Self::names() }),
        }
    }

    /// Reads a manifest; `name` only tells a person which text was wrong.
    ///
    /// # Errors
    /// [`DataError::ManifestSyntax`] for bad TOML, unknown or missing keys;
    /// [`DataError::Manifest`] for values that contradict each other.
    pub fn parse(name: &str, text: &str) -> Result<Self, DataError> {
        let manifest: Self = toml::from_str(text)
            .map_err(|e| DataError::ManifestSyntax { name: name.into(), source: Box::new(e) })?;
        manifest.validate()?;
        Ok(manifest)
    }

    /// Number of classes; 0 where the task has none.
    pub fn class_count(&self) -> usize {
        self.class_count.unwrap_or(self.classes.len())
    }

    /// Every address that may hold `name`, one of the archives or files.
    pub fn addresses(&self, name: &str) -> Vec<String> {
        let own = self
            .archives
            .iter()
            .map(|a| (&a.name, &a.sources))
            .chain(self.files.iter().map(|f| (&f.name, &f.sources)))
            .find(|(n, _)| *n == name)
            .map(|(_, sources)| sources.clone())
            .unwrap_or_default();
        if !own.is_empty() {
            return own;
        }
        let whole = |s: &String| match s.ends_with('/') {
            true => format!("{s}{name}"),
            false => s.clone(),
        };
        self.sources.iter().map(whole).collect()
    }

    fn validate(&self) -> Result<(), DataError> {
        let wrong = |field, expected: String, found: String| {
            Err(DataError::Manifest { name: self.name.clone(), field, expected, found })
        };
        if let (Some(count), false) = (self.class_count, self.classes.is_empty()) {
            return wrong("class_count", "absent beside `classes`".into(), count.to_string());
        }
        if let (Some(shape), Some(n)) = (&self.shape, &self.normalisation) {
            if n.mean.len() != shape.channels || n.std.len() != shape.channels {
                let found = format!("{} and {} values", n.mean.len(), n.std.len());
                return wrong("normalisation", format!("{} values each", shape.channels), found);
            }
            if let Some(std) = n.std.iter().find(|s| s.is_nan() || **s <= 0.0) {
                return wrong("normalisation.std", "above 0".into(), std.to_string());
            }
        }
        let hashes = (self.files.iter().map(|f| (&f.md5, &f.sha256)))
            .chain(self.archives.iter().map(|a| (&a.md5, &a.sha256)));
        for (md5, sha256) in hashes {
            for (field, hash, digits) in [("md5", md5, 32), ("sha256", sha256, 64)] {
                let Some(hash) = hash else { continue };
                let hex = hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if hash.len() != digits || !hex {
                    let expected = format!("{digits} lower-case hexadecimal digits");
                    return wrong(field, expected, format!("`{hash}`"));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_manifest_is_sound_and_named_like_its_file() {
        let names = Manifest::names();
        assert!(names.is_sorted());
        for name in names {
            assert_eq!(Manifest::named(name).unwrap().name, name);
        }
    }

    #[test]
    fn unknown_names_and_keys_are_told() {
        let error = Manifest::named("cifar11").unwrap_err().to_string();
        assert!(error.contains("`cifar11`") && error.contains("cifar10, "), "{error}");
        let text = include_str!("../../../datasets/mnist.toml");
        let error = Manifest::parse("mnist", &format!("colour = 1\n{text}")).unwrap_err();
        assert!(matches!(error, DataError::ManifestSyntax { .. }), "{error}");
        let error = Manifest::parse("mnist", &text.replace("std = [0.3081]", "std = [0.0]"));
        assert!(matches!(error, Err(DataError::Manifest { field: "normalisation.std", .. })));
        let error = Manifest::parse("mnist", &text.replace("f68b3c2d", "F68b3c2d"));
        assert!(matches!(error, Err(DataError::Manifest { field: "md5", .. })));
    }

    #[test]
    fn addresses_follow_from_folders_and_archives() {
        let mnist = Manifest::named("mnist").unwrap();
        let file = "t10k-labels-idx1-ubyte.gz";
        assert!(mnist.addresses(file).iter().all(|a| a.ends_with(&format!("/{file}"))));
        let cifar = Manifest::named("cifar10").unwrap();
        assert_eq!(cifar.addresses("cifar-10-binary.tar.gz"), cifar.sources);
    }
}

//! Gen1: recordings of a car's camera with boxes around cars and pedestrians.
//!
//! Source: de Tournemire et al., *A large scale event-based detection dataset for automotive*,
//! arXiv:2001.08499. Recordings `<name>_td.dat` (304 x 240) lie beside `<name>_bbox.npy`.

use super::folders;
use crate::{
    DataError,
    events::{EventError, Sensor, formats::npy::Npy, reader::Problem},
};
use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

/// Size of every recording of Gen1.
pub const SENSOR: Sensor = Sensor::new(304, 240);

/// A box around an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObjectBox {
    /// Time in microseconds.
    pub t: i64,
    /// Left edge in pixels.
    pub x: f32,
    /// Upper edge in pixels.
    pub y: f32,
    /// Width in pixels.
    pub width: f32,
    /// Height in pixels.
    pub height: f32,
    /// 0 is a car, 1 a pedestrian.
    pub class: usize,
    /// Number of the object in its recording, where the file has it.
    pub track: Option<i64>,
}

/// A recording and its boxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoxedRecording {
    /// Events, DAT.
    pub events: PathBuf,
    /// Boxes, npy.
    pub boxes: PathBuf,
}

/// Every recording in `dir` that has boxes, sorted by name.
///
/// # Errors
/// [`DataError::Io`]; [`DataError::Missing`] when boxes are absent.
pub fn recordings(dir: &Path) -> Result<Vec<BoxedRecording>, DataError> {
    let mut found = Vec::new();
    for events in folders::files(dir, "dat")? {
        let name = events.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix("_td.dat") else { continue };
        let boxes = dir.join(format!("{stem}_bbox.npy"));
        if !boxes.is_file() {
            return Err(DataError::Missing {
                dataset: "gen1".into(),
                dir: dir.into(),
                files: vec![format!("{stem}_bbox.npy")],
                sources: vec!["https://dataset.prophesee.ai/".into()],
            });
        }
        found.push(BoxedRecording { events, boxes });
    }
    Ok(found)
}

/// Reads a file of boxes: an array with the fields `t` or `ts`, `x`, `y`, `w`, `h`, `class_id` and
/// perhaps `track_id`.
///
/// # Errors
/// [`EventError::Io`]; [`EventError::Corrupt`] for another kind of file.
pub fn read(path: &Path) -> Result<Vec<ObjectBox>, EventError> {
    try_read(path).map_err(|problem| problem.at(path))
}

/// Boxes read at a time.
const PIECE: usize = 1 << 12;

fn try_read(path: &Path) -> Result<Vec<ObjectBox>, Problem> {
    let mut npy = Npy::open(BufReader::new(File::open(path)?))?;
    let field = |names: &[&str]| {
        let found = names.iter().find_map(|name| npy.header.field(name)).cloned();
        found.ok_or_else(|| {
            Problem::new("fields", format!("one named {}", names.join(" or ")), "none")
        })
    };
    let (t, x, y) = (field(&["t", "ts"])?, field(&["x"])?, field(&["y"])?);
    let (width, height, class) = (field(&["w"])?, field(&["h"])?, field(&["class_id"])?);
    let track = npy.header.field("track_id").cloned();
    let (size, mut left) = (npy.header.size, npy.header.len());
    let mut boxes = Vec::new();
    while left > 0 {
        let count = left.min(PIECE);
        for row in npy.next(count)?.chunks_exact(size) {
            let real = |f: &crate::events::formats::npy::Field| f.value(row).real() as f32;
            let whole = t.value(row).whole().zip(class.value(row).small());
            let (t, class) = whole.ok_or_else(|| {
                Problem::new("box", "a time and a class", format!("another, box {}", boxes.len()))
            })?;
            boxes.push(ObjectBox {
                t,
                x: real(&x),
                y: real(&y),
                width: real(&width),
                height: real(&height),
                class: class.into(),
                track: track.as_ref().and_then(|f| f.value(row).whole()),
            });
        }
        left -= count;
    }
    Ok(boxes)
}

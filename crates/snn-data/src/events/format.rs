//! Which format a file of events has.

use std::path::Path;

/// A format of event files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// AEDAT 2.0 of jAER (CIFAR10-DVS as published).
    Aedat2,
    /// AEDAT 3.1 (DVS128 Gesture).
    Aedat3,
    /// AEDAT 4.0 of DV (tonic's packing of CIFAR10-DVS).
    Aedat4,
    /// ATIS `.bin` (N-MNIST, N-Caltech101).
    Atis,
    /// Prophesee DAT (N-CARS, Gen1).
    Dat,
    /// Prophesee EVT 2.0.
    Evt2,
    /// Prophesee EVT 3.0.
    Evt3,
    /// Event Stream 2.
    EventStream,
    /// Text, `t x y p` a line.
    Text,
    /// NumPy archive with arrays t, x, y, p.
    Npz,
    /// NumPy array with four columns or fields x, y, p, t.
    Npy,
    /// HDF5 with spike trains (SHD, SSC).
    Hdf5,
    /// MATLAB 5 (ASL-DVS).
    Mat,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 13] = [
        Self::Aedat2,
        Self::Aedat3,
        Self::Aedat4,
        Self::Atis,
        Self::Dat,
        Self::Evt2,
        Self::Evt3,
        Self::EventStream,
        Self::Text,
        Self::Npz,
        Self::Npy,
        Self::Hdf5,
        Self::Mat,
    ];

    /// Name as a person types it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aedat2 => "aedat2",
            Self::Aedat3 => "aedat3",
            Self::Aedat4 => "aedat4",
            Self::Atis => "atis",
            Self::Dat => "dat",
            Self::Evt2 => "evt2",
            Self::Evt3 => "evt3",
            Self::EventStream => "event-stream",
            Self::Text => "text",
            Self::Npz => "npz",
            Self::Npy => "npy",
            Self::Hdf5 => "hdf5",
            Self::Mat => "mat",
        }
    }

    /// Bytes of an event, where all have as many.
    pub(super) fn record(self) -> Option<u64> {
        match self {
            Self::Aedat2 | Self::Aedat3 | Self::Dat => Some(8),
            Self::Atis => Some(5),
            _ => None,
        }
    }

    /// The format of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }

    /// Tells the format by the first bytes, then by the name of the file.
    ///
    /// `start` is the beginning of the unpacked file, best some kilobytes of it.
    pub fn detect(start: &[u8], path: &Path) -> Option<Self> {
        let signatures: [(&[u8], Self); 8] = [
            (b"#!AER-DAT4.", Self::Aedat4),
            (b"#!AER-DAT3.", Self::Aedat3),
            (b"#!AER-DAT2.", Self::Aedat2),
            (b"Event Stream", Self::EventStream),
            (b"\x89HDF\r\n\x1a\n", Self::Hdf5),
            (b"PK\x03\x04", Self::Npz),
            (b"\x93NUMPY", Self::Npy),
            (b"MATLAB 5.0", Self::Mat),
        ];
        if let Some((_, format)) = signatures.iter().find(|(s, _)| start.starts_with(s)) {
            return Some(*format);
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let extension = name.rsplit_once('.').map_or("", |(_, e)| e);
        if start.starts_with(b"%") {
            let header = start.split(|&b| b == b'\n').take_while(|l| l.starts_with(b"%"));
            for line in header.map(|l| String::from_utf8_lossy(l).to_ascii_lowercase()) {
                let line = line.trim_start_matches(['%', ' ']).trim_end();
                match line {
                    l if l.starts_with("evt 3") || l.starts_with("format evt3") => {
                        return Some(Self::Evt3);
                    }
                    l if l.starts_with("evt 2.0") || l == "format evt2" => return Some(Self::Evt2),
                    l if l.starts_with("format evt2;") => return Some(Self::Evt2),
                    l if l.starts_with("data file containing") => return Some(Self::Dat),
                    _ => {}
                }
            }
        }
        match extension {
            "dat" => Some(Self::Dat),
            "bin" => Some(Self::Atis),
            "txt" | "csv" => Some(Self::Text),
            _ => is_text(start).then_some(Self::Text),
        }
    }
}

/// Whether the first line consists of numbers.
fn is_text(start: &[u8]) -> bool {
    let mut lines = start.split(|&b| b == b'\n').filter(|l| !l.starts_with(b"#"));
    let number = |b: &u8| b.is_ascii_digit() || b" \t,;.-+\r".contains(b);
    lines.next().is_some_and(|l| l.len() > 6 && l.iter().all(number))
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

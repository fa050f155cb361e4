//! From wheels to a libtorch without its `libtorch.so`.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use zip::ZipArchive;

use super::error::Error;
use super::progress::Progress;
use super::wheels::place;

/// Unpacks what is needed of the wheels `files` below `root`.
pub fn unpack<'a>(files: impl Iterator<Item = &'a Path>, root: &Path) -> Result<(), Error> {
    let mut archives = Vec::new();
    for path in files {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(Error::zip(path))?;
        archives.push((path, archive));
    }
    let mut members = Vec::new();
    let mut total = 0;
    for (which, (path, archive)) in archives.iter_mut().enumerate() {
        for index in 0..archive.len() {
            let member = archive.by_index_raw(index).map_err(Error::zip(path))?;
            if let Some(place) = place(member.name()) {
                total += member.size();
                members.push((which, index, root.join(place)));
            }
        }
    }
    let mut progress = Progress::new("unpacking libtorch", total, 0);
    for (which, index, target) in members {
        let (path, archive) = &mut archives[which];
        let member = archive.by_index(index).map_err(Error::zip(path))?;
        write(member, path, &target, &mut progress)?;
    }
    Ok(())
}

fn write(
    mut member: impl Read,
    wheel: &Path,
    target: &Path,
    progress: &mut Progress,
) -> Result<(), Error> {
    let folder = target.parent().unwrap_or(target);
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let file = File::create(target).map_err(Error::io("create", target))?;
    let mut file = BufWriter::new(file);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = member.read(&mut buffer).map_err(|error| Error::zip(wheel)(error.into()))?;
        if read == 0 {
            break;
        }
        file.write_all(&buffer[..read]).map_err(Error::io("write", target))?;
        progress.gain(read as u64);
    }
    file.flush().map_err(Error::io("write", target))
}

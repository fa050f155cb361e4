//! Getting datasets from a server in this process that behaves badly on purpose, and from
//! archives that are damaged or hostile.
#![cfg(feature = "fetch")]

use md5::{Digest, Md5};
use snn_data::{
    Manifest,
    fetch::{Fetch, FetchError, Silent, State},
};
use std::{
    collections::VecDeque,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};
use zip::write::SimpleFileOptions;

/// What the server does with one request.
#[derive(Clone)]
enum Answer {
    /// All bytes, or the range that was asked for.
    Whole,
    /// The right length, but the connection ends after so many bytes.
    Drop(usize),
    /// No answer at all.
    Hang,
    /// A status with these header lines and no file.
    Status(u16, &'static str),
    /// All bytes, whatever range was asked for.
    IgnoreRange,
    /// Other bytes of the same length.
    Wrong,
    /// This instead of the file, with this type.
    Instead(&'static str, &'static [u8]),
    /// A range that begins elsewhere.
    WrongRange,
}

struct Server {
    address: String,
    /// Request lines and ranges as they came.
    seen: Arc<Mutex<Vec<String>>>,
}

/// Serves `bytes` under every path; each request takes the next answer, then `Whole` for ever.
fn serve(bytes: Vec<u8>, answers: Vec<Answer>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (log, bytes) = (Arc::clone(&seen), Arc::new(bytes));
    thread::spawn(move || {
        let mut answers = VecDeque::from(answers);
        for stream in listener.incoming() {
            let answer = answers.pop_front().unwrap_or(Answer::Whole);
            let (bytes, log) = (Arc::clone(&bytes), Arc::clone(&log));
            // The client may have gone away; the next request is answered all the same.
            thread::spawn(move || respond(stream.unwrap(), &bytes, answer, &log));
        }
    });
    Server { address, seen }
}

fn respond(
    mut stream: TcpStream,
    bytes: &[u8],
    answer: Answer,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut range = None;
    let mut first = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            range = value.trim().trim_end_matches('-').parse::<usize>().ok();
        }
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_string();
    log.lock().unwrap().push(match range {
        Some(start) => format!("{path} from {start}"),
        None => path,
    });
    let mut send = |status: &str, headers: &str, length: usize, body: &[u8]| {
        write!(
            stream,
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        )?;
        stream.write_all(body)
    };
    let from = range.unwrap_or(0);
    let part = bytes.get(from..).unwrap_or_default();
    let place = |start: usize| {
        format!("Content-Range: bytes {start}-{}/{}\r\n", bytes.len().max(1) - 1, bytes.len())
    };
    let (status, headers) = match range {
        Some(_) => ("206 Partial Content", place(from)),
        None => ("200 OK", String::new()),
    };
    match answer {
        Answer::Whole if range.is_some() && part.is_empty() => {
            let headers = format!("Content-Range: bytes */{}\r\n", bytes.len());
            send("416 Range Not Satisfiable", &headers, 0, &[])
        }
        Answer::Whole => send(status, &headers, part.len(), part),
        Answer::Drop(after) => send(status, &headers, part.len(), &part[..after.min(part.len())]),
        Answer::Hang => {
            thread::sleep(Duration::from_secs(4));
            Ok(())
        }
        Answer::Status(code, headers) => send(&format!("{code} No"), headers, 0, &[]),
        Answer::IgnoreRange => send("200 OK", "", bytes.len(), bytes),
        Answer::Wrong => {
            let wrong: Vec<u8> = part.iter().map(|b| b ^ 1).collect();
            send(status, &headers, wrong.len(), &wrong)
        }
        Answer::Instead(kind, body) => {
            send("200 OK", &format!("Content-Type: {kind}\r\n"), body.len(), body)
        }
        Answer::WrongRange => send("206 Partial Content", &place(from + 1), part.len(), part),
    }
}

fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Bytes that no compression shortens.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as u8
    };
    (0..count).map(next).collect()
}

/// A manifest of one file, or of one archive, with extra lines for it.
fn manifest(sources: &[&str], kind: &str, name: &str, lines: &str) -> Manifest {
    let text = format!(
        "name = \"toy\"\ntitle = \"Toy\"\ntask = \"event-classification\"\nlicence = \"none\"\n\
         citation = \"none\"\nregistration = false\nsources = {sources:?}\nsplit = \"none\"\n\
         train = 1\ntest = 1\nclass_count = 2\n\n[[{kind}]]\nname = {name:?}\n{lines}\n"
    );
    Manifest::parse("toy", &text).unwrap()
}

fn patient(dir: &Path) -> Fetch {
    Fetch {
        tries: 3,
        pause: Duration::from_millis(5),
        timeout: Duration::from_secs(1),
        ..Fetch::new(dir)
    }
}

/// Gets a file of 200,000 bytes from a server that gives `answers`; checks what is left behind.
fn try_get(answers: Vec<Answer>) -> (Result<(), String>, Vec<String>) {
    let bytes = noise(200_000);
    let server = serve(bytes.clone(), answers);
    let sum = format!("bytes = {}\nmd5 = \"{}\"", bytes.len(), md5(&bytes));
    let manifest = manifest(&[&server.address], "files", "data.bin", &sum);
    let dir = tempfile::tempdir().unwrap();
    let result = patient(dir.path()).get(&manifest, &Silent);
    let file = dir.path().join("toy/data.bin");
    match &result {
        Ok(folder) => {
            assert_eq!(folder, &dir.path().join("toy"));
            assert_eq!(fs::read(&file).unwrap(), bytes);
            let left: Vec<_> =
                fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!(left.len(), 2, "the file and the lock, found {left:?}");
        }
        Err(error) => {
            assert!(!file.exists(), "a broken file is left");
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
    }
    let seen = server.seen.lock().unwrap().clone();
    (result.map(|_| ()).map_err(|e| e.to_string()), seen)
}

#[test]
fn a_download_that_breaks_goes_on_where_it_stopped() {
    use Answer::*;
    let (result, seen) = try_get(vec![Drop(70_000), Drop(50_000), Whole]);
    assert_eq!(result, Ok(()));
    assert_eq!(seen, ["/data.bin", "/data.bin from 70000", "/data.bin from 120000"]);
}

#[test]
fn progress_renews_the_patience() {
    let (result, seen) = try_get(vec![Answer::Drop(20_000); 9]);
    assert_eq!(result, Ok(()));
    assert_eq!(seen.len(), 10);
}

#[test]
fn busy_servers_are_asked_again() {
    use Answer::*;
    for status in [429, 503, 500, 202] {
        let (result, seen) = try_get(vec![Status(status, "Retry-After: 0\r\n"), Drop(9), Whole]);
        assert_eq!((result, seen.len()), (Ok(()), 3), "{status}");
    }
    let (result, _) = try_get(vec![Status(503, ""); 3]);
    let error = result.unwrap_err();
    assert!(error.contains("status 503 (3 tries)") && error.contains("data.bin"), "{error}");
}

#[test]
fn a_server_that_says_nothing_is_given_up_and_asked_again() {
    let (result, seen) = try_get(vec![Answer::Hang, Answer::Whole]);
    assert_eq!((result, seen.len()), (Ok(()), 2));
}

#[test]
fn servers_that_cannot_resume_start_again() {
    use Answer::*;
    for odd in [IgnoreRange, WrongRange, Status(416, "")] {
        let (result, seen) = try_get(vec![Drop(1000), odd]);
        assert_eq!(result, Ok(()), "{seen:?}");
    }
}

#[test]
fn wrong_bytes_never_get_the_final_name() {
    use Answer::*;
    // One bad copy may be an accident, two are the server's.
    assert_eq!(try_get(vec![Wrong, Whole]).0, Ok(()));
    let error = try_get(vec![Wrong, Wrong]).0.unwrap_err();
    assert!(error.contains("md5 is") && error.contains("expected"), "{error}");
    // Spoiled in the middle: the resumed file is wrong, the fresh one right.
    assert_eq!(try_get(vec![Drop(1000), Wrong, Whole]).0, Ok(()));
}

#[test]
fn wrong_lengths_and_pages_are_refused() {
    use Answer::*;
    let error = try_get(vec![Instead("application/zip", b"short")]).0.unwrap_err();
    assert!(error.contains("offers 5 bytes, expected 200000"), "{error}");
    let error = try_get(vec![Status(404, "")]).0.unwrap_err();
    assert!(error.contains("status 404"), "{error}");
    // Without a published size a page is told by its type.
    let server =
        serve(Vec::new(), vec![Instead("text/html; charset=utf-8", b"<html>sign in</html>")]);
    let manifest = manifest(&[&server.address], "files", "data.bin", "");
    let dir = tempfile::tempdir().unwrap();
    let error = patient(dir.path()).get(&manifest, &Silent).unwrap_err().to_string();
    assert!(error.contains("web page"), "{error}");
}

#[test]
fn the_next_address_is_tried() {
    let bytes = noise(5000);
    let (bad, good) =
        (serve(Vec::new(), vec![Answer::Status(404, "")]), serve(bytes.clone(), vec![]));
    let sum = format!("md5 = \"{}\"", md5(&bytes));
    let manifest = manifest(&[&bad.address, &good.address], "files", "data.bin", &sum);
    let dir = tempfile::tempdir().unwrap();
    patient(dir.path()).get(&manifest, &Silent).unwrap();
    assert_eq!(fs::read(dir.path().join("toy/data.bin")).unwrap(), bytes);
}

#[test]
fn a_download_is_resumed_by_a_later_run() {
    let bytes = noise(9000);
    let server = serve(
        bytes.clone(),
        vec![
            Answer::Drop(4000),
            Answer::Status(503, ""),
            Answer::Status(503, ""),
            Answer::Status(503, ""),
        ],
    );
    let manifest = manifest(&[&server.address], "files", "data.bin", "");
    let dir = tempfile::tempdir().unwrap();
    let fetch = patient(dir.path());
    assert!(fetch.get(&manifest, &Silent).is_err());
    fetch.get(&manifest, &Silent).unwrap();
    assert_eq!(server.seen.lock().unwrap().last().unwrap(), "/data.bin from 4000");
    assert_eq!(fs::read(dir.path().join("toy/data.bin")).unwrap(), bytes);
    // A third run asks for nothing.
    let before = server.seen.lock().unwrap().len();
    fetch.get(&manifest, &Silent).unwrap();
    assert_eq!(server.seen.lock().unwrap().len(), before);
}

/// A zip of entries; a name that ends in `/` is a folder.
fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        match name.ends_with('/') {
            true => zip.add_directory(*name, SimpleFileOptions::default()).unwrap(),
            false => {
                zip.start_file(*name, SimpleFileOptions::default()).unwrap();
                zip.write_all(bytes).unwrap();
            }
        }
    }
    zip.finish().unwrap().into_inner()
}

/// A tar of entries, made by hand so that names may be anything.
fn tarred(entries: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, kind, bytes) in entries {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
        header[136..147].copy_from_slice(b"00000000000");
        header[156] = *kind;
        header[157..161].copy_from_slice(b"/etc");
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        out.extend(header);
        out.extend(*bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.extend([0; 1024]);
    out
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// Unpacks an archive that lies in a folder of a person's own.
fn unpack(name: &str, archive: &[u8], lines: &str) -> (tempfile::TempDir, Result<(), FetchError>) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(name), archive).unwrap();
    let fetch = Fetch { from: Some(dir.path().into()), ..patient(&dir.path().join("out")) };
    let result = fetch.get(&manifest(&["http://127.0.0.1:9/"], "archives", name, lines), &Silent);
    (dir, result.map(|_| ()))
}

#[test]
fn archives_are_unpacked_and_verified() {
    let files: [(&str, &[u8]); 3] = [("set/", b""), ("set/a.bin", b"first"), ("b.txt", b"second")];
    let inner = zipped(&files);
    let outer = zipped(&[("inner.zip", &inner), ("note.txt", b"third")]);
    let tar =
        tarred(&[("set/", b'5', b""), ("set/a.bin", b'0', b"first"), ("b.txt", b'0', b"second")]);
    for (name, archive, lines) in [
        ("toy.zip", zipped(&files), "folder = \"set\""),
        ("toy.tar", tar.clone(), ""),
        ("toy.tar.gz", gz(&tar), ""),
        ("nested.zip", outer.clone(), "nested = \"beside\""),
    ] {
        let (dir, result) = unpack(name, &archive, lines);
        result.unwrap();
        let out = dir.path().join("out/toy");
        assert_eq!(fs::read(out.join("set/a.bin")).unwrap(), b"first", "{name}");
        assert_eq!(fs::read(out.join("b.txt")).unwrap(), b"second", "{name}");
        assert!(!out.join("inner.zip").exists());
        assert!(dir.path().join(name).exists(), "the person's own file stays");

        let fetch = patient(&dir.path().join("out"));
        let manifest = manifest(&["http://127.0.0.1:9/"], "archives", name, lines);
        assert!(fetch.is_there(&manifest));
        // Nothing is asked of the network once it is there.
        fetch.get(&manifest, &Silent).unwrap();
        let states = |fetch: &Fetch| -> Vec<State> {
            fetch.verify(&manifest, &Silent).unwrap().into_iter().map(|c| c.state).collect()
        };
        assert!(states(&fetch).iter().all(|s| *s == State::Good));
        fs::write(out.join("b.txt"), b"Second").unwrap();
        fs::remove_file(out.join("set/a.bin")).unwrap();
        let found = states(&fetch);
        assert!(found.contains(&State::Missing), "{found:?}");
        assert!(found.iter().any(|s| matches!(s, State::Wrong(_))), "{found:?}");
    }
}

#[test]
fn archives_in_archives_may_have_folders_of_their_own() {
    let class = tarred(&[("1.JPEG", b'0', b"image")]);
    let outer = tarred(&[("n01440764.tar", b'0', &class)]);
    let (dir, result) = unpack("train.tar", &outer, "into = \"train\"\nnested = \"folders\"");
    result.unwrap();
    let image = dir.path().join("out/toy/train/n01440764/1.JPEG");
    assert_eq!(fs::read(image).unwrap(), b"image");
    assert!(!dir.path().join("out/toy/train/n01440764.tar").exists());
}

#[test]
fn hostile_and_damaged_archives_leave_nothing() {
    let bomb = vec![0u8; 100 << 20];
    let good = zipped(&[("a.bin", &noise(5000))]);
    let mut broken = good.clone();
    broken[2000] ^= 0xff;
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("up.zip", zipped(&[("../evil.txt", b"x")]), "inside of the archive"),
        ("root.zip", zipped(&[("/evil.txt", b"x")]), "inside of the archive"),
        ("up.tar", tarred(&[("../evil.txt", b'0', b"x")]), "inside of the archive"),
        ("link.tar", tarred(&[("evil", b'2', b"")]), "a file or a folder"),
        ("hard.tar", tarred(&[("evil", b'1', b"")]), "a file or a folder"),
        ("device.tar", tarred(&[("evil", b'3', b"")]), "a file or a folder"),
        ("bomb.zip", zipped(&[("zeros", &bomb)]), "200 times"),
        ("bomb.tar.gz", gz(&tarred(&[("zeros", b'0', &bomb)])), "200 times"),
        ("cut.zip", good[..good.len() / 2].to_vec(), "that of a zip"),
        ("broken.zip", broken, "whole and sound"),
        ("cut.tar", tarred(&[("a", b'0', &noise(5000))])[..3000].to_vec(), "expected"),
        ("other.rar", good, ".zip, .tar"),
    ];
    for (name, archive, reason) in cases {
        let (dir, result) = unpack(name, &archive, "");
        let error = result.expect_err(name).to_string();
        assert!(
            error.contains(reason) && error.contains("nothing was unpacked"),
            "{name}: {error}"
        );
        let left: Vec<_> = fs::read_dir(dir.path().join("out/toy"))
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, [".lock"], "{name}");
        assert!(!dir.path().join("evil.txt").exists() && !dir.path().join("out/evil.txt").exists());
    }
}

#[test]
fn a_wrong_file_of_a_person_is_told() {
    let (_dir, result) = unpack("toy.zip", b"other", &format!("md5 = \"{}\"", md5(b"right")));
    assert!(matches!(result, Err(FetchError::Sum { kind: "md5", .. })));
    let (_dir, result) = unpack("toy.zip", b"other", "bytes = 6");
    assert!(matches!(result, Err(FetchError::Size { expected: 6, found: 5, .. })));
}

#[test]
fn what_programs_may_not_fetch_is_explained() {
    let mut manifest = manifest(&["https://example.org/terms"], "archives", "toy.zip", "");
    manifest.registration = true;
    let dir = tempfile::tempdir().unwrap();
    let error = patient(dir.path()).get(&manifest, &Silent).unwrap_err().to_string();
    for part in ["account", "toy.zip", "https://example.org/terms", "--from"] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(error.lines().count(), 1);
    // Once it lies in the folder of the dataset it is taken from there.
    fs::write(dir.path().join("toy/toy.zip"), zipped(&[("a", b"b")])).unwrap();
    patient(dir.path()).get(&manifest, &Silent).unwrap();
    assert!(dir.path().join("toy/a").exists());
}

#[test]
fn only_one_program_gets_a_dataset_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("toy")).unwrap();
    let lock = fs::File::create(dir.path().join("toy/.lock")).unwrap();
    lock.lock().unwrap();
    let manifest = manifest(&["http://127.0.0.1:9/"], "files", "data.bin", "");
    assert!(matches!(patient(dir.path()).get(&manifest, &Silent), Err(FetchError::Busy { .. })));
}

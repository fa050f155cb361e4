//! With a script in the place of Python and pip, and with the real ones on a server of this process.

mod pip;
mod server;

use super::*;
use crate::libtorch::testing::program;

const FILE: &str = "torch-2.11.0-cp312-cp312-manylinux_2_28_x86_64.whl";

/// A wheel that is 5,000 bytes of anything, and a folder to download it to.
pub struct Setting {
    pub folder: tempfile::TempDir,
    pub content: Vec<u8>,
    pub wheel: Wheel,
}

impl Setting {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..5000u32).map(|i| (i * i / 7) as u8).collect();
        let sha256 = format!("{:x}", Sha256::digest(&content)).leak();
        let wheel = Wheel { file: FILE, size: content.len() as u64, sha256 };
        fs::write(folder.path().join("content"), &content).unwrap();
        Self { folder, content, wheel }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    /// Has the first `bytes` bytes downloaded already.
    pub fn have(&self, bytes: usize) {
        fs::write(self.path(), &self.content[..bytes]).unwrap();
    }

    /// Downloads with a Python that does what the shell script says: `$folder` is the setting's,
    /// `$3` the file's name, `$4` the byte to start at.
    fn fetch(&self, script: &str) -> Result<(), Error> {
        let folder = self.folder.path().display();
        let script = format!("folder='{folder}'\necho \"$3 $4\" >> \"$folder/calls\"\n{script}");
        self.fetch_with(&program(&self.folder.path().join("python3"), &script))
    }

    pub fn fetch_with(&self, python: &Path) -> Result<(), Error> {
        let mut progress = Progress::new("downloading", self.wheel.size, 0);
        let pip = Pip { python: python.to_owned() };
        let result = pip.fetch(&self.wheel, &self.path(), &mut progress);
        if result.is_ok() {
            assert_eq!(fs::read(self.path()).unwrap(), self.content);
        }
        result
    }

    /// The message of a failure, which is one line.
    fn complaint(&self, script: &str) -> String {
        let error = self.fetch(script).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    }

    /// The offsets that were asked for.
    fn offsets(&self) -> Vec<u64> {
        let calls = fs::read_to_string(self.folder.path().join("calls")).unwrap();
        let offset = |line: &str| line.strip_prefix(FILE)?.trim().parse().ok();
        calls.lines().map(|line| offset(line).unwrap()).collect()
    }
}

/// From `$4` on, all there is.
const ALL: &str = r#"echo $4; tail -c +$(($4 + 1)) "$folder/content""#;

#[test]
fn a_download_goes_on_where_it_was_killed() {
    let setting = Setting::new();
    setting.have(1234);
    setting.fetch(ALL).unwrap();
    assert_eq!(setting.offsets(), [1234]);
}

#[test]
fn what_is_there_is_not_downloaded_again() {
    let setting = Setting::new();
    setting.have(5000);
    setting.fetch_with(Path::new("/no/such/python3")).unwrap();
}

#[test]
fn a_connection_that_ends_is_made_anew() {
    let setting = Setting::new();
    setting.fetch(&format!("{{ {ALL}; }} | head -c 2002; exit 13")).unwrap();
    assert_eq!(setting.offsets(), [0, 2000, 3997]);
}

#[test]
fn a_server_that_cannot_skip_starts_again() {
    let setting = Setting::new();
    setting.have(1234);
    setting.fetch(r#"echo 0; cat "$folder/content""#).unwrap();
    assert_eq!(setting.offsets(), [1234]);
}

#[test]
fn a_file_that_is_too_long_is_another_file() {
    let setting = Setting::new();
    fs::write(setting.path(), vec![0; 6000]).unwrap();
    setting.fetch(ALL).unwrap();
    assert_eq!(setting.offsets(), [0]);
}

#[test]
fn a_server_that_sends_too_much_is_not_listened_to() {
    let setting = Setting::new();
    setting.fetch(&format!("{ALL}; while echo more; do :; done")).unwrap();
}

#[test]
fn a_download_that_stands_still_is_interrupted() {
    let setting = Setting::new();
    setting.have(2000);
    let error =
        setting.complaint("echo $4; echo 'Traceback' >&2; echo 'reset by peer' >&2; exit 13");
    let expected = format!(
        "the download of {FILE} stopped at 2.00 kB of 5.00 kB: reset by peer; run the same command \
         again, it goes on from there"
    );
    assert_eq!(error, expected);
    assert_eq!(setting.path().metadata().unwrap().len(), 2000);
    // As when the process ends without a word.
    assert!(setting.complaint("kill -9 $$").contains("2.00 kB of 5.00 kB: the connection ended;"));
}

#[test]
fn a_wrong_file_is_removed() {
    let setting = Setting::new();
    let error = setting.complaint("echo 0; head -c 5000 /dev/zero");
    let zeros = format!("{:x}", Sha256::digest(vec![0; 5000]));
    let expected = format!(
        "{FILE} is not the file it should be, expected sha256 {}, found {zeros}; it was removed: run",
        setting.wheel.sha256
    );
    assert!(error.starts_with(&expected), "{error}");
    assert!(!setting.path().exists());
    setting.fetch(ALL).unwrap();
}

#[test]
fn a_missing_python_or_pip_is_said_to_be_missing() {
    let setting = Setting::new();
    let error = setting.fetch_with(Path::new("/no/python3")).unwrap_err().to_string();
    assert!(error.starts_with("no /no/python3 on PATH, which libtorch is downloaded with: "));
    let python = setting.folder.path().join("python3").display().to_string();
    let error = setting.complaint("echo \"No module named 'pip'\" >&2; exit 10");
    assert!(error.starts_with(&format!("{python} has no pip, which libtorch is ")), "{error}");
    assert!(error.contains("(No module named 'pip'): install it (apt install "), "{error}");
    let error = setting.complaint("echo 'pip 99: no attribute x' >&2; exit 11");
    assert!(error.starts_with(&format!("the pip of {python} is not one of those ")), "{error}");
    assert!(error.contains("20.3 to 26 (pip 99: no attribute x): "), "{error}");
    let error = setting.complaint("echo 'Could not fetch URL x' >&2; exit 12");
    assert!(error.starts_with(&format!("pip finds no {FILE}: Could not fetch URL x; ")), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_to_be_full() {
    let setting = Setting::new();
    std::os::unix::fs::symlink("/dev/full", setting.path()).unwrap();
    let error = setting.complaint(ALL);
    let path = setting.path().display().to_string();
    assert!(error.starts_with(&format!("the disk is full: cannot write {path}; make ")), "{error}");
}

#[test]
fn pip_is_asked_for_the_tags_of_the_wheel() {
    for wheel in super::super::wheels::WHEELS {
        let options = options(wheel.file);
        let platform = options.last().unwrap();
        assert!(wheel.file.contains(&format!("-{platform}")), "{platform}");
        assert!(platform.starts_with("manylinux") && platform.ends_with("_x86_64"), "{platform}");
    }
}

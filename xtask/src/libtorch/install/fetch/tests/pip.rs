//! The script inside of this machine's pip. Without one, these tests are skipped.

use super::server::{Manner, Server};
use super::*;

/// A Python whose pip is configured by `settings` alone; `None` where there is no pip.
fn python(folder: &Path, settings: &str) -> Option<PathBuf> {
    let there = Command::new("python3").args(["-c", "import pip"]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        println!("skipped: no python3 with pip");
        return None;
    }
    let script = format!(
        "for name in $(env | sed -n 's/^\\(PIP_[A-Z_]*\\)=.*/\\1/p'); do unset $name; done
         unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
         export PIP_CONFIG_FILE=/dev/null PIP_RETRIES=0 {settings}
         exec python3 \"$@\""
    );
    Some(program(&folder.join("python3"), &script))
}

fn fetch_from(setting: &Setting, server: &Server) -> Option<Result<(), Error>> {
    let index = format!("PIP_INDEX_URL=http://127.0.0.1:{}/simple/", server.port);
    Some(setting.fetch_with(&python(setting.folder.path(), &index)?))
}

fn served(have: usize, manner: Manner, ranges: &[&str]) {
    let setting = Setting::new();
    setting.have(have);
    let server = Server::start(FILE, setting.content.clone(), manner);
    if let Some(result) = fetch_from(&setting, &server) {
        result.unwrap();
        assert_eq!(server.ranges(), ranges);
    }
}

#[test]
fn a_file_comes_from_the_configured_index() {
    served(0, Manner::Ranges, &["bytes=0-"]);
    served(1234, Manner::Ranges, &["bytes=1234-"]);
}

#[test]
fn a_cut_connection_costs_nothing() {
    served(1000, Manner::Breaking(1500), &["bytes=1000-", "bytes=2500-", "bytes=4000-"]);
}

#[test]
fn a_server_without_ranges_serves_too() {
    served(1234, Manner::Whole, &["bytes=1234-"]);
}

#[test]
fn a_refusal_is_passed_on() {
    let setting = Setting::new();
    let server = Server::start(FILE, setting.content.clone(), Manner::Refused(403));
    if let Some(result) = fetch_from(&setting, &server) {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("stopped at 0 B of 5.00 kB: ") && error.contains("403"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn an_index_without_the_file_is_told_from_no_network() {
    let setting = Setting::new();
    let other = "torch-2.10.0-cp312-cp312-manylinux_2_28_x86_64.whl";
    let server = Server::start(other, Vec::new(), Manner::Ranges);
    if let Some(result) = fetch_from(&setting, &server) {
        let error = result.unwrap_err().to_string();
        let expected = format!("pip finds no {FILE}: no configured index or folder has it; check ");
        assert!(error.starts_with(&expected), "{error}");
    }
    // Nobody listens on this port.
    let index = "PIP_INDEX_URL=http://127.0.0.1:1/simple/";
    if let Some(python) = python(setting.folder.path(), index) {
        let error = setting.fetch_with(&python).unwrap_err().to_string();
        let expected = format!("pip finds no {FILE}: Could not fetch URL http://127.0.0.1:1/");
        assert!(error.starts_with(&expected) && !error.contains(" at 0x"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_folder_of_wheels_serves_too() {
    let setting = Setting::new();
    let wheels = setting.folder.path().join("some wheels");
    fs::create_dir(&wheels).unwrap();
    fs::write(wheels.join(FILE), &setting.content).unwrap();
    setting.have(1234);
    // A configured value is split at blanks, a file's address is not.
    let address = format!("file://{}", wheels.display()).replace(' ', "%20");
    let settings = format!("PIP_NO_INDEX=1 PIP_FIND_LINKS={address}");
    if let Some(python) = python(setting.folder.path(), &settings) {
        setting.fetch_with(&python).unwrap();
    }
}

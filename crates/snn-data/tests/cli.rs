//! The subcommands `list`, `get`, `verify`, `inspect`, as a program mounts them.
#![cfg(feature = "cli")]

use clap::Parser;
use snn_data::{
    Manifest,
    cli::{CommandError, DataCommand, run},
    fetch::FetchError,
};
use std::{fs, path::Path};

#[derive(Parser)]
struct Program {
    #[command(subcommand)]
    command: DataCommand,
}

fn call(args: &[&str]) -> Result<String, CommandError> {
    let program = Program::try_parse_from([&["data"], args].concat()).unwrap();
    let mut out = Vec::new();
    run(&program.command, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn the_list_names_every_dataset_and_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let text = call(&["list", "--dir", dir.path().to_str().unwrap()]).unwrap();
    for name in Manifest::names() {
        assert!(text.lines().any(|l| l.split_whitespace().next() == Some(name)), "{name}");
    }
    let line = |name: &str| text.lines().find(|l| l.starts_with(name)).unwrap().to_string();
    assert!(line("digits").ends_with("built in"));
    assert!(line("nmnist").ends_with("get") && line("nmnist").contains("60000 + 10000"));
    assert!(line("gen1").ends_with("by hand, needs an account"));
    assert!(text.lines().all(|l| l.len() < 150));
}

#[test]
fn a_recording_is_inspected_for_people_and_for_programs() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/events/dat.dat");
    let file = file.to_str().unwrap();
    let text = call(&["inspect", file]).unwrap();
    assert!(text.contains("events    300 (") && text.contains("format    dat"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&call(&["inspect", file, "--json"]).unwrap()).unwrap();
    assert_eq!((&json["content"], &json["format"]), (&"events".into(), &"dat".into()));
    assert_eq!(
        (&json["events"], json["on"].as_u64().unwrap() + json["off"].as_u64().unwrap()),
        (&300.into(), 300)
    );
    assert!(text.contains(json["sha256_txyp_i64le"].as_str().unwrap()));
    // Five bytes an event, whatever they mean.
    let json = call(&["inspect", file, "--json", "--format", "atis"]).unwrap();
    assert!(json.contains("\"format\":\"atis\""));
    assert!(matches!(call(&["inspect", "no such file"]), Err(CommandError::Data(_))));
}

#[test]
fn sounds_and_images_are_inspected_too() {
    let dir = tempfile::tempdir().unwrap();
    let inspect = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        call(&["inspect", path.to_str().unwrap()])
    };
    let wave = b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0\
                 data\x08\0\0\0\0\0\x01\0\x02\0\x03\0";
    let text = inspect("a.wav", wave).unwrap();
    assert!(text.contains("8000 samples a second") && text.contains("samples   4 "), "{text}");
    assert!(inspect("a.wav", &wave[..40]).unwrap_err().to_string().contains("a.wav"));
    let text = inspect("labels", b"\0\0\x08\x01\0\0\0\x02\x07\x03").unwrap();
    assert!(text.contains("items     2 labels"), "{text}");
    let images = b"\0\0\x08\x03\0\0\0\x01\0\0\0\x02\0\0\0\x03abcdef";
    let text = inspect("images", images).unwrap();
    assert!(text.contains("items     1 images of 2 x 3"), "{text}");
    let picture = dir.path().join("b");
    image::GrayImage::new(7, 5).save_with_format(&picture, image::ImageFormat::Png).unwrap();
    let text = inspect("a", &fs::read(picture).unwrap()).unwrap();
    assert!(text.contains("pixels    5 x 7"), "{text}");
    let error = inspect("notes.md", b"To be").unwrap_err().to_string();
    assert!(error.contains("--format"), "{error}");
}

#[test]
fn files_fetched_by_hand_are_taken_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let (to, from) = (dir.path().join("sets"), dir.path().join("mine"));
    let (to, from) = (to.to_str().unwrap(), from.to_str().unwrap());
    fs::create_dir_all(from).unwrap();
    let error = call(&["get", "tiny-shakespeare", "--dir", to, "--from", from]).unwrap_err();
    assert!(matches!(error, CommandError::Fetch(FetchError::ByHand(_))), "{error}");
    fs::write(Path::new(from).join("input.txt"), "To be").unwrap();
    let error = call(&["get", "tiny-shakespeare", "--dir", to, "--from", from]).unwrap_err();
    assert!(matches!(error, CommandError::Fetch(FetchError::Size { expected: 1_115_394, .. })));
    let error = call(&["verify", "tiny-shakespeare", "--dir", to]).unwrap_err().to_string();
    assert!(error.contains("1 of 1 files"), "{error}");
    assert!(matches!(call(&["get", "nothing"]), Err(CommandError::Data(_))));
    let error = call(&["get", "digits", "--dir", to]).unwrap_err();
    assert!(matches!(error, CommandError::Fetch(FetchError::Nothing { .. })), "{error}");
}

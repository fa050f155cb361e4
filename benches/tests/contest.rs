//! Contests among programs that only pretend to compute.
#![cfg(unix)]

use std::{path::Path, process::Command};

use snn_benches::contest::{Entry, Measured, Side, Verdict, hold};

/// A program that answers with one number and runs `seconds` each time.
fn entry(folder: &Path, name: &str, side: Side, answer: f32, seconds: &str) -> Entry {
    let octal: String = answer.to_le_bytes().iter().map(|byte| format!("\\{byte:03o}")).collect();
    let script = format!(
        "printf '{octal}' > $1
         echo '{{\"about\": \"about {name}\", \"setup_s\": 1.5}}'
         while read times; do
           list={seconds}
           while [ $times -gt 1 ]; do list=$list,{seconds}; times=$((times - 1)); done
           echo \"{{\\\"seconds\\\": [$list]}}\"
         done
         echo '{{\"peak_rss_mb\": 12.5}}'"
    );
    shell(folder, name, side, &script)
}

fn shell(folder: &Path, name: &str, side: Side, script: &str) -> Entry {
    let answer = folder.join("answer");
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(&answer);
    Entry { name: name.into(), side, command, answer }
}

fn judge(_: &str, answer: &[f32]) -> Verdict {
    Verdict { accepted: answer == [2.5], text: format!("{answer:?}"), spikes: None }
}

fn held(entries: Vec<Entry>) -> Vec<Measured> {
    hold(entries, 2, &judge).unwrap()
}

#[test]
fn rounds_alternate_and_rivals_are_listed_first() {
    let folder = tempfile::tempdir().unwrap();
    let one = |name, side, seconds| entry(folder.path(), name, side, 2.5, seconds);
    let found = held(vec![one("a", Side::Ours, "0.1"), one("b", Side::Rival, "0.5")]);
    let names: Vec<&str> = found.iter().map(|measured| measured.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    let a = &found[1];
    // Two turns of three runs of 0.1 s, which fill 0.3 s; the run that wakes does not count.
    assert_eq!((a.seconds.len(), a.median_s, a.min_s), (6, Some(0.1), Some(0.1)));
    assert_eq!((a.about.as_str(), a.setup_s, a.peak_rss_mb), ("about a", 1.5, Some(12.5)));
    assert_eq!((a.answer.as_str(), &a.failure), ("[2.5]", &None));
    assert_eq!(found[0].seconds, [0.5, 0.5]);
    assert!(!folder.path().join("answer").exists());
}

#[test]
fn another_answer_is_not_timed() {
    let folder = tempfile::tempdir().unwrap();
    let found = held(vec![entry(folder.path(), "a", Side::Rival, 3.0, "0.1")]);
    assert_eq!(found[0].failure.as_deref(), Some("its answer is another"));
    assert_eq!((found[0].answer.as_str(), found[0].seconds.len()), ("[3.0]", 0));
}

#[test]
fn who_cannot_take_part_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let script = "echo Traceback >&2; echo 'ImportError: no torch' >&2; exit 3";
    let dead = shell(folder.path(), "dead", Side::Rival, script);
    let mut absent = shell(folder.path(), "absent", Side::Rival, "");
    absent.command = Command::new("no-such-program");
    let talks = shell(folder.path(), "talks", Side::Rival, "echo hello; read x");
    let found = held(vec![dead, absent, talks]);
    let why = |i: usize| found[i].failure.clone().unwrap();
    assert_eq!(why(0), "it ended with exit status: 3: ImportError: no torch");
    assert!(why(1).starts_with("cannot start no-such-program: "), "{}", why(1));
    assert!(why(2).starts_with("it said `hello`: "), "{}", why(2));
}

#[test]
fn who_dies_on_the_way_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let script = "printf '\\000\\000\\040\\100' > $1
                  echo '{\"about\": \"\", \"setup_s\": 0}'; read times; echo killed >&2; exit 9";
    let found = held(vec![shell(folder.path(), "a", Side::Rival, script)]);
    assert_eq!(found[0].failure.as_deref(), Some("it ended with exit status: 9: killed"));
    assert_eq!(found[0].median_s, None);
}

//! Text and sound: laws, small files written here, librosa's numbers, and the real files where they
//! lie beside the workspace or in the folder that `SNN_DATA_DIR` names.

use proptest::prelude::*;
use snn_data::{
    DataError, Loader, LoaderConfig, Manifest, SoundSettings, Source, Sources,
    sound::{LogMel, MelFrames, MelScale, Sound, SoundError, SoundSet},
    text::{
        Characters, Columns, Corpus, Goal, IGNORED, Sentences, TextError, TextFiles, TextSet,
        Tokens, Unit, Vocabulary, Windows, Words,
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn real(folder: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/datasets");
    let dir = std::env::var_os("SNN_DATA_DIR").map_or(beside, PathBuf::from).join(folder);
    if dir.is_dir() {
        return Some(dir);
    }
    eprintln!("skipped: no {}; set SNN_DATA_DIR", dir.display());
    None
}

#[test]
fn words_are_numbered_as_in_the_pytorch_examples() {
    let words = Words::of(" a b a \n\n c <unk> \n");
    assert_eq!(words.len(), 5);
    assert_eq!(words.encode("a c\nb x").unwrap(), [0, 3, 2, 1, 4, 2]);
    assert_eq!(words.decode(&[0, 3, 2, 2, 1]).unwrap(), "a c\n\nb");
    let ranked = Words::most_frequent("b a c a b a", 4);
    assert_eq!(ranked.encode("a b c").unwrap(), [2, 3, 0, 1]);
    let error = Words::of("a b").encode("z").unwrap_err();
    assert!(matches!(error, TextError::Unknown { size: 3, .. }), "{error}");
    assert!(matches!(words.decode(&[5]), Err(TextError::Token { found: 5, size: 5 })));
}

#[test]
fn tables_of_glue_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let read = |name: &str, text: &str| {
        let path = dir.path().join("table.tsv");
        fs::write(&path, text).unwrap();
        Sentences::read(&path, Columns::of(name).unwrap(), &Manifest::named(name).unwrap().classes)
    };
    let sst2 = read("sst2", "sentence\tlabel\nit 's \"fine \t1\nnot so\t0\n").unwrap();
    assert_eq!((sst2.rows.len(), sst2.rows[0].label), (2, 1));
    assert_eq!(sst2.rows[0].text, "it 's \"fine");
    let cola = read("glue-cola", "gj04\t1\t\tThey drank the pub dry.\n").unwrap();
    assert_eq!((cola.rows[0].text.as_str(), cola.rows[0].label), ("They drank the pub dry.", 1));
    let qnli = "index\tquestion\tsentence\tlabel\n0\tWhen?\tThen.\tnot_entailment\n1\tbroken\n";
    let qnli = read("glue-qnli", qnli).unwrap();
    assert_eq!((qnli.rows[0].label, qnli.skipped), (1, 1));
    assert_eq!(qnli.rows[0].second.as_deref(), Some("Then."));
    let mrpc =
        "\u{feff}Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tIt rains.\tRain falls.\n";
    let mrpc = read("glue-mrpc", mrpc).unwrap();
    assert_eq!((mrpc.rows[0].text.as_str(), mrpc.rows[0].label), ("It rains.", 1));
    assert_eq!(mrpc.rows[0].second.as_deref(), Some("Rain falls."));
    let error = read("glue-cola", "gj04\tmaybe\t\tThey drank.\n").unwrap_err().to_string();
    assert!(error.contains("`maybe`"), "{error}");
    let words = Words::of("When? Then.");
    assert_eq!(qnli.encode(&words, 5, 9).unwrap(), [0, 2, 1, 2, 9]);

    let error = read("sst2", "sentence\tlabel\nfine\t7\n").unwrap_err().to_string();
    assert!(
        error.contains("line 2") && error.contains("`7`") && error.contains("positive"),
        "{error}"
    );
    let error = read("sst2", "a\tb\n").unwrap_err().to_string();
    assert!(error.contains("sentence, content"), "{error}");
}

#[test]
fn the_real_texts_have_the_published_sizes() {
    let Some(dir) = real("text") else { return };
    let classes = Manifest::named("sst2").unwrap().classes;
    for (name, rows, positive) in [
        ("sst2.train.tsv.gz", 67_349, 37_569),
        ("sst2.dev.tsv", 872, 444),
        ("sst2.test.tsv", 1821, 909),
    ] {
        let table =
            Sentences::read(&dir.join(name), Columns::of("sst2").unwrap(), &classes).unwrap();
        let found = table.rows.iter().filter(|r| r.label == 1).count();
        assert_eq!((table.rows.len(), found, table.skipped), (rows, positive, 0), "{name}");
    }
    let shakespeare = Corpus::one_text(&dir.join("tinyshakespeare.txt")).unwrap();
    assert_eq!((shakespeare.train.len(), shakespeare.test.len()), (1_003_854, 111_540));
    let characters = Characters::of(&shakespeare.train);
    assert_eq!(characters.len(), 65);
    let windows = Windows::new(characters.encode(&shakespeare.test).unwrap(), 256).unwrap();
    assert_eq!(windows.len(), 111_539 / 256);

    // The published layout, with the validation text in place of the training text.
    let copy = tempfile::tempdir().unwrap();
    for (from, to) in [("valid", "train"), ("valid", "valid"), ("test", "test")] {
        let to = copy.path().join(format!("wiki.{to}.tokens.gz"));
        fs::copy(dir.join(format!("wikitext-2.{from}.txt.gz")), to).unwrap();
    }
    let wiki = Corpus::wikitext(copy.path()).unwrap();
    let words = Words::of(&(wiki.valid + &wiki.test));
    let count = |text: &str| words.encode(text).unwrap().len();
    assert_eq!((count(&wiki.train), count(&wiki.test)), (213_886 + 3760, 241_211 + 4358));
}

#[cfg(feature = "tokenizers")]
#[test]
fn byte_pairs_are_learnt_written_and_read() {
    use snn_data::text::BytePairs;
    let text = "the cat sat on the mat, the cat sat\n".repeat(20);
    let pairs = BytePairs::train(&text, 264).unwrap();
    assert_eq!(pairs.len(), 264);
    let tokens = pairs.encode("the cat sat").unwrap();
    assert!(tokens.len() < 6, "{tokens:?}");
    for text in ["the cat sat", "Grüße, 猫!\n", ""] {
        assert_eq!(pairs.decode(&pairs.encode(text).unwrap()).unwrap(), text);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokenizer.json");
    pairs.write(&path).unwrap();
    assert_eq!(BytePairs::read(&path).unwrap().encode("the cat sat").unwrap(), tokens);
    assert!(matches!(pairs.decode(&[264]), Err(TextError::Token { found: 264, size: 264 })));
    fs::write(&path, "{").unwrap();
    assert!(matches!(BytePairs::read(&path), Err(TextError::Tokenizer { .. })));
}

fn wave(path: &Path, spec: hound::WavSpec, samples: &[i32]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for &sample in samples {
        match spec.sample_format {
            hound::SampleFormat::Int => writer.write_sample(sample).unwrap(),
            hound::SampleFormat::Float => writer.write_sample(sample as f32 / 128.0).unwrap(),
        }
    }
    writer.finalize().unwrap();
}

fn spec(channels: u16, rate: u32, bits: u16, sample_format: hound::SampleFormat) -> hound::WavSpec {
    hound::WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format }
}

#[test]
fn waves_of_every_width_are_read() {
    use hound::SampleFormat::{Float, Int};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.wav");
    for (bits, format, scale) in
        [(8, Int, 1), (16, Int, 256), (24, Int, 65536), (32, Int, 1 << 24), (32, Float, 1)]
    {
        wave(&path, spec(1, 8000, bits, format), &[-128, 0, 64].map(|s| s * scale));
        let sound = Sound::read(&path).unwrap();
        assert_eq!((sound.rate, sound.samples), (8000, vec![-1.0, 0.0, 0.5]), "{bits} {format:?}");
    }
    wave(&path, spec(2, 8000, 16, Int), &[16384, -16384, 16384, 0]);
    assert_eq!(Sound::read(&path).unwrap().samples, [0.0, 0.25]);
    let bytes = fs::read(&path).unwrap();
    for cut in 0..bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let error = Sound::read(&path);
        assert!(matches!(error, Err(SoundError::Wave { .. })), "cut at {cut}: {error:?}");
    }
}

#[test]
fn mel_spectra_equal_those_of_librosa() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("data/log_mel.json")).unwrap();
    let tau = std::f64::consts::TAU;
    let sample = |i: i32| {
        let t = f64::from(i) / 8000.0;
        (0.5 * (tau * (300.0 + 1500.0 * t) * t).sin() + 0.2 * (tau * 2500.0 * t).sin()) as f32
    };
    let sound: Vec<f32> = (0..1500).map(sample).collect();
    for (name, scale) in [("htk", MelScale::Htk), ("slaney", MelScale::Slaney)] {
        let settings = LogMel {
            rate: 8000,
            window: 256,
            hop: 100,
            bands: 20,
            low: 50.0,
            high: Some(3800.0),
            scale,
            floor: 1e-6,
        };
        let spectrogram = settings.prepare().unwrap();
        let found = spectrogram.log_mel(&sound);
        let want: Vec<f64> =
            golden[name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert_eq!((found.len(), want.len()), (16 * 20, 16 * 20));
        for (i, (a, b)) in found.iter().zip(want).enumerate() {
            assert!((f64::from(*a) - b).abs() < 2e-4, "{name} {i}: {a} instead of {b}");
        }
    }
}

#[test]
fn settings_out_of_range_are_told() {
    let good = LogMel::default();
    for (bad, part) in [
        (LogMel { hop: 0, ..good.clone() }, "window and hop"),
        (LogMel { bands: 0, ..good.clone() }, "bands"),
        (LogMel { low: 9000.0, ..good.clone() }, "range of pitch"),
        (LogMel { high: Some(9000.0), ..good.clone() }, "range of pitch"),
        (LogMel { floor: 0.0, ..good.clone() }, "floor"),
    ] {
        let error = bad.prepare().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn commands_are_divided_by_their_lists() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("speech-commands-v1");
    let words = Manifest::named("speech-commands-v1").unwrap().classes;
    let int = hound::SampleFormat::Int;
    for word in &words {
        for speaker in ["a", "b", "c"] {
            wave(
                &root.join(format!("{word}/{speaker}_nohash_0.wav")),
                spec(1, 16_000, 16, int),
                &[0; 800],
            );
        }
    }
    fs::write(root.join("validation_list.txt"), "bed/b_nohash_0.wav\n").unwrap();
    fs::write(root.join("testing_list.txt"), "bed/c_nohash_0.wav\nzero/a_nohash_0.wav\n").unwrap();
    let set = SoundSet::open("speech-commands-v1", dir.path()).unwrap();
    assert_eq!((set.train.len(), set.valid.len(), set.test.len()), (87, 1, 2));
    assert_eq!(set.test[1].label, 29);
    let source = MelFrames::new(set.test.clone(), 30, &LogMel::default(), 16_000).unwrap();
    assert_eq!(source.shape(), [101, 1, 40, 1]);
    let loader = Loader::new(source, LoaderConfig::default()).unwrap();
    let batch = loader.epoch(0).next().unwrap().unwrap();
    assert_eq!(batch.inputs.shape(), [101, 2, 1, 40, 1]);
    assert!(batch.inputs.iter().all(|v| (v - 1e-6f32.ln()).abs() < 1e-3));
    let eight = LogMel { rate: 8000, ..LogMel::default() };
    let loader =
        Loader::new(MelFrames::new(set.test, 30, &eight, 8000).unwrap(), LoaderConfig::default());
    let error = loader.unwrap().epoch(0).next().unwrap().unwrap_err();
    assert!(error.to_string().contains("16000 samples a second, expected 8000"), "{error}");
    assert!(matches!(SoundSet::open("mnist", dir.path()), Err(DataError::NotSound { .. })));
    assert!(matches!(SoundSet::open("fsdd", dir.path()), Err(DataError::Missing { .. })));
}

#[test]
fn the_real_spoken_digits_are_heard() {
    let Some(dir) = real("fsdd") else { return };
    let copy = tempfile::tempdir().unwrap();
    for part in ["train", "test"] {
        let file = fs::File::open(dir.join(format!("{part}.tar.gz"))).unwrap();
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(file));
        for entry in tar.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().file_name().unwrap_or_default().to_owned();
            if entry.header().entry_type().is_file() {
                let to = copy.path().join("recordings");
                fs::create_dir_all(&to).unwrap();
                entry.unpack(to.join(name)).unwrap();
            }
        }
    }
    let mel = LogMel { rate: 8000, window: 256, hop: 80, ..LogMel::default() };
    let settings = SoundSettings { samples: 8000, mel };
    let sources = Sources::sound("fsdd", copy.path(), &settings, 1).unwrap();
    assert_eq!((sources.train.len(), sources.test.len()), (600, 300));
    assert_eq!(sources.split, sources.manifest.split);
    let loader =
        Loader::new(sources.test, LoaderConfig { batch: 300, ..LoaderConfig::default() }).unwrap();
    let batch = loader.epoch(0).next().unwrap().unwrap();
    assert_eq!(batch.inputs.shape(), [101, 300, 1, 40, 1]);
    for digit in 0..10 {
        assert_eq!(batch.labels.iter().filter(|&&l| l == digit).count(), 30);
    }
    assert!(batch.inputs.iter().all(|v| v.is_finite()));
}

proptest! {
    #[test]
    fn characters_come_back(text in ".{1,60}") {
        let characters = Characters::of(&text);
        let tokens = characters.encode(&text).unwrap();
        prop_assert!(tokens.iter().all(|&t| (t as usize) < characters.len()));
        prop_assert_eq!(characters.decode(&tokens).unwrap(), text);
    }

    #[test]
    fn words_come_back(lines in proptest::collection::vec("[a-c]{1,3}( [a-c]{1,3}){0,4}", 1..6)) {
        let text = lines.join("\n") + "\n";
        let words = Words::of(&text);
        prop_assert_eq!(words.decode(&words.encode(&text).unwrap()).unwrap(), text);
    }

    #[test]
    fn windows_tile_the_text(count in 2usize..200, length in 1usize..50) {
        let tokens: Vec<u32> = (0..count as u32).collect();
        match Windows::new(tokens, length) {
            Ok(windows) => {
                prop_assert_eq!(windows.len(), (count - 1) / length);
                for i in 0..windows.len() {
                    let (input, target) = windows.get(i);
                    prop_assert_eq!(input[0] as usize, i * length);
                    prop_assert!(input.iter().zip(target).all(|(a, b)| a + 1 == *b));
                }
            }
            Err(_) => prop_assert!(count <= length),
        }
    }
}

fn words(
    goal: Goal,
    files: &TextFiles,
    name: &str,
    dir: Option<&Path>,
) -> Result<TextSet, TextError> {
    TextSet::open(name, dir, files, goal, (Unit::Words, 100), None)
}

#[test]
fn windows_of_a_text_are_learned_from() {
    let dir = tempfile::tempdir().unwrap();
    let text: String = (0..1000).map(|i| char::from(b'a' + (i * i % 7) as u8)).collect();
    fs::write(dir.path().join("input.txt"), &text).unwrap();
    let open = |goal| {
        let unit = (Unit::Characters, 0);
        TextSet::open("tiny-shakespeare", Some(dir.path()), &TextFiles::default(), goal, unit, None)
    };
    let set = open(Goal::Causal(16)).unwrap();
    let batches = set.train.shuffled(3, 1, 4);
    assert_eq!(batches, set.train.shuffled(3, 1, 4));
    assert_ne!(batches, set.train.shuffled(3, 2, 4));
    for batch in &batches {
        assert_eq!(batch.ids.dim(), (4, 16));
        for (ids, targets) in batch.ids.outer_iter().zip(batch.targets.outer_iter()) {
            let next = ids.iter().skip(1).map(|&id| i64::from(id));
            assert!(next.eq(targets.iter().take(15).copied()));
        }
    }
    let test = set.test.in_order(4);
    assert_eq!(test.iter().map(|batch| batch.ids.nrows()).sum::<usize>(), (100 - 1) / 16);

    // Most hidden tokens are hidden, the others stay; the mask is no token of the vocabulary.
    let set = open(Goal::Masked(50)).unwrap();
    let mask = set.vocabulary.len() as u32;
    let batches: Vec<_> = (0..20).flat_map(|epoch| set.train.shuffled(1, epoch, 2)).collect();
    let (mut told, mut hidden, mut all) = (0.0, 0.0, 0.0);
    for batch in &batches {
        for (&id, &target) in batch.ids.iter().zip(&batch.targets) {
            all += 1.0;
            told += f64::from(u8::from(target != IGNORED));
            hidden += f64::from(u8::from(id == mask));
            assert!(id != mask || target != IGNORED);
        }
    }
    assert!((told / all - 0.15f64).abs() < 0.01, "{told} of {all}");
    assert!((hidden / told - 0.8f64).abs() < 0.03, "{hidden} of {told}");

    let written = set.vocabulary.write();
    assert_eq!(Vocabulary::read(&written, Unit::Characters), set.vocabulary);
    let error = open(Goal::Causal(100)).unwrap_err();
    assert!(matches!(error, TextError::TooShort { found: 100, window: 100 }), "{error}");
}

#[test]
fn sentences_are_padded_to_the_longest_of_their_batch() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("train.tsv"), "sentence\tlabel\na b c\t1\nb\t0\nc c\t1\n").unwrap();
    fs::write(dir.path().join("dev.tsv"), "sentence\tlabel\nz a\t0\n").unwrap();
    let set = words(Goal::Classes(3), &TextFiles::default(), "sst2", Some(dir.path())).unwrap();
    let [batch] = &set.train.in_order(3)[..] else { panic!("one batch") };
    assert_eq!(batch.targets, ndarray::array![[1], [0], [1]]);
    let there: Vec<usize> = batch
        .there
        .as_ref()
        .unwrap()
        .rows()
        .into_iter()
        .map(|r| r.iter().filter(|&&t| t).count())
        .collect();
    assert_eq!(there, [3, 2, 3]); // cut to three tokens; a word and the end of its line
    let Vocabulary::Words(known) = &set.vocabulary else { panic!("words") };
    assert_eq!(known.names()[0], Words::UNKNOWN);
    assert_eq!(set.test.in_order(1)[0].ids[[0, 0]], 0, "z is unknown");
    assert_eq!(Vocabulary::read(&set.vocabulary.write(), Unit::Words), set.vocabulary);
    assert_eq!(set.vocabulary.prompt("a b").unwrap().len(), 2);
    assert_eq!(set.vocabulary.piece(set.vocabulary.prompt("b").unwrap()[0]).unwrap(), "b ");
    assert_eq!(["b", "b ", "b\n"].map(|text| set.vocabulary.gap(text)), [" ", "", ""]);
}

#[test]
fn texts_that_are_not_there_are_errors() {
    let none = TextFiles::default();
    let error = words(Goal::Classes(3), &none, "sst2", None).unwrap_err();
    assert!(error.to_string().contains("--data DIR"), "{error}");
    let error = words(Goal::Classes(3), &none, "sst3", None).unwrap_err();
    assert!(error.to_string().contains("tiny-shakespeare, wikitext-2, sst2"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("input.txt"), b"\xff\xfe no text").unwrap();
    let error = words(Goal::Causal(3), &none, "tiny-shakespeare", Some(dir.path())).unwrap_err();
    assert!(matches!(error, TextError::Io { .. }), "{error}");
}

//! Frames, voxel grids, time surfaces and filters against SpikingJelly and tonic, whose results
//! `scripts/event_frames.py` wrote to `data/event_frames.json`; and laws of the transforms.

use proptest::{collection::vec, prelude::*};
use sha2::{Digest, Sha256};
use snn_data::{
    events::{
        Event, EventError, Sensor,
        frames::{Framing, Polarities, Slicing, time_surfaces, voxel_grid},
        transform::*,
    },
    random::{Purpose, Rng, rng},
};

/// The events of the script.
fn events(count: usize, width: u64, height: u64, seed: u64) -> Vec<Event> {
    let mut state = seed;
    let mut draw = move |below: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    let mut t = 0;
    let mut event = || {
        t += draw(700) as i64;
        Event::new(t, draw(width) as u16, draw(height) as u16, draw(2) == 1)
    };
    (0..count).map(|_| event()).collect()
}

fn golden() -> serde_json::Value {
    serde_json::from_str(include_str!("data/event_frames.json")).unwrap()
}

fn slicing(name: &str) -> Slicing {
    let words: Vec<&str> = name.split(' ').collect();
    let whole = |i: usize| words[i].parse::<i64>().unwrap();
    let count = |i: usize| whole(i) as usize;
    let (incomplete, share) = (words.last() == Some(&"True"), || words[3].parse().unwrap());
    match words[..2] {
        ["spikingjelly", "number"] => Slicing::Number { frames: count(2) },
        ["spikingjelly", "time"] => Slicing::Time { frames: count(2) },
        ["spikingjelly", "duration"] => Slicing::Duration { us: whole(2) },
        ["tonic", "time"] => Slicing::TonicTime { window: whole(2), overlap: whole(3), incomplete },
        ["tonic", "count"] => {
            Slicing::TonicCount { events: count(2), overlap: count(3), incomplete }
        }
        ["tonic", "time-bins"] => Slicing::TonicTimeBins { bins: count(2), overlap: share() },
        ["tonic", "event-bins"] => Slicing::TonicEventBins { bins: count(2), overlap: share() },
        _ => panic!("{name}"),
    }
}

#[test]
fn counts_equal_those_of_spikingjelly_and_tonic() {
    let events = events(3000, 23, 17, 7);
    let golden = golden();
    let cases = golden["counts"].as_object().unwrap();
    assert_eq!(cases.len(), 31);
    for (name, want) in cases {
        let framing = Framing::new(slicing(name), Sensor::new(23, 17));
        let frames = framing.frames(&events).unwrap();
        assert_eq!(serde_json::json!(frames.shape()), want["shape"], "{name}");
        let bytes: Vec<u8> =
            frames.values().iter().flat_map(|&v| (v as i32).to_le_bytes()).collect();
        let sum: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(sum, want["sha256"], "{name}");
        if let Some(fixed) = framing.slicing.fixed() {
            assert_eq!(fixed, frames.shape()[0], "{name}");
        }
    }
}

fn close(found: &[f64], want: &serde_json::Value) {
    let want: Vec<f64> = want.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!(found.len(), want.len());
    for (i, (a, b)) in found.iter().zip(want).enumerate() {
        assert!((a - b).abs() < 1e-12, "value {i}: {a} instead of {b}");
    }
}

#[test]
fn voxel_grids_and_time_surfaces_equal_those_of_tonic() {
    let (events, sensor, golden) = (events(60, 5, 4, 11), Sensor::new(5, 4), golden());
    close(&voxel_grid(&events, sensor, 6).unwrap(), &golden["voxel"]);
    close(&time_surfaces(&events, sensor, 5000, 4000.0, false).unwrap(), &golden["surface"]);
}

#[test]
fn filters_equal_those_of_tonic() {
    let (events, golden) = (events(400, 12, 9, 3), golden());
    let rows = |events: &[Event]| {
        let row = |e: &Event| serde_json::json!([e.t(), e.x(), e.y(), u8::from(e.p())]);
        serde_json::Value::Array(events.iter().map(row).collect())
    };
    let kept = denoise(&events, 3000);
    assert!(kept.len() < events.len() && !kept.is_empty());
    assert_eq!(rows(&kept), golden["denoise"]);
    let kept = refractory(&events, 20_000);
    assert!(kept.len() < events.len() && !kept.is_empty());
    assert_eq!(rows(&kept), golden["refractory"]);
    let hot = hot_pixels(&events, 50.0);
    assert!(!hot.is_empty());
    assert_eq!(serde_json::json!(hot), golden["hot"]);
    let left = drop_pixels(&events, &hot);
    assert!(left.len() < events.len() && left.iter().all(|e| !hot.contains(&(e.x(), e.y()))));
}

#[test]
fn channels_last_holds_the_same_counts_and_pads_with_zeros() {
    let (events, sensor) = (events(900, 6, 4, 5), Sensor::new(6, 4));
    for polarities in [Polarities::Apart, Polarities::Together] {
        let slicing = Slicing::Duration { us: 100_000 };
        let framing = Framing { polarities, ..Framing::new(slicing, sensor) };
        let frames = framing.frames(&events).unwrap();
        let [steps, channels, height, width] = frames.shape();
        let mut out = vec![f32::NAN; (steps + 2) * channels * height * width];
        framing.write(&events, &mut out).unwrap();
        for (i, &value) in frames.values().iter().enumerate() {
            let (x, y) = (i % width, i / width % height);
            let (c, t) = (i / width / height % channels, i / width / height / channels);
            assert_eq!(out[((t * height + y) * width + x) * channels + c], value);
        }
        assert!(out[steps * channels * height * width..].iter().all(|&v| v == 0.0));
        assert_eq!(frames.values().iter().sum::<f32>(), 900.0);
    }
}

#[test]
fn what_cannot_be_framed_is_told() {
    let sensor = Sensor::new(4, 4);
    let at = |t, x| Event::new(t, x, 0, false);
    let number = Framing::new(Slicing::Number { frames: 2 }, sensor);
    assert!(matches!(number.frames(&[]), Err(EventError::TooFew { found: 0, .. })));
    let error = number.frames(&[at(0, 0), at(1, 1), at(2, 4), at(3, 5)]).unwrap_err();
    assert!(matches!(error, EventError::Outside { index: 2, x: 4, .. }), "{error}");
    let time = Framing::new(Slicing::Time { frames: 2 }, sensor);
    let error = time.frames(&[at(5, 0), at(9, 1), at(8, 1)]).unwrap_err();
    assert!(matches!(error, EventError::Unsorted { index: 2, t: 8, before: 9 }), "{error}");
    let gap = Framing::new(Slicing::Duration { us: 1 }, sensor);
    assert!(matches!(
        gap.frames(&[at(0, 0), at(i64::MAX / 2, 0)]),
        Err(EventError::Setting { setting: "frames of fixed duration", .. })
    ));
    assert!(voxel_grid(&[at(3, 0), at(3, 0)], sensor, 4).is_err());
    assert_eq!(gap.frames(&[at(7, 0)]).unwrap().shape(), [1, 2, 4, 4]);
}

fn recording() -> impl Strategy<Value = Vec<Event>> {
    let event = (0i64..5000, 0u16..9, 0u16..7, any::<bool>());
    vec(event.prop_map(|(t, x, y, p)| Event::new(t, x, y, p)), 1..80).prop_map(|mut events| {
        events.sort_by_key(|e| e.t());
        events
    })
}

fn random(seed: u64) -> Rng {
    rng(seed, 0, Purpose::Sample, 0)
}

const SENSOR: Sensor = Sensor::new(9, 7);

#[test]
fn a_sensor_with_more_rows_than_events_can_name_is_refused() {
    let (tall, taller) = (Sensor::new(2, Event::LAST_ROW + 1), Sensor::new(2, u16::MAX));
    let events = [Event::new(0, 0, 0, true), Event::new(9, 1, 5, false)];
    let flipped = flip_y(&events, tall).unwrap();
    let rows: Vec<u16> = flipped.iter().map(|e| e.y()).collect();
    assert_eq!(rows, [Event::LAST_ROW, Event::LAST_ROW - 5]);
    for error in [
        flip_y(&events, taller).unwrap_err(),
        uniform_noise(&events, taller, 500, &mut random(1)).unwrap_err(),
    ] {
        assert!(matches!(error, EventError::Setting { .. }), "{error}");
    }
}

proptest! {
    #[test]
    fn spikingjelly_rules_use_every_event_once(events in recording(), frames in 1usize..12) {
        for slicing in [
            Slicing::Number { frames },
            Slicing::Time { frames },
            Slicing::TimeExact { frames },
            Slicing::Duration { us: 100 * frames as i64 },
        ] {
            let ranges = slicing.ranges(&events).unwrap();
            prop_assert_eq!(ranges[0].start, 0);
            prop_assert_eq!(ranges.last().unwrap().end, events.len());
            for pair in ranges.windows(2) {
                let (end, start) = (pair[0].end, pair[1].start);
                // The exact rule adds floats: rounding can leave out, or take twice, the events of
                // the very moment at which a frame ends.
                let moment = &events[end.min(start)..end.max(start)];
                let rounded = matches!(slicing, Slicing::TimeExact { .. })
                    && moment.iter().all(|e| e.t() == moment[0].t());
                prop_assert!(end == start || rounded);
            }
        }
    }

    #[test]
    fn no_slicing_panics(
        events in recording(), a in 0i64..6000, b in 0i64..6000, share in -0.5f64..1.5,
        incomplete: bool,
    ) {
        let (n, m) = (a as usize % 90, b as usize % 90);
        for slicing in [
            Slicing::TonicTime { window: a, overlap: b, incomplete },
            Slicing::TonicCount { events: n, overlap: m, incomplete },
            Slicing::TonicTimeBins { bins: n, overlap: share },
            Slicing::TonicEventBins { bins: n, overlap: share },
        ] {
            if let Ok(ranges) = slicing.ranges(&events) {
                prop_assert!(ranges.iter().all(|r| r.start <= r.end && r.end <= events.len()));
            }
        }
    }

    #[test]
    fn mirrors_undo_themselves(events in recording()) {
        prop_assert_eq!(&flip_x(&flip_x(&events, SENSOR).unwrap(), SENSOR).unwrap(), &events);
        prop_assert_eq!(&flip_y(&flip_y(&events, SENSOR).unwrap(), SENSOR).unwrap(), &events);
        prop_assert_eq!(&flip_polarity(&flip_polarity(&events)), &events);
        let back = reverse_time(&events);
        prop_assert!(back.is_sorted_by_key(|e| e.t()));
        prop_assert!(back.iter().zip(events.iter().rev()).all(|(b, e)| b.p() != e.p() && b.x() == e.x()));
    }

    #[test]
    fn random_changes_keep_their_promises(events in recording(), seed: u64, share in 0.0f64..=1.0) {
        let n = events.len();
        let dropped = (share * n as f64 + 0.5) as usize;
        let left = drop_share(&events, share, &mut random(seed)).unwrap();
        prop_assert_eq!(left.len(), n - dropped);
        prop_assert_eq!(&left, &drop_share(&events, share, &mut random(seed)).unwrap());
        prop_assert!(drop_interval(&events, share, &mut random(seed)).unwrap().len() <= n);
        prop_assert!(drop_area(&events, SENSOR, share, &mut random(seed)).unwrap().len() <= n);
        let size = Sensor::new(4, 3);
        let cut = random_crop(&events, SENSOR, size, &mut random(seed)).unwrap();
        prop_assert!(cut.iter().all(|&e| size.holds(e)));
        let moved = jitter_space(&events, SENSOR, 1.0, &mut random(seed)).unwrap();
        prop_assert!(moved.iter().all(|&e| SENSOR.holds(e)));
        prop_assert_eq!(&jitter_space(&events, SENSOR, 0.0, &mut random(seed)).unwrap(), &events);
        let moved = jitter_time(&events, 30.0, &mut random(seed)).unwrap();
        prop_assert!(moved.len() == n && moved.is_sorted_by_key(|e| e.t()));
        let noisy = uniform_noise(&events, SENSOR, 20, &mut random(seed)).unwrap();
        prop_assert!(noisy.len() == n + 20 && noisy.is_sorted_by_key(|e| e.t()));
        prop_assert_eq!(skew_time(&events, 1.0, 0.0), events.clone());
        prop_assert!(between(&events, 100, 2000).iter().all(|e| (100..2000).contains(&e.t())));
    }

    #[test]
    fn every_step_of_a_sample_moves_alike(seed: u64, nda: bool) {
        let shape = [3, 16, 12, 2];
        let step: Vec<f32> = (1..=16 * 12 * 2).map(|v| v as f32).collect();
        let mut frames = step.repeat(3);
        let policy = if nda { FramePolicy::Nda } else { FramePolicy::SnnAugmentWide };
        let augment = FrameAugment { flip: 0.5, policy: Some(policy) };
        augment.apply(&mut frames, shape, &mut random(seed));
        let (first, rest) = frames.split_at(step.len());
        prop_assert_eq!(first, &rest[..step.len()]);
        prop_assert_eq!(first, &rest[step.len()..]);
        // Pixels only move: both channels of each come from one pixel.
        let paired = |c: &[f32]| c == [0.0; 2] || (c[0] % 2.0 == 1.0 && c[1] == c[0] + 1.0);
        prop_assert!(first.chunks_exact(2).all(paired));
        let kept = first.iter().filter(|&&v| v != 0.0).count();
        prop_assert!(kept > step.len() / 2, "{kept}");
    }
}

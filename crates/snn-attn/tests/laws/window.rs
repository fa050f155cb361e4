//! Dilated windows, and attention on them.

use ndarray::ArrayD;
use proptest::{collection::vec, prelude::*};
use snn_attn::{Attend, DilatedWindows, Reach};
use snn_core::{
    Backend, Neuron, Packed, Response, Signal, Unfolded, Window,
    packed::{Isa, Precision},
};

use crate::{Axes, Counts, R, REFERENCE, Spikes, array, counts};

/// Any windows for a grid, or for a line.
fn windows(causal: bool) -> impl Strategy<Value = DilatedWindows> {
    (0..=3usize, vec(1..=4usize, 1..=3), any::<bool>()).prop_map(
        move |(half, dilations, global_head)| DilatedWindows {
            window: if causal { half + 1 } else { 2 * half + 1 },
            dilations,
            reach: if causal { Reach::Past } else { Reach::Around },
            global_head,
        },
    )
}

/// The positions as one axis.
fn line(x: &Counts) -> Counts {
    let shape = x.shape();
    let merged = [shape[0], shape[1], shape[2] * shape[3], shape[4]];
    x.to_shape(&merged[..]).unwrap().to_owned()
}

fn is_near(a: &ArrayD<f64>, b: &ArrayD<f64>) -> bool {
    a.shape() == b.shape() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9)
}

/// Every query and key, and a mask.
fn masked(
    [q, k, v]: [&Counts; 3],
    heads: usize,
    scale: f64,
    sees: impl Fn(usize, usize, usize) -> bool,
) -> ArrayD<f64> {
    let (shape, width) = (q.shape(), q.shape()[3] / heads);
    let (tokens, channels) = (shape[2], shape[3]);
    ArrayD::from_shape_fn(vec![shape[0], shape[1], tokens, channels], |at| {
        let (t, b, i, c) = (at[0], at[1], at[2], at[3]);
        let head = c / width;
        let shared = |j: usize| -> u32 {
            (head * width..(head + 1) * width).map(|c| q[[t, b, i, c]] * k[[t, b, j, c]]).sum()
        };
        let seen = (0..tokens).filter(|&j| sees(head, i, j));
        f64::from(seen.map(|j| shared(j) * v[[t, b, j, c]]).sum::<u32>()) * scale
    })
}

proptest! {
    #[test]
    fn sets_are_small_symmetric_and_around_their_middle(
        (height, width) in (1usize..8, 1usize..8), half in 0usize..4, dilation in 1usize..5,
    ) {
        let windows = DilatedWindows::new(2 * half + 1, vec![dilation]);
        let seen = windows.seen([0, 1], &[height, width]);
        for (i, keys) in seen.iter().enumerate() {
            prop_assert!(keys.len() <= windows.window * windows.window);
            prop_assert!(keys.contains(&i));
            prop_assert!(keys.is_sorted_by(|a, b| a < b));
            for &j in keys {
                prop_assert!(seen[j].contains(&i), "{} sees {}", i, j);
                let apart = |a: usize, b: usize| a.abs_diff(b);
                let [y, x] = [apart(i / width, j / width), apart(i % width, j % width)];
                prop_assert!(y % dilation == 0 && x % dilation == 0);
                prop_assert!(y.max(x) <= half * dilation);
            }
            // The same keys, row by row, with what is outside of the grid.
            let all = windows.keys(dilation, &[height, width], i);
            prop_assert_eq!(all.len(), windows.window * windows.window);
            prop_assert_eq!(&all.into_iter().flatten().collect::<Vec<_>>(), keys);
        }
    }

    #[test]
    fn wider_windows_and_more_dilations_see_more(
        positions in vec(1usize..8, 1..3), half in 0usize..4, dilations in vec(1usize..5, 1..4),
    ) {
        let windows = DilatedWindows::new(2 * half + 1, dilations.clone());
        let wider = DilatedWindows { window: windows.window + 2, ..windows.clone() };
        let heads = dilations.len();
        for (head, &dilation) in dilations.iter().enumerate() {
            let seen = windows.seen([head, heads], &positions);
            let more = wider.seen([head, heads], &positions);
            prop_assert!(seen.iter().zip(&more).all(|(a, b)| a.iter().all(|key| b.contains(key))));
            // Heads take dilations by turns, and nothing else is different in them.
            prop_assert_eq!(&windows.seen([head + heads, 2 * heads], &positions), &seen);
            let alone = DilatedWindows::new(windows.window, vec![dilation]);
            prop_assert_eq!(&alone.seen([0, 1], &positions), &seen);
        }
    }

    #[test]
    fn causal_windows_hold_no_later_key(tokens in 1usize..20, window in 1usize..6, dilation in 1usize..5) {
        let windows = DilatedWindows::new(window, vec![dilation]).causal();
        for (i, keys) in windows.seen([0, 1], &[tokens]).into_iter().enumerate() {
            let expected: Vec<usize> =
                (0..window).rev().filter_map(|o| i.checked_sub(o * dilation)).collect();
            prop_assert_eq!(&keys, &expected);
            prop_assert_eq!(keys.last(), Some(&i));
        }
        // The future is the past of a line that is turned around.
        let later = DilatedWindows { reach: Reach::Future, ..windows.clone() };
        let past = windows.seen([0, 1], &[tokens]);
        for (i, keys) in later.seen([0, 1], &[tokens]).into_iter().enumerate() {
            let turned: Vec<usize> = keys.iter().rev().map(|j| tokens - 1 - j).collect();
            prop_assert_eq!(&turned, &past[tokens - 1 - i]);
        }
    }

    #[test]
    fn it_is_global_attention_under_a_mask((axes, qkv) in counts::<3>(), windows in windows(false)) {
        let [q, k, v] = &qkv;
        let positions = [axes.y, axes.x];
        let seen: Vec<_> =
            (0..axes.heads).map(|h| windows.seen([h, axes.heads], &positions)).collect();
        let y = REFERENCE.window_attention([q, k, v], axes.heads, 0.125, &windows);
        let lines = [q, k, v].map(line);
        let expected =
            masked(lines.each_ref(), axes.heads, 0.125, |h, i, j| seen[h][i].contains(&j));
        prop_assert_eq!(y.shape(), v.shape());
        let y = Signal::<R>::reshape(&y, expected.shape());
        prop_assert!(is_near(&y, &expected));
    }

    #[test]
    fn a_window_over_the_whole_grid_is_self_attention((axes, [q, k, v]) in counts::<3>()) {
        let windows = DilatedWindows::new(2 * axes.y.max(axes.x) - 1, vec![1]);
        let y = REFERENCE.window_attention([&q, &k, &v], axes.heads, 0.125, &windows);
        prop_assert!(is_near(&y, &REFERENCE.ssa(&q, &k, &v, axes.heads, 0.125)));
        let global = DilatedWindows { global_head: true, ..DilatedWindows::new(1, vec![1]) };
        let y = REFERENCE.window_attention([&q, &k, &v], 1, 0.125, &global);
        prop_assert!(is_near(&y, &REFERENCE.ssa(&q, &k, &v, 1, 0.125)));
    }

    /// What lies deep inside moves with the image.
    #[test]
    fn it_moves_with_the_image(
        (dy, dx) in (0usize..3, 0usize..3), half in 0usize..2, dilation in 1usize..3,
        values in vec(0..3u32, 3 * 7 * 7 * 2),
    ) {
        let (side, reach) = (7, dilation * half);
        let windows = DilatedWindows::new(2 * half + 1, vec![dilation]);
        let grid = vec![1, 1, side, side, 2];
        let qkv: [Counts; 3] =
            std::array::from_fn(|i| array(&grid, &values[i * side * side * 2..][..side * side * 2]));
        let moved = qkv.each_ref().map(|x| Counts::from_shape_fn(grid.clone(), |i| {
            match (i[2].checked_sub(dy), i[3].checked_sub(dx)) {
                (Some(y), Some(x_)) => x[[0, 0, y, x_, i[4]]],
                _ => 1,
            }
        }));
        let attend = |[q, k, v]: &[Counts; 3]| REFERENCE.window_attention([q, k, v], 1, 1.0, &windows);
        let (before, after) = (attend(&qkv), attend(&moved));
        for y in reach..side.saturating_sub(reach + dy) {
            for x in reach..side.saturating_sub(reach + dx) {
                for c in 0..2 {
                    prop_assert_eq!(before[[0, 0, y, x, c]], after[[0, 0, y + dy, x + dx, c]]);
                }
            }
        }
    }

    #[test]
    fn every_backend_gives_the_same(
        (axes, [q, k, v]) in counts::<3>(), squares in windows(false), lines in windows(true),
        spikes in any::<bool>(),
    ) {
        // Spikes alone take one plane of bits.
        let [q, k, v] = [q, k, v].map(|x| if spikes { x.mapv(|n| n.min(1)) } else { x });
        let [ql, kl, vl] = [&q, &k, &v].map(line);
        for ([q, k, v], windows) in [([&q, &k, &v], &squares), ([&ql, &kl, &vl], &lines)] {
            let expected = REFERENCE.window_attention([q, k, v], axes.heads, 0.125, windows);
            for isa in Isa::all() {
                let packed = Packed::with_isa(Precision::Exact, isa);
                let [a, b, c] = [q, k, v].map(|x| packed.counts(x));
                let found = packed.window_attention([&a, &b, &c], axes.heads, 0.125, windows);
                prop_assert_eq!(&packed.read(found.input()), &expected, "{}", isa.name());
            }
            let unfolded = Unfolded::new(REFERENCE);
            let [a, b, c] = [q, k, v].map(|x| unfolded.counts(x));
            let found = unfolded.window_attention([&a, &b, &c], axes.heads, 0.125, windows);
            prop_assert_eq!(&unfolded.read(found.input()), &expected);
        }
    }

    /// Spiking response pooling beside the max-pooling that it replaces, at one step.
    #[test]
    fn responses_are_monotone_and_below_max_pooling(
        (height, width) in (2usize..9, 2usize..9), bits in vec(any::<[bool; 2]>(), 64),
        size in 2usize..4, steps in 1usize..12,
    ) {
        let shape = vec![1, 1, height, width, 1];
        let fewer = Spikes::from_shape_fn(shape.clone(), |i| bits[i[2] * 8 + i[3]] == [true; 2]);
        let more = Spikes::from_shape_fn(shape.clone(), |i| bits[i[2] * 8 + i[3]][0]);
        let padding = if size == 3 { 1 } else { 0 };
        let window = Window { size, stride: 2, padding, dilation: 1 };
        let neuron = Neuron::lif(2.0).with_threshold(0.25);
        let pool = |x: &Spikes| {
            let numbers = x.mapv(|s| f64::from(u8::from(s)));
            let pooled = REFERENCE.response_pool(&numbers, window, Response::Mean);
            (REFERENCE.fire(&neuron, None, &pooled, None).0, pooled)
        };
        let within = |a: &Spikes, b: &Spikes| a.iter().zip(b).all(|(&a, &b)| b || !a);
        let ((few, _), (many, response)) = (pool(&fewer), pool(&more));
        prop_assert!(within(&few, &many));
        prop_assert!(within(&many, &REFERENCE.max_pool(&more, window)));
        prop_assert!(response.iter().all(|r| (0.0..=1.0).contains(r)));
        // All or nothing, over time.
        let mut always = shape;
        always[0] = steps;
        for spike in [false, true] {
            let (pooled, _) = pool(&Spikes::from_elem(always.clone(), spike));
            prop_assert!(pooled.iter().all(|&s| s == spike));
        }
    }
}

#[test]
fn what_is_no_window_is_told() {
    let told = |windows: DilatedWindows| windows.validate().unwrap_err().to_string();
    let even = "configuration field `window` is 4, expected an odd number";
    assert_eq!(told(DilatedWindows::new(4, vec![1])), even);
    assert!(DilatedWindows::new(4, vec![1]).causal().validate().is_ok());
    assert!(told(DilatedWindows::new(0, vec![1]).causal()).contains("at least 1"));
    assert!(told(DilatedWindows::new(3, vec![])).contains("`dilations` is []"));
    assert!(told(DilatedWindows::new(3, vec![2, 0])).contains("`dilations` is [2, 0]"));
}

#[test]
fn far_is_not_overflow() {
    let windows = DilatedWindows::new(usize::MAX, vec![usize::MAX]);
    assert_eq!(windows.seen([0, 1], &[2, 3])[4], [4]);
    let axes = Axes { t: 1, b: 1, y: 1, x: 1, heads: 1, width: 1 };
    let one = Counts::ones(axes.shape());
    assert_eq!(REFERENCE.window_attention([&one, &one, &one], 1, 0.5, &windows)[[0; 5]], 0.5);
}

//! Laws of the augmentations.

use proptest::{collection::vec, prelude::*};
use rand::RngExt;
use snn_data::{
    Augment, Image,
    augment::{
        Erase, Fill, Mix, Op, RandAugment, ResizedCrop, flip,
        mix::{Mixing, mix},
        pad_and_crop,
    },
    random::{Purpose, Rng, rng},
};

fn random(seed: u64) -> Rng {
    rng(seed, 0, Purpose::Sample, 0)
}

/// Images of 1 to 9 rows and columns, grey or colour.
fn images() -> impl Strategy<Value = Image> {
    (1usize..10, 1usize..10, prop_oneof![Just(1usize), Just(3)]).prop_flat_map(|(h, w, c)| {
        vec(any::<u8>(), h * w * c).prop_map(move |pixels| Image::new([h, w, c], pixels))
    })
}

proptest! {
    #[test]
    fn padded_crops_are_shifts(image in images(), pad in 0usize..12, seed in any::<u64>()) {
        let [height, width, _] = image.shape();
        let mut same = random(seed);
        let (top, left) = (same.random_range(0..=2 * pad), same.random_range(0..=2 * pad));
        let crop = pad_and_crop(&image, pad, &mut random(seed));
        for y in 0..height {
            for x in 0..width {
                let (v, u) = ((y + top).checked_sub(pad), (x + left).checked_sub(pad));
                let want = match (v.filter(|v| *v < height), u.filter(|u| *u < width)) {
                    (Some(v), Some(u)) => image.pixel(v, u),
                    _ => &[0; 3][..image.shape()[2]],
                };
                prop_assert_eq!(crop.pixel(y, x), want);
            }
        }
    }

    #[test]
    fn flipping_mirrors_and_twice_is_nothing(image in images()) {
        let mirrored = flip(&image);
        let last = image.shape()[1] - 1;
        prop_assert_eq!(mirrored.pixel(0, 0), image.pixel(0, last));
        prop_assert_eq!(flip(&mirrored), image);
    }

    #[test]
    fn resized_crops_have_the_size_asked_for(
        image in images(), h in 1usize..12, w in 1usize..12, seed in any::<u64>(),
        low in 0.01f64..1.0, ratio in 0.1f64..3.0,
    ) {
        let crop = ResizedCrop { scale: [low, 1.0], ratio: [ratio, ratio * 1.5] };
        let out = crop.apply(&image, [h, w], &mut random(seed)).unwrap();
        prop_assert_eq!(out.shape(), [h, w, image.shape()[2]]);
    }

    #[test]
    fn the_whole_square_is_a_crop_of_scale_one(side in 1usize..9, seed in any::<u64>()) {
        let image = Image::new([side, side, 1], (0..side * side).map(|i| i as u8).collect());
        let crop = ResizedCrop { scale: [1.0, 1.0], ratio: [1.0, 1.0] };
        prop_assert_eq!(crop.apply(&image, [side, side], &mut random(seed)).unwrap(), image);
    }

    #[test]
    fn erasing_takes_one_rectangle_of_the_size_asked_for(
        height in 4usize..20, width in 4usize..20, seed in any::<u64>(), noise in any::<bool>(),
    ) {
        let fill = if noise { Fill::Pixel } else { Fill::Const };
        let erase = Erase { probability: 1.0, fill, ..Erase::default() };
        let mut values = vec![9.0; height * width * 3];
        erase.apply(&mut values, [height, width, 3], &mut random(seed));
        let gone: Vec<(usize, usize)> = (0..height * width)
            .filter(|i| values[3 * i] != 9.0)
            .map(|i| (i / width, i % width))
            .collect();
        if gone.is_empty() { return Ok(()) }
        let span = |of: fn(&(usize, usize)) -> usize| {
            let values = gone.iter().map(of);
            values.clone().max().unwrap() - values.min().unwrap() + 1
        };
        let [h, w] = [span(|p| p.0), span(|p| p.1)];
        prop_assert_eq!(gone.len(), h * w, "a full rectangle");
        prop_assert!(h < height && w < width);
        // Sides are rounded to whole pixels, each by at most one half.
        let [small, large] = [h, w].map(|n| n as f64).map(|n| [n - 0.5, n + 0.5]).into_iter()
            .fold([1.0, 1.0], |area, side| [area[0] * side[0], area[1] * side[1]]);
        let area = (height * width) as f64;
        prop_assert!(small <= area / 3.0 && large >= area * 0.02);
        if !noise {
            prop_assert!(gone.iter().all(|(y, x)| values[3 * (y * width + x)..][..3] == [0.0; 3]));
        }
    }

    #[test]
    fn mixing_keeps_the_sum_of_a_pair(
        n in 1usize..6, time in 1usize..3, seed in any::<u64>(), mixup in 0.0f64..2.0,
        cutmix in 0.0f64..2.0, off in 0usize..3,
    ) {
        let frame = [time, 4, 5, 2];
        let size = time * 40;
        let before: Vec<f32> = (0..n * size).map(|i| (i * 7 % 64) as f32).collect();
        let mut after = before.clone();
        let config = Mix { mixup, cutmix, off_epoch: Some(off), ..Mix::default() };
        let Some(mixing) = config.draw(1, [4, 5], &mut random(seed)) else {
            prop_assert!(off <= 1 || (mixup == 0.0 && cutmix == 0.0));
            return Ok(());
        };
        prop_assert!(off > 1);
        prop_assert!((0.0..=1.0).contains(&mixing.keep()));
        mix(&mut after, frame, mixing);
        for i in 0..n {
            let mirror = n - 1 - i;
            let part = |values: &[f32], i: usize| values[i * size..(i + 1) * size].to_vec();
            let (a, b) = (part(&after, i), part(&after, mirror));
            let (x, y) = (part(&before, i), part(&before, mirror));
            let mut foreign = 0;
            for j in 0..size {
                prop_assert!((a[j] + b[j] - x[j] - y[j]).abs() < 1e-3);
                if let Mixing::CutMix { rows, columns, .. } = mixing {
                    let (row, column) = (j / 10 % 4, j / 2 % 5);
                    let inside = (rows[0]..rows[1]).contains(&row)
                        && (columns[0]..columns[1]).contains(&column);
                    prop_assert_eq!(a[j], if inside { y[j] } else { x[j] });
                    foreign += usize::from(inside);
                }
            }
            if let Mixing::CutMix { keep, .. } = mixing {
                prop_assert!((1.0 - keep - foreign as f32 / size as f32).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn policies_read_back_what_they_print(
        m in 0.0f64..10.0, layers in 0usize..4, std in 0.0f64..2.0, increasing in any::<bool>(),
    ) {
        let policy = RandAugment { magnitude: m, layers, std, increasing };
        prop_assert_eq!(policy.to_string().parse::<RandAugment>().unwrap(), policy);
    }

    #[test]
    fn magnitude_zero_of_an_increasing_policy_changes_nothing(image in images()) {
        // Two operations have no strength, and one is the negative.
        let always = [Op::AutoContrast, Op::Equalize, Op::Invert];
        let fill = [1, 2, 3];
        for op in Op::ALL.into_iter().filter(|op| !always.contains(op)) {
            if op == Op::Posterize {
                // Four bits are the weakest that the increasing form knows.
                continue;
            }
            prop_assert_eq!(&op.apply(&image, 0.0, 1.0, true, &fill), &image, "{:?}", op);
        }
    }

    #[test]
    fn every_operation_keeps_the_shape(
        image in images(), magnitude in 0.0f64..=10.0, negate in any::<bool>(),
        increasing in any::<bool>(),
    ) {
        let sign = if negate { -1.0 } else { 1.0 };
        for op in Op::ALL {
            let out = op.apply(&image, magnitude, sign, increasing, &[1, 2, 3]);
            prop_assert_eq!(out.shape(), image.shape());
        }
    }
}

#[test]
fn geometry_shows_the_fill_colour_where_the_image_ends() {
    let image = Image::filled([8, 10, 3], 200);
    let out = Op::TranslateX.apply(&image, 10.0, 1.0, true, &[1, 2, 3]);
    // 45 % of ten columns: pixel x shows x + 4.5.
    assert_eq!([out.pixel(0, 4), out.pixel(0, 6)], [&[200; 3][..], &[1, 2, 3]]);
}

#[test]
fn settings_out_of_range_or_unknown_are_told() {
    for (text, part) in [
        ("flip = 1.5", "augment.flip is 1.5, expected a probability from 0 to 1"),
        ("flip = nan", "augment.flip is NaN"),
        ("erase = { area = [0.5, 0.1] }", "augment.erase.area is [0.5, 0.1]"),
        ("resized_crop = { scale = [0.0, 1.0] }", "augment.resized_crop.scale"),
        ("mix = { switch = -0.1 }", "augment.mix.switch is -0.1"),
    ] {
        let augment: Augment = toml::from_str(text).unwrap();
        let error = augment.validate().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    for (text, part) in [
        ("flop = 0.5", "unknown field `flop`"),
        ("mix = { cutmixx = 1.0 }", "unknown field `cutmixx`"),
        ("rand_augment = \"rand-m9-x1\"", "augment.rand_augment is `rand-m9-x1`"),
        ("rand_augment = \"rand-m11\"", "a magnitude from 0 to 10"),
        ("rand_augment = \"augmix-m3\"", "a policy such as"),
    ] {
        let error = toml::from_str::<Augment>(text).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn the_default_changes_nothing() {
    let image = Image::new([2, 3, 1], vec![1, 2, 3, 4, 5, 6]);
    let same = Augment::default().apply(image.clone(), [2, 3], &[0], &mut random(1)).unwrap();
    assert_eq!(same, image);
    assert_eq!(toml::from_str::<Augment>("").unwrap(), Augment::default());
}

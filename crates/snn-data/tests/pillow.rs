//! Resizing and RandAugment's operations against Pillow.
//!
//! `data/pillow.json` was written by `scripts/pillow.py` with Pillow 9.5.0 (versions inside).

use serde::Deserialize;
use snn_data::{
    Image,
    augment::Op,
    images::{decode::to_grey, resize::EvalTransform},
};

#[derive(Deserialize)]
struct Golden {
    fill: Vec<u8>,
    evaluate: Vec<Evaluate>,
    operations: Vec<Operation>,
    pictures: Vec<Picture>,
    grey: Vec<u8>,
}

#[derive(Deserialize)]
struct Picture {
    shape: [usize; 3],
    pixels: Vec<u8>,
}

#[derive(Deserialize)]
struct Evaluate {
    input: Picture,
    resize: usize,
    crop: [usize; 2],
    output: Picture,
}

#[derive(Deserialize)]
struct Operation {
    name: String,
    picture: usize,
    magnitude: f64,
    sign: f64,
    increasing: bool,
    pixels: Vec<u8>,
}

impl Picture {
    fn image(&self) -> Image {
        Image::new(self.shape, self.pixels.clone())
    }
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("data/pillow.json")).unwrap()
}

fn greatest_difference(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn evaluation_transform_is_torchvisions() {
    for case in golden().evaluate {
        let transform = EvalTransform { resize: case.resize, crop: case.crop };
        let got = transform.apply(&case.input.image()).unwrap();
        assert_eq!(got.shape(), case.output.shape);
        let difference = greatest_difference(got.pixels(), &case.output.pixels);
        assert!(difference == 0, "{:?} differs by {difference}", case.input.shape);
    }
}

#[test]
fn operations_are_pillows_within_one_grey_level() {
    let golden = golden();
    for case in golden.operations {
        let op = Op::ALL.into_iter().find(|op| format!("{op:?}") == case.name).unwrap();
        let image = golden.pictures[case.picture].image();
        let got = op.apply(&image, case.magnitude, case.sign, case.increasing, &golden.fill);
        let difference = greatest_difference(got.pixels(), &case.pixels);
        let Operation { name, picture, magnitude, .. } = case;
        assert!(difference <= 1, "{name} {magnitude} on picture {picture}: {difference}");
    }
}

#[test]
fn grey_is_pillows() {
    let golden = golden();
    assert_eq!(to_grey(&golden.pictures[0].image()).pixels(), golden.grey);
}

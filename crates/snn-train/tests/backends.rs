//! Every registered system on every backend.

#[path = "../../snn-models/tests/common/binary.rs"]
mod binary;
#[path = "../../snn-models/tests/common/lively.rs"]
mod lively;
#[path = "../../snn-models/tests/common/pyramids.rs"]
mod pyramids;
#[path = "../../snn-models/tests/common/sent.rs"]
mod sent;

use lively::{images, lively};
use proptest::prelude::*;
use sent::run;
use snn_core::{Packed, Reference, Unfolded, packed::Precision as Digits};
use snn_models::Config;
use snn_train::{Precision, Torch};

fn any() -> impl Strategy<Value = Config> {
    prop_oneof![
        4 => binary::any_binary(),
        1 => binary::efficient(),
        2 => binary::lsformer(),
        2 => binary::teformer(),
        2 => pyramids::any(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// In 64 bits the spikes are the same, whoever computes them.
    #[test]
    fn backends_agree_on_every_system(config in any(), seed: u64) {
        let (weights, images) = (lively(&config, seed), images(&config, seed));
        let (spikes, logits) = run(&Reference::<f64>::new(), &config, &weights, &images);
        let torch = Torch::new(tch::Device::Cpu, Precision::Double).unwrap();
        let packed = Packed::new(Digits::Exact);
        let unfolded = Unfolded::new(Packed::new(Digits::Exact));
        let others = [
            ("torch", run(&torch, &config, &weights, &images)),
            ("packed", run(&packed, &config, &weights, &images)),
            ("unfolded", run(&unfolded, &config, &weights, &images)),
        ];
        for (name, (found, answer)) in others {
            prop_assert_eq!(&found.0, &spikes.0, "{}", name);
            let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-5 * (1.0 + b.abs());
            prop_assert!(answer.iter().zip(&logits).all(near), "{}", name);
        }
    }
}

use proptest::prelude::*;
use snn_attn::heads::{merge_heads, split_heads};

use crate::{R, counts};

proptest! {
    #[test]
    fn every_channel_goes_to_its_head((axes, [x]) in counts()) {
        let split = split_heads::<R, _>(&x, axes.heads);
        prop_assert_eq!(split.shape(), [axes.t, axes.b, axes.heads, axes.tokens(), axes.width]);
        for (t, b, h) in axes.outer() {
            for n in 0..axes.tokens() {
                for i in 0..axes.width {
                    prop_assert_eq!(split[[t, b, h, n, i]], x[axes.at(t, b, h, n, i)]);
                }
            }
        }
    }

    #[test]
    fn merging_undoes_splitting((axes, [x]) in counts()) {
        let split = split_heads::<R, _>(&x, axes.heads);
        prop_assert_eq!(merge_heads::<R, _>(&split, &[axes.y, axes.x]), x);
    }
}

#[test]
#[should_panic(expected = "4 heads do not divide 6 channels")]
fn heads_that_do_not_divide_the_channels_are_a_mistake() {
    split_heads::<R, _>(&ndarray::ArrayD::<u32>::zeros(vec![1, 1, 2, 6]), 4);
}

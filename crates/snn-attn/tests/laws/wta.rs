//! Winner-take-all attention, its packed form and its cache.

use ndarray::{Array2, ArrayD, Axis};
use proptest::{collection::vec, prelude::*};
use snn_attn::{Attend, KeyValueCache, Visible, WinnerTakeAll, Winners};
use snn_core::{
    Backend, IntegerNeuron, Packed, Unfolded,
    neuron::Rounding,
    packed::{Isa, Precision},
};

use crate::{Axes, Counts, REFERENCE, counts};

fn wta() -> impl Strategy<Value = WinnerTakeAll> {
    let winners = prop_oneof![
        Just(Winners::Count(1)),
        (1usize..9).prop_map(Winners::Count),
        (0.01f64..=1.0).prop_map(Winners::Share),
    ];
    (winners, any::<bool>()).prop_map(|(winners, silent_rule)| WinnerTakeAll {
        winners,
        silent_rule,
        tau: 1.0,
    })
}

fn visible(samples: usize, tokens: usize) -> impl Strategy<Value = Visible> {
    let keys = vec(prop::bool::weighted(0.8), samples * tokens);
    let keys = keys.prop_map(move |keys| Array2::from_shape_vec((samples, tokens), keys).unwrap());
    (any::<bool>(), prop::option::of(keys)).prop_map(|(causal, keys)| Visible { causal, keys })
}

/// Queries, keys and values of small counts, and who sees whom.
fn cases() -> impl Strategy<Value = (Axes, [Counts; 3], WinnerTakeAll, Visible)> {
    (counts(), wta()).prop_flat_map(|((axes, qkv), wta)| {
        (Just(axes), Just(qkv), Just(wta), visible(axes.b, axes.tokens()))
    })
}

/// Scores `[1, 1, 1, N, M]`.
fn scores(distinct: bool) -> impl Strategy<Value = Counts> {
    (1usize..6, 1usize..12).prop_flat_map(move |(n, m)| {
        let free = vec(0..4u32, n * m).boxed();
        let row = Just((0..m as u32).collect::<Vec<_>>()).prop_shuffle();
        let shuffled = vec(row, n).prop_map(|rows| rows.concat()).boxed();
        let scores = if distinct { shuffled } else { free };
        scores.prop_map(move |s| ArrayD::from_shape_vec(vec![1, 1, 1, n, m], s).unwrap())
    })
}

fn winners(scores: &Counts, wta: &WinnerTakeAll, visible: &Visible) -> ArrayD<bool> {
    REFERENCE.winners(scores, 1.0, wta, visible)
}

/// The definition, number by number: a key wins if fewer than `k` visible keys are before it.
fn brute(axes: &Axes, [q, k, v]: &[Counts; 3], wta: &WinnerTakeAll, visible: &Visible) -> Counts {
    let mut out = Counts::zeros(axes.shape());
    let tokens = axes.tokens();
    for (t, b, h) in axes.outer() {
        for i in 0..tokens {
            let sees = |&j: &usize| {
                (!visible.causal || j <= i) && visible.keys.as_ref().is_none_or(|keys| keys[[b, j]])
            };
            let seen: Vec<usize> = (0..tokens).filter(sees).collect();
            let score = |j: usize| -> u32 {
                (0..axes.width).map(|c| q[axes.at(t, b, h, i, c)] * k[axes.at(t, b, h, j, c)]).sum()
            };
            let count = match wta.winners {
                Winners::Count(count) => count,
                Winners::Share(share) => ((share * seen.len() as f64).floor() as usize).max(1),
            };
            for &j in &seen {
                let ahead = |&&o: &&usize| (score(o), j) > (score(j), o);
                let first = seen.iter().filter(ahead).count() < count;
                if first && (score(j) > 0 || !wta.silent_rule) {
                    for c in 0..axes.width {
                        out[axes.at(t, b, h, i, c)] += v[axes.at(t, b, h, j, c)];
                    }
                }
            }
        }
    }
    out
}

proptest! {
    #[test]
    fn the_best_keys_pass_on_their_values((axes, qkv, wta, visible) in cases()) {
        let y = REFERENCE.winner_take_all(qkv.each_ref(), axes.heads, 0.3, &wta, &visible);
        prop_assert_eq!(y, brute(&axes, &qkv, &wta, &visible));
    }

    #[test]
    fn packed_rows_choose_the_same((axes, qkv, wta, visible) in cases()) {
        let expected = REFERENCE.winner_take_all(qkv.each_ref(), axes.heads, 1.0, &wta, &visible);
        for isa in Isa::all() {
            let packed = Packed::with_isa(Precision::Exact, isa);
            let packed_qkv = qkv.each_ref().map(|x| packed.counts(x));
            let y = packed.winner_take_all(packed_qkv.each_ref(), axes.heads, 1.0, &wta, &visible);
            prop_assert_eq!(y.unpack(), &expected, "{}", isa.name());
        }
    }

    #[test]
    fn the_future_is_not_seen(
        (axes, qkv, wta, visible) in cases(), [other] in Just(()).prop_flat_map(|()| vec(0..4u32, 512))
            .prop_map(|x| [x]), at in any::<prop::sample::Index>(),
    ) {
        let visible = Visible { causal: true, ..visible };
        let first = at.index(axes.tokens());
        let attend = |qkv: &[Counts; 3]| {
            REFERENCE.winner_take_all(qkv.each_ref(), axes.heads, 1.0, &wta, &visible)
        };
        let mut changed = qkv.clone();
        for (t, b, h) in axes.outer() {
            for i in first + 1..axes.tokens() {
                for c in 0..axes.width {
                    let place = axes.at(t, b, h, i, c);
                    for (n, x) in changed.iter_mut().enumerate() {
                        x[place] = other[(i * 31 + c * 7 + n * 101) % other.len()];
                    }
                }
            }
        }
        let (y, z) = (attend(&qkv), attend(&changed));
        for (t, b, h) in axes.outer() {
            for i in 0..=first {
                for c in 0..axes.width {
                    prop_assert_eq!(y[axes.at(t, b, h, i, c)], z[axes.at(t, b, h, i, c)]);
                }
            }
        }
    }

    #[test]
    fn a_cache_goes_on_where_it_stopped((axes, qkv, wta, _) in cases()) {
        let visible = Visible::causal();
        let [q, k, v] = &qkv;
        let whole = REFERENCE.winner_take_all(qkv.each_ref(), axes.heads, 1.0, &wta, &visible);
        let soft = REFERENCE.softmax_attention(qkv.each_ref(), axes.heads, 0.4, &visible);
        for (t, b, h) in axes.outer() {
            let mut cache = KeyValueCache::new(axes.width, axes.width, 3);
            for i in 0..axes.tokens() {
                let row = |x: &Counts| -> Vec<u32> {
                    (0..axes.width).map(|c| x[axes.at(t, b, h, i, c)]).collect()
                };
                cache.push(&row(k), &row(v));
                for isa in Isa::all() {
                    prop_assert_eq!(cache.winner_take_all(isa, &row(q), &wta), row(&whole));
                    for (c, y) in cache.softmax(isa, &row(q), 0.4).into_iter().enumerate() {
                        prop_assert!((y - soft[axes.at(t, b, h, i, c)]).abs() < 1e-9);
                    }
                }
            }
            prop_assert_eq!(cache.len(), axes.tokens());
        }
    }

    #[test]
    fn sets_of_winners_are_nested(scores in scores(false), few in 1usize..6, more in 0usize..6) {
        let of = |count| WinnerTakeAll { winners: Winners::Count(count), ..Default::default() };
        let some = winners(&scores, &of(few), &Visible::all());
        let many = winners(&scores, &of(few + more), &Visible::all());
        prop_assert!(some.iter().zip(&many).all(|(some, many)| *many || !some));
        for row in some.lanes(Axis(4)) {
            prop_assert!(row.iter().filter(|&&wins| wins).count() <= few);
        }
    }

    #[test]
    fn no_visible_key_has_more_than_the_winner(scores in scores(false), causal: bool) {
        let visible = Visible { causal, keys: None };
        let all = winners(&scores, &WinnerTakeAll::default(), &visible);
        let (n, m) = (scores.shape()[3], scores.shape()[4]);
        for i in 0..n {
            let seen = (0..m).filter(|&j| visible.sees(0, [i, n], [j, m]));
            let greatest = seen.map(|j| scores[[0, 0, 0, i, j]]).max().unwrap_or(0);
            let won: Vec<usize> = (0..m).filter(|&j| all[[0, 0, 0, i, j]]).collect();
            prop_assert_eq!(won.len(), usize::from(greatest > 0));
            prop_assert!(won.iter().all(|&j| scores[[0, 0, 0, i, j]] == greatest));
        }
    }

    #[test]
    fn keys_in_another_order_win_there(scores in scores(true), turn in 0usize..12) {
        let m = scores.shape()[4];
        let order: Vec<usize> = (0..m).map(|j| (j + turn) % m).collect();
        let moved = scores.select(Axis(4), &order);
        let all = winners(&scores, &WinnerTakeAll::default(), &Visible::all());
        let found = winners(&moved, &WinnerTakeAll::default(), &Visible::all());
        prop_assert_eq!(found, all.select(Axis(4), &order));
    }

    #[test]
    fn a_cold_softmax_is_winner_take_all(scores in scores(true)) {
        let plain = WinnerTakeAll { silent_rule: false, ..Default::default() };
        let hard = winners(&scores, &plain, &Visible::all());
        let cold = REFERENCE.softmax(&REFERENCE.scale(&scores, 1.0 / 0.01), &Visible::all());
        let far = |(hard, cold): (&bool, &f64)| (f64::from(u8::from(*hard)) - cold).abs();
        prop_assert!(hard.iter().zip(&cold).map(far).all(|far| far < 1e-6));
    }

    #[test]
    fn integers_and_their_spikes_agree(
        (axes, qkv) in counts::<3>(), wta in wta(), causal: bool
    ) {
        let visible = Visible { causal, keys: None };
        let unfolded = Unfolded::new(REFERENCE);
        let neuron = IntegerNeuron { levels: 3, gain: 1.0, unit: 1.0, rounding: Rounding::HalfEven };
        let steps = qkv.each_ref().map(|x| {
            unfolded.quantize(&neuron, &unfolded.real(&x.mapv(|n| n as f32)))
        });
        let y = unfolded.winner_take_all(steps.each_ref(), axes.heads, 1.0, &wta, &visible);
        let expected = REFERENCE.winner_take_all(qkv.each_ref(), axes.heads, 1.0, &wta, &visible);
        prop_assert_eq!(unfolded.read(snn_core::Input::Counts(&y)), expected.mapv(f64::from));
    }
}

#[test]
fn a_sample_of_padding_gets_nothing() {
    let x = Counts::from_elem(vec![1, 2, 3, 4], 1);
    let mut keys = Array2::from_elem((2, 3), true);
    keys.row_mut(0).fill(false);
    let visible = Visible { causal: false, keys: Some(keys) };
    for silent_rule in [true, false] {
        let wta = WinnerTakeAll { silent_rule, ..Default::default() };
        let y = REFERENCE.winner_take_all([&x, &x, &x], 2, 1.0, &wta, &visible);
        assert_eq!(y.index_axis(Axis(1), 0).sum(), 0);
        assert_eq!(y.index_axis(Axis(1), 1), Counts::from_elem(vec![1, 3, 4], 1));
    }
    let y = REFERENCE.softmax_attention([&x, &x, &x], 2, 1.0, &visible);
    assert_eq!(y.index_axis(Axis(1), 0).sum(), 0.0);
}

#[test]
fn numbers_of_winners_that_make_no_sense_are_errors() {
    let of = |winners| WinnerTakeAll { winners, ..Default::default() };
    for wrong in
        [Winners::Count(0), Winners::Share(0.0), Winners::Share(1.5), Winners::Share(f64::NAN)]
    {
        let error = of(wrong).validate().unwrap_err().to_string();
        assert!(error.starts_with("configuration field `winners` is "), "{error}");
    }
    assert!(WinnerTakeAll { tau: 0.0, ..Default::default() }.validate().is_err());
    assert!(of(Winners::Share(0.05)).validate().is_ok());
    assert_eq!(Winners::Share(0.05).among(9), 1);
}

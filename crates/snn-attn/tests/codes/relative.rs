//! Delays by how far the key lies from the query.

use ndarray::{Array2, ArrayD, Axis, concatenate, s};
use proptest::{collection::vec, option, prelude::*};
use snn_attn::{CodeSimilarity, HashAttend, RelativeDelays, codes::Measure};
use snn_core::{Input, Packed, Reference, packed::Precision};

const REFERENCE: Reference<f64> = Reference::new();

/// Spikes of queries, keys and values of one `[T, B, N, heads width]`, and a comparison of two
/// scales.
#[derive(Clone, Debug)]
struct Case {
    heads: usize,
    bits: [usize; 2],
    qkv: [ArrayD<bool>; 3],
    measure: Measure,
    keep: Option<usize>,
    /// In quarters of steps, `[heads, 2 window + 1]`.
    table: Array2<f64>,
    causal: bool,
}

impl Case {
    fn any() -> impl Strategy<Value = Self> {
        let measure = prop_oneof![
            Just(Measure::Coincidence),
            (0..3u32).prop_map(|offset| Measure::Match { offset }),
        ];
        let sizes = (1..6usize, 1..3usize, 1..6usize, 1..3usize, 0..4usize);
        let bits = [1..4usize, 62..66usize];
        (sizes, bits, measure, option::of(1..4usize), any::<bool>()).prop_flat_map(
            |((t, b, n, heads, window), bits, measure, keep, causal)| {
                let (codes, tokens) = (heads * (bits[0] + bits[1]), t * b * n);
                let spikes = vec(any::<bool>(), tokens * (2 * codes + heads));
                let table = vec(-20..=20i8, heads * (2 * window + 1));
                (spikes, table).prop_map(move |(spikes, table)| {
                    let mut spikes = spikes.into_iter();
                    let mut draw = |channels: usize| {
                        let shape = vec![t, b, n, channels];
                        ArrayD::from_shape_simple_fn(shape, || spikes.next().unwrap())
                    };
                    let qkv = [draw(codes), draw(codes), draw(heads)];
                    let mut table = table.iter().map(|&quarters| f64::from(quarters) / 4.0);
                    let shape = (heads, 2 * window + 1);
                    let table = Array2::from_shape_simple_fn(shape, || table.next().unwrap());
                    Self { heads, bits, qkv, measure, keep, table, causal }
                })
            },
        )
    }

    /// With a table of delays, or without delays.
    fn attend<B>(&self, backend: &B, table: Option<Array2<f64>>) -> ArrayD<f64>
    where
        B: HashAttend<Param = ArrayD<f64>>,
    {
        let similarity = CodeSimilarity {
            measure: self.measure,
            bits: self.bits.to_vec(),
            scales: Some(ArrayD::from_elem(vec![2], 0.5)),
            keep: self.keep.and_then(std::num::NonZeroUsize::new),
            delays: table.map(|table| RelativeDelays {
                window: table.ncols() / 2,
                table: table.into_dyn(),
                causal: self.causal,
            }),
        };
        let [q, k, v] = self.qkv.each_ref().map(|x| backend.spikes(x));
        backend.read(Input::Real(&backend.attend_codes(&q, &k, &v, self.heads, &similarity)))
    }
}

proptest! {
    #[test]
    fn packed_counts_are_those_of_the_definition(case in Case::any()) {
        let packed = Packed::new(Precision::Exact);
        let table = || Some(case.table.clone());
        prop_assert_eq!(case.attend(&packed, table()), case.attend(&REFERENCE, table()));
    }

    #[test]
    fn no_delay_changes_nothing(case in Case::any()) {
        let zeros = Array2::zeros(case.table.dim());
        prop_assert_eq!(case.attend(&REFERENCE, Some(zeros)), case.attend(&REFERENCE, None));
    }

    /// One delay for all distances of a head is one for all bits of it.
    #[test]
    fn one_delay_for_all_shifts_the_keys(case in Case::any()) {
        let bits: usize = case.bits.iter().sum();
        let first = case.table.column(0).insert_axis(Axis(1)).to_owned();
        let all = |columns| first.broadcast((case.heads, columns)).unwrap().to_owned();
        let found = case.attend(&REFERENCE, Some(all(case.table.ncols())));
        let mut shifted = case.clone();
        shifted.qkv[1] = REFERENCE.delay(&case.qkv[1], &all(bits).into_dyn(), case.causal);
        prop_assert_eq!(found, shifted.attend(&REFERENCE, None));
    }

    #[test]
    fn keys_beyond_the_window_are_as_late_as_the_last_of_it(case in Case::any()) {
        let end = case.table.ncols() - 1;
        let ends = [case.table.slice(s![.., ..1]), case.table.view(), case.table.slice(s![.., end..])];
        let wider = concatenate(Axis(1), &ends).unwrap();
        let found = case.attend(&REFERENCE, Some(wider));
        prop_assert_eq!(found, case.attend(&REFERENCE, Some(case.table.clone())));
    }

    #[test]
    fn causal_delays_do_not_look_ahead(mut case in Case::any()) {
        case.causal = true;
        let early = |case: &Case| {
            let out = case.attend(&REFERENCE, Some(case.table.clone()));
            out.slice_axis(Axis(0), (..-1).into()).to_owned()
        };
        let expected = early(&case);
        case.qkv[1].slice_axis_mut(Axis(0), (-1..).into()).mapv_inplace(|bit| !bit);
        prop_assert_eq!(early(&case), expected);
    }
}

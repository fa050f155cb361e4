use std::f64::consts::PI;

use proptest::{collection::vec, prelude::*};
use snn_core::{
    Neuron,
    neuron::{Charge, Reset, Surrogate},
};
use tch::{Device, Kind, Tensor};

use super::{composed, fused};

/// What goes into a run and, backwards, against its outputs.
#[derive(Clone, Debug)]
struct Run {
    neuron: Neuron,
    steps: usize,
    count: usize,
    /// Currents `[T, N]`, or one step `[N]` that stands for all.
    x: Vec<f64>,
    v: Option<Vec<f64>>,
    w: f64,
    /// Weights of the spikes `[T, N]` and of the last membrane `[N]` in the loss.
    by_spikes: Vec<f64>,
    by_v: Vec<f64>,
}

impl Run {
    fn is_static(&self) -> bool {
        self.x.len() == self.count && self.steps > 1
    }
}

/// Spikes, last membrane, and the gradients of currents, first membrane and leak.
#[derive(Debug)]
struct Outcome {
    spikes: Vec<f64>,
    v: Vec<f64>,
    g_x: Vec<f64>,
    g_v: Option<Vec<f64>>,
    g_w: Option<f64>,
}

type Fire = fn(&Neuron, Option<&Tensor>, &Tensor, Option<&Tensor>) -> (Tensor, Tensor);

fn fused(n: &Neuron, w: Option<&Tensor>, x: &Tensor, v: Option<&Tensor>) -> (Tensor, Tensor) {
    fused::fire(n, w, x, v).expect("floats on a CPU")
}

fn run(fire: Fire, run: &Run, kind: Kind) -> Outcome {
    let leaf = |values: &[f64], shape: &[i64]| {
        Tensor::from_slice(values).view(shape).to_kind(kind).set_requires_grad(true)
    };
    let flat =
        |t: &Tensor| Vec::<f64>::try_from(t.detach().to_kind(Kind::Double).reshape([-1])).unwrap();
    let (t, n) = (run.steps as i64, run.count as i64);
    let parametric = matches!(run.neuron.charge, Charge::Parametric { .. });
    let w = parametric.then(|| leaf(&[run.w], &[]));
    let v = run.v.as_ref().map(|v| leaf(v, &[n]));
    let x = if run.is_static() { leaf(&run.x, &[1, n]) } else { leaf(&run.x, &[t, n]) };
    let (spikes, last) = fire(&run.neuron, w.as_ref(), &x.expand([t, n], false), v.as_ref());
    let by = |values: &[f64]| Tensor::from_slice(values).to_kind(kind);
    let loss =
        (&spikes * by(&run.by_spikes).view([t, n])).sum(kind) + (&last * by(&run.by_v)).sum(kind);
    loss.backward();
    Outcome {
        spikes: flat(&spikes),
        v: flat(&last),
        g_x: flat(&x.grad()),
        g_v: v.map(|v| flat(&v.grad())),
        g_w: w.map(|w| w.grad().double_value(&[])),
    }
}

/// The same by the closed-form derivatives, neuron by neuron, in doubles; and how near a membrane
/// came to a threshold or to an edge of the surrogate, where rounding decides and forms may differ.
fn by_hand(run: &Run) -> (Outcome, f64) {
    let n = &run.neuron;
    let rate = 1.0 / (1.0 + (-run.w).exp());
    let (leak, decay_input) = match n.charge {
        Charge::Integrate => (0.0, false),
        Charge::Leaky { tau, decay_input } => (1.0 / tau, decay_input),
        Charge::Parametric { decay_input, .. } => (rate, decay_input),
    };
    let by_x = if decay_input { leak } else { 1.0 };
    let edge = match n.surrogate {
        Surrogate::Rectangle { width } => width / 2.0,
        Surrogate::Triangle { width } => width,
        _ => 0.0,
    };
    let mut nearest = f64::INFINITY;
    let at = |t: usize, i: usize| t * run.count + i;
    let x = |t, i| run.x[if run.is_static() { i } else { at(t, i) }];
    let mut out = Outcome {
        spikes: vec![0.0; run.steps * run.count],
        v: vec![0.0; run.count],
        g_x: vec![0.0; run.x.len()],
        g_v: run.v.as_ref().map(|v| vec![0.0; v.len()]),
        g_w: matches!(n.charge, Charge::Parametric { .. }).then_some(0.0),
    };
    for i in 0..run.count {
        let mut v = run.v.as_ref().map_or(0.0, |v| v[i]);
        let mut history = Vec::new();
        for t in 0..run.steps {
            let h = v + by_x * x(t, i) - leak * (v - n.rest());
            let above = h - n.threshold;
            nearest = nearest.min(above.abs()).min((above.abs() - edge).abs());
            let s = f64::from(u8::from(above >= 0.0));
            history.push((v, h, s));
            out.spikes[at(t, i)] = s;
            v = match n.reset {
                Reset::Hard { to } => (1.0 - s) * h + s * to,
                Reset::Soft => h - s * n.threshold,
            };
        }
        out.v[i] = v;
        let mut g_v = run.by_v[i];
        for (t, (before, h, s)) in history.into_iter().enumerate().rev() {
            let slope = n.surrogate.derivative(h - n.threshold);
            let (kept, jump) = match n.reset {
                Reset::Hard { to } => (1.0 - s, h - to),
                Reset::Soft => (1.0, n.threshold),
            };
            let through = if n.detach_reset { kept } else { kept - jump * slope };
            let g_h = run.by_spikes[at(t, i)] * slope + g_v * through;
            out.g_x[if run.is_static() { i } else { at(t, i) }] += g_h * by_x;
            if let Some(g_w) = &mut out.g_w {
                let drawn = if decay_input { x(t, i) } else { 0.0 };
                *g_w += g_h * (drawn - (before - n.rest())) * rate * (1.0 - rate);
            }
            g_v = g_h * (1.0 - leak);
        }
        if let Some(out) = &mut out.g_v {
            out[i] = g_v;
        }
    }
    (out, nearest)
}

fn agree(a: &Outcome, b: &Outcome, tolerance: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!(&a.spikes, &b.spikes);
    let close = |what: &str, a: &[f64], b: &[f64]| -> Result<(), TestCaseError> {
        prop_assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            let far = (a - b).abs() > tolerance * (1.0 + a.abs().max(b.abs()));
            prop_assert!(!far, "{}: {} and {}", what, a, b);
        }
        Ok(())
    };
    close("membrane", &a.v, &b.v)?;
    close("gradient of currents", &a.g_x, &b.g_x)?;
    prop_assert_eq!(a.g_v.is_some(), b.g_v.is_some());
    close(
        "gradient of membrane",
        a.g_v.as_deref().unwrap_or(&[]),
        b.g_v.as_deref().unwrap_or(&[]),
    )?;
    prop_assert_eq!(a.g_w.is_some(), b.g_w.is_some());
    close("gradient of leak", a.g_w.as_slice(), b.g_w.as_slice())
}

fn neurons() -> impl Strategy<Value = Neuron> {
    let charge =
        (0..3, any::<bool>(), 1.1..4.0f64).prop_map(|(kind, decay_input, tau)| match kind {
            0 => Charge::Integrate,
            1 => Charge::Leaky { tau, decay_input },
            _ => Charge::Parametric { tau, decay_input },
        });
    let reset = (any::<bool>(), -0.5..0.3f64)
        .prop_map(|(hard, to)| if hard { Reset::Hard { to } } else { Reset::Soft });
    let surrogate = (0..5, 0.5..4.0f64).prop_map(|(kind, value)| match kind {
        0 => Surrogate::Sigmoid { alpha: value },
        1 => Surrogate::Arctan { alpha: value },
        2 => Surrogate::Rectangle { width: value },
        3 => Surrogate::FastSigmoid { alpha: value },
        _ => Surrogate::Triangle { width: value },
    });
    (charge, 0.4..1.2f64, reset, any::<bool>(), surrogate).prop_map(
        |(charge, threshold, reset, detach_reset, surrogate)| Neuron {
            charge,
            threshold,
            reset,
            detach_reset,
            surrogate,
        },
    )
}

/// Runs below, at and past the blocks of the fused form.
fn runs() -> impl Strategy<Value = Run> {
    let counts = prop_oneof![1usize..40, 250usize..260, Just(512usize), 700usize..800];
    (neurons(), 1usize..6, counts, any::<[bool; 2]>(), -2.0..2.0f64).prop_flat_map(
        |(neuron, steps, count, [is_static, starts], w)| {
            let many = |n| vec(-2.0..3.0f64, n);
            let frames = if is_static { 1 } else { steps };
            (many(frames * count), many(count), many(steps * count), many(count)).prop_map(
                move |(x, v, by_spikes, by_v)| Run {
                    neuron,
                    steps,
                    count,
                    x,
                    v: starts.then_some(v),
                    w,
                    by_spikes,
                    by_v,
                },
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 100_000, ..ProptestConfig::with_cases(192) })]

    #[test]
    fn the_composed_form_has_the_gradients_of_the_formulas(case in runs()) {
        let (expected, nearest) = by_hand(&case);
        prop_assume!(nearest > 1e-9);
        agree(&run(composed::fire, &case, Kind::Double), &expected, 1e-11)?;
    }

    #[test]
    fn the_fused_form_equals_the_composed_in_doubles(case in runs()) {
        prop_assume!(by_hand(&case).1 > 1e-9);
        agree(&run(fused, &case, Kind::Double), &run(composed::fire, &case, Kind::Double), 1e-12)?;
    }

    #[test]
    fn the_fused_form_equals_the_composed_in_floats(case in runs()) {
        prop_assume!(by_hand(&case).1 > 1e-5);
        agree(&run(fused, &case, Kind::Float), &run(composed::fire, &case, Kind::Float), 3e-5)?;
    }

    #[test]
    fn membranes_of_both_forms_agree_to_the_bit(case in runs()) {
        // Resets by a product and by a choice differ in the sign of a zero, which compares equal.
        let (a, b) = (run(fused, &case, Kind::Float), run(composed::fire, &case, Kind::Float));
        prop_assert_eq!(a.spikes, b.spikes);
        prop_assert_eq!(a.v, b.v);
    }
}

/// A run of many blocks.
fn large(neuron: Neuron) -> Run {
    let (steps, count) = (4, 50_000);
    let wave = |n: usize, by: f64| (0..n).map(|i| 1.5 * (i as f64 * by).sin()).collect::<Vec<_>>();
    Run {
        neuron,
        steps,
        count,
        x: wave(steps * count, 0.37),
        v: Some(wave(count, 0.11)),
        w: 0.3,
        by_spikes: wave(steps * count, 0.05),
        by_v: wave(count, 0.07),
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let case = large(Neuron::plif(2.0));
    let before = tch::get_num_threads();
    let outcomes = [1, 2, 3].map(|threads| {
        tch::set_num_threads(threads);
        run(fused, &case, Kind::Float)
    });
    tch::set_num_threads(before);
    for outcome in &outcomes[1..] {
        assert_eq!(outcome.spikes, outcomes[0].spikes);
        assert_eq!(outcome.v, outcomes[0].v);
        assert_eq!(outcome.g_x, outcomes[0].g_x);
        assert_eq!(outcome.g_v, outcomes[0].g_v);
        assert_eq!(outcome.g_w, outcomes[0].g_w);
    }
}

#[test]
fn spikes_whose_gradient_nobody_asks_for_pass_none() {
    let neuron = Neuron::lif(2.0);
    let x = Tensor::from_slice(&[0.5f32, 3.0, 0.1, 0.2]).view([2, 2]).set_requires_grad(true);
    let (_, v) = fused(&neuron, None, &x, None);
    v.sum(Kind::Float).backward();
    // h = v + (x - v) / 2; the second neuron fired in between and was reset.
    let gradient = Vec::<f32>::try_from(x.grad().reshape([-1])).unwrap();
    assert_eq!(gradient, [0.25, 0.0, 0.5, 0.5]);
}

#[test]
fn a_nan_current_stays_visible() {
    let x = Tensor::from_slice(&[f32::NAN, 5.0]).view([1, 2]);
    for fire in [composed::fire, fused as Fire] {
        let (spikes, v) = fire(&Neuron::lif(2.0), None, &x, None);
        assert!(spikes.double_value(&[0, 0]).is_nan() && v.double_value(&[0]).is_nan());
        assert_eq!(spikes.double_value(&[0, 1]), 1.0);
    }
}

#[test]
fn currents_may_lie_in_memory_in_any_order() {
    let x = (Tensor::arange(24, (Kind::Float, Device::Cpu)) * PI).sin() * 3.0;
    let views = [x.view([2, 3, 4]).permute([0, 2, 1]), x.view([4, 3, 2]).permute([2, 0, 1])];
    for x in views {
        let (a, b) = (
            fused(&Neuron::lif(2.0), None, &x, None),
            composed::fire(&Neuron::lif(2.0), None, &x, None),
        );
        assert!(a.0.equal(&b.0) && a.1.equal(&b.1));
    }
}

#[test]
fn only_floats_on_a_cpu_are_fused() {
    let x = Tensor::zeros([2, 3], (Kind::Half, Device::Cpu));
    assert!(fused::fire(&Neuron::lif(2.0), None, &x, None).is_none());
    let (spikes, v) = super::fire(&Neuron::lif(2.0), None, &x, None);
    assert_eq!((spikes.kind(), v.kind()), (Kind::Float, Kind::Float));
}

//! Optimisers, clipping and schedules against the formulas, number by number.

use snn_core::{LoadError, Tensor, Weights};
use snn_train::optim::{
    AdamW, AdamWOptions, Cosine, Lamb, LambOptions, Optimizer, Sgd, SgdOptions, clip_grad_norm,
};
use tch::{Device, Kind, Tensor as Torch};

const STEPS: usize = 12;

/// A matrix and a vector, as a layer has them, and one that nothing uses.
fn parameters() -> Vec<(String, Torch)> {
    let leaf = |values: &[f64], shape: &[i64]| {
        Torch::from_slice(values).view(shape).to_kind(Kind::Float).set_requires_grad(true)
    };
    vec![
        ("fc.bias".into(), leaf(&[0.5, -0.25], &[2])),
        ("fc.weight".into(), leaf(&[1.0, -2.0, 0.5, 0.0], &[2, 2])),
        ("idle".into(), leaf(&[3.0], &[1, 1])),
    ]
}

/// The gradient of element `i` of a parameter in step `t`.
fn gradient(parameter: usize, i: usize, t: usize) -> f64 {
    0.7 * ((1 + parameter) as f64 * 1.3 + i as f64 * 0.9 + t as f64 * 0.4).sin()
}

fn set_gradients(parameters: &[(String, Torch)], t: usize) {
    for (p, (_, parameter)) in parameters.iter().take(2).enumerate() {
        let values: Vec<f64> = (0..parameter.numel()).map(|i| gradient(p, i, t)).collect();
        let by = Torch::from_slice(&values).to_kind(Kind::Float).view_as(parameter);
        (parameter * by).sum(Kind::Float).backward();
    }
}

fn values(parameters: &[(String, Torch)]) -> Vec<Vec<f64>> {
    let flat =
        |p: &Torch| Vec::<f64>::try_from(p.detach().to_kind(Kind::Double).view([-1])).unwrap();
    parameters.iter().map(|(_, p)| flat(p)).collect()
}

fn steps(
    optimizer: &mut dyn Optimizer,
    parameters: &[(String, Torch)],
    steps: std::ops::Range<usize>,
) {
    for t in steps {
        optimizer.zero_grad();
        set_gradients(parameters, t);
        optimizer.step(rate(t));
    }
}

fn rate(t: usize) -> f64 {
    0.05 / (1 + t) as f64
}

/// Runs `update(t, p, gradients, values)` on plain numbers beside the optimiser.
fn check(
    build: impl Fn(Vec<(String, Torch)>) -> Box<dyn Optimizer>,
    mut update: impl FnMut(usize, usize, &[f64], &mut [f64]),
) {
    let parameters = parameters();
    let mut expected = values(&parameters);
    let shared = parameters.iter().map(|(n, p)| (n.clone(), p.shallow_clone())).collect();
    let mut optimizer = build(shared);
    for t in 0..STEPS {
        steps(optimizer.as_mut(), &parameters, t..t + 1);
        for (p, values) in expected.iter_mut().take(2).enumerate() {
            let gradients: Vec<f64> = (0..values.len()).map(|i| gradient(p, i, t)).collect();
            update(t, p, &gradients, values);
        }
        for (found, expected) in values(&parameters).iter().flatten().zip(expected.iter().flatten())
        {
            assert!((found - expected).abs() < 2e-6, "step {t}: {found} and {expected}");
        }
    }
}

#[test]
fn adamw() {
    for decay_vectors in [true, false] {
        let options =
            AdamWOptions { betas: [0.8, 0.95], eps: 1e-6, weight_decay: 0.1, decay_vectors };
        let mut moments = [[[0.0; 2]; 4]; 2];
        check(
            |p| Box::new(AdamW::new(p, options)),
            |t, p, gradients, values| {
                let decay = if decay_vectors || p == 1 { 0.1 } else { 0.0 };
                for (i, (value, g)) in values.iter_mut().zip(gradients).enumerate() {
                    let [m, v] = &mut moments[p][i];
                    *m = 0.8 * *m + 0.2 * g;
                    *v = 0.95 * *v + 0.05 * g * g;
                    let n = t as i32 + 1;
                    let (m, v) = (*m / (1.0 - 0.8f64.powi(n)), *v / (1.0 - 0.95f64.powi(n)));
                    *value -= rate(t) * decay * *value;
                    *value -= rate(t) * m / (v.sqrt() + 1e-6);
                }
            },
        );
    }
}

#[test]
fn sgd() {
    for (momentum, nesterov, decay_vectors) in
        [(0.0, false, true), (0.9, false, false), (0.9, true, true)]
    {
        let options = SgdOptions { momentum, nesterov, weight_decay: 0.1, decay_vectors };
        let mut buffers = [[0.0; 4]; 2];
        check(
            |p| Box::new(Sgd::new(p, options)),
            |t, p, gradients, values| {
                let decay = if decay_vectors || p == 1 { 0.1 } else { 0.0 };
                for (i, (value, g)) in values.iter_mut().zip(gradients).enumerate() {
                    let g = g + decay * *value;
                    let buffer = &mut buffers[p][i];
                    *buffer = if t == 0 { g } else { momentum * *buffer + g };
                    *value -= rate(t) * if nesterov { g + momentum * *buffer } else { *buffer };
                }
            },
        );
    }
}

#[test]
fn lamb() {
    let norm = |x: &[f64]| x.iter().map(|v| v * v).sum::<f64>().sqrt();
    for trust_clip in [false, true] {
        let options = LambOptions { weight_decay: 0.1, trust_clip, ..LambOptions::default() };
        let mut moments = [[[0.0; 2]; 4]; 2];
        check(
            |p| Box::new(Lamb::new(p, options)),
            |t, p, gradients, values| {
                let all = [0, 1].map(|p| {
                    norm(
                        &[0, 1, 2, 3][..[2, 4][p]]
                            .iter()
                            .map(|&i| gradient(p, i, t))
                            .collect::<Vec<_>>(),
                    )
                });
                let clip = norm(&all).max(1.0);
                let n = t as i32 + 1;
                let mut update: Vec<f64> = Vec::new();
                for (i, g) in gradients.iter().enumerate() {
                    let g = g / clip;
                    let [m, v] = &mut moments[p][i];
                    *m = 0.9 * *m + 0.1 * g;
                    *v = 0.999 * *v + 0.001 * g * g;
                    let (m, v) = (*m / (1.0 - 0.9f64.powi(n)), *v / (1.0 - 0.999f64.powi(n)));
                    update.push(m / (v.sqrt() + 1e-6));
                }
                let mut trust = 1.0;
                if p == 1 {
                    update.iter_mut().zip(&*values).for_each(|(u, value)| *u += 0.1 * value);
                    trust = norm(values) / norm(&update);
                    trust = if trust_clip { f64::min(trust, 1.0) } else { trust };
                }
                values.iter_mut().zip(&update).for_each(|(v, u)| *v -= rate(t) * trust * u);
            },
        );
    }
}

type Build = fn(Vec<(String, Torch)>) -> Box<dyn Optimizer>;

const ALL: [Build; 3] = [
    |p| Box::new(AdamW::new(p, AdamWOptions::default())),
    |p| Box::new(Sgd::new(p, SgdOptions { nesterov: true, ..SgdOptions::default() })),
    |p| Box::new(Lamb::new(p, LambOptions::default())),
];

fn shared(parameters: &[(String, Torch)]) -> Vec<(String, Torch)> {
    parameters.iter().map(|(n, p)| (n.clone(), p.shallow_clone())).collect()
}

#[test]
fn a_restored_state_goes_on_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.safetensors");
    for build in ALL {
        let whole = parameters();
        steps(build(shared(&whole)).as_mut(), &whole, 0..STEPS);

        let parts = parameters();
        let mut first = build(shared(&parts));
        steps(first.as_mut(), &parts, 0..5);
        first.state().save(&path).unwrap();
        let mut second = build(shared(&parts));
        second.restore(&Weights::load(&path).unwrap()).unwrap();
        assert_eq!(second.state().tensors, first.state().tensors);
        steps(second.as_mut(), &parts, 5..STEPS);
        assert_eq!(values(&parts), values(&whole));
    }
}

#[test]
fn what_has_no_gradient_does_not_move() {
    for build in ALL {
        let parameters = parameters();
        let mut optimizer = build(shared(&parameters));
        steps(optimizer.as_mut(), &parameters, 0..3);
        assert_eq!(values(&parameters)[2], [3.0]);
        let before = values(&parameters);
        optimizer.zero_grad();
        assert!(parameters.iter().all(|(_, p)| !p.grad().defined()));
        optimizer.step(0.1);
        assert_eq!(values(&parameters), before);
    }
}

#[test]
fn a_foreign_state_is_an_error_and_changes_nothing() {
    for build in ALL {
        let parameters = parameters();
        let mut optimizer = build(shared(&parameters));
        steps(optimizer.as_mut(), &parameters, 0..3);
        let state = optimizer.state();
        let name =
            state.tensors.keys().find(|name| name.starts_with("fc.weight.")).unwrap().clone();

        let mut missing = state.clone();
        missing.tensors.remove(&name);
        let mut misshapen = state.clone();
        misshapen.insert(name.as_str(), Tensor::F32(ndarray::arr1(&[0.0]).into_dyn()));
        let mut extra = state.clone();
        extra.insert("fc.weight.velocity", Tensor::F32(ndarray::arr1(&[0.0]).into_dyn()));

        let error = optimizer.restore(&missing).unwrap_err();
        assert!(matches!(error, LoadError::Missing { name: found, .. } if found == name));
        let error = optimizer.restore(&misshapen).unwrap_err();
        assert!(matches!(error, LoadError::Shape { name: found, .. } if found == name));
        let error = optimizer.restore(&extra).unwrap_err();
        assert!(matches!(error, LoadError::Extra { name, .. } if name == "fc.weight.velocity"));
        assert_eq!(optimizer.state().tensors, state.tensors);
    }
}

#[test]
fn clipping_scales_all_gradients_by_one_factor() {
    let leaf = |g: f64| {
        let p = Torch::zeros([1], (Kind::Double, Device::Cpu)).set_requires_grad(true);
        (&p * g).sum(Kind::Double).backward();
        (format!("{g}"), p)
    };
    let idle = Torch::zeros([1], (Kind::Double, Device::Cpu)).set_requires_grad(true);
    let parameters = vec![leaf(3.0), leaf(-4.0), ("idle".into(), idle)];
    let gradients = || [0, 1].map(|i: usize| parameters[i].1.grad().double_value(&[0]));
    assert_eq!(clip_grad_norm(&parameters, 6.0), 5.0);
    assert_eq!(gradients(), [3.0, -4.0]);
    assert_eq!(clip_grad_norm(&parameters, 1.0), 5.0);
    assert!((gradients()[0] - 0.6).abs() < 1e-6 && (gradients()[1] + 0.8).abs() < 1e-6);
    assert!(!parameters[2].1.grad().defined());
    assert!(clip_grad_norm(&[leaf(1.0), leaf(f64::NAN)], 1.0).is_nan());
    assert_eq!(clip_grad_norm(&[], 1.0), 0.0);
}

#[test]
fn the_cosine_warms_up_falls_and_cools_down() {
    let schedule = Cosine {
        lr: 5e-4,
        min_lr: 1e-5,
        warmup_lr: 1e-5,
        warmup: 20.0,
        length: 300.0,
        cooldown: 10.0,
    };
    let expected = [
        (0.0, 1e-5),
        (10.0, 2.55e-4),
        (19.5, 4.8775e-4),
        // The cosine has been running since the start: 1e-5 + 2.45e-4 (1 + cos(pi / 15)).
        (20.0, 4.946_461_622e-4),
        (150.0, 2.55e-4),
        (300.0, 1e-5),
        (309.0, 1e-5),
    ];
    for (t, lr) in expected {
        assert!((schedule.at(t) - lr).abs() < 1e-10, "{t}: {} and {lr}", schedule.at(t));
    }
    assert_eq!(schedule.end(), 310.0);
    let plain = Cosine { warmup: 0.0, ..schedule };
    assert_eq!(plain.at(0.0), 5e-4);
}

#[test]
fn the_step_of_a_code_neither_decays_nor_hurries() {
    let leaf = || Torch::from(1f32).set_requires_grad(true);
    let parameters = vec![("code.step".to_owned(), leaf()), ("fc.scale".to_owned(), leaf())];
    let mut optimizer = AdamW::new(
        parameters.iter().map(|(name, p)| (name.clone(), p.shallow_clone())).collect(),
        AdamWOptions { weight_decay: 0.5, ..AdamWOptions::default() },
    );
    (&parameters[0].1 + &parameters[1].1).backward();
    optimizer.step(0.1);
    let moved = values(&parameters);
    assert!((moved[0][0] - (1.0 - 0.1 * 0.1)).abs() < 1e-6, "{moved:?}");
    assert!((moved[1][0] - (1.0 - 0.1 * 0.5 - 0.1)).abs() < 1e-6, "{moved:?}");
}

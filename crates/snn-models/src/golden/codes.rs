//! Recordings of hashing and of attention on codes.

use std::{num::NonZeroUsize, path::Path};

use ndarray::{Array, ArrayD, Axis, Dimension, Ix4, Ix5, s};
use snn_attn::{
    Attend, CodeSimilarity, HashFunctions, HashScale,
    codes::{Bias, LshCache, LshConfig, Measure, SpikeWindow, Synchrony},
};
use snn_core::{Backend, LoadError, Signal, Tensor, Weights, neuron::SIGN};
use snn_hash::{
    BitCodes,
    lsh::{Hyperplanes, MOST_BITS},
    temporal_difference,
};

use super::{
    Comparison, Difference, GoldenError,
    heads::{in_heads, merged},
};

/// A recording of one of the mechanisms, as its metadata `system` says: the kernel hash and
/// attention of EcoFormer; hashing at several scales; delays and coincidence; sampled keys.
#[derive(Clone, Debug)]
pub struct CodesRecording {
    file: Weights,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Ecoformer,
    MultiScale { bits: Vec<usize>, bandwidths: Vec<f64>, keep: NonZeroUsize },
    Alignment { window: NonZeroUsize },
    Sampled { config: LshConfig, tables_of: usize },
}

type Differences = Vec<Difference>;

impl CodesRecording {
    pub(super) fn new(path: &Path, file: Weights) -> Result<Self, GoldenError> {
        let meta = Metadata { path, file: &file };
        let kind = match file.metadata.get("system").map(String::as_str) {
            Some("ecoformer-hash") => Kind::Ecoformer,
            Some("multi-scale-hash") => {
                let bits: Vec<usize> = meta.parsed("bits", "a list of numbers of bits")?;
                if bits.is_empty() {
                    return Err(meta.wrong("bits", "at least one number of bits"));
                }
                let expected = "a number for each number of bits";
                let bandwidths: Vec<f64> = meta.parsed("bandwidth_multipliers", expected)?;
                if bandwidths.len() != bits.len() {
                    return Err(meta.wrong("bandwidth_multipliers", expected));
                }
                let keep = meta.parsed("topk", "a number of keys, at least 1")?;
                Kind::MultiScale { bits, bandwidths, keep }
            }
            Some("temporal-alignment") => {
                Kind::Alignment { window: meta.parsed("window", "a number of steps, at least 1")? }
            }
            _ => {
                let expected = "bits of a table, 1 to 16";
                let tables_of: usize = meta.parsed("K", expected)?;
                if !(1..=MOST_BITS).contains(&tables_of) {
                    return Err(meta.wrong("K", expected));
                }
                let sink = meta.parsed("sink", "a number of tokens")?;
                let local = meta.parsed("window", "a number of tokens")?;
                Kind::Sampled { config: LshConfig { sink, local }, tables_of }
            }
        };
        Ok(Self { file, kind })
    }

    /// Computes what was recorded of a forward pass, and compares. Where the mechanism is no
    /// operation of a backend, the packed form is compared whatever the backend.
    ///
    /// # Errors
    /// [`GoldenError`] if a tensor is missing or does not fit the others.
    pub fn compare<B: Attend>(&self, backend: &B) -> Result<Comparison, GoldenError> {
        let differences = match &self.kind {
            Kind::Ecoformer => self.ecoformer(backend),
            Kind::MultiScale { bits, bandwidths, keep } => {
                self.multi_scale(backend, bits, bandwidths, *keep)
            }
            Kind::Alignment { window } => self.alignment(backend, window.get()),
            Kind::Sampled { config, tables_of } => self.sampled(*config, *tables_of),
        }?;
        Ok(Comparison { backend: backend.name(), differences })
    }

    /// `x`, `v` `[B, h, N, d]` and hash functions; codes and both attentions.
    fn ecoformer<B: Attend>(&self, backend: &B) -> Result<Differences, GoldenError> {
        let (x, v) = (self.numbers::<Ix4>("x")?, self.numbers::<Ix4>("v")?);
        let (samples, heads, tokens, width) = x.dim();
        let [_, bits, points] = *self.tensor("A_trained")?.shape() else {
            return Err(self.axes("A_trained", 3));
        };
        self.shaped("v", &[samples, heads, tokens, width])?;
        self.shaped("anchor", &[1, heads, points, width])?;
        self.shaped("mvec", &[1, heads, 1, points])?;
        self.shaped("A_trained", &[heads, bits, points])?;
        let functions = HashFunctions {
            heads,
            points,
            support: self.param(backend, "anchor")?,
            scales: vec![HashScale {
                bandwidth: 1.0,
                bits,
                centre: self.param(backend, "mvec")?,
                projection: self.param(backend, "A_trained")?,
            }],
        };
        let signs = hashed(backend, &[&one_step(x)], &functions).remove(0);
        let codes = backend.fire(&SIGN, None, &signs, None).0;
        let v = backend.real(&merged(&one_step(v)).mapv(|v| v as f32));
        let read = |x: ArrayD<f64>| in_heads(x, heads).index_axis_move(Axis(0), 0);
        let plus_minus = backend.read(codes.input()) * 2.0 - 1.0;
        let mut found =
            vec![("pre_sign", read(backend.read(signs.input()))), ("codes", read(plus_minus))];
        for (name, bias) in
            [("attn_out_official", Bias::Official), ("attn_out_paper", Bias::Consistent)]
        {
            let mean = backend.attend_hashed(&codes, &v, heads, bias);
            found.push((name, read(backend.read(mean.input()))));
        }
        self.differences(found)
    }

    /// `q` `[B, h, N, d]`, `k`, `v` `[B, h, M, d]` and hash functions; codes of every scale, and
    /// attention on them.
    fn multi_scale<B: Attend>(
        &self,
        backend: &B,
        bits: &[usize],
        bandwidths: &[f64],
        keep: NonZeroUsize,
    ) -> Result<Differences, GoldenError> {
        let (q, k) = (self.numbers::<Ix4>("q")?, self.numbers::<Ix4>("k")?);
        let v = self.numbers::<Ix4>("v")?;
        let (samples, heads, keys, width) = k.dim();
        let [_, _, points, _] = *self.tensor("anchor")?.shape() else {
            return Err(self.axes("anchor", 4));
        };
        self.shaped("q", &[samples, heads, q.dim().2, width])?;
        self.shaped("v", &[samples, heads, keys, v.dim().3])?;
        self.shaped("anchor", &[1, heads, points, width])?;
        self.shaped("scale_logits", &[bits.len()])?;
        let scale = |(i, (&bits, &bandwidth)): (usize, (&usize, &f64))| -> Result<_, GoldenError> {
            self.shaped(&format!("s{i}.mvec"), &[1, heads, 1, points])?;
            self.shaped(&format!("s{i}.A"), &[heads, bits, points])?;
            let centre = self.param(backend, &format!("s{i}.mvec"))?;
            let projection = self.param(backend, &format!("s{i}.A"))?;
            Ok(HashScale { bandwidth, bits, centre, projection })
        };
        let scales = bits.iter().zip(bandwidths).enumerate().map(scale);
        let functions = HashFunctions {
            heads,
            points,
            support: self.param(backend, "anchor")?,
            scales: scales.collect::<Result<_, _>>()?,
        };
        let signs = hashed(backend, &[&one_step(q), &one_step(k)], &functions);
        let codes: Vec<B::Spikes> =
            signs.iter().map(|y| backend.fire(&SIGN, None, y, None).0).collect();
        let read = |x: ArrayD<f64>| in_heads(x, heads).index_axis_move(Axis(0), 0);
        let mut differences = Vec::new();
        for (side, (signs, codes)) in ["q", "k"].iter().zip(signs.iter().zip(&codes)) {
            let (signs, codes) =
                (read(backend.read(signs.input())), read(backend.read(codes.input())) * 2.0 - 1.0);
            let mut start = 0;
            for (i, &bits) in bits.iter().enumerate() {
                for (kind, x) in [("pre", &signs), ("code", &codes)] {
                    let x = x.slice_axis(Axis(3), (start..start + bits).into()).to_owned();
                    differences.extend(self.differences([(&*format!("s{i}.{kind}_{side}"), x)])?);
                }
                start += bits;
            }
        }
        // For values that are the identity, attention gives its weights.
        let identity = ArrayD::from_shape_fn(vec![1, samples, heads, keys, keys], |i| i[3] == i[4]);
        let identity = backend.spikes(&merged(&identity));
        for (name, keep) in [("attn_out", None), ("attn_out_topk", Some(keep))] {
            let similarity = CodeSimilarity {
                // 1 + (b - 2 d) / b is twice the share of bits that agree.
                measure: Measure::Match { offset: 0 },
                bits: bits.to_vec(),
                scales: Some(self.param(backend, "scale_logits")?),
                keep,
                delays: None,
            };
            let weights = backend.attend_codes(&codes[0], &codes[1], &identity, heads, &similarity);
            let weights: Array<f64, Ix4> = self.fixed(name, read(backend.read(weights.input())))?;
            let mut mean = Array::zeros((samples, heads, weights.dim().2, v.dim().3));
            for (b, h) in (0..samples).flat_map(|b| (0..heads).map(move |h| (b, h))) {
                let of_head = |x: &Array<f64, Ix4>| x.slice(s![b, h, .., ..]).to_owned();
                mean.slice_mut(s![b, h, .., ..]).assign(&of_head(&weights).dot(&of_head(&v)));
            }
            differences.extend(self.differences([(name, mean.into_dyn())])?);
        }
        Ok(differences)
    }

    /// Spikes `q`, `k` `[T, B, h, N, b]` and delays; keys after them, and how often spikes meet.
    fn alignment<B: Attend>(&self, backend: &B, window: usize) -> Result<Differences, GoldenError> {
        let (q, k) = (self.numbers::<Ix5>("q")?, self.numbers::<Ix5>("k")?);
        let (steps, samples, heads, tokens, bits) = k.dim();
        self.shaped("q", k.shape())?;
        self.shaped("delta", &[heads, bits])?;
        let delta = self.param(backend, "delta")?;
        let spikes = backend.spikes(&merged(&k.clone().into_dyn()).mapv(|bit| bit != 0.0));
        let delayed = backend.delay(&spikes, &delta, false);
        let delayed = in_heads(backend.read(delayed.input()), heads);
        let mut found = vec![
            ("k_hard_shift".to_owned(), delayed.clone()),
            ("temporal_difference".to_owned(), temporal_difference(q.view()).into_dyn()),
        ];
        let delayed: Array<f64, Ix5> = self.fixed("k_hard_shift", delayed)?;
        let packed = |x: &Array<f64, Ix5>, t: usize, b: usize, h: usize| {
            BitCodes::from_fn(tokens, bits, |i, r| x[[t, b, h, i, r]] != 0.0)
        };
        let (mut before, mut after) = (Synchrony::default(), Synchrony::default());
        let whole = [samples, heads, tokens, tokens];
        let mut windowed = ArrayD::zeros(vec![steps, samples, heads, tokens, tokens]);
        let mut coincidence = ArrayD::zeros(whole.to_vec());
        let mut matches = coincidence.clone();
        for (b, h) in (0..samples).flat_map(|b| (0..heads).map(move |h| (b, h))) {
            let mut some = SpikeWindow::new(window.min(steps), [tokens, tokens], bits);
            let mut all = SpikeWindow::new(steps, [tokens, tokens], bits);
            for t in 0..steps {
                let (q, k, moved) =
                    (packed(&q, t, b, h), packed(&k, t, b, h), packed(&delayed, t, b, h));
                before.add(std::slice::from_ref(&q), &[k]);
                after.add(std::slice::from_ref(&q), std::slice::from_ref(&moved));
                some.push(q.clone(), moved.clone());
                all.push(q, moved);
                let count = some.coincidence().mapv(f64::from);
                windowed.slice_mut(s![t, b, h, .., ..]).assign(&count);
            }
            coincidence.slice_mut(s![b, h, .., ..]).assign(&all.coincidence().mapv(f64::from));
            matches.slice_mut(s![b, h, .., ..]).assign(&all.matches().mapv(f64::from));
        }
        for (name, synchrony) in [("sync_before", before), ("sync_after", after)] {
            let rate = synchrony.rate().unwrap_or(f64::NAN);
            found.push((name.into(), ndarray::arr1(&[rate]).into_dyn()));
        }
        found.push((format!("window_coincidence_w{window}"), windowed));
        found.push(("coincidence".into(), coincidence));
        found.push(("xnor_match".into(), matches));
        self.differences(found.iter().map(|(name, x)| (&**name, x.clone())))
    }

    /// Keys of a prompt and one more, sampled by LSH for each query.
    fn sampled(&self, config: LshConfig, tables_of: usize) -> Result<Differences, GoldenError> {
        let query = self.numbers::<Ix4>("query")?;
        let (keys, values) = (self.numbers::<Ix4>("keys")?, self.numbers::<Ix4>("values")?);
        let [key, value] = ["new_key", "new_value"].map(|name| self.numbers::<Ix4>(name));
        let (key, value, matrix) = (key?, value?, self.numbers::<Ix4>("hash_matrix")?);
        let (_, heads, tokens, width) = keys.dim();
        let columns = matrix.dim().3 / tables_of * tables_of;
        self.shaped("values", &[1, heads, tokens, values.dim().3])?;
        self.shaped("keys", &[1, heads, tokens, width])?;
        self.shaped("new_key", &[1, heads, 1, width])?;
        self.shaped("new_value", &[1, heads, 1, values.dim().3])?;
        self.shaped("hash_matrix", &[1, heads, width, columns])?;
        let group = query.dim().1 / heads.max(1);
        self.shaped("query", &[1, group * heads, 1, width])?;
        let mut found = Array::zeros(query.dim());
        for head in 0..query.dim().1 {
            let kv = head / group.max(1);
            let planes = Hyperplanes::new(matrix.slice(s![0, kv, .., ..]).to_owned(), tables_of);
            let of_head = |x: &Array<f64, Ix4>| x.slice(s![0, kv, .., ..]).to_owned();
            let (keys, values) = (of_head(&keys), of_head(&values));
            let mut cache = LshCache::prefill(config, planes, keys.view(), values.view());
            cache.push(key.slice(s![0, kv, 0, ..]), value.slice(s![0, kv, 0, ..]));
            if let Some(mean) = cache.attend(query.slice(s![0, head, 0, ..])) {
                found.slice_mut(s![0, head, 0, ..]).assign(&mean);
            }
        }
        self.differences([("out_lsh", found.into_dyn())])
    }

    fn differences<'a>(
        &self,
        found: impl IntoIterator<Item = (&'a str, ArrayD<f64>)>,
    ) -> Result<Differences, GoldenError> {
        let difference = |(name, found): (&str, ArrayD<f64>)| {
            Ok(Difference::new(name, &found, &self.tensor(name)?.to_f32()))
        };
        found.into_iter().map(difference).collect()
    }

    fn tensor(&self, name: &str) -> Result<&Tensor, GoldenError> {
        self.file.get(name).ok_or_else(|| GoldenError::Missing { name: name.into() })
    }

    fn shaped(&self, name: &str, expected: &[usize]) -> Result<(), GoldenError> {
        let found = self.tensor(name)?.shape();
        if found == expected {
            return Ok(());
        }
        let (expected, found) = (expected.to_vec(), found.to_vec());
        Err(LoadError::Shape { name: name.into(), expected, found }.into())
    }

    fn param<B: Backend>(&self, backend: &B, name: &str) -> Result<B::Param, GoldenError> {
        Ok(backend.param(name, self.tensor(name)?))
    }

    fn numbers<D: Dimension>(&self, name: &str) -> Result<Array<f64, D>, GoldenError> {
        self.fixed(name, self.tensor(name)?.to_f32().mapv(f64::from))
    }

    fn fixed<D: Dimension>(
        &self,
        name: &str,
        x: ArrayD<f64>,
    ) -> Result<Array<f64, D>, GoldenError> {
        let axes = D::NDIM.unwrap_or(0);
        x.into_dimensionality().map_err(|_| self.axes(name, axes))
    }

    /// A tensor has other axes than `expected`.
    fn axes(&self, name: &str, expected: usize) -> GoldenError {
        GoldenError::Axes {
            name: name.into(),
            expected,
            found: self.file.get(name).map_or(0, |tensor| tensor.shape().len()),
        }
    }
}

/// `[B, h, N, d]` as the only time step.
fn one_step(x: Array<f64, Ix4>) -> ArrayD<f64> {
    x.insert_axis(Axis(0)).into_dyn()
}

/// Hashes sides `[T, B, h, N, d]`.
fn hashed<B: Attend>(
    backend: &B,
    sides: &[&ArrayD<f64>],
    functions: &HashFunctions<B::Param>,
) -> Vec<B::Real> {
    let sides: Vec<B::Real> =
        sides.iter().map(|x| backend.real(&merged(x).mapv(|x| x as f32))).collect();
    backend.hash(&sides.iter().collect::<Vec<_>>(), functions)
}

struct Metadata<'a> {
    path: &'a Path,
    file: &'a Weights,
}

impl Metadata<'_> {
    /// An entry, which is written as JSON.
    fn parsed<T: serde::de::DeserializeOwned>(
        &self,
        key: &'static str,
        expected: &str,
    ) -> Result<T, GoldenError> {
        let text = self.file.metadata.get(key);
        let value = text.and_then(|text| serde_json::from_str(text).ok());
        value.ok_or_else(|| self.wrong(key, expected))
    }

    fn wrong(&self, key: &'static str, expected: &str) -> GoldenError {
        let text = self.file.metadata.get(key);
        GoldenError::Metadata {
            path: self.path.into(),
            key,
            found: text.map_or("missing".into(), |text| format!("`{text}`")),
            expected: expected.into(),
        }
    }
}

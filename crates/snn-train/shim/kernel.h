// One spiking neuron over all its time steps: plain loops over blocks of neurons
// that stay in the first cache. No libtorch here.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "shim.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define SNN_AVX2 __attribute__((target("avx2")))
#endif
// Inlined into functions for several instruction sets.
#define SNN_INLINE inline __attribute__((always_inline))

namespace snn {

constexpr int64_t kBlock = 256;

// What a run reads and writes: x and spikes are [steps, count], membranes [count].
template <typename F>
struct Run {
  SnnNeuron neuron;
  F rate;  // sigmoid(w) of a parametric neuron
  int64_t steps, count;
  const F* x;
  int64_t x_step;  // from one step of x to the next: count, or 0 if all are one
  const F* v;      // null: zero
  // forward
  F* spikes;
  F* v_end;
  // backward
  const F* g_spikes;  // null: zero
  const F* g_v_end;   // null: zero
  F* g_x;
  F* g_v;           // null: not wanted
  double* g_rate;   // one number a block; null: not wanted
};

// --- Charge: the order of operations is that of the published code. ---

struct Integrate {
  template <typename F>
  SNN_INLINE static F charge(F v, F x, F, F, F) { return v + x; }
};
struct Leaky {
  template <typename F>
  SNN_INLINE static F charge(F v, F x, F rest, F tau, F) { return v + (x - (v - rest)) / tau; }
};
struct LeakyUndecayed {
  template <typename F>
  SNN_INLINE static F charge(F v, F x, F rest, F tau, F) { return v - (v - rest) / tau + x; }
};
struct Parametric {
  template <typename F>
  SNN_INLINE static F charge(F v, F x, F rest, F, F rate) { return v + (x - (v - rest)) * rate; }
};
struct ParametricUndecayed {
  template <typename F>
  SNN_INLINE static F charge(F v, F x, F rest, F, F rate) { return v - (v - rest) * rate + x; }
};

// --- Surrogate derivatives at x, the membrane's distance from the threshold. ---

SNN_INLINE double exponential(double x) { return std::exp(x); }

// exp in operations that compilers vectorise, to 1e-7: 2^n e^r, |r| <= ln(2) / 2,
// the second factor by its Taylor polynomial.
SNN_INLINE float exponential(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float shift = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  const float n = (x * 1.44269504f + shift) - shift;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // ln(2) in two parts
  float p = 1.0f / 5040.0f;
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return p * power;
}

struct Sigmoid {
  template <typename F>
  SNN_INLINE static F derivative(F x, F alpha) {
    const F s = 1 / (1 + exponential(-alpha * x));
    return alpha * s * (1 - s);
  }
};
struct Arctan {
  template <typename F>
  SNN_INLINE static F derivative(F x, F alpha) {
    const F y = static_cast<F>(1.57079632679489661923) * alpha * x;
    return alpha / 2 / (1 + y * y);
  }
};
struct Rectangle {
  template <typename F>
  SNN_INLINE static F derivative(F x, F width) {
    return std::abs(x) < width / 2 ? 1 / width : F(0);
  }
};
struct FastSigmoid {
  template <typename F>
  SNN_INLINE static F derivative(F x, F alpha) {
    const F y = 1 + alpha * std::abs(x);
    return 1 / (y * y);
  }
};
struct Triangle {
  template <typename F>
  SNN_INLINE static F derivative(F x, F width) {
    const F y = 1 - std::abs(x) / width;
    return (y > 0 ? y : F(0)) / width;
  }
};

// --- Forward. ---

template <typename F>
struct Constants {
  F rest, tau, rate, threshold, to;
  bool hard;
  explicit Constants(const Run<F>& run)
      : rest(run.neuron.hard_reset ? run.neuron.reset_to : 0),
        tau(run.neuron.tau),
        rate(run.rate),
        threshold(run.neuron.threshold),
        to(run.neuron.reset_to),
        hard(run.neuron.hard_reset) {}

  SNN_INLINE F reset(F h) const {
    const F above = h - threshold;
    return above >= 0 ? (hard ? to : above) : h;
  }
};

template <typename F, typename Charge>
SNN_INLINE void forward_block(const Run<F>& run, int64_t begin, int64_t width) {
  const Constants<F> c(run);
  F v[kBlock];
  for (int64_t i = 0; i < width; ++i) v[i] = run.v ? run.v[begin + i] : F(0);
  for (int64_t t = 0; t < run.steps; ++t) {
    const F* __restrict x = run.x + t * run.x_step + begin;
    F* __restrict spikes = run.spikes + t * run.count + begin;
    for (int64_t i = 0; i < width; ++i) {
      const F h = Charge::template charge<F>(v[i], x[i], c.rest, c.tau, c.rate);
      const F above = h - c.threshold;
      const F silent = above - above;  // 0, or NaN
      spikes[i] = above >= 0 ? F(1) : silent;
      v[i] = c.reset(h);
    }
  }
  for (int64_t i = 0; i < width; ++i) run.v_end[begin + i] = v[i];
}

// --- Backward: membranes are computed again, which costs less than to load them. ---

// Charged membranes h [steps, kBlock].
template <typename F, typename Charge>
SNN_INLINE void charged_block(const Run<F>& run, int64_t begin, int64_t width, F* h) {
  const Constants<F> c(run);
  F v[kBlock];
  for (int64_t i = 0; i < width; ++i) v[i] = run.v ? run.v[begin + i] : F(0);
  for (int64_t t = 0; t < run.steps; ++t) {
    const F* __restrict x = run.x + t * run.x_step + begin;
    F* __restrict charged = h + t * kBlock;
    for (int64_t i = 0; i < width; ++i) {
      charged[i] = Charge::template charge<F>(v[i], x[i], c.rest, c.tau, c.rate);
      v[i] = c.reset(charged[i]);
    }
  }
}

template <typename F, typename Surrogate>
SNN_INLINE void backward_block(const Run<F>& run, int64_t begin, int64_t width, const F* h) {
  const Constants<F> c(run);
  const SnnNeuron& n = run.neuron;
  const F parameter = n.surrogate_parameter;
  const F leak = n.charge == 0 ? F(0) : n.charge == 1 ? 1 / c.tau : c.rate;
  const F by_x = n.charge == 0 || !n.decay_input ? F(1) : leak;
  const F by_v = 1 - leak;
  const bool attached = !n.detach_reset;
  F zero[kBlock] = {};
  F gv[kBlock], slope[kBlock];
  double g_rate[kBlock] = {};
  for (int64_t i = 0; i < width; ++i) gv[i] = run.g_v_end ? run.g_v_end[begin + i] : F(0);
  for (int64_t t = run.steps; t-- > 0;) {
    const F* __restrict charged = h + t * kBlock;
    const F* __restrict gs = run.g_spikes ? run.g_spikes + t * run.count + begin : zero;
    F* __restrict gx = run.g_x + t * run.count + begin;
    for (int64_t i = 0; i < width; ++i)
      slope[i] = Surrogate::template derivative<F>(charged[i] - c.threshold, parameter);
    for (int64_t i = 0; i < width; ++i) {
      const bool fired = charged[i] - c.threshold >= 0;
      const F kept = c.hard && fired ? F(0) : F(1);
      const F jump = c.hard ? charged[i] - c.to : c.threshold;
      const F through_reset = attached ? kept - jump * slope[i] : kept;
      const F gh = gs[i] * slope[i] + gv[i] * through_reset;
      gx[i] = gh * by_x;
      gv[i] = gh * by_v;
      slope[i] = gh;
    }
    if (!run.g_rate) continue;
    const F* __restrict x = run.x + t * run.x_step + begin;
    for (int64_t i = 0; i < width; ++i) {
      const F start = run.v ? run.v[begin + i] : F(0);
      const F before = t == 0 ? start : c.reset(charged[i - kBlock]);
      const F drawn = n.decay_input ? x[i] : F(0);
      g_rate[i] += static_cast<double>(slope[i]) * (drawn - (before - c.rest));
    }
  }
  if (run.g_v)
    for (int64_t i = 0; i < width; ++i) run.g_v[begin + i] = gv[i];
  if (run.g_rate) {
    double sum = 0;
    for (int64_t i = 0; i < width; ++i) sum += g_rate[i];
    run.g_rate[begin / kBlock] = sum;
  }
}

// --- A run of blocks, compiled for each instruction set. ---

template <typename F>
SNN_INLINE void forward_blocks(const Run<F>& run, int64_t first, int64_t last) {
  const SnnNeuron& n = run.neuron;
  for (int64_t begin = first * kBlock; begin < last * kBlock; begin += kBlock) {
    const int64_t width = std::min(kBlock, run.count - begin);
    switch (n.charge * 2 + (n.decay_input ? 0 : 1)) {
      case 2: forward_block<F, Leaky>(run, begin, width); break;
      case 3: forward_block<F, LeakyUndecayed>(run, begin, width); break;
      case 4: forward_block<F, Parametric>(run, begin, width); break;
      case 5: forward_block<F, ParametricUndecayed>(run, begin, width); break;
      default: forward_block<F, Integrate>(run, begin, width);
    }
  }
}

template <typename F>
SNN_INLINE void backward_blocks(const Run<F>& run, int64_t first, int64_t last, F* h) {
  const SnnNeuron& n = run.neuron;
  for (int64_t begin = first * kBlock; begin < last * kBlock; begin += kBlock) {
    const int64_t width = std::min(kBlock, run.count - begin);
    switch (n.charge * 2 + (n.decay_input ? 0 : 1)) {
      case 2: charged_block<F, Leaky>(run, begin, width, h); break;
      case 3: charged_block<F, LeakyUndecayed>(run, begin, width, h); break;
      case 4: charged_block<F, Parametric>(run, begin, width, h); break;
      case 5: charged_block<F, ParametricUndecayed>(run, begin, width, h); break;
      default: charged_block<F, Integrate>(run, begin, width, h);
    }
    switch (n.surrogate) {
      case 0: backward_block<F, Sigmoid>(run, begin, width, h); break;
      case 1: backward_block<F, Arctan>(run, begin, width, h); break;
      case 2: backward_block<F, Rectangle>(run, begin, width, h); break;
      case 3: backward_block<F, FastSigmoid>(run, begin, width, h); break;
      default: backward_block<F, Triangle>(run, begin, width, h);
    }
  }
}

#ifdef SNN_AVX2
template <typename F>
SNN_AVX2 void forward_avx2(const Run<F>& run, int64_t first, int64_t last) {
  forward_blocks<F>(run, first, last);
}
template <typename F>
SNN_AVX2 void backward_avx2(const Run<F>& run, int64_t first, int64_t last, F* h) {
  backward_blocks<F>(run, first, last, h);
}
inline bool has_avx2() { return __builtin_cpu_supports("avx2"); }
#endif

template <typename F>
void forward(const Run<F>& run, int64_t first, int64_t last) {
#ifdef SNN_AVX2
  if (has_avx2()) return forward_avx2<F>(run, first, last);
#endif
  forward_blocks<F>(run, first, last);
}

// The same numbers whatever part of the blocks a call gets.
template <typename F>
void backward(const Run<F>& run, int64_t first, int64_t last) {
  std::vector<F> h(static_cast<size_t>(run.steps * kBlock));
#ifdef SNN_AVX2
  if (has_avx2()) return backward_avx2<F>(run, first, last, h.data());
#endif
  backward_blocks<F>(run, first, last, h.data());
}

}  // namespace snn

// One spiking neuron over all its time steps, BatchNorm before it included.
#pragma once

#include <cmath>
#include <cstring>

#include "kernel.h"
#include "shim.h"

namespace snn {

// What a run reads and writes: x and spikes are [steps, count], membranes [count].
// The current is x * scale + shift, with the pattern of one block.
template <typename F>
struct Run {
  SnnNeuron neuron;
  F rate;  // sigmoid(w) of a parametric neuron
  int64_t steps, count, block;
  const F* x;
  int64_t x_step;  // from one step of x to the next: count, or 0 if all are one
  const F *scale, *shift, *center;
  const F* v;  // null: zero
  // forward
  F* spikes;
  F* v_end;
  // backward
  const F* g_spikes;  // null: zero
  const F* g_v_end;   // null: zero
  F* g_current;       // laid out as x; of all steps together if x_step is 0
  F* g_v;             // null: not wanted
};

// What a chunk of blocks sums up in the backward pass; null: not wanted.
struct Sums {
  double* g;           // [block]: of the gradients of the current
  double* g_centered;  // [block]: of those times x - center
  double* g_rate;      // [block]: of those of the rate
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

// exp in operations that compilers vectorise, to 1e-7: 2^n e^r with |r| <= ln(2) / 2,
// e^r by the polynomial of degree 5 whose greatest relative error is least.
SNN_INLINE float exponential(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float shift = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  const float n = (x * 1.44269504f + shift) - shift;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // ln(2) in two parts
  float p = 0.00829761947f;
  p = p * r + 0.0419156293f;
  p = p * r + 0.166675765f;
  p = p * r + 0.499988927f;
  p = p * r + 0.999999691f;
  p = p * r + 1.00000007f;
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
  SNN_INLINE explicit Constants(const Run<F>& run)
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

// Membranes before the first step.
template <typename F>
SNN_INLINE void start(const Run<F>& run, int64_t begin, int64_t width, F* __restrict v) {
  for (int64_t i = 0; i < width; ++i) v[i] = run.v ? run.v[begin + i] : F(0);
}

template <typename F, typename Charge>
SNN_INLINE void forward_block(const Run<F>& run, int64_t begin, int64_t width, F* __restrict v) {
  const Constants<F> c(run);
  const F *__restrict scale = run.scale, *__restrict shift = run.shift;
  start(run, begin, width, v);
  for (int64_t t = 0; t < run.steps; ++t) {
    const F* __restrict x = run.x + t * run.x_step + begin;
    F* __restrict spikes = run.spikes + t * run.count + begin;
    for (int64_t i = 0; i < width; ++i) {
      const F current = x[i] * scale[i] + shift[i];
      const F h = Charge::template charge<F>(v[i], current, c.rest, c.tau, c.rate);
      const F above = h - c.threshold;
      const F silent = above - above;  // 0, or NaN
      spikes[i] = above >= 0 ? F(1) : silent;
      v[i] = c.reset(h);
    }
  }
  for (int64_t i = 0; i < width; ++i) run.v_end[begin + i] = v[i];
}

// --- Backward: membranes are computed again, which costs less than to load them. ---

// Charged membranes h [steps, block].
template <typename F, typename Charge>
SNN_INLINE void charged_block(const Run<F>& run, int64_t begin, int64_t width, F* __restrict v,
                              F* h) {
  const Constants<F> c(run);
  const F *__restrict scale = run.scale, *__restrict shift = run.shift;
  start(run, begin, width, v);
  for (int64_t t = 0; t < run.steps; ++t) {
    const F* __restrict x = run.x + t * run.x_step + begin;
    F* __restrict charged = h + t * run.block;
    for (int64_t i = 0; i < width; ++i) {
      const F current = x[i] * scale[i] + shift[i];
      charged[i] = Charge::template charge<F>(v[i], current, c.rest, c.tau, c.rate);
      v[i] = c.reset(charged[i]);
    }
  }
}

// Room of one block each; `zero` holds zeros.
template <typename F>
struct Room {
  F *gv, *gh, *sum, *product, *zero;
};

template <typename F, typename Surrogate>
SNN_INLINE void backward_block(const Run<F>& run, int64_t begin, int64_t width, const F* h,
                               const Room<F>& room, const Sums& sums) {
  const Constants<F> c(run);
  const SnnNeuron& n = run.neuron;
  const F parameter = n.surrogate_parameter;
  const F leak = n.charge == 0 ? F(0) : n.charge == 1 ? 1 / c.tau : c.rate;
  const F by_x = n.charge == 0 || !n.decay_input ? F(1) : leak;
  const F by_v = 1 - leak;
  const bool attached = !n.detach_reset;
  F *__restrict gv = room.gv, *__restrict gh = room.gh;
  F *__restrict sum = room.sum, *__restrict product = room.product;
  for (int64_t i = 0; i < width; ++i) {
    gv[i] = run.g_v_end ? run.g_v_end[begin + i] : F(0);
    sum[i] = product[i] = 0;
  }
  for (int64_t t = run.steps; t-- > 0;) {
    const F* __restrict charged = h + t * run.block;
    const F* __restrict gs = run.g_spikes ? run.g_spikes + t * run.count + begin : room.zero;
    for (int64_t i = 0; i < width; ++i)
      gh[i] = Surrogate::template derivative<F>(charged[i] - c.threshold, parameter);
    for (int64_t i = 0; i < width; ++i) {
      const F slope = gh[i];
      const bool fired = charged[i] - c.threshold >= 0;
      const F kept = c.hard && fired ? F(0) : F(1);
      const F jump = c.hard ? charged[i] - c.to : c.threshold;
      const F through_reset = attached ? kept - jump * slope : kept;
      gh[i] = gs[i] * slope + gv[i] * through_reset;
      gv[i] = gh[i] * by_v;
    }
    const F* __restrict x = run.x + t * run.x_step + begin;
    if (sums.g_rate) {
      double* __restrict g_rate = sums.g_rate;
      const F* __restrict scale = n.decay_input ? run.scale : room.zero;
      const F* __restrict shift = n.decay_input ? run.shift : room.zero;
      const F* first = run.v ? run.v + begin : room.zero;
      for (int64_t i = 0; i < width; ++i) {
        const F before = t == 0 ? first[i] : c.reset(charged[i - run.block]);
        const F drawn = x[i] * scale[i] + shift[i];
        g_rate[i] += static_cast<double>(gh[i]) * (drawn - (before - c.rest));
      }
    }
    for (int64_t i = 0; i < width; ++i) gh[i] *= by_x;
    F* __restrict out = run.g_current + t * run.x_step + begin;
    if (run.x_step != 0 || t == run.steps - 1)
      for (int64_t i = 0; i < width; ++i) out[i] = gh[i];
    else
      for (int64_t i = 0; i < width; ++i) out[i] += gh[i];
    if (!sums.g) continue;
    const F* __restrict center = run.center;
    for (int64_t i = 0; i < width; ++i) {
      sum[i] += gh[i];
      product[i] += gh[i] * (x[i] - center[i]);
    }
  }
  if (sums.g) {
    for (int64_t i = 0; i < width; ++i) {
      sums.g[i] += sum[i];
      sums.g_centered[i] += product[i];
    }
  }
  if (run.g_v)
    for (int64_t i = 0; i < width; ++i) run.g_v[begin + i] = gv[i];
}

// --- Runs of blocks, `first` to before `last`. ---

template <typename F>
struct Forward {
  SNN_INLINE static void run(const Run<F>* run, int64_t first, int64_t last, F* v) {
    const SnnNeuron& n = run->neuron;
    for (int64_t begin = first * run->block; begin < last * run->block; begin += run->block) {
      const int64_t width = std::min(run->block, run->count - begin);
      switch (n.charge * 2 + (n.decay_input ? 0 : 1)) {
        case 2: forward_block<F, Leaky>(*run, begin, width, v); break;
        case 3: forward_block<F, LeakyUndecayed>(*run, begin, width, v); break;
        case 4: forward_block<F, Parametric>(*run, begin, width, v); break;
        case 5: forward_block<F, ParametricUndecayed>(*run, begin, width, v); break;
        default: forward_block<F, Integrate>(*run, begin, width, v);
      }
    }
  }
};

template <typename F>
struct Backward {
  SNN_INLINE static void run(const Run<F>* run, int64_t first, int64_t last, F* h, Room<F> room,
                             Sums sums) {
    const SnnNeuron& n = run->neuron;
    for (int64_t begin = first * run->block; begin < last * run->block; begin += run->block) {
      const int64_t width = std::min(run->block, run->count - begin);
      switch (n.charge * 2 + (n.decay_input ? 0 : 1)) {
        case 2: charged_block<F, Leaky>(*run, begin, width, room.gv, h); break;
        case 3: charged_block<F, LeakyUndecayed>(*run, begin, width, room.gv, h); break;
        case 4: charged_block<F, Parametric>(*run, begin, width, room.gv, h); break;
        case 5: charged_block<F, ParametricUndecayed>(*run, begin, width, room.gv, h); break;
        default: charged_block<F, Integrate>(*run, begin, width, room.gv, h);
      }
      switch (n.surrogate) {
        case 0: backward_block<F, Sigmoid>(*run, begin, width, h, room, sums); break;
        case 1: backward_block<F, Arctan>(*run, begin, width, h, room, sums); break;
        case 2: backward_block<F, Rectangle>(*run, begin, width, h, room, sums); break;
        case 3: backward_block<F, FastSigmoid>(*run, begin, width, h, room, sums); break;
        default: backward_block<F, Triangle>(*run, begin, width, h, room, sums);
      }
    }
  }
};

}  // namespace snn

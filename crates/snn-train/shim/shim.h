// What Rust calls, mirrored in src/shim.rs. Every function that can fail returns
// null, or a message that snn_free_message frees; no exception leaves any.
#pragma once

#include <cstddef>
#include <cstdint>

namespace at {
class Tensor;
}

extern "C" {

struct SnnNeuron {
  int charge;  // 0 integrate, 1 leaky, 2 parametric
  int decay_input;
  double tau;  // of a leaky neuron, in time steps
  double threshold;
  int hard_reset;  // else soft
  double reset_to;
  int detach_reset;
  int surrogate;  // 0 sigmoid, 1 arctan, 2 rectangle, 3 fast sigmoid, 4 triangle
  double surrogate_parameter;
};

// Runs `neuron` over x [T, ...] from membrane v [...] (null: zero). `leak` is the
// learned w [1] of a parametric neuron, else null. Writes the spikes [T, ...] and
// the last membrane [...] to `outputs`; the caller owns both.
char* snn_fire(const SnnNeuron* neuron, const at::Tensor* x, const at::Tensor* v,
               const at::Tensor* leak, at::Tensor** outputs);

struct SnnAdamW {
  double lr, beta1, beta2, eps, weight_decay;
};

// One step of `count` parameters that all have gradients; `steps` counts this one.
char* snn_adamw(const SnnAdamW* options, size_t count, at::Tensor* const* parameters,
                at::Tensor* const* means, at::Tensor* const* squares, const int64_t* steps);

// Drops the gradient of a parameter: the next backward pass makes a new one.
char* snn_forget_gradient(const at::Tensor* parameter);

// Lets this process keep freed memory instead of returning it to the system.
void snn_keep_memory();

void snn_free_message(char* message);
}

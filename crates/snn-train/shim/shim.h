// What Rust calls, mirrored in src/shim.rs. Every function that can fail returns
// null, or a message that snn_free_message frees; no exception leaves any. Tensors
// are contiguous or made so; those that are written to `outputs` belong to the caller.
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

// Batch normalisation over the last axis, (x - mean) * inv_std * weight + bias; all
// are [C]. No gradient goes to mean and inv_std: `batch` says that they are those of
// x itself, which the gradient of x then takes into account.
struct SnnNorm {
  const at::Tensor *weight, *bias, *mean, *inv_std;
  int batch;
};

// Runs `neuron` over `norm` (null: none) of x [T, ...] from membrane v [...] (null:
// zero). If x has one step, it stands for `steps` equal ones. `leak` is the learned w
// [1] of a parametric neuron, else null. Writes the spikes [steps, ...] and the last
// membrane [...] to `outputs`.
char* snn_fire(const SnnNeuron* neuron, const SnnNorm* norm, const at::Tensor* x, int64_t steps,
               const at::Tensor* v, const at::Tensor* leak, at::Tensor** outputs);

// Writes `norm` of x [..., C] to `outputs`.
char* snn_norm(const SnnNorm* norm, const at::Tensor* x, at::Tensor** outputs);

// Writes mean and 1 / sqrt(variance + eps) of every channel of x [..., C] to
// `outputs`, and moves the running statistics towards mean and unbiased variance as
// if every element came `repeats` times.
char* snn_statistics(const at::Tensor* x, int64_t repeats, double eps, double momentum,
                     const at::Tensor* running_mean, const at::Tensor* running_var,
                     at::Tensor** outputs);

struct SnnAdamW {
  double lr, beta1, beta2, eps, weight_decay;
};

// One step of `count` parameters that all have gradients; `steps` counts this one.
char* snn_adamw(const SnnAdamW* options, size_t count, at::Tensor* const* parameters,
                at::Tensor* const* means, at::Tensor* const* squares, const int64_t* steps);

// Drops the gradient of a parameter: the next backward pass makes a new one.
char* snn_forget_gradient(const at::Tensor* parameter);

// The instruction set that kernels use from now on: 0 portable, 1 AVX2, 2 AVX-512
// (F, BW, DQ and VL). The CPU must have it.
void snn_use_isa(int level);

// Lets this process keep freed memory instead of returning it to the system.
void snn_keep_memory();

void snn_free_message(char* message);
}

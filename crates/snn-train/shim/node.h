// What the autograd nodes share.
#pragma once

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "kernel.h"
#include "message.h"
#include "shim.h"

namespace snn {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using MaybeTensor = std::optional<Tensor>;

inline Tensor contiguous(const Tensor& x) { return x.defined() ? x.contiguous() : x; }

// The values of a tensor [C], again and again over one block.
template <typename F>
std::vector<F> pattern(const Tensor& x, int64_t block) {
  const Tensor row = x.contiguous();
  const F* values = row.const_data_ptr<F>();
  const int64_t channels = row.numel();
  std::vector<F> out(block);
  for (int64_t i = 0; i < block; ++i) out[i] = values[i % channels];
  return out;
}

// Runs body(first block, last block, sums) for every chunk, where sums are `kinds`
// lines of one block each, and adds the sums up in the order of the chunks, folded to
// `channels`, which divide a block: [kinds * channels].
template <typename Body>
std::vector<double> sum_over(const Chunks& chunks, int64_t block, int64_t kinds, int64_t channels,
                             Body body) {
  const int64_t width = kinds * channels;
  std::vector<double> parts(chunks.count * width);
  at::parallel_for(0, chunks.count, 1, [&](int64_t from, int64_t to) {
    std::vector<double> sums(kinds * block);
    for (int64_t chunk = from; chunk < to; ++chunk) {
      std::fill(sums.begin(), sums.end(), 0.0);
      const int64_t first = chunk * chunks.each;
      body(first, std::min(first + chunks.each, chunks.blocks), sums.data());
      double* part = parts.data() + chunk * width;
      for (int64_t k = 0; k < kinds; ++k)
        for (int64_t row = 0; row < block; row += channels)
          for (int64_t c = 0; c < channels; ++c) part[k * channels + c] += sums[k * block + row + c];
    }
  });
  std::vector<double> total(width);
  for (int64_t chunk = 0; chunk < chunks.count; ++chunk)
    for (int64_t i = 0; i < width; ++i) total[i] += parts[chunk * width + i];
  return total;
}

// Runs body(first block, last block) on several threads.
template <typename Body>
void over(const Chunks& chunks, Body body) {
  at::parallel_for(0, chunks.count, 1, [&](int64_t from, int64_t to) {
    body(from * chunks.each, std::min(to * chunks.each, chunks.blocks));
  });
}

// Batch normalisation, x * scale + shift with scale = weight * inv_std and
// shift = bias - mean * scale; undefined tensors are none at all.
struct Norm {
  Tensor weight, bias, mean, inv_std;
  bool batch = false;

  Norm() = default;
  explicit Norm(const SnnNorm& norm)
      : weight(*norm.weight),
        bias(*norm.bias),
        mean(*norm.mean),
        inv_std(*norm.inv_std),
        batch(norm.batch) {}
  bool defined() const { return weight.defined(); }
};

// The numbers of a Norm in the pattern of one block.
template <typename F>
struct NormPattern {
  std::vector<F> scale, shift, center;

  NormPattern(const Norm& norm, int64_t block) : scale(block, F(1)), shift(block), center(block) {
    if (!norm.defined()) return;
    const std::vector<F> weight = pattern<F>(norm.weight, block);
    const std::vector<F> bias = pattern<F>(norm.bias, block);
    const std::vector<F> inv_std = pattern<F>(norm.inv_std, block);
    center = pattern<F>(norm.mean, block);
    for (int64_t i = 0; i < block; ++i) {
      scale[i] = weight[i] * inv_std[i];
      shift[i] = bias[i] - center[i] * scale[i];
    }
  }
};

// Turns the gradient of norm(x) into that of x, where `sums` [2, C] are its sums over
// every channel, without and with a factor x - mean; `out` may be `g`. Gives the
// gradients of weight and bias.
std::pair<Tensor, Tensor> norm_backward(const Norm& norm, const Tensor& x,
                                        const std::vector<double>& sums, const Tensor& g,
                                        Tensor& out);

}  // namespace snn

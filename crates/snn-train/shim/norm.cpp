// Batch normalisation as one autograd node, and its statistics.
#include "norm.h"

#include <ATen/ops/empty_like.h>

#include <cmath>

#include "node.h"

namespace snn {
namespace {

template <typename F>
void gradient_of_x(const Norm& norm, const Tensor& x, const std::vector<double>& sums,
                   const Tensor& g, Tensor& out) {
  const int64_t channels = x.size(-1), block = block_of(channels);
  const NormPattern<F> p(norm, block);
  const std::vector<F> inv_std = pattern<F>(norm.inv_std, block);
  const double n = static_cast<double>(x.numel() / channels);
  std::vector<F> b(block), d(block);
  for (int64_t i = 0; norm.batch && i < block; ++i) {
    const double scale = p.scale[i], r = inv_std[i];
    b[i] = static_cast<F>(-scale * r * r * sums[channels + i % channels] / n);
    d[i] = static_cast<F>(-scale * sums[i % channels] / n);
  }
  const F *from = g.const_data_ptr<F>(), *values = x.const_data_ptr<F>();
  F* to = out.mutable_data_ptr<F>();
  over(Chunks(x.numel(), block), [&](int64_t first, int64_t last) {
    run<Affine<F>>(from, values, to, first, last, block, x.numel(), p.scale.data(), b.data(),
                   p.center.data(), d.data());
  });
}

// Sums [2, C] of g and g * (x - center), or, if g is null, with x - center for g.
template <typename F>
std::vector<double> moments(const F* g, const Tensor& x, const Tensor& center) {
  const int64_t channels = x.size(-1), block = block_of(channels);
  const std::vector<F> centers = pattern<F>(center, block);
  const F* values = x.const_data_ptr<F>();
  return sum_over(Chunks(x.numel(), block), block, 2, channels,
                  [&](int64_t first, int64_t last, double* sums) {
                    run<Moments<F>>(g, values, first, last, block, x.numel(), centers.data(),
                                    sums, sums + block);
                  });
}

struct Normalise : torch::autograd::Function<Normalise> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight,
                        const Tensor& bias, const Norm& norm) {
    Tensor out = at::empty_like(x);
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "norm", [&] {
      const int64_t block = block_of(x.size(-1));
      const NormPattern<scalar_t> p(norm, block);
      const scalar_t* from = x.const_data_ptr<scalar_t>();
      scalar_t* to = out.mutable_data_ptr<scalar_t>();
      over(Chunks(x.numel(), block), [&](int64_t first, int64_t last) {
        run<Scale<scalar_t>>(from, to, first, last, block, x.numel(), p.scale.data(),
                             p.shift.data());
      });
    });
    ctx->save_for_backward({x, weight, bias, norm.mean, norm.inv_std});
    ctx->saved_data["batch"] = norm.batch;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor& x = saved[0];
    Norm norm;
    norm.weight = saved[1];
    norm.bias = saved[2];
    norm.mean = saved[3];
    norm.inv_std = saved[4];
    norm.batch = ctx->saved_data["batch"].toBool();
    const Tensor g = grads[0].contiguous();
    std::vector<double> sums;
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "norm_backward", [&] {
      sums = moments<scalar_t>(g.const_data_ptr<scalar_t>(), x, norm.mean);
    });
    Tensor g_x = at::empty_like(x);
    const auto [g_weight, g_bias] = norm_backward(norm, x, sums, g, g_x);
    return {g_x, g_weight, g_bias, Tensor()};
  }
};

template <typename F>
void statistics(const Tensor& x, int64_t repeats, double eps, double momentum,
                Tensor running_mean, Tensor running_var, Tensor& mean, Tensor& inv_std) {
  const int64_t channels = x.size(-1);
  const double n = static_cast<double>(x.numel() / channels);
  // Sums around the first row: a large mean takes nothing from the variance.
  const Tensor first = x.reshape({-1, channels}).select(0, 0);
  const std::vector<double> sums = moments<F>(nullptr, x, first);
  const F* centers = first.const_data_ptr<F>();
  F *means = mean.mutable_data_ptr<F>(), *inv_stds = inv_std.mutable_data_ptr<F>();
  F *old_means = running_mean.mutable_data_ptr<F>(), *old_vars = running_var.mutable_data_ptr<F>();
  for (int64_t c = 0; c < channels; ++c) {
    const double shift = sums[c] / n, total = n * static_cast<double>(repeats);
    const double mean_c = centers[c] + shift;
    const double var = std::max(sums[channels + c] / n - shift * shift, 0.0);
    const double unbiased = var * total / (total - 1);
    means[c] = static_cast<F>(mean_c);
    inv_stds[c] = static_cast<F>(1 / std::sqrt(var + eps));
    old_means[c] = static_cast<F>(old_means[c] + momentum * (mean_c - old_means[c]));
    old_vars[c] = static_cast<F>(old_vars[c] + momentum * (unbiased - old_vars[c]));
  }
}

}  // namespace

std::pair<Tensor, Tensor> norm_backward(const Norm& norm, const Tensor& x,
                                        const std::vector<double>& sums, const Tensor& g,
                                        Tensor& out) {
  Tensor g_weight = at::empty_like(norm.weight), g_bias = at::empty_like(norm.bias);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "norm_backward", [&] {
    gradient_of_x<scalar_t>(norm, x, sums, g, out);
    const int64_t channels = x.size(-1);
    const Tensor inv_std = norm.inv_std.contiguous();
    const scalar_t* r = inv_std.const_data_ptr<scalar_t>();
    scalar_t* to_weight = g_weight.mutable_data_ptr<scalar_t>();
    scalar_t* to_bias = g_bias.mutable_data_ptr<scalar_t>();
    for (int64_t c = 0; c < channels; ++c) {
      to_weight[c] = static_cast<scalar_t>(sums[channels + c] * r[c]);
      to_bias[c] = static_cast<scalar_t>(sums[c]);
    }
  });
  return {g_weight, g_bias};
}

}  // namespace snn

using at::Tensor;

char* snn_norm(const SnnNorm* norm, const Tensor* x, Tensor** outputs) {
  return snn::message_of([&] {
    const Tensor y =
        snn::Normalise::apply(x->contiguous(), *norm->weight, *norm->bias, snn::Norm(*norm));
    outputs[0] = new Tensor(y);
  });
}

char* snn_statistics(const Tensor* x, int64_t repeats, double eps, double momentum,
                     const Tensor* running_mean, const Tensor* running_var, Tensor** outputs) {
  return snn::message_of([&] {
    const Tensor rows = x->detach().contiguous();
    Tensor mean = at::empty_like(*running_mean), inv_std = at::empty_like(*running_var);
    AT_DISPATCH_FLOATING_TYPES(rows.scalar_type(), "statistics", [&] {
      snn::statistics<scalar_t>(rows, repeats, eps, momentum, *running_mean, *running_var, mean,
                                inv_std);
    });
    outputs[0] = new Tensor(mean);
    outputs[1] = new Tensor(inv_std);
  });
}

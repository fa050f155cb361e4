// A spiking neuron, BatchNorm before it included, as one autograd node.
#include <ATen/ops/full_like.h>
#include <ATen/ops/sigmoid.h>

#include <cstring>
#include <string>

#include "neuron.h"
#include "node.h"

namespace snn {
namespace {

// The tensors of a run that live from the forward to the backward pass.
struct Inputs {
  SnnNeuron neuron;
  Norm norm;
  int64_t steps;
  Tensor x, v, leak;

  int64_t count() const { return x.numel() / x.size(0); }
  bool is_static() const { return x.size(0) == 1 && steps > 1; }
  int64_t channels() const { return norm.defined() ? x.size(-1) : 1; }
  int64_t block() const { return norm.defined() ? block_of(x.size(-1)) : kBlock; }
};

template <typename F>
Run<F> run_over(const Inputs& in, const NormPattern<F>& p) {
  Run<F> run{};
  run.neuron = in.neuron;
  run.rate = in.leak.defined() ? at::sigmoid(in.leak.detach()).template item<F>() : F(0);
  run.steps = in.steps;
  run.count = in.count();
  run.block = in.block();
  run.x = in.x.const_data_ptr<F>();
  run.x_step = in.is_static() ? 0 : run.count;
  run.scale = p.scale.data();
  run.shift = p.shift.data();
  run.center = p.center.data();
  run.v = in.v.defined() ? in.v.const_data_ptr<F>() : nullptr;
  return run;
}

template <typename F>
void forward(const Inputs& in, Tensor& spikes, Tensor& v_end) {
  const NormPattern<F> p(in.norm, in.block());
  Run<F> over_all = run_over<F>(in, p);
  over_all.spikes = spikes.mutable_data_ptr<F>();
  over_all.v_end = v_end.mutable_data_ptr<F>();
  over(Chunks(in.count(), in.block()), [&](int64_t first, int64_t last) {
    std::vector<F> v(in.block());
    run<Forward<F>>(static_cast<const Run<F>*>(&over_all), first, last, v.data());
  });
}

struct Gradients {
  Tensor x, v, leak, weight, bias;
};

template <typename F>
Gradients backward(const Inputs& in, const Tensor& g_spikes, const Tensor& g_v_end) {
  Gradients out;
  out.x = at::empty(in.x.sizes(), in.x.options());
  if (in.v.defined()) out.v = at::empty(in.v.sizes(), in.v.options());
  const int64_t block = in.block(), channels = in.channels();
  const NormPattern<F> p(in.norm, block);
  Run<F> over_all = run_over<F>(in, p);
  over_all.g_spikes = g_spikes.defined() ? g_spikes.const_data_ptr<F>() : nullptr;
  over_all.g_v_end = g_v_end.defined() ? g_v_end.const_data_ptr<F>() : nullptr;
  over_all.g_current = out.x.mutable_data_ptr<F>();
  over_all.g_v = out.v.defined() ? out.v.mutable_data_ptr<F>() : nullptr;
  const std::vector<double> total = sum_over(
      Chunks(in.count(), block), block, 3, channels,
      [&](int64_t first, int64_t last, double* sums) {
        std::vector<F> room((in.steps + 5) * block);
        F* h = room.data() + 5 * block;
        const Room<F> own{room.data(), room.data() + block, room.data() + 2 * block,
                          room.data() + 3 * block, room.data() + 4 * block};
        const bool norm = in.norm.defined();
        const Sums to{norm ? sums : nullptr, sums + block,
                      in.leak.defined() ? sums + 2 * block : nullptr};
        run<Backward<F>>(static_cast<const Run<F>*>(&over_all), first, last, h, own, to);
      });
  if (in.leak.defined()) {
    double g_rate = 0;
    for (int64_t c = 0; c < channels; ++c) g_rate += total[2 * channels + c];
    const double rate = over_all.rate;
    out.leak = at::full_like(in.leak, g_rate * rate * (1 - rate));
  }
  if (in.norm.defined())
    std::tie(out.weight, out.bias) = norm_backward(in.norm, in.x, total, out.x, out.x);
  return out;
}

Tensor or_undefined(const MaybeTensor& x) { return x.value_or(Tensor()); }

struct Fire : torch::autograd::Function<Fire> {
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const MaybeTensor& v,
                               const MaybeTensor& leak, const MaybeTensor& weight,
                               const MaybeTensor& bias, const Norm& norm,
                               const SnnNeuron& neuron, int64_t steps) {
    const Inputs in{neuron, norm, steps, x, or_undefined(v), or_undefined(leak)};
    std::vector<int64_t> shape = x.sizes().vec();
    shape[0] = steps;
    Tensor spikes = at::empty(shape, x.options());
    Tensor v_end = at::empty(x.sizes().slice(1), x.options());
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "fire",
                               [&] { snn::forward<scalar_t>(in, spikes, v_end); });
    ctx->save_for_backward({x, in.v, in.leak, or_undefined(weight), or_undefined(bias), norm.mean,
                            norm.inv_std});
    ctx->saved_data["batch"] = norm.batch;
    ctx->saved_data["steps"] = steps;
    ctx->saved_data["neuron"] =
        std::string(reinterpret_cast<const char*>(&neuron), sizeof neuron);
    ctx->set_materialize_grads(false);
    return {spikes, v_end};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    Inputs in;
    std::memcpy(&in.neuron, ctx->saved_data["neuron"].toStringRef().data(), sizeof in.neuron);
    in.steps = ctx->saved_data["steps"].toInt();
    in.x = saved[0];
    in.v = saved[1];
    in.leak = saved[2];
    in.norm.weight = saved[3];
    in.norm.bias = saved[4];
    in.norm.mean = saved[5];
    in.norm.inv_std = saved[6];
    in.norm.batch = ctx->saved_data["batch"].toBool();
    Gradients g;
    AT_DISPATCH_FLOATING_TYPES(in.x.scalar_type(), "fire_backward", [&] {
      g = snn::backward<scalar_t>(in, contiguous(grads[0]), contiguous(grads[1]));
    });
    return {g.x, g.v, g.leak, g.weight, g.bias, Tensor(), Tensor(), Tensor()};
  }
};

MaybeTensor maybe(const Tensor* x) { return x ? MaybeTensor(x->contiguous()) : std::nullopt; }

}  // namespace
}  // namespace snn

char* snn_fire(const SnnNeuron* neuron, const SnnNorm* norm, const at::Tensor* x, int64_t steps,
               const at::Tensor* v, const at::Tensor* leak, at::Tensor** outputs) {
  using namespace snn;
  return message_of([&] {
    TORCH_CHECK(x->dim() > 0 && x->size(0) > 0 && (x->size(0) == steps || x->size(0) == 1),
                "currents are [T, ...] with T > 0, found ", x->sizes(), " for T = ", steps);
    const variable_list fired =
        Fire::apply(x->contiguous(), maybe(v), maybe(leak), maybe(norm ? norm->weight : nullptr),
                    maybe(norm ? norm->bias : nullptr), norm ? Norm(*norm) : Norm(), *neuron,
                    steps);
    outputs[0] = new at::Tensor(fired[0]);
    outputs[1] = new at::Tensor(fired[1]);
  });
}

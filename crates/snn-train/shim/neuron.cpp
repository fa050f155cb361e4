// Spiking neurons as one autograd node. See kernel.h for what it computes.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/sigmoid.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstring>
#include <string>

#include "kernel.h"
#include "message.h"

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Neurons and steps that are worth a thread.
constexpr int64_t kGrain = 32768;

// Either as contiguous as it gets, or one contiguous step seen many times.
bool is_plain(const Tensor& x) {
  return x.is_contiguous() || (x.stride(0) == 0 && x.select(0, 0).is_contiguous());
}

int64_t blocks(int64_t count) { return (count + snn::kBlock - 1) / snn::kBlock; }

template <typename F>
snn::Run<F> run_over(const SnnNeuron& neuron, const Tensor& x, const Tensor& v,
                     const Tensor& leak) {
  snn::Run<F> run{};
  run.neuron = neuron;
  run.rate = leak.defined() ? at::sigmoid(leak.detach()).item<F>() : F(0);
  run.steps = x.size(0);
  run.count = x.numel() / run.steps;
  run.x = x.const_data_ptr<F>();
  run.x_step = x.is_contiguous() ? run.count : 0;
  run.v = v.defined() ? v.const_data_ptr<F>() : nullptr;
  return run;
}

template <typename F, typename Body>
void over_blocks(const snn::Run<F>& run, Body body) {
  const int64_t grain = std::max<int64_t>(1, kGrain / (snn::kBlock * run.steps));
  at::parallel_for(0, blocks(run.count), grain, body);
}

template <typename F>
void forward(const SnnNeuron& neuron, const Tensor& x, const Tensor& v, const Tensor& leak,
             Tensor& spikes, Tensor& v_end) {
  snn::Run<F> run = run_over<F>(neuron, x, v, leak);
  run.spikes = spikes.mutable_data_ptr<F>();
  run.v_end = v_end.mutable_data_ptr<F>();
  over_blocks(run, [&](int64_t first, int64_t last) { snn::forward<F>(run, first, last); });
}

template <typename F>
void backward(const SnnNeuron& neuron, const Tensor& x, const Tensor& v, const Tensor& leak,
              const Tensor& g_spikes, const Tensor& g_v_end, Tensor& g_x, Tensor& g_v,
              Tensor& g_leak) {
  snn::Run<F> run = run_over<F>(neuron, x, v, leak);
  run.g_spikes = g_spikes.defined() ? g_spikes.const_data_ptr<F>() : nullptr;
  run.g_v_end = g_v_end.defined() ? g_v_end.const_data_ptr<F>() : nullptr;
  run.g_x = g_x.mutable_data_ptr<F>();
  run.g_v = g_v.defined() ? g_v.mutable_data_ptr<F>() : nullptr;
  std::vector<double> g_rate(leak.defined() ? blocks(run.count) : 0);
  run.g_rate = leak.defined() ? g_rate.data() : nullptr;
  over_blocks(run, [&](int64_t first, int64_t last) { snn::backward<F>(run, first, last); });
  if (leak.defined()) {
    double sum = 0;
    for (double part : g_rate) sum += part;  // in the order of blocks, on any number of threads
    g_leak = at::full_like(leak, sum * run.rate * (1 - run.rate));
  }
}

Tensor contiguous(const Tensor& x) { return x.defined() ? x.contiguous() : x; }

struct Fire : torch::autograd::Function<Fire> {
  static variable_list forward(AutogradContext* ctx, const Tensor& x,
                               const std::optional<Tensor>& start,
                               const std::optional<Tensor>& w, const SnnNeuron& neuron) {
    const Tensor v = start.value_or(Tensor()), leak = w.value_or(Tensor());
    Tensor spikes = at::empty(x.sizes(), x.options());
    Tensor v_end = at::empty(x.sizes().slice(1), x.options());
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "fire", [&] {
      ::forward<scalar_t>(neuron, x, v, leak, spikes, v_end);
    });
    ctx->save_for_backward({x, v, leak});
    ctx->saved_data["neuron"] =
        std::string(reinterpret_cast<const char*>(&neuron), sizeof neuron);
    ctx->set_materialize_grads(false);
    return {spikes, v_end};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    SnnNeuron neuron;
    std::memcpy(&neuron, ctx->saved_data["neuron"].toStringRef().data(), sizeof neuron);
    const variable_list saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &v = saved[1], &leak = saved[2];
    const Tensor g_spikes = contiguous(grads[0]), g_v_end = contiguous(grads[1]);
    Tensor g_x = at::empty(x.sizes(), x.options()), g_v, g_leak;
    if (v.defined()) g_v = at::empty(v.sizes(), v.options());
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "fire_backward", [&] {
      ::backward<scalar_t>(neuron, x, v, leak, g_spikes, g_v_end, g_x, g_v, g_leak);
    });
    return {g_x, g_v, g_leak, Tensor()};
  }
};

}  // namespace

char* snn_fire(const SnnNeuron* neuron, const Tensor* x, const Tensor* v, const Tensor* leak,
               Tensor** outputs) {
  return snn::message_of([&] {
    TORCH_CHECK(x->dim() > 0 && x->size(0) > 0, "currents are [T, ...] with T > 0, found ",
                x->sizes());
    const Tensor currents = is_plain(*x) ? *x : x->contiguous();
    const std::optional<Tensor> start = v ? std::optional(v->contiguous()) : std::nullopt;
    const std::optional<Tensor> w = leak ? std::optional(*leak) : std::nullopt;
    const variable_list fired = Fire::apply(currents, start, w, *neuron);
    outputs[0] = new Tensor(fired[0]);
    outputs[1] = new Tensor(fired[1]);
  });
}

// What tch does not reach of libtorch and libc.
#include <ATen/core/Tensor.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <c10/core/GradMode.h>

#include <cstdlib>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "message.h"
#include "shim.h"

using at::Tensor;

char* snn_adamw(const SnnAdamW* o, size_t count, Tensor* const* parameters, Tensor* const* means,
                Tensor* const* squares, const int64_t* steps) {
  return snn::message_of([&] {
    if (count == 0) return;
    const c10::NoGradGuard no_grad;
    std::vector<Tensor> p, g, m, s, t;
    for (size_t i = 0; i < count; ++i) {
      p.push_back(*parameters[i]);
      g.push_back(parameters[i]->grad());
      m.push_back(*means[i]);
      s.push_back(*squares[i]);
      t.push_back(at::full({}, steps[i], parameters[i]->options().dtype(at::kFloat)));
    }
    at::_fused_adamw_(p, g, m, s, {}, t, o->lr, o->beta1, o->beta2, o->weight_decay, o->eps,
                      /*amsgrad=*/false, /*maximize=*/false);
  });
}

char* snn_forget_gradient(const Tensor* parameter) {
  return snn::message_of([&] { parameter->mutable_grad().reset(); });
}

void snn_keep_memory() {
#if defined(__GLIBC__)
  // Otherwise every large temporary tensor is mapped, cleared page by page and unmapped again.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

void snn_free_message(char* message) { free(message); }

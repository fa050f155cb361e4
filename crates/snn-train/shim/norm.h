// Batch normalisation of [..., C], over blocks that begin at channel 0.
#pragma once

#include "kernel.h"

namespace snn {

// out = a * g + b * (x - center) + d, with patterns of one block.
template <typename F>
struct Affine {
  SNN_INLINE static void run(const F* g, const F* x, F* out, int64_t first, int64_t last,
                             int64_t block, int64_t count, const F* a, const F* b,
                             const F* center, const F* d) {
    for (int64_t begin = first * block; begin < last * block; begin += block) {
      const int64_t width = std::min(block, count - begin);
      for (int64_t i = 0; i < width; ++i)
        out[begin + i] = a[i] * g[begin + i] + (b[i] * (x[begin + i] - center[i]) + d[i]);
    }
  }
};

// out = x * scale + shift, likewise.
template <typename F>
struct Scale {
  SNN_INLINE static void run(const F* __restrict x, F* __restrict out, int64_t first,
                             int64_t last, int64_t block, int64_t count,
                             const F* __restrict scale, const F* __restrict shift) {
    for (int64_t begin = first * block; begin < last * block; begin += block) {
      const int64_t width = std::min(block, count - begin);
      for (int64_t i = 0; i < width; ++i) out[begin + i] = x[begin + i] * scale[i] + shift[i];
    }
  }
};

// Adds to each place of a block, over blocks, g and g * (x - center); without g
// (null), x - center takes its place.
template <typename F>
struct Moments {
  SNN_INLINE static void run(const F* __restrict g, const F* __restrict x, int64_t first,
                             int64_t last, int64_t block, int64_t count,
                             const F* __restrict center, double* __restrict sum,
                             double* __restrict product) {
    for (int64_t begin = first * block; begin < last * block; begin += block) {
      const int64_t width = std::min(block, count - begin);
      if (g) {
        for (int64_t i = 0; i < width; ++i) {
          sum[i] += g[begin + i];
          product[i] += static_cast<double>(g[begin + i]) * (x[begin + i] - center[i]);
        }
      } else {
        for (int64_t i = 0; i < width; ++i) {
          const double d = x[begin + i] - center[i];
          sum[i] += d;
          product[i] += d * d;
        }
      }
    }
  }
};

}  // namespace snn

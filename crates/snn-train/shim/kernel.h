// What the kernels share: plain loops, no libtorch.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

// Inlined into functions for several instruction sets.
#define SNN_INLINE inline __attribute__((always_inline))

namespace snn {

// Elements that a kernel works on at a time: they stay in the first cache.
constexpr int64_t kBlock = 256;

// The same for tensors [..., C], whose blocks all begin at channel 0.
inline int64_t block_of(int64_t channels) {
  return channels * std::max<int64_t>(1, kBlock / channels);
}

// How blocks are shared out: by their number alone, so that sums over them do not
// depend on the number of threads.
struct Chunks {
  int64_t blocks, each, count;
  Chunks(int64_t elements, int64_t block)
      : blocks((elements + block - 1) / block),
        each(std::max<int64_t>(16, (blocks + 255) / 256)),
        count((blocks + each - 1) / each) {}
};

// The instruction set that kernels use: 0 portable, 1 AVX2, 2 AVX-512. Whoever raises
// it has seen that this CPU has the instructions.
inline std::atomic<int> isa{0};

#if defined(__x86_64__)
template <typename Kernel, typename... Arguments>
__attribute__((target("avx2"))) void run_avx2(Arguments... arguments) {
  Kernel::run(arguments...);
}
template <typename Kernel, typename... Arguments>
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")))
void run_avx512(Arguments... arguments) {
  Kernel::run(arguments...);
}
#endif

// Runs Kernel::run, which must be SNN_INLINE; all forms give the same numbers.
template <typename Kernel, typename... Arguments>
void run(Arguments... arguments) {
#if defined(__x86_64__)
  switch (isa.load(std::memory_order_relaxed)) {
    case 2: return run_avx512<Kernel, Arguments...>(arguments...);
    case 1: return run_avx2<Kernel, Arguments...>(arguments...);
  }
#endif
  Kernel::run(arguments...);
}

}  // namespace snn

// A tile of a convolution as a matrix product: two runs of H neighbouring outputs, V times 16 channels, in registers.

#pragma once

#include "dots.h"

// Keeps the compiler from replacing a pointer by a longer address.
#define KEPT(value) asm volatile("" : "+r"(value))

#if defined(WITH_AVX512)
constexpr int MOST = 7;  // 2 x 7 x 2 registers for sums, of 32
#else
constexpr int MOST = 1;
#endif

INLINE void fetch(const char* from) { __builtin_prefetch(from, 0, 3); }
INLINE void fetch_to_write(char* to) { __builtin_prefetch(to, 1, 3); }

struct Walk {
  int64_t step;            // bytes between the inputs of neighbouring outputs
  const int64_t* offsets;  // bytes before each run of inputs
  int runs, length;        // how many runs, and words in each
};

struct Half {
  const char* in;
  char* out;
  const char* other;
  int count;  // outputs that exist; the others are computed from any values and not stored
};

struct Finish {
  int64_t out_step, other_step;
  bool relu, wide, adds;
  int lanes;  // channels that exist in the last 16
};

template <typename E>
INLINE void finish(Lanes sum, char* out, const char* other, int v, const Finish& f, int lanes) {
  if (f.adds) sum = add(sum, load((const E*)other + LANES * v));
  if (f.relu) sum = rectified(sum);
  if (lanes < LANES) sum = kept(chosen_by(uint16_t((1u << lanes) - 1)), sum);
  if (f.wide)
    store((float*)out + LANES * v, sum);
  else
    store((E*)out + LANES * v, sum);
}

template <int H>
INLINE const char* input(int h, const char* p, const char* p3, const char* p6, int64_t step) {
  return h == 0 ? p : h == 1 ? p + step : h == 2 ? p + 2 * step : h == 3 ? p3 : h == 4 ? p3 + step : h == 5 ? p3 + 2 * step : p6;
}

template <typename E, int H, int V>
INLINE void multiply(const char* first, const char* second, const Walk& walk, const char* weights, Lanes (&sums)[2][H][V]) {
  typedef Dot<E> D;
  int64_t step = walk.step;
  KEPT(step);
  for (int run = 0; run < walk.runs; ++run) {
    const char *p = first + walk.offsets[run], *q = second + walk.offsets[run];
    const char *p3 = p + 3 * step, *q3 = q + 3 * step;
    const char *p6 = p3 + 3 * step, *q6 = q3 + 3 * step;
    KEPT(p3);
    KEPT(q3);
    KEPT(p6);
    KEPT(q6);
    for (int k = 0; k < walk.length; ++k) {
      typename D::Words w[V];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) w[v] = D::load(weights + 64 * v);
#pragma GCC unroll 7
      for (int h = 0; h < H; ++h) {
        const typename D::Words x = D::spread(input<H>(h, p, p3, p6, step));
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) sums[0][h][v] = D::add(sums[0][h][v], x, w[v]);
      }
#pragma GCC unroll 7
      for (int h = 0; h < H; ++h) {
        const typename D::Words x = D::spread(input<H>(h, q, q3, q6, step));
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) sums[1][h][v] = D::add(sums[1][h][v], x, w[v]);
      }
      weights += 64 * V;
      p += 4, p3 += 4, p6 += 4, q += 4, q3 += 4, q6 += 4;
    }
  }
}

template <typename E, int H, int V>
__attribute__((noinline)) void tile(const Half* half, const Walk& walk, const char* weights, const float* bias,
                                    int64_t out, int64_t other, const Finish& f) {
  Lanes sums[2][H][V];
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i)
#pragma GCC unroll 7
    for (int h = 0; h < H; ++h)
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sums[i][h][v] = load(bias + LANES * v);
  for (int i = 0; i < 2; ++i)
    for (int h = 0; h < half[i].count; ++h) {
      fetch_to_write(half[i].out + out + h * f.out_step);
      if (f.adds) fetch(half[i].other + other + h * f.other_step);
    }
  multiply<E, H, V>(half[0].in, half[1].in, walk, weights, sums);
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    char* to = half[i].out + out;
    const char* from = half[i].other + other;
#pragma GCC unroll 7
    for (int h = 0; h < H; ++h) {
      if (h < half[i].count) {
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) finish<E>(sums[i][h][v], to, from, v, f, v == V - 1 ? f.lanes : LANES);
      }
      to += f.out_step, from += f.other_step;
    }
  }
}

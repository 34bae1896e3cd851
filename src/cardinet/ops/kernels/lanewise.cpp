// 3 x 3 convolutions with few channels a group: the groups lie across the lanes of a vector.
//
// A lane of 128 bits has the inputs of one group or of a part of it (of two groups, for bfloat16 with 4 channels a
// group). Each of its words is spread over the lane and multiplied with the weights of the 4 outputs of a lane; it serves
// the three taps of a row from registers. Groups of several lanes see each lane of the group in turn (`turned`).
//
// Weights: [32 channels][row of taps][turn][16 outputs][column of taps][word][output]. Outputs of float32 are in their
// order; of bfloat16 the first 16 are the first four of each eight channels.

#include "maps.h"
#include "tile.h"

#if defined(WITH_AVX512)

namespace {

template <int J>
INLINE __m512i within(__m512i x) {
  return _mm512_shuffle_epi32(x, (_MM_PERM_ENUM)(J * 0x55));
}
template <int TURN>
INLINE __m512i turned(__m512i x) {  // lane l becomes that of l ^ TURN
  if constexpr (TURN == 0) return x;
  return _mm512_shuffle_i32x4(x, x, TURN == 1 ? 0xb1 : TURN == 2 ? 0x4e : 0x1b);
}

INLINE Lanes product(float, Lanes sums, __m512i x, __m512i w) {
  return fused(_mm512_castsi512_ps(x), _mm512_castsi512_ps(w), sums);
}
INLINE Lanes product(bfloat16, Lanes sums, __m512i x, __m512i w) { return Dot<bfloat16>::add(sums, x, w); }

template <typename E, int H, int STRIDE, int TURN, int FIRST, int WORDS, bool FETCH>
INLINE void row(const char* in, int64_t pixel, int64_t ahead, const char* weights, Lanes (&sums)[H]) {
  __m512i w[3][WORDS];
#pragma GCC unroll 3
  for (int x = 0; x < 3; ++x)
#pragma GCC unroll 4
    for (int j = 0; j < WORDS; ++j) w[x][j] = _mm512_loadu_si512(weights + 64 * (x * WORDS + j));
#pragma GCC unroll 15
  for (int i = 0; i < (H - 1) * STRIDE + 3; ++i, in += pixel) {
    const __m512i from = turned<TURN>(_mm512_loadu_si512(in));
    if constexpr (FETCH) fetch(in + ahead);
#define WORD(J)                                                                            \
  if constexpr (WORDS > J) {                                                               \
    const __m512i word = within<FIRST + J>(from);                                          \
    _Pragma("GCC unroll 3") for (int x = 0; x < 3; ++x) {                                 \
      const int o = i - x;                                                                 \
      if (o >= 0 && o % STRIDE == 0 && o / STRIDE < H)                                     \
        sums[o / STRIDE] = product(E{}, sums[o / STRIDE], word, w[x][J]);                  \
    }                                                                                      \
  }
    WORD(0) WORD(1) WORD(2) WORD(3)
#undef WORD
  }
}

struct Run {
  const char* in;
  int64_t pixel, row, ahead;  // `ahead`: bytes to the inputs of the next run
  char* out;
  int64_t step;
  int count, vectors;
  bool relu;
};

INLINE void keep(float*, const Run& run, int h, Lanes a, Lanes b) {
  store((float*)(run.out + h * run.step), a);
  if (run.vectors == 2) store((float*)(run.out + h * run.step) + LANES, b);
}
INLINE void keep(bfloat16*, const Run& run, int h, Lanes a, Lanes b) {
  const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(narrowed(a)), narrowed(b), 1);
  const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
  _mm512_storeu_si512(run.out + h * run.step, _mm512_permutexvar_epi64(order, both));
}

template <typename E, int H, int STRIDE, int TURNS, int WORDS>
__attribute__((noinline)) void run_of(const Run& run, const char* weights, const float* bias) {
  constexpr bool NARROW = sizeof(E) == 2;
  constexpr int SECOND = NARROW && WORDS < 4 ? WORDS : 0;
  constexpr int64_t BYTES = 64 * 3 * WORDS;
  Lanes a[H], b[H];
#pragma GCC unroll 7
  for (int h = 0; h < H; ++h) a[h] = load(bias), b[h] = load(bias + LANES);
  const char* in = run.in;
  for (int y = 0; y < 3; ++y, in += run.row) {
#define TURN(T)                                                                                              \
  if constexpr (TURNS > T) {                                                                                 \
    row<E, H, STRIDE, T, 0, WORDS, T == 0>(in, run.pixel, run.ahead, weights, a);                                             \
    row<E, H, STRIDE, T, SECOND, WORDS, T == 0 && !NARROW>(in + (NARROW ? 0 : 64), run.pixel, run.ahead, weights + BYTES, b);            \
    weights += 2 * BYTES;                                                                                    \
  }
    TURN(0) TURN(1) TURN(2) TURN(3)
#undef TURN
  }
#pragma GCC unroll 7
  for (int h = 0; h < H; ++h) {
    if (run.relu) a[h] = rectified(a[h]), b[h] = rectified(b[h]);
    if (h < run.count) keep((E*)nullptr, run, h, a[h], b[h]);
  }
}

template <typename E, int H, int STRIDE>
INLINE void by_group(int64_t turns, int64_t words, const Run& run, const char* weights, const float* bias) {
  if (words == 4 && turns == 1) return run_of<E, H, STRIDE, 1, 4>(run, weights, bias);
  if (words == 4 && turns == 2) return run_of<E, H, STRIDE, 2, 4>(run, weights, bias);
  if (words == 4 && turns == 4) return run_of<E, H, STRIDE, 4, 4>(run, weights, bias);
  if constexpr (sizeof(E) == 2) {
    if (words == 2) return run_of<E, H, STRIDE, 1, 2>(run, weights, bias);
  }
}

}  // namespace

template <typename E>
void convolve_lanewise(const Layer& layer, const Task& task, const Place& place) {
  constexpr int64_t size = sizeof(E);
  const Map &in = layer.in, &out = layer.out;
  const int64_t stride = layer.stride_width, words = layer.option, lane = 16 / size;
  const int64_t of_group = in.channels / layer.groups, turns = of_group > lane ? of_group / lane : 1;
  const int64_t bytes = 64 * 3 * 3 * 2 * words * turns;
  const bool fours = (out.width + 3) / 4 * 4 < (out.width + 6) / 7 * 7;
  const int high = fours ? 4 : 7;
  for (int64_t image = 0; image < task.images; ++image)
    for (int64_t y = task.first_row; y < task.last_row; ++y)
      for (int64_t c = 0; c < in.channels; c += 32) {
        const char* weights = layer.weights + c / 32 * bytes;
        for (int64_t x = 0; x < out.width; x += high) {
          const Run run{place.in + image * in.image(size) + c * size +
                            in.at(y * layer.stride_height - layer.pad_height, x * stride - layer.pad_width, size),
                        in.pixel(size), in.row(size),
                        x + high < out.width ? high * stride * in.pixel(size) : 32 * size - x * stride * in.pixel(size),
                        place.out + image * out.image(size) + out.at(y, x, size) + c * size,
                        out.pixel(size), int(out.width - x < high ? out.width - x : high),
                        in.stored - c > LANES ? 2 : 1, layer.relu != 0};
          const float* bias = layer.bias + c;
          if (stride == 1)
            fours ? by_group<E, 4, 1>(turns, words, run, weights, bias) : by_group<E, 7, 1>(turns, words, run, weights, bias);
          else
            fours ? by_group<E, 4, 2>(turns, words, run, weights, bias) : by_group<E, 7, 2>(turns, words, run, weights, bias);
        }
      }
}

#else

template <typename E>
void convolve_lanewise(const Layer& layer, const Task& task, const Place& place) {}  // ops/ asks for it with AVX-512 only

#endif

template void convolve_lanewise<float>(const Layer&, const Task&, const Place&);
template void convolve_lanewise<bfloat16>(const Layer&, const Task&, const Place&);

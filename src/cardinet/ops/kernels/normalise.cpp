// BatchNorm, with a sum and a ReLU after it, forward and backward, of rows x channels (a map in channels_last).
//
// A pass takes pieces of rows; a piece has about PIECE elements whatever the number of threads is, and sums of pieces are
// added in their order, so that a result depends on the shape alone. Sums are float32 over at most FLUSH rows and double
// beyond. A pass over pieces that the last pass ended with runs backwards, as these may still be in the cache.

#include <cmath>
#include <cstdlib>

#include "lanes.h"
#include "pieces.h"

Parallel parallel = nullptr;

namespace {

constexpr int64_t PIECE = 65536, FLUSH = 256, SAMPLES = 16;
constexpr int AHEAD = 4096;  // bytes: what a pass reads is fetched so far ahead, which the processor does not do by itself

int64_t padded(int64_t channels) { return (channels + LANES - 1) / LANES * LANES; }

struct Cut {
  int64_t rows, step, count;
  Cut(int64_t rows, int64_t channels) : rows(rows) {
    step = channels < PIECE ? PIECE / channels : 1;
    count = (rows + step - 1) / step;
  }
  int64_t begin(int64_t piece) const { return piece * step; }
  int64_t end(int64_t piece) const { return piece * step + step < rows ? piece * step + step : rows; }
};

// Calls work.tile(row, channel, count) for every row and each LANES of its channels. Row after row: several rows at a
// time would save loads of what belongs to a channel, but took up to twice the time where maps come from memory.
template <typename Work>
INLINE void over_tiles(int64_t begin, int64_t end, int64_t channels, const Work& work) {
  const int64_t full = channels / LANES * LANES;
  const int rest = int(channels - full);
  for (int64_t row = begin; row < end; ++row) {
    for (int64_t c = 0; c < full; c += LANES) work.template tile<false>(row, c, LANES);
    if (rest) work.template tile<true>(row, full, rest);
  }
}

template <bool PART, typename T>
INLINE Lanes take(const T* from, int count) {
  __builtin_prefetch((const char*)from + AHEAD);
  return PART ? load(from, count) : load(from);
}
template <bool PART, typename T>
INLINE void give(T* to, Lanes v, int count) {
  if (PART)
    store(to, v, count);
  else
    store(to, v);
}

template <typename T>
struct Moments {  // of x - shift: the sum and the sum of squares
  const T* x;
  int64_t channels;
  const float* shift;
  float *sums, *squares;
  template <bool PART>
  MEMBER void tile(int64_t row, int64_t c, int count) const {
    const Lanes origin = load(shift + c);
    Lanes sum = load(sums + c), square = load(squares + c);
    const Lanes v = sub(take<PART>(x + row * channels + c, count), origin);
    sum = add(sum, v);
    square = fused(v, v, square);
    store(sums + c, sum);
    store(squares + c, square);
  }
};

template <typename T, bool RELU, bool ADD>
struct Apply {  // y = relu((x - mean) * scale + bias + other), and the bits of what passes the ReLU
  const T *x, *other;
  int64_t channels, words;
  const float *mean, *scale, *bias;
  T* y;
  uint16_t* bits;
  template <bool PART>
  MEMBER void tile(int64_t row, int64_t c, int count) const {
    const Lanes m = load(mean + c), s = load(scale + c), b = load(bias + c);
    const int64_t at = row * channels + c;
    Lanes v = fused(sub(take<PART>(x + at, count), m), s, b);
    if (ADD) v = add(v, take<PART>(other + at, count));
    if (RELU && ADD && bits) bits[row * words + c / LANES] = bits_of(passes(v));
    if (RELU) v = rectified(v);
    give<PART>(y + at, v, count);
  }
};

template <typename T, bool RELU, bool ADD>
struct Gradients {  // of what the ReLU lets pass: the sum, and the sum of its products with x - mean
  const T *x, *dy;
  int64_t channels, words;
  const float *mean, *scale, *bias;
  const uint16_t* bits;
  T* dother;
  float *sums, *products;
  template <bool PART>
  MEMBER void tile(int64_t row, int64_t c, int count) const {
    const Lanes m = load(mean + c), s = load(scale + c), b = load(bias + c);
    Lanes sum = load(sums + c), product = load(products + c);
    const int64_t at = row * channels + c;
    const Lanes v = sub(take<PART>(x + at, count), m);
    Lanes g = take<PART>(dy + at, count);
    if (RELU && ADD) {
      g = kept(chosen_by(bits[row * words + c / LANES]), g);
      give<PART>(dother + at, g, count);
    } else if (RELU) {
      g = kept(passes(fused(v, s, b)), g);
    }
    sum = add(sum, g);
    product = fused(g, v, product);
    store(sums + c, sum);
    store(products + c, product);
  }
};

template <typename T, bool RELU>
struct Input {  // dx = g * by + (x - mean) * slope + constant
  const T *x, *dy;
  int64_t channels;
  const float *mean, *scale, *bias, *by, *slope, *constant;
  T* dx;
  template <bool PART>
  MEMBER void tile(int64_t row, int64_t c, int count) const {
    const Lanes m = load(mean + c), s = load(scale + c), b = load(bias + c);
    const Lanes f = load(by + c), p = load(slope + c), q = load(constant + c);
    const int64_t at = row * channels + c;
    const Lanes v = sub(take<PART>(x + at, count), m);
    Lanes g = take<PART>(dy + at, count);
    if (RELU) g = kept(passes(fused(v, s, b)), g);
    give<PART>(dx + at, fused(g, f, fused(v, p, q)), count);
  }
};

// Memory of one call: floats per channel, and two doubles per channel and piece.
struct Scratch {
  int64_t width;
  float* floats;
  double* doubles;
  Scratch(int64_t channels, int arrays, int64_t pieces) : width(padded(channels)) {
    floats = (float*)std::calloc(size_t(width * arrays), sizeof(float));
    doubles = (double*)std::malloc(sizeof(double) * size_t(2 * width * (pieces ? pieces : 1)));
  }
  ~Scratch() {
    std::free(floats);
    std::free(doubles);
  }
  bool missing() const { return floats == nullptr || doubles == nullptr; }
  float* array(int i) const { return floats + i * width; }
};

// Both sums of a `kind` of tiles over all rows, as doubles in the first 2 * width of the scratch. False: no memory.
template <typename Make>
bool summed(const Cut& cut, int64_t channels, int threads, const Scratch& scratch, bool backwards, const Make& make) {
  const int64_t width = scratch.width;
  std::atomic<bool> good{true};
  in_pieces(cut.count, threads, [&](int64_t i) {
    const int64_t piece = backwards ? cut.count - 1 - i : i;
    double* own = scratch.doubles + 2 * width * piece;
    float* near = (float*)std::malloc(sizeof(float) * size_t(2 * width));
    if (near == nullptr) {
      good = false;
      return;
    }
    for (int64_t c = 0; c < 2 * width; ++c) own[c] = 0;
    for (int64_t row = cut.begin(piece); row < cut.end(piece); row += FLUSH) {
      const int64_t end = row + FLUSH < cut.end(piece) ? row + FLUSH : cut.end(piece);
      std::memset(near, 0, sizeof(float) * size_t(2 * width));
      over_tiles(row, end, channels, make(near, near + width));
      for (int64_t c = 0; c < 2 * width; ++c) own[c] += near[c];
    }
    std::free(near);
  });
  for (int64_t piece = 1; piece < cut.count; ++piece)
    for (int64_t c = 0; c < 2 * width; ++c) scratch.doubles[c] += scratch.doubles[2 * width * piece + c];
  return good;
}

template <typename T>
int forward(const T* x, const T* other, int64_t rows, int64_t channels, const float* weight, const float* bias,
            double eps, bool relu, T* y, uint16_t* bits, float* mean, float* variance, float* rstd, int threads) {
  const Cut cut(rows, channels);
  const Scratch scratch(channels, 3, cut.count);
  if (scratch.missing()) return 1;
  float *origin = scratch.array(0), *scale = scratch.array(1), *start = scratch.array(2);
  const int64_t samples = rows < SAMPLES ? rows : SAMPLES;
  for (int64_t i = 0; i < samples; ++i) {  // a value near the mean, so that the squares lose no digits
    const T* row = x + i * rows / samples * channels;
    for (int64_t c = 0; c < channels; c += LANES) {
      const int count = int(channels - c < LANES ? channels - c : LANES);
      store(origin + c, fused(load(row + c, count), all(1.0f / float(samples)), load(origin + c)));
    }
  }
  auto moments = [&](float* sums, float* squares) { return Moments<T>{x, channels, origin, sums, squares}; };
  if (!summed(cut, channels, threads, scratch, false, moments)) return 1;
  for (int64_t c = 0; c < channels; ++c) {
    const double offset = scratch.doubles[c] / double(rows);
    double spread = scratch.doubles[scratch.width + c] / double(rows) - offset * offset;
    if (spread < 0) spread = 0;
    mean[c] = float(double(origin[c]) + offset);
    variance[c] = float(spread);
    rstd[c] = float(1 / std::sqrt(spread + eps));
  }
  for (int64_t c = 0; c < channels; ++c) {
    origin[c] = mean[c];
    scale[c] = rstd[c] * (weight ? weight[c] : 1);
    start[c] = bias ? bias[c] : 0;
  }
  const int64_t words = scratch.width / LANES;
  auto run = [&](auto work) {
    in_pieces(cut.count, threads, [&](int64_t i) {
      const int64_t piece = cut.count - 1 - i;
      over_tiles(cut.begin(piece), cut.end(piece), channels, work);
    });
  };
  if (relu && other)
    run(Apply<T, true, true>{x, other, channels, words, origin, scale, start, y, bits});
  else if (relu)
    run(Apply<T, true, false>{x, other, channels, words, origin, scale, start, y, bits});
  else if (other)
    run(Apply<T, false, true>{x, other, channels, words, origin, scale, start, y, bits});
  else
    run(Apply<T, false, false>{x, other, channels, words, origin, scale, start, y, bits});
  return 0;
}

template <typename T>
int backward(const T* x, const T* dy, int64_t rows, int64_t channels, const float* weight, const float* bias,
             const float* mean, const float* rstd, bool relu, const uint16_t* bits, T* dx, T* dother, float* dweight,
             float* dbias, int threads) {
  const Cut cut(rows, channels);
  const Scratch scratch(channels, 6, cut.count);
  if (scratch.missing()) return 1;
  float *centre = scratch.array(0), *scale = scratch.array(1), *start = scratch.array(2);
  float *by = scratch.array(3), *slope = scratch.array(4), *constant = scratch.array(5);
  for (int64_t c = 0; c < channels; ++c) {
    centre[c] = mean[c];
    scale[c] = rstd[c] * (weight ? weight[c] : 1);
    start[c] = bias ? bias[c] : 0;
  }
  const int64_t words = scratch.width / LANES;
  auto sums = [&](auto kind) {
    return summed(cut, channels, threads, scratch, false, [&](float* first, float* second) {
      kind.sums = first, kind.products = second;
      return kind;
    });
  };
  bool good;
  if (bits)
    good = sums(Gradients<T, true, true>{x, dy, channels, words, centre, scale, start, bits, dother, nullptr, nullptr});
  else if (relu)
    good = sums(Gradients<T, true, false>{x, dy, channels, words, centre, scale, start, bits, dother, nullptr, nullptr});
  else
    good = sums(Gradients<T, false, false>{x, dy, channels, words, centre, scale, start, bits, dother, nullptr, nullptr});
  if (!good) return 1;
  for (int64_t c = 0; c < channels; ++c) {
    const double total = scratch.doubles[c], product = scratch.doubles[scratch.width + c], r = rstd[c];
    const double factor = r * (weight ? weight[c] : 1);
    dbias[c] = float(total);
    dweight[c] = float(product * r);
    by[c] = float(factor);
    slope[c] = float(-factor * r * r * product / double(rows));
    constant[c] = float(-factor * total / double(rows));
  }
  auto run = [&](auto work) {
    in_pieces(cut.count, threads, [&](int64_t i) {
      const int64_t piece = cut.count - 1 - i;
      over_tiles(cut.begin(piece), cut.end(piece), channels, work);
    });
  };
  if (relu && !bits)
    run(Input<T, true>{x, dy, channels, centre, scale, start, by, slope, constant, dx});
  else
    run(Input<T, false>{x, bits ? dother : dy, channels, centre, scale, start, by, slope, constant, dx});
  return 0;
}

}  // namespace

extern "C" {

void set_parallel(void* function) { parallel = (Parallel)function; }

int norm_forward(int narrow, const void* x, const void* other, int64_t rows, int64_t channels, const float* weight,
                 const float* bias, double eps, int relu, void* y, uint16_t* bits, float* mean, float* variance,
                 float* rstd, int threads) {
  if (narrow)
    return forward((const bfloat16*)x, (const bfloat16*)other, rows, channels, weight, bias, eps, relu, (bfloat16*)y,
                   bits, mean, variance, rstd, threads);
  return forward((const float*)x, (const float*)other, rows, channels, weight, bias, eps, relu, (float*)y, bits, mean,
                 variance, rstd, threads);
}

int norm_backward(int narrow, const void* x, const void* dy, int64_t rows, int64_t channels, const float* weight,
                  const float* bias, const float* mean, const float* rstd, int relu, const uint16_t* bits, void* dx,
                  void* dother, float* dweight, float* dbias, int threads) {
  if (narrow)
    return backward((const bfloat16*)x, (const bfloat16*)dy, rows, channels, weight, bias, mean, rstd, relu, bits,
                    (bfloat16*)dx, (bfloat16*)dother, dweight, dbias, threads);
  return backward((const float*)x, (const float*)dy, rows, channels, weight, bias, mean, rstd, relu, bits, (float*)dx,
                  (float*)dother, dweight, dbias, threads);
}
}

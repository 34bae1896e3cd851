// What stands between convolutions: pixels into maps, pools, sums, norms that could not be folded.

#include <cmath>

#include "dots.h"
#include "maps.h"

namespace {

INLINE float value(const float* from) { return *from; }
INLINE float value(const bfloat16* from) {
  const uint32_t bits = uint32_t(from->bits) << 16;
  float made;
  std::memcpy(&made, &bits, sizeof made);
  return made;
}

INLINE Lanes greater(Lanes a, Lanes b) {  // a NaN stays
  float x[LANES], y[LANES];
  store(x, a), store(y, b);
  for (int i = 0; i < LANES; ++i) x[i] = y[i] > x[i] || y[i] != y[i] ? y[i] : x[i];
  return load(x);
}
#if defined(WITH_AVX512)
INLINE Lanes greatest(Lanes a, Lanes b) {
  const __mmask16 takes = _mm512_cmp_ps_mask(b, a, _CMP_GT_OQ) | _mm512_cmp_ps_mask(b, b, _CMP_UNORD_Q);
  return _mm512_mask_mov_ps(a, takes, b);
}
#else
INLINE Lanes greatest(Lanes a, Lanes b) { return greater(a, b); }
#endif

struct Span {
  int64_t first, last;
};

Span cut(int64_t first, int64_t last, int64_t size) { return {first < 0 ? 0 : first, last > size ? size : last}; }

// The inputs of output `i` of a pool along one side.
Span window(const Layer& layer, int64_t i, int64_t kernel, int64_t stride, int64_t pad, int64_t in, int64_t out) {
  if (layer.kind == ADAPTIVE) return {i * in / out, ((i + 1) * in + out - 1) / out};
  return cut(i * stride - pad, i * stride - pad + kernel, in);
}

}  // namespace

template <typename E>
void picture(const Layer& layer, const Task& task, const float* pixels, char* to) {
  const Map& out = layer.out;
  const int64_t plane = out.height * out.width;
  for (int64_t image = 0; image < task.images; ++image)
    for (int64_t y = task.first_row; y < task.last_row; ++y) {
      E* row = (E*)(to + image * out.image(sizeof(E)) + out.at(y, 0, sizeof(E)));
      for (int64_t c = 0; c < out.channels; ++c) {
        const float* from = pixels + (image * out.channels + c) * plane + y * out.width;
        for (int64_t x = 0; x < out.width; x += LANES) {
          const int count = int(out.width - x < LANES ? out.width - x : LANES);
          E part[LANES];
          store(part, count == LANES ? load(from + x) : load(from + x, count));
          for (int i = 0; i < count; ++i) row[(x + i) * out.stored + c] = part[i];
        }
      }
    }
}

// The inputs of each output, one after the other, with zeros up to whole words: a convolution of few channels as 1 x 1.
template <typename E>
void windows(const Layer& layer, const Task& task, const Place& place) {
  const int64_t size = sizeof(E);
  const Map &in = layer.in, &out = layer.out;
  const int64_t bytes = layer.kernel_width * in.pixel(size);
  for (int64_t image = 0; image < task.images; ++image)
    for (int64_t y = task.first_row; y < task.last_row; ++y)
      for (int64_t x = 0; x < out.width; ++x) {
        char* to = place.out + image * out.image(size) + out.at(y, x, size);
        const char* from = place.in + image * in.image(size) +
                           in.at(y * layer.stride_height - layer.pad_height, x * layer.stride_width - layer.pad_width, size);
        char* at = to;
        for (int64_t k = 0; k < layer.kernel_height; ++k, at += bytes, from += in.row(size))
          for (int64_t b = 0; b < bytes; b += 64) std::memcpy(at + b, from + b, 64);  // beyond the end: written again
        std::memset(at, 0, out.pixel(size) - (at - to));
      }
}

template <typename E>
void pool(const Layer& layer, const Task& task, const Place& place) {
  const int64_t size = sizeof(E);
  const Map &in = layer.in, &out = layer.out;
  for (int64_t image = 0; image < task.images; ++image)
    for (int64_t y = task.first_row; y < task.last_row; ++y)
      for (int64_t x = 0; x < out.width; ++x) {
        const Span high = window(layer, y, layer.kernel_height, layer.stride_height, layer.pad_height, in.height, out.height);
        const Span wide = window(layer, x, layer.kernel_width, layer.stride_width, layer.pad_width, in.width, out.width);
        int64_t count = (high.last - high.first) * (wide.last - wide.first);
        if (layer.kind == MEAN_POOL && layer.option) count = layer.kernel_height * layer.kernel_width;
        const char* from = place.in + image * in.image(size);
        char* to = place.out + image * out.image(size) + out.at(y, x, size);
        for (int64_t c = 0; c < out.stored; c += LANES) {
          Lanes made = all(layer.kind == MAX_POOL ? -INFINITY : 0);
          for (int64_t v = high.first; v < high.last; ++v) {
            const char* row = from + in.at(v, wide.first, size) + c * size;
            for (int64_t u = wide.first; u < wide.last; ++u, row += in.pixel(size)) {
              const Lanes next = load((const E*)row);
              made = layer.kind == MAX_POOL ? greatest(made, next) : add(made, next);
            }
          }
          if (layer.kind != MAX_POOL) made = mul(made, all(1.0f / float(count)));
          if (layer.relu) made = rectified(made);
          store((E*)to + c, made);
        }
      }
}

// AFFINE: y = relu(x * scale + shift + other). PICK: every STRIDE-th pixel, its channels from `option` on, else zeros.
template <typename E>
void elementwise(const Layer& layer, const Task& task, const Place& place) {
  const int64_t size = sizeof(E);
  const Map &in = layer.in, &out = layer.out, &other = layer.other;
  const float* scale = (const float*)layer.weights;
  for (int64_t image = 0; image < task.images; ++image)
    for (int64_t y = task.first_row; y < task.last_row; ++y)
      for (int64_t x = 0; x < out.width; ++x) {
        const E* from = (const E*)(place.in + image * in.image(size) + in.at(y * layer.stride_height, x * layer.stride_width, size));
        E* to = (E*)(place.out + image * out.image(size) + out.at(y, x, size));
        if (layer.kind == PICK) {
          for (int64_t c = 0; c < out.stored; ++c) to[c] = E{};
          for (int64_t c = 0; c < in.channels; ++c) to[c + layer.option] = from[c];
          continue;
        }
        const E* with = (const E*)(place.other + image * other.image(size) + other.at(y, x, size));
        for (int64_t c = 0; c < out.stored; c += LANES) {
          Lanes made = load(from + c);
          if (scale) made = fused(made, load(scale + c), load(layer.bias + c));
          if (other.channels) made = add(made, load(with + c));
          if (layer.relu) made = rectified(made);
          store(to + c, made);
        }
      }
}

// Any convolution without a better kernel. Weights: [16 output channels][tap][input of the group][output channel].
template <typename E>
void convolve_any(const Layer& layer, const Task& task, const Place& place) {
  const int64_t size = sizeof(E);
  const Map &in = layer.in, &out = layer.out, &other = layer.other;
  const int64_t inner = in.channels / layer.groups, of_group = out.channels / layer.groups;
  const int64_t taps = layer.kernel_height * layer.kernel_width;
  for (int64_t image = 0; image < task.images; ++image)
    for (int64_t y = task.first_row; y < task.last_row; ++y)
      for (int64_t c = 0; c < out.channels; c += LANES) {
        int64_t first[LANES];
        for (int i = 0; i < LANES; ++i) first[i] = (c + i < out.channels ? c + i : out.channels - 1) / of_group * inner;
        for (int64_t x = 0; x < out.width; ++x) {
          const float* weights = (const float*)layer.weights + c * taps * inner;
          const char* corner = place.in + image * in.image(size) +
                               in.at(y * layer.stride_height - layer.pad_height, x * layer.stride_width - layer.pad_width, size);
          Lanes sums = load(layer.bias + c);
          for (int64_t ky = 0; ky < layer.kernel_height; ++ky)
            for (int64_t kx = 0; kx < layer.kernel_width; ++kx) {
              const E* from = (const E*)(corner + ky * layer.dilation_height * in.row(size) + kx * layer.dilation_width * in.pixel(size));
              for (int64_t k = 0; k < inner; ++k, weights += LANES) {
                float values[LANES];
                for (int i = 0; i < LANES; ++i) values[i] = value(from + first[i] + k);
                sums = fused(load(values), load(weights), sums);
              }
            }
          if (other.channels)
            sums = add(sums, load((const E*)(place.other + image * other.image(size) + other.at(y, x, size)) + c));
          if (layer.relu) sums = rectified(sums);
          store((E*)(place.out + image * out.image(size) + out.at(y, x, size)) + c, sums);
        }
      }
}

#define BOTH(E)                                                               \
  template void picture<E>(const Layer&, const Task&, const float*, char*);   \
  template void windows<E>(const Layer&, const Task&, const Place&);          \
  template void pool<E>(const Layer&, const Task&, const Place&);             \
  template void elementwise<E>(const Layer&, const Task&, const Place&);      \
  template void convolve_any<E>(const Layer&, const Task&, const Place&);
BOTH(float)
BOTH(bfloat16)

// Convolutions as products of matrices, read from the maps without a copy; with bias, a sum and a ReLU.
//
// Weights are in panels of 32 output channels of a group (the last may have 16): [panel][tap][word of inputs][channel].

#include "maps.h"
#include "tile.h"

namespace {

constexpr int TOGETHER = 96;          // halves at most in a block
constexpr int64_t BLOCK = 256 << 10;  // bytes of inputs that stay in the cache while all panels pass over them
constexpr int TAPS = 128;

template <typename E>
INLINE void run_tile(int high, int vectors, const Half* half, const Walk& walk, const char* weights, const float* bias,
                     int64_t out, int64_t other, const Finish& f) {
#define CASE(H) \
  case H: return vectors == 2 ? tile<E, H, 2>(half, walk, weights, bias, out, other, f) \
                              : tile<E, H, 1>(half, walk, weights, bias, out, other, f);
  switch (high) {
#if defined(WITH_AVX512)
    CASE(7) CASE(6) CASE(5) CASE(4)
#endif
    default: CASE(1)
  }
}

// The outputs of a run, so that few beyond the end of a row are computed.
int run_length(int64_t width) {
  int best = MOST;
  for (int high = MOST - 1; high >= 4; --high)
    if ((width + high - 1) / high * high < (width + best - 1) / best * best) best = high;
  return best;
}

// The outputs of a task in runs, in order.
struct Runs {
  const Layer& layer;
  const Place& place;
  int64_t size, out_size, first_row, images, rows, columns, image = 0, row = 0, x = 0;
  int high;

  Runs(const Layer& layer, const Task& task, const Place& place, int64_t size)
      : layer(layer), place(place), size(size), out_size(layer.wide ? 4 : size), first_row(task.first_row),
        images(task.images), rows(task.last_row - task.first_row), columns(layer.out.width) {
    const bool follow = layer.kernel_height * layer.kernel_width * layer.stride_height * layer.stride_width == 1 &&
                        layer.in.halo + layer.out.halo + layer.other.halo + layer.pad_height + layer.pad_width == 0;
    if (follow && rows == layer.out.height) rows *= images, images = 1;  // pixels follow each other over all images
    if (follow) columns *= rows, rows = 1;
    high = run_length(columns);
  }

  bool next(Half& half) {
    if (image >= images) return false;
    const Map &in = layer.in, &out = layer.out, &other = layer.other;
    const int64_t y = first_row + row;
    half.in = place.in + image * in.image(size) +
              in.at(y * layer.stride_height - layer.pad_height, x * layer.stride_width - layer.pad_width, size);
    half.out = place.out + image * out.image(out_size) + out.at(y, x, out_size);
    half.other = other.channels ? place.other + image * other.image(size) + other.at(y, x, size) : place.in;
    half.count = int(columns - x < high ? columns - x : high);
    x += high;
    if (x >= columns) x = 0, ++row;
    if (row == rows) row = 0, ++image;
    return true;
  }
};

// The runs of inputs of one output: whole rows of the kernel if nothing lies between its pixels, else its pixels.
struct Taps {
  int64_t offsets[TAPS];
  Walk walk;

  Taps(const Layer& layer, int64_t size) {
    const Map& in = layer.in;
    const int64_t channels = in.channels / layer.groups, bytes = (channels * size + 3) / 4 * 4;
    const bool rows = layer.dilation_width == 1 && bytes == in.pixel(size);
    const int64_t across = rows ? 1 : layer.kernel_width;
    int runs = 0;
    for (int64_t y = 0; y < layer.kernel_height; ++y)
      for (int64_t x = 0; x < across; ++x)
        offsets[runs++] = y * layer.dilation_height * in.row(size) + x * layer.dilation_width * in.pixel(size);
    walk = {layer.stride_width * in.pixel(size), offsets, runs, int(bytes / 4 * (layer.kernel_width / across))};
  }
};

}  // namespace

template <typename E>
void convolve(const Layer& layer, const Task& task, const Place& place) {
  const int64_t size = sizeof(E), out_size = layer.wide ? 4 : size;
  const Taps taps(layer, size);
  const int64_t of_group = layer.out.channels / layer.groups, panels = (of_group + 31) / 32;
  const int64_t words = int64_t(taps.walk.runs) * taps.walk.length;
  const int64_t padded = (of_group + LANES - 1) / LANES * LANES;
  Finish finish{layer.out.pixel(out_size), layer.other.pixel(size), layer.relu != 0, layer.wide != 0,
                layer.other.channels != 0, LANES};
  int64_t block = BLOCK / (layer.stride_height * layer.stride_width * layer.in.pixel(size) * MOST);
  block = block < 4 ? 4 : block > TOGETHER ? TOGETHER : block / 2 * 2;
  Half halves[TOGETHER + 1];
  Runs runs(layer, task, place, size);
  for (;;) {
    int count = 0;
    while (count < block && runs.next(halves[count])) ++count;
    if (!count) return;
    if (count % 2) halves[count] = halves[count - 1], halves[count].count = 0;
    for (int64_t panel = task.first_panel; panel < task.last_panel; ++panel) {
      const int64_t group = panel / panels, of = panel % panels * 32, channel = group * of_group + of;
      const int64_t left = of_group - of;
      const int vectors = left > LANES ? 2 : 1;
      finish.lanes = int(left < 16 * vectors ? left - LANES * (vectors - 1) : LANES);
      const char* weights = layer.weights + (group * padded + of) * words * 4;
      const float* bias = layer.bias + group * padded + of;
      const int64_t in = group * (layer.in.channels / layer.groups) * size;
      for (int i = 0; i < count; i += 2) {
        Half pair[2] = {halves[i], halves[i + 1]};
        pair[0].in += in, pair[1].in += in;
        run_tile<E>(runs.high, vectors, pair, taps.walk, weights, bias, channel * out_size, channel * size, finish);
      }
    }
  }
}

template void convolve<float>(const Layer&, const Task&, const Place&);
template void convolve<bfloat16>(const Layer&, const Task&, const Place&);

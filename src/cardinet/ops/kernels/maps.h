// The layers of a network that is run forward, their maps in memory, and pieces of their work.
//
// A map is (images, height, width, channels) with `halo` pixels of zeros around each image and room for `stored`
// channels a pixel. All numbers are 64 bits, as Python's ops/forward_layers.py writes them.

#pragma once

#include <cstdint>

struct Map {
  int64_t channels, stored, height, width, halo;

  int64_t pixel(int64_t size) const { return stored * size; }
  int64_t row(int64_t size) const { return (width + 2 * halo) * pixel(size); }
  int64_t image(int64_t size) const { return (height + 2 * halo) * row(size); }
  // The bytes before a pixel of the first image.
  int64_t at(int64_t y, int64_t x, int64_t size) const { return (y + halo) * row(size) + (x + halo) * pixel(size); }
};

enum Kind : int64_t { PICTURE, WINDOWS, DENSE, LANEWISE, ANY, MAX_POOL, MEAN_POOL, ADAPTIVE, AFFINE, PICK, LOGITS };

struct Layer {
  int64_t kind;
  int64_t relu;   // 1: y = max(y, 0)
  int64_t wide;   // 1: the output is float32 whatever the type of the maps is
  Map in, out, other;  // `other` is added before the ReLU; without channels: nothing is
  int64_t kernel_height, kernel_width, stride_height, stride_width, pad_height, pad_width, dilation_height, dilation_width;
  int64_t groups;
  int64_t option;  // of LANEWISE: words of a group in a lane of 128 bits; of MEAN_POOL: the divisor counts the padding
  const char* weights;
  const float* bias;
};

struct Task {
  int64_t layer;
  int64_t images;              // the images from the first on
  int64_t first_row, last_row;  // rows of the output
  int64_t first_panel, last_panel;  // of DENSE: panels of 32 output channels
  int64_t in, out, other;  // where the first image is
};

struct Place {
  const char* in;
  char* out;
  const char* other;
};

template <typename E>
void convolve(const Layer& layer, const Task& task, const Place& place);
template <typename E>
void convolve_lanewise(const Layer& layer, const Task& task, const Place& place);
template <typename E>
void convolve_any(const Layer& layer, const Task& task, const Place& place);
template <typename E>
void windows(const Layer& layer, const Task& task, const Place& place);
template <typename E>
void picture(const Layer& layer, const Task& task, const float* pixels, char* out);
template <typename E>
void pool(const Layer& layer, const Task& task, const Place& place);
template <typename E>
void elementwise(const Layer& layer, const Task& task, const Place& place);

// A network forward: phases of pieces of tasks. Threads take pieces in turn, and a phase begins when the one before has
// ended, so that any number of threads gives the same bits, one among them.

#include <sched.h>

#include "dots.h"
#include "maps.h"
#include "pieces.h"

namespace {

constexpr int64_t SHARED = int64_t(1) << 60;  // offsets from here on are in the memory of all threads

struct Program {
  const Layer* layers;
  const Task* tasks;
  const int64_t* pieces;  // where the tasks of each piece begin, and the end
  const int64_t* starts;  // for each piece, the first piece of its phase
  int64_t count, narrow;
  char* shared;
  char* own;
  int64_t own_bytes;
  const float* pixels;
  float* logits;
  std::atomic<int64_t> next{0}, done{0}, threads{0};
};

template <typename E>
void run(const Program& p, const Task& task, char* own) {
  const Layer& layer = p.layers[task.layer];
  auto at = [&](int64_t offset) { return offset >= SHARED ? p.shared + (offset - SHARED) : own + offset; };
  const Map &in = layer.in, &out = layer.out;
  if (layer.kind == PICTURE)
    return picture<E>(layer, task, p.pixels + task.in * out.channels * out.height * out.width, at(task.out));
  const Place place{at(task.in), at(task.out), at(task.other)};
  switch (layer.kind) {
    case WINDOWS: return windows<E>(layer, task, place);
    case DENSE: return convolve<E>(layer, task, place);
    case LANEWISE: return convolve_lanewise<E>(layer, task, place);
    case ANY: return convolve_any<E>(layer, task, place);
    case MAX_POOL: case MEAN_POOL: case ADAPTIVE: return pool<E>(layer, task, place);
    case LOGITS:
      for (int64_t i = 0; i < task.images; ++i)
        std::memcpy(p.logits + (task.out + i) * in.channels, place.in + i * in.image(4), in.channels * sizeof(float));
      return;
    default: return elementwise<E>(layer, task, place);
  }
}

void take(void* data) {
  Program& p = *static_cast<Program*>(data);
  char* own = p.own + p.threads.fetch_add(1) * p.own_bytes;
  for (int64_t i; (i = p.next.fetch_add(1)) < p.count;) {
    for (int turns = 0; p.done.load(std::memory_order_acquire) < p.starts[i]; ++turns) {
#if defined(WITH_AVX512) || defined(WITH_AVX2)
      _mm_pause();
#endif
      if (turns > 2000) sched_yield();
    }
    for (int64_t t = p.pieces[i]; t < p.pieces[i + 1]; ++t)
      p.narrow ? run<bfloat16>(p, p.tasks[t], own) : run<float>(p, p.tasks[t], own);
    p.done.fetch_add(1, std::memory_order_release);
  }
}

}  // namespace

extern "C" {



int run_forward(int narrow, const void* layers, const void* tasks, const int64_t* pieces, const int64_t* starts,
                int64_t count, void* shared, void* own, int64_t own_bytes, const float* pixels, float* logits, int threads) {
  Program p{(const Layer*)layers, (const Task*)tasks, pieces, starts, count, narrow, (char*)shared, (char*)own, own_bytes,
            pixels, logits};
  if (parallel != nullptr && threads > 1)
    parallel(take, &p, unsigned(threads), 0);
  else
    take(&p);
  return 0;
}
}

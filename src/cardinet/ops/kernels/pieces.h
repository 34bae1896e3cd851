// Work in pieces that any number of threads take in turn, so that no result depends on their number.

#pragma once

#include <atomic>
#include <cstdint>

typedef void (*Parallel)(void (*run)(void*), void* data, unsigned threads, unsigned flags);

// GOMP_parallel of the OpenMP that torch has loaded: a second one would have a second pool of spinning threads.
extern Parallel parallel;

template <typename Work>
struct Pieces {
  std::atomic<int64_t> next;
  int64_t count;
  const Work* work;
};

template <typename Work>
void take_pieces(void* data) {
  auto* pieces = static_cast<Pieces<Work>*>(data);
  for (int64_t i; (i = pieces->next.fetch_add(1, std::memory_order_relaxed)) < pieces->count;) (*pieces->work)(i);
}

// work(0), ..., work(count - 1), each once, in any order.
template <typename Work>
void in_pieces(int64_t count, int threads, const Work& work) {
  Pieces<Work> pieces{{0}, count, &work};
  if (count < threads) threads = int(count);
  if (parallel != nullptr && threads > 1)
    parallel(take_pieces<Work>, &pieces, unsigned(threads), 0);
  else
    take_pieces<Work>(&pieces);
}

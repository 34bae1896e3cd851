// Products of words of 32 bits: a float32, or two neighbouring bfloat16 whose products are summed.
//
// Dot<E>::add(sums, a, b) adds, in each of 16 lanes, the product of two words to a float32.

#pragma once

#include "lanes.h"

template <typename E>
struct Dot;

template <>
struct Dot<float> {
  typedef Lanes Words;
  static MEMBER Words spread(const char* from) {
    float value;
    std::memcpy(&value, from, sizeof value);
    return all(value);
  }
  static MEMBER Words load(const char* from) { return ::load((const float*)from); }
  static MEMBER Lanes add(Lanes sums, Words a, Words b) { return fused(a, b, sums); }
};

#if defined(WITH_AVX512)

template <>
struct Dot<bfloat16> {
  typedef __m512i Words;
  static MEMBER Words spread(const char* from) {
    int value;
    std::memcpy(&value, from, sizeof value);
    return _mm512_set1_epi32(value);
  }
  static MEMBER Words load(const char* from) { return _mm512_loadu_si512(from); }
  static MEMBER Lanes add(Lanes sums, Words a, Words b) {
#if defined(WITH_AVX512_BF16)
    return _mm512_dpbf16_ps(sums, (__m512bh)a, (__m512bh)b);
#else
    const __m512i upper = _mm512_set1_epi32(int(0xffff0000));
    sums = fused(_mm512_castsi512_ps(_mm512_slli_epi32(a, 16)), _mm512_castsi512_ps(_mm512_slli_epi32(b, 16)), sums);
    return fused(_mm512_castsi512_ps(_mm512_and_si512(a, upper)), _mm512_castsi512_ps(_mm512_and_si512(b, upper)), sums);
#endif
  }
};

#else

template <>
struct Dot<bfloat16> {
  struct Words {
    Lanes first, second;
  };
  static MEMBER Words load(const char* from) {
    uint32_t words[LANES], first[LANES], second[LANES];
    std::memcpy(words, from, sizeof words);
    for (int i = 0; i < LANES; ++i) first[i] = words[i] << 16;
    for (int i = 0; i < LANES; ++i) second[i] = words[i] & 0xffff0000u;
    float values[2][LANES];
    std::memcpy(values[0], first, sizeof first);
    std::memcpy(values[1], second, sizeof second);
    return {::load(values[0]), ::load(values[1])};
  }
  static MEMBER Words spread(const char* from) {
    uint32_t word;
    std::memcpy(&word, from, sizeof word);
    const uint32_t bits[2] = {word << 16, word & 0xffff0000u};
    float values[2];
    std::memcpy(values, bits, sizeof bits);
    return {all(values[0]), all(values[1])};
  }
  static MEMBER Lanes add(Lanes sums, Words a, Words b) {
    return fused(a.second, b.second, fused(a.first, b.first, sums));
  }
};

#endif

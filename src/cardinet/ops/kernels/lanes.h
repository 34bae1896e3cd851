// Sixteen float32 lanes, for the instruction set that this file is compiled for. All kernels are written with them once.
//
// load and store convert: bfloat16 is the upper half of a float32, rounded to nearest, ties to even. The forms with a
// count read and write only the first lanes. fused(a, b, c) is a * b + c.

#pragma once

#include <cstdint>
#include <cstring>

#if defined(WITH_AVX512) || defined(WITH_AVX2)
#include <immintrin.h>
#endif

#define MEMBER inline __attribute__((always_inline))
#define INLINE static MEMBER

struct bfloat16 {
  uint16_t bits;
};

constexpr int LANES = 16;

#if defined(WITH_AVX512)

typedef __m512 Lanes;
typedef __mmask16 Chosen;

INLINE Lanes all(float value) { return _mm512_set1_ps(value); }
INLINE Lanes load(const float* from) { return _mm512_loadu_ps(from); }
INLINE Lanes load(const float* from, int count) { return _mm512_maskz_loadu_ps(uint16_t((1u << count) - 1), from); }
INLINE Lanes widened(__m256i bits) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16)); }
INLINE Lanes load(const bfloat16* from) { return widened(_mm256_loadu_si256((const __m256i*)from)); }
INLINE Lanes load(const bfloat16* from, int count) {
  return widened(_mm256_maskz_loadu_epi16(uint16_t((1u << count) - 1), from));
}
INLINE __m256i narrowed(Lanes v) {
#if defined(WITH_AVX512_BF16)
  return (__m256i)_mm512_cvtneps_pbh(v);
#else
  __m512i bits = _mm512_castps_si512(v);
  __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i made = _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd), 16);
  __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  made = _mm512_mask_or_epi32(made, nan, _mm512_srli_epi32(bits, 16), _mm512_set1_epi32(0x40));
  return _mm512_cvtepi32_epi16(made);
#endif
}
INLINE void store(float* to, Lanes v) { _mm512_storeu_ps(to, v); }
INLINE void store(float* to, Lanes v, int count) { _mm512_mask_storeu_ps(to, uint16_t((1u << count) - 1), v); }
INLINE void store(bfloat16* to, Lanes v) { _mm256_storeu_si256((__m256i*)to, narrowed(v)); }
INLINE void store(bfloat16* to, Lanes v, int count) {
  _mm256_mask_storeu_epi16(to, uint16_t((1u << count) - 1), narrowed(v));
}
INLINE Lanes add(Lanes a, Lanes b) { return _mm512_add_ps(a, b); }
INLINE Lanes sub(Lanes a, Lanes b) { return _mm512_sub_ps(a, b); }
INLINE Lanes mul(Lanes a, Lanes b) { return _mm512_mul_ps(a, b); }
INLINE Lanes fused(Lanes a, Lanes b, Lanes c) { return _mm512_fmadd_ps(a, b, c); }
INLINE Lanes rectified(Lanes v) { return _mm512_max_ps(_mm512_setzero_ps(), v); }  // of a NaN the second, so NaN
INLINE Chosen passes(Lanes v) { return _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NLE_UQ); }
INLINE Lanes kept(Chosen chosen, Lanes v) { return _mm512_maskz_mov_ps(chosen, v); }
INLINE uint16_t bits_of(Chosen chosen) { return chosen; }
INLINE Chosen chosen_by(uint16_t bits) { return bits; }

#elif defined(WITH_AVX2)

struct Lanes {
  __m256 low, high;
};
typedef Lanes Chosen;

INLINE Lanes all(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
INLINE Lanes load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
INLINE Lanes load(const float* from, int count) {
  float copy[LANES] = {};
  std::memcpy(copy, from, sizeof(float) * count);
  return load(copy);
}
INLINE __m256 widened(__m128i bits) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16)); }
INLINE Lanes load(const bfloat16* from) {
  return {widened(_mm_loadu_si128((const __m128i*)from)), widened(_mm_loadu_si128((const __m128i*)from + 1))};
}
INLINE Lanes load(const bfloat16* from, int count) {
  bfloat16 copy[LANES] = {};
  std::memcpy(copy, from, sizeof(bfloat16) * count);
  return load(copy);
}
INLINE __m256i rounded(__m256 v) {
  __m256i bits = _mm256_castps_si256(v);
  __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  __m256i made = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd), 16);
  __m256i nan = _mm256_or_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(0x40));
  return _mm256_blendv_epi8(made, nan, _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q)));
}
INLINE void store(float* to, Lanes v) {
  _mm256_storeu_ps(to, v.low);
  _mm256_storeu_ps(to + 8, v.high);
}
INLINE void store(float* to, Lanes v, int count) {
  float copy[LANES];
  store(copy, v);
  std::memcpy(to, copy, sizeof(float) * count);
}
INLINE void store(bfloat16* to, Lanes v) {
  __m256i packed = _mm256_packus_epi32(rounded(v.low), rounded(v.high));  // within halves of 128 bits
  _mm256_storeu_si256((__m256i*)to, _mm256_permute4x64_epi64(packed, 0xd8));
}
INLINE void store(bfloat16* to, Lanes v, int count) {
  bfloat16 copy[LANES];
  store(copy, v);
  std::memcpy(to, copy, sizeof(bfloat16) * count);
}
INLINE Lanes add(Lanes a, Lanes b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
INLINE Lanes sub(Lanes a, Lanes b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
INLINE Lanes mul(Lanes a, Lanes b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
INLINE Lanes fused(Lanes a, Lanes b, Lanes c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
INLINE Lanes rectified(Lanes v) {
  return {_mm256_max_ps(_mm256_setzero_ps(), v.low), _mm256_max_ps(_mm256_setzero_ps(), v.high)};
}
INLINE Chosen passes(Lanes v) {
  __m256 zero = _mm256_setzero_ps();
  return {_mm256_cmp_ps(v.low, zero, _CMP_NLE_UQ), _mm256_cmp_ps(v.high, zero, _CMP_NLE_UQ)};
}
INLINE Lanes kept(Chosen chosen, Lanes v) {
  return {_mm256_and_ps(chosen.low, v.low), _mm256_and_ps(chosen.high, v.high)};
}
INLINE uint16_t bits_of(Chosen chosen) {
  return uint16_t(_mm256_movemask_ps(chosen.low) | (_mm256_movemask_ps(chosen.high) << 8));
}
INLINE __m256 spread(uint32_t bits) {
  __m256i own = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  return _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(int(bits)), own), own));
}
INLINE Chosen chosen_by(uint16_t bits) { return {spread(bits & 0xff), spread(bits >> 8)}; }

#else

typedef float Lanes __attribute__((vector_size(64)));  // the compiler splits them into what the processor has
typedef int32_t Chosen __attribute__((vector_size(64)));
typedef uint32_t Words __attribute__((vector_size(64)));
typedef uint16_t Halves __attribute__((vector_size(32)));

INLINE Lanes all(float value) { return Lanes{} + value; }
INLINE Lanes load(const float* from) {
  Lanes made;
  std::memcpy(&made, from, sizeof made);
  return made;
}
INLINE Lanes load(const float* from, int count) {
  Lanes made{};
  std::memcpy(&made, from, sizeof(float) * count);
  return made;
}
INLINE Lanes widened(Halves halves) { return (Lanes)(__builtin_convertvector(halves, Words) << 16); }
INLINE Lanes load(const bfloat16* from) {
  Halves made;
  std::memcpy(&made, from, sizeof made);
  return widened(made);
}
INLINE Lanes load(const bfloat16* from, int count) {
  Halves made{};
  std::memcpy(&made, from, sizeof(bfloat16) * count);
  return widened(made);
}
INLINE Halves narrowed(Lanes v) {
  const Words bits = (Words)v, is_nan = (Words)(v != v);
  const Words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16, nan = (bits >> 16) | 0x40;
  return __builtin_convertvector((rounded & ~is_nan) | (nan & is_nan), Halves);
}
INLINE void store(float* to, Lanes v) { std::memcpy(to, &v, sizeof v); }
INLINE void store(float* to, Lanes v, int count) { std::memcpy(to, &v, sizeof(float) * count); }
INLINE void store(bfloat16* to, Lanes v) {
  const Halves made = narrowed(v);
  std::memcpy(to, &made, sizeof made);
}
INLINE void store(bfloat16* to, Lanes v, int count) {
  const Halves made = narrowed(v);
  std::memcpy(to, &made, sizeof(bfloat16) * count);
}
INLINE Lanes add(Lanes a, Lanes b) { return a + b; }
INLINE Lanes sub(Lanes a, Lanes b) { return a - b; }
INLINE Lanes mul(Lanes a, Lanes b) { return a * b; }
INLINE Lanes fused(Lanes a, Lanes b, Lanes c) { return a * b + c; }
INLINE Chosen passes(Lanes v) { return ~(v <= Lanes{}); }
INLINE Lanes kept(Chosen chosen, Lanes v) { return (Lanes)(chosen & (Chosen)v); }
INLINE Lanes rectified(Lanes v) { return kept(passes(v), v); }
INLINE uint16_t bits_of(Chosen chosen) {
  unsigned bits = 0;
  for (int i = 0; i < LANES; ++i) bits |= unsigned(chosen[i] & 1) << i;
  return uint16_t(bits);
}
INLINE Chosen chosen_by(uint16_t bits) {
  const Chosen own = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
  return ((Chosen{} + int32_t(bits)) & own) == own;
}

#endif

#include "checksum.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace esplanade {
namespace {

uint64_t SumTail(const uint8_t* source, size_t length) {
  uint64_t sum = 0;
  for (; length >= 8; source += 8, length -= 8) {
    uint64_t word;
    memcpy(&word, source, 8);
    sum += (word & 0xffffffff) + (word >> 32);
  }
  if (length > 0) {
    uint64_t word = 0;
    memcpy(&word, source, length);
    sum += (word & 0xffffffff) + (word >> 32);
  }
  return sum;
}

uint64_t SumPortable(const uint8_t* source, size_t length) {
  uint64_t even = 0;
  uint64_t odd = 0;
  for (; length >= 32; source += 32, length -= 32) {
    uint64_t words[4];
    memcpy(words, source, 32);
    for (uint64_t word : words) {
      even += word & 0xffffffff;
      odd += word >> 32;
    }
  }
  return even + odd + SumTail(source, length);
}

uint64_t CopyPortable(uint8_t* target, const uint8_t* source, size_t length) {
  memcpy(target, source, length);
  return SumPortable(target, length);
}

#if defined(__x86_64__)
// 32-bit words are added into 64-bit lanes: 2^32 of them fit without overflow.
__attribute__((target("avx2"))) inline uint64_t Reduce256(__m256i lanes) {
  const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(half)) + static_cast<uint64_t>(_mm_extract_epi64(half, 1));
}

__attribute__((target("avx2"))) uint64_t SumAvx2(const uint8_t* source, size_t length) {
  const __m256i mask = _mm256_set1_epi64x(0xffffffff);
  __m256i even = _mm256_setzero_si256();
  __m256i odd = _mm256_setzero_si256();
  for (; length >= 64; source += 64, length -= 64) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + 32));
    even = _mm256_add_epi64(even, _mm256_add_epi64(_mm256_and_si256(a, mask), _mm256_and_si256(b, mask)));
    odd = _mm256_add_epi64(odd, _mm256_add_epi64(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32)));
  }
  return Reduce256(_mm256_add_epi64(even, odd)) + SumTail(source, length);
}

__attribute__((target("avx2"))) uint64_t CopyAvx2(uint8_t* target, const uint8_t* source, size_t length) {
  const __m256i mask = _mm256_set1_epi64x(0xffffffff);
  __m256i even = _mm256_setzero_si256();
  __m256i odd = _mm256_setzero_si256();
  for (; length >= 64; source += 64, target += 64, length -= 64) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + 32));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(target), a);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(target + 32), b);
    even = _mm256_add_epi64(even, _mm256_add_epi64(_mm256_and_si256(a, mask), _mm256_and_si256(b, mask)));
    odd = _mm256_add_epi64(odd, _mm256_add_epi64(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32)));
  }
  memcpy(target, source, length);
  return Reduce256(_mm256_add_epi64(even, odd)) + SumTail(source, length);
}

// Masked forms, because the plain ones of GCC 12's headers raise warnings about uninitialised values.
__attribute__((target("avx512f,avx512bw"))) inline __m512i High512(__m512i words) {
  return _mm512_maskz_srli_epi64(0xff, words, 32);
}

__attribute__((target("avx512f,avx512bw"))) inline uint64_t Reduce512(__m512i lanes) {
  uint64_t parts[8];
  _mm512_storeu_si512(parts, lanes);
  uint64_t sum = 0;
  for (uint64_t part : parts) sum += part;
  return sum;
}

__attribute__((target("avx512f,avx512bw"))) uint64_t SumAvx512(const uint8_t* source, size_t length) {
  const __m512i mask = _mm512_set1_epi64(0xffffffff);
  __m512i even = _mm512_setzero_si512();
  __m512i odd = _mm512_setzero_si512();
  for (; length > 0;) {
    const size_t step = length < 64 ? length : 64;
    const __mmask64 taken = step == 64 ? ~0ULL : (1ULL << step) - 1;
    const __m512i a = _mm512_maskz_loadu_epi8(taken, source);
    even = _mm512_add_epi64(even, _mm512_and_si512(a, mask));
    odd = _mm512_add_epi64(odd, High512(a));
    source += step;
    length -= step;
  }
  return Reduce512(_mm512_add_epi64(even, odd));
}

__attribute__((target("avx512f,avx512bw"))) uint64_t CopyAvx512(uint8_t* target, const uint8_t* source,
                                                                size_t length) {
  const __m512i mask = _mm512_set1_epi64(0xffffffff);
  __m512i even = _mm512_setzero_si512();
  __m512i odd = _mm512_setzero_si512();
  for (; length > 0;) {
    const size_t step = length < 64 ? length : 64;
    const __mmask64 taken = step == 64 ? ~0ULL : (1ULL << step) - 1;
    const __m512i a = _mm512_maskz_loadu_epi8(taken, source);
    _mm512_mask_storeu_epi8(target, taken, a);
    even = _mm512_add_epi64(even, _mm512_and_si512(a, mask));
    odd = _mm512_add_epi64(odd, High512(a));
    source += step;
    target += step;
    length -= step;
  }
  return Reduce512(_mm512_add_epi64(even, odd));
}
#endif

struct Variant {
  const char* name;
  uint64_t (*sum)(const uint8_t*, size_t);
  uint64_t (*copy)(uint8_t*, const uint8_t*, size_t);
};

Variant Choose() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) return {"avx512", SumAvx512, CopyAvx512};
  if (__builtin_cpu_supports("avx2")) return {"avx2", SumAvx2, CopyAvx2};
#endif
  return {"portable", SumPortable, CopyPortable};
}

const Variant kVariant = Choose();

}  // namespace

uint64_t SumOctets(const uint8_t* source, size_t length) { return kVariant.sum(source, length); }

uint64_t CopyAndSum(uint8_t* target, const uint8_t* source, size_t length) {
  return kVariant.copy(target, source, length);
}

const char* ChecksumVariant() { return kVariant.name; }

}  // namespace esplanade

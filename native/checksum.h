// Internet checksum (RFC 1071). Sums are kept in host order of 16-bit words: the order of octets does not matter to the
// sum, so a folded sum is stored with memcpy and never swapped.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace esplanade {

// Adds 16-bit words; an odd last octet is padded with zero. Picks AVX2 or AVX-512 at run time.
uint64_t SumOctets(const uint8_t* source, size_t length);
// The same sum while copying.
uint64_t CopyAndSum(uint8_t* target, const uint8_t* source, size_t length);
// "portable", "avx2" or "avx512": what this processor runs.
const char* ChecksumVariant();

// For headers: a few words, not worth a call through a pointer. `length` is even.
inline uint64_t SumHeader(const uint8_t* source, size_t length) {
  uint64_t sum = 0;
  for (; length >= 4; source += 4, length -= 4) {
    uint32_t word;
    memcpy(&word, source, 4);
    sum += word;
  }
  if (length >= 2) {
    uint16_t word;
    memcpy(&word, source, 2);
    sum += word;
  }
  return sum;
}

inline uint16_t FoldSum(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

}  // namespace esplanade

#include "des.h"

#include <utility>

namespace esplanade {
namespace {

// FIPS 46-3, appendix 1. Entries count bits from 1 at the left.
constexpr uint8_t kPermutedChoice1[56] = {57, 49, 41, 33, 25, 17, 9,  1,  58, 50, 42, 34, 26, 18, 10, 2,  59, 51, 43,
                                          35, 27, 19, 11, 3,  60, 52, 44, 36, 63, 55, 47, 39, 31, 23, 15, 7,  62, 54,
                                          46, 38, 30, 22, 14, 6,  61, 53, 45, 37, 29, 21, 13, 5,  28, 20, 12, 4};
constexpr uint8_t kPermutedChoice2[48] = {14, 17, 11, 24, 1,  5,  3,  28, 15, 6,  21, 10, 23, 19, 12, 4,
                                          26, 8,  16, 7,  27, 20, 13, 2,  41, 52, 31, 37, 47, 55, 30, 40,
                                          51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32};
constexpr uint8_t kPermutation[32] = {16, 7, 20, 21, 29, 12, 28, 17, 1,  15, 23, 26, 5,  18, 31, 10,
                                      2,  8, 24, 14, 32, 27, 3,  9,  19, 13, 30, 6,  22, 11, 4,  25};
constexpr uint8_t kShifts[16] = {1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1};
constexpr uint8_t kSubstitution[8][64] = {
    {14, 4, 13, 1, 2, 15, 11, 8, 3, 10, 6, 12, 5, 9, 0, 7, 0, 15, 7, 4, 14, 2, 13, 1, 10, 6, 12, 11, 9, 5, 3, 8,
     4, 1, 14, 8, 13, 6, 2, 11, 15, 12, 9, 7, 3, 10, 5, 0, 15, 12, 8, 2, 4, 9, 1, 7, 5, 11, 3, 14, 10, 0, 6, 13},
    {15, 1, 8, 14, 6, 11, 3, 4, 9, 7, 2, 13, 12, 0, 5, 10, 3, 13, 4, 7, 15, 2, 8, 14, 12, 0, 1, 10, 6, 9, 11, 5,
     0, 14, 7, 11, 10, 4, 13, 1, 5, 8, 12, 6, 9, 3, 2, 15, 13, 8, 10, 1, 3, 15, 4, 2, 11, 6, 7, 12, 0, 5, 14, 9},
    {10, 0, 9, 14, 6, 3, 15, 5, 1, 13, 12, 7, 11, 4, 2, 8, 13, 7, 0, 9, 3, 4, 6, 10, 2, 8, 5, 14, 12, 11, 15, 1,
     13, 6, 4, 9, 8, 15, 3, 0, 11, 1, 2, 12, 5, 10, 14, 7, 1, 10, 13, 0, 6, 9, 8, 7, 4, 15, 14, 3, 11, 5, 2, 12},
    {7, 13, 14, 3, 0, 6, 9, 10, 1, 2, 8, 5, 11, 12, 4, 15, 13, 8, 11, 5, 6, 15, 0, 3, 4, 7, 2, 12, 1, 10, 14, 9,
     10, 6, 9, 0, 12, 11, 7, 13, 15, 1, 3, 14, 5, 2, 8, 4, 3, 15, 0, 6, 10, 1, 13, 8, 9, 4, 5, 11, 12, 7, 2, 14},
    {2, 12, 4, 1, 7, 10, 11, 6, 8, 5, 3, 15, 13, 0, 14, 9, 14, 11, 2, 12, 4, 7, 13, 1, 5, 0, 15, 10, 3, 9, 8, 6,
     4, 2, 1, 11, 10, 13, 7, 8, 15, 9, 12, 5, 6, 3, 0, 14, 11, 8, 12, 7, 1, 14, 2, 13, 6, 15, 0, 9, 10, 4, 5, 3},
    {12, 1, 10, 15, 9, 2, 6, 8, 0, 13, 3, 4, 14, 7, 5, 11, 10, 15, 4, 2, 7, 12, 9, 5, 6, 1, 13, 14, 0, 11, 3, 8,
     9, 14, 15, 5, 2, 8, 12, 3, 7, 0, 4, 10, 1, 13, 11, 6, 4, 3, 2, 12, 9, 5, 15, 10, 11, 14, 1, 7, 6, 0, 8, 13},
    {4, 11, 2, 14, 15, 0, 8, 13, 3, 12, 9, 7, 5, 10, 6, 1, 13, 0, 11, 7, 4, 9, 1, 10, 14, 3, 5, 12, 2, 15, 8, 6,
     1, 4, 11, 13, 12, 3, 7, 14, 10, 15, 6, 8, 0, 5, 9, 2, 6, 11, 13, 8, 1, 4, 10, 7, 9, 5, 0, 15, 14, 2, 3, 12},
    {13, 2, 8, 4, 6, 15, 11, 1, 10, 9, 3, 14, 5, 0, 12, 7, 1, 15, 13, 8, 10, 3, 7, 4, 12, 5, 6, 11, 0, 14, 9, 2,
     7, 11, 4, 1, 9, 12, 14, 2, 0, 6, 10, 13, 15, 3, 5, 8, 2, 1, 14, 7, 4, 10, 8, 13, 15, 12, 9, 0, 3, 5, 6, 11}};

// Each S-box's outputs, already sent through the permutation P.
struct Boxes {
  uint32_t table[8][64];
};

constexpr Boxes MakeBoxes() {
  Boxes boxes{};
  for (int box = 0; box < 8; box++) {
    for (int input = 0; input < 64; input++) {
      // The outer two bits choose the row, the inner four the column.
      const int row = ((input >> 4) & 2) | (input & 1);
      const int column = (input >> 1) & 15;
      const uint32_t before = static_cast<uint32_t>(kSubstitution[box][row * 16 + column]) << (28 - 4 * box);
      uint32_t after = 0;
      for (int bit = 0; bit < 32; bit++) after |= ((before >> (32 - kPermutation[bit])) & 1u) << (31 - bit);
      boxes.table[box][input] = after;
    }
  }
  return boxes;
}

constexpr Boxes kBoxes = MakeBoxes();

inline uint32_t RotateLeft(uint32_t value, int count) { return (value << count) | (value >> (32 - count)); }

inline uint32_t Load(const uint8_t* at) {
  return static_cast<uint32_t>(at[0]) << 24 | static_cast<uint32_t>(at[1]) << 16 | static_cast<uint32_t>(at[2]) << 8 |
         at[3];
}

inline void Store(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 24);
  at[1] = static_cast<uint8_t>(value >> 16);
  at[2] = static_cast<uint8_t>(value >> 8);
  at[3] = static_cast<uint8_t>(value);
}

// Swaps the bits of b under `mask` with those of a that lie `shift` higher.
inline void SwapBits(uint32_t& a, uint32_t& b, int shift, uint32_t mask) {
  const uint32_t difference = ((a >> shift) ^ b) & mask;
  b ^= difference;
  a ^= difference << shift;
}

inline uint32_t Round(uint32_t half, const uint8_t* key) {
  uint32_t sum = 0;
  // The expansion E: box i sees bits 4i … 4i + 5, counted from the last bit round to the first.
  sum ^= kBoxes.table[0][(RotateLeft(half, 5) & 63) ^ key[0]];
  sum ^= kBoxes.table[1][(RotateLeft(half, 9) & 63) ^ key[1]];
  sum ^= kBoxes.table[2][(RotateLeft(half, 13) & 63) ^ key[2]];
  sum ^= kBoxes.table[3][(RotateLeft(half, 17) & 63) ^ key[3]];
  sum ^= kBoxes.table[4][(RotateLeft(half, 21) & 63) ^ key[4]];
  sum ^= kBoxes.table[5][(RotateLeft(half, 25) & 63) ^ key[5]];
  sum ^= kBoxes.table[6][(RotateLeft(half, 29) & 63) ^ key[6]];
  sum ^= kBoxes.table[7][(RotateLeft(half, 1) & 63) ^ key[7]];
  return sum;
}

template <bool kEncrypt>
inline void Block(const DesSchedule& schedule, uint32_t& left, uint32_t& right) {
  // IP as five swaps of bit groups.
  SwapBits(left, right, 4, 0x0f0f0f0f);
  SwapBits(left, right, 16, 0x0000ffff);
  SwapBits(right, left, 2, 0x33333333);
  SwapBits(right, left, 8, 0x00ff00ff);
  SwapBits(left, right, 1, 0x55555555);
  for (int i = 0; i < 16; i += 2) {
    left ^= Round(right, schedule.round[kEncrypt ? i : 15 - i]);
    right ^= Round(left, schedule.round[kEncrypt ? i + 1 : 14 - i]);
  }
  std::swap(left, right);
  SwapBits(left, right, 1, 0x55555555);
  SwapBits(right, left, 8, 0x00ff00ff);
  SwapBits(right, left, 2, 0x33333333);
  SwapBits(left, right, 16, 0x0000ffff);
  SwapBits(left, right, 4, 0x0f0f0f0f);
}

}  // namespace

void DesExpand(const uint8_t key[8], DesSchedule* schedule) {
  uint8_t bits[56];
  for (int i = 0; i < 56; i++) {
    const int from = kPermutedChoice1[i] - 1;
    bits[i] = (key[from / 8] >> (7 - from % 8)) & 1;
  }
  int shift = 0;
  for (int round = 0; round < 16; round++) {
    shift += kShifts[round];
    for (int box = 0; box < 8; box++) {
      uint8_t value = 0;
      for (int i = 0; i < 6; i++) {
        const int from = kPermutedChoice2[box * 6 + i] - 1;
        // C and D, 28 bits each, are rotated on their own.
        const int half = from < 28 ? 0 : 28;
        value = static_cast<uint8_t>(value << 1 | bits[half + (from - half + shift) % 28]);
      }
      schedule->round[round][box] = value;
    }
  }
}

void DesCbcEncrypt(const DesSchedule& schedule, const uint8_t iv[8], uint8_t* data, size_t length) {
  uint32_t left = Load(iv);
  uint32_t right = Load(iv + 4);
  for (size_t at = 0; at < length; at += 8) {
    left ^= Load(data + at);
    right ^= Load(data + at + 4);
    Block<true>(schedule, left, right);
    Store(data + at, left);
    Store(data + at + 4, right);
  }
}

void DesCbcDecrypt(const DesSchedule& schedule, const uint8_t iv[8], uint8_t* data, size_t length) {
  uint32_t chain_left = Load(iv);
  uint32_t chain_right = Load(iv + 4);
  for (size_t at = 0; at < length; at += 8) {
    const uint32_t cipher_left = Load(data + at);
    const uint32_t cipher_right = Load(data + at + 4);
    uint32_t left = cipher_left;
    uint32_t right = cipher_right;
    Block<false>(schedule, left, right);
    Store(data + at, left ^ chain_left);
    Store(data + at + 4, right ^ chain_right);
    chain_left = cipher_left;
    chain_right = cipher_right;
  }
}

}  // namespace esplanade

#include "cipher_vaes.h"

#include <openssl/crypto.h>

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>

#define WIDE __attribute__((target("avx2,aes,pclmul,vaes,vpclmulqdq")))
#define WIDE_INLINE WIDE __attribute__((always_inline)) inline

namespace esplanade {
namespace {

// Octets and 32-octet pairs of blocks that go through the cipher together: eight registers hide its latency.
constexpr size_t kGroup = 256;
constexpr size_t kPairs = kGroup / 32;
// What is left behind the groups, up to 16 blocks, and the block of lengths are multiplied together.
constexpr size_t kPowers = 17;

// `powers`: H^17 … H^1, each times x and its octets reversed (Gueron and Kounavis, "Intel Carry-Less Multiplication
// Instruction and its Usage for Computing the GCM Mode", bit-reflected form).
struct GcmKey {
  alignas(16) uint8_t powers[kPowers][16];
  alignas(16) uint8_t round_keys[15][16];
  size_t rounds;
};

WIDE_INLINE __m128i Load(const uint8_t* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }
WIDE_INLINE void Store(uint8_t* at, __m128i value) { _mm_storeu_si128(reinterpret_cast<__m128i*>(at), value); }
WIDE_INLINE __m256i Load2(const uint8_t* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }
WIDE_INLINE void Store2(uint8_t* at, __m256i value) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), value); }
WIDE_INLINE __m256i Twice(const uint8_t* at) { return _mm256_broadcastsi128_si256(Load(at)); }

WIDE_INLINE __m128i ReverseMask() { return _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
WIDE_INLINE __m128i Reverse(__m128i value) { return _mm_shuffle_epi8(value, ReverseMask()); }

// ── GHASH (NIST SP 800-38D §6.4) ─────────────────────────────────────────────────────────────────────────────────────

// 256-bit products in three parts, not yet reduced; both halves of the registers are summed up at the end.
struct Sum {
  __m256i low, middle, high;
};

WIDE_INLINE void Multiply(Sum* sum, __m256i block, __m256i power) {
  sum->low = _mm256_xor_si256(sum->low, _mm256_clmulepi64_epi128(block, power, 0x00));
  sum->high = _mm256_xor_si256(sum->high, _mm256_clmulepi64_epi128(block, power, 0x11));
  sum->middle = _mm256_xor_si256(sum->middle, _mm256_clmulepi64_epi128(block, power, 0x01));
  sum->middle = _mm256_xor_si256(sum->middle, _mm256_clmulepi64_epi128(block, power, 0x10));
}

// Modulo x^128 + x^7 + x^2 + x + 1.
WIDE_INLINE __m128i Reduce(const Sum& sum) {
  const __m256i poly = _mm256_broadcastsi128_si256(_mm_set_epi64x(static_cast<int64_t>(0xc200000000000000), 1));
  const __m256i folded = _mm256_xor_si256(_mm256_shuffle_epi32(sum.low, 0x4e), _mm256_clmulepi64_epi128(poly, sum.low, 0x01));
  const __m256i middle = _mm256_xor_si256(sum.middle, folded);
  const __m256i rest = _mm256_xor_si256(_mm256_shuffle_epi32(middle, 0x4e), _mm256_clmulepi64_epi128(poly, middle, 0x01));
  const __m256i high = _mm256_xor_si256(sum.high, rest);
  return _mm_xor_si128(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
}

WIDE_INLINE Sum Nothing() { return {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()}; }

WIDE_INLINE __m128i MultiplyOne(__m128i block, __m128i power) {
  Sum sum = Nothing();
  Multiply(&sum, _mm256_zextsi128_si256(block), _mm256_zextsi128_si256(power));
  return Reduce(sum);
}

// ── AES (FIPS 197) ───────────────────────────────────────────────────────────────────────────────────────────────────

WIDE uint32_t SubWord(uint32_t word) {
  return static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_aeskeygenassist_si128(_mm_set1_epi32(static_cast<int>(word)), 0)));
}

// FIPS 197 §5.2; words in the order of memory.
WIDE void ExpandKey(GcmKey* key, Span given) {
  const size_t own = given.length / 4;
  key->rounds = own + 6;
  uint32_t words[60];
  memcpy(words, given.data, given.length);
  uint8_t constant = 1;
  for (size_t i = own; i < 4 * (key->rounds + 1); i++) {
    uint32_t word = words[i - 1];
    if (i % own == 0) {
      word = SubWord(word);
      word = (word >> 8 | word << 24) ^ constant;
      constant = static_cast<uint8_t>(constant << 1 ^ (constant >> 7) * 0x1b);
    } else if (own == 8 && i % own == 4) {
      word = SubWord(word);
    }
    words[i] = words[i - own] ^ word;
  }
  memcpy(key->round_keys, words, 16 * (key->rounds + 1));
  OPENSSL_cleanse(words, sizeof words);
}

WIDE_INLINE __m128i EncryptOne(const GcmKey& key, __m128i block) {
  block = _mm_xor_si128(block, Load(key.round_keys[0]));
  for (size_t round = 1; round < key.rounds; round++) block = _mm_aesenc_si128(block, Load(key.round_keys[round]));
  return _mm_aesenclast_si128(block, Load(key.round_keys[key.rounds]));
}

WIDE void MakeKey(GcmKey* key, Span given) {
  ExpandKey(key, given);
  uint64_t half[2];
  Store(reinterpret_cast<uint8_t*>(half), Reverse(EncryptOne(*key, _mm_setzero_si128())));
  // Times x in the field.
  const bool carry = half[1] >> 63 != 0;
  half[1] = half[1] << 1 | half[0] >> 63;
  half[0] <<= 1;
  if (carry) {
    half[0] ^= 1;
    half[1] ^= 0xc200000000000000;
  }
  const __m128i first = Load(reinterpret_cast<const uint8_t*>(half));
  __m128i power = first;
  for (size_t i = kPowers; i-- > 0;) {
    Store(key->powers[i], power);
    power = MultiplyOne(power, first);
  }
  OPENSSL_cleanse(half, sizeof half);
}

// Counters of the next two blocks, octets reversed so that both count with one addition.
WIDE_INLINE __m256i NextCounters(__m256i* counters) {
  const __m256i block = _mm256_shuffle_epi8(*counters, _mm256_broadcastsi128_si256(ReverseMask()));
  *counters = _mm256_add_epi32(*counters, _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 2));
  return block;
}

// One group of 16 blocks is encrypted or decrypted in place while the group at `hashed` goes into `y`: two chains that do
// not wait for each other.
template <bool kHash>
WIDE_INLINE void Group(const GcmKey& key, __m256i* counters, uint8_t* data, const uint8_t* hashed, __m128i* y) {
  const __m256i reverse = _mm256_broadcastsi128_si256(ReverseMask());
  __m256i state[kPairs];
  __m256i round_key = Twice(key.round_keys[0]);
#pragma GCC unroll 8
  for (size_t i = 0; i < kPairs; i++) state[i] = _mm256_xor_si256(NextCounters(counters), round_key);
  Sum sum = Nothing();
#pragma GCC unroll 8
  for (size_t round = 1; round <= kPairs; round++) {
    round_key = Twice(key.round_keys[round]);
#pragma GCC unroll 8
    for (size_t i = 0; i < kPairs; i++) state[i] = _mm256_aesenc_epi128(state[i], round_key);
    if (kHash) {
      __m256i block = _mm256_shuffle_epi8(Load2(hashed + 32 * (round - 1)), reverse);
      if (round == 1) block = _mm256_xor_si256(block, _mm256_zextsi128_si256(*y));
      const size_t power = kPowers - 16 + 2 * (round - 1);
      Multiply(&sum, block, Load2(key.powers[power]));
    }
  }
  for (size_t round = kPairs + 1; round < key.rounds; round++) {
    round_key = Twice(key.round_keys[round]);
#pragma GCC unroll 8
    for (size_t i = 0; i < kPairs; i++) state[i] = _mm256_aesenc_epi128(state[i], round_key);
  }
  round_key = Twice(key.round_keys[key.rounds]);
#pragma GCC unroll 8
  for (size_t i = 0; i < kPairs; i++) {
    uint8_t* at = data + 32 * i;
    Store2(at, _mm256_aesenclast_epi128(state[i], _mm256_xor_si256(round_key, Load2(at))));
  }
  if (kHash) *y = Reduce(sum);
}

// Key stream for kCount pairs of blocks goes over `data`, the last pair's over `last`.
template <size_t kCount>
WIDE_INLINE void Pairs(const GcmKey& key, __m256i* counters, uint8_t* data, uint8_t* last) {
  __m256i state[kCount];
  __m256i round_key = Twice(key.round_keys[0]);
#pragma GCC unroll 8
  for (size_t i = 0; i < kCount; i++) state[i] = _mm256_xor_si256(NextCounters(counters), round_key);
  for (size_t round = 1; round < key.rounds; round++) {
    round_key = Twice(key.round_keys[round]);
#pragma GCC unroll 8
    for (size_t i = 0; i < kCount; i++) state[i] = _mm256_aesenc_epi128(state[i], round_key);
  }
  round_key = Twice(key.round_keys[key.rounds]);
#pragma GCC unroll 8
  for (size_t i = 0; i < kCount; i++) {
    uint8_t* at = i + 1 < kCount ? data + 32 * i : last;
    Store2(at, _mm256_aesenclast_epi128(state[i], _mm256_xor_si256(round_key, Load2(at))));
  }
}

// `whole` pairs in place, and one that is not whole at `last`.
WIDE_INLINE void Tail(const GcmKey& key, __m256i* counters, uint8_t* data, size_t whole, uint8_t* last) {
  switch (whole) {
    case 0:
      return Pairs<1>(key, counters, data, last);
    case 1:
      return Pairs<2>(key, counters, data, last);
    case 2:
      return Pairs<3>(key, counters, data, last);
    case 3:
      return Pairs<4>(key, counters, data, last);
    case 4:
      return Pairs<5>(key, counters, data, last);
    case 5:
      return Pairs<6>(key, counters, data, last);
    case 6:
      return Pairs<7>(key, counters, data, last);
    default:
      return Pairs<8>(key, counters, data, last);
  }
}

WIDE_INLINE void HashPairs(const GcmKey& key, Sum* sum, const uint8_t* data, size_t pairs, size_t power, __m128i y) {
  const __m256i reverse = _mm256_broadcastsi128_si256(ReverseMask());
  __m256i before = _mm256_zextsi128_si256(y);
  for (size_t i = 0; i < pairs; i++) {
    const __m256i block = _mm256_xor_si256(_mm256_shuffle_epi8(Load2(data + 32 * i), reverse), before);
    Multiply(sum, block, Load2(key.powers[power + 2 * i]));
    before = _mm256_setzero_si256();
  }
}

// `pairs` at `data`, then `rest` octets of `last` (below 32, zeroes behind them), then the block of lengths.
WIDE_INLINE __m128i HashTail(const GcmKey& key, const uint8_t* data, size_t pairs, const uint8_t* last, size_t rest,
                             __m128i lengths, __m128i y) {
  const __m256i reverse = _mm256_broadcastsi128_si256(ReverseMask());
  const size_t blocks = (rest + 15) / 16;
  const size_t power = kPowers - 1 - blocks;
  Sum sum = Nothing();
  HashPairs(key, &sum, data, pairs, power - 2 * pairs, y);
  const __m256i before = pairs == 0 ? _mm256_zextsi128_si256(y) : _mm256_setzero_si256();
  if (blocks == 0) {
    const __m256i wide = _mm256_zextsi128_si256(lengths);
    Multiply(&sum, _mm256_xor_si256(wide, before), _mm256_zextsi128_si256(Load(key.powers[power])));
  } else {
    __m256i block = _mm256_shuffle_epi8(Load2(last), reverse);
    // One block and the lengths, or two blocks and then the lengths.
    if (blocks == 1) block = _mm256_inserti128_si256(block, lengths, 1);
    Multiply(&sum, _mm256_xor_si256(block, before), Load2(key.powers[power]));
    if (blocks == 2)
      Multiply(&sum, _mm256_zextsi128_si256(lengths), _mm256_zextsi128_si256(Load(key.powers[kPowers - 1])));
  }
  return Reduce(sum);
}

inline uint32_t Load32(const uint8_t* at) {
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

inline uint64_t Load64(const uint8_t* at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

// At most 16 octets and zeroes. ESP's 8 and 12 are read as they were written, in pieces that the CPU forwards.
WIDE_INLINE __m128i LoadBlock(const uint8_t* at, size_t length) {
  if (length == 8) return _mm_set_epi64x(0, static_cast<int64_t>(Load64(at)));
  if (length == 12) return _mm_set_epi64x(static_cast<int64_t>(Load32(at + 8)), static_cast<int64_t>(Load64(at)));
  alignas(16) uint8_t block[16] = {};
  memcpy(block, at, length);
  return Load(block);
}

// SP 800-38D §7.1 and §7.2 with a nonce of 12 octets; writes all 16 octets of the tag.
template <bool kSeal>
WIDE void Run(const GcmKey& key, const uint8_t* nonce, Span aad, uint8_t* data, size_t length, uint8_t* tag) {
  // Salt and IV, and a counter of 1.
  const uint64_t high = Load64(nonce + 4);
  const __m128i first = _mm_set_epi64x(static_cast<int64_t>(high >> 32 | uint64_t{1} << 56),
                                       static_cast<int64_t>(high << 32 | Load32(nonce)));
  const __m128i mask = EncryptOne(key, first);
  __m256i counters = _mm256_add_epi32(_mm256_broadcastsi128_si256(Reverse(first)), _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 1));

  __m128i y = _mm_setzero_si128();
  for (size_t at = 0; at < aad.length; at += 16) {
    const size_t left = aad.length - at;
    const __m128i block = Reverse(LoadBlock(aad.data + at, left < 16 ? left : 16));
    y = MultiplyOne(_mm_xor_si128(y, block), Load(key.powers[kPowers - 1]));
  }

  const size_t groups = length / kGroup;
  if (groups > 0) {
    // Sealing hashes what it made a group ago, opening what it is about to replace.
    if (kSeal)
      Group<false>(key, &counters, data, nullptr, &y);
    else
      Group<true>(key, &counters, data, data, &y);
    for (size_t i = 1; i < groups; i++) {
      uint8_t* at = data + kGroup * i;
      Group<true>(key, &counters, at, kSeal ? at - kGroup : at, &y);
    }
  }
  uint8_t* tail = data + kGroup * groups;
  const size_t pairs = (length - kGroup * groups) / 32;
  const size_t rest = length % 32;
  const __m128i lengths = _mm_set_epi64x(static_cast<int64_t>(aad.length * 8), static_cast<int64_t>(length * 8));
  alignas(32) uint8_t last[32] = {};
  memcpy(last, tail + 32 * pairs, rest);
  if (kSeal) {
    Tail(key, &counters, tail, pairs, last);
    memcpy(tail + 32 * pairs, last, rest);
    memset(last + rest, 0, 32 - rest);
    if (groups > 0) {
      Sum sum = Nothing();
      HashPairs(key, &sum, tail - kGroup, kPairs, kPowers - 16, y);
      y = Reduce(sum);
    }
    y = HashTail(key, tail, pairs, last, rest, lengths, y);
  } else {
    y = HashTail(key, tail, pairs, last, rest, lengths, y);
    Tail(key, &counters, tail, pairs, last);
    memcpy(tail + 32 * pairs, last, rest);
  }
  Store(tag, _mm_xor_si128(Reverse(y), mask));
}

class Gcm final : public Aead {
 public:
  Gcm(Span key, size_t tag_length) : tag_length_(tag_length) { MakeKey(&key_, key); }

  bool Seal(const uint8_t* nonce, Span aad, uint8_t* data, size_t length, uint8_t* tag) override {
    uint8_t whole[16];
    Run<true>(key_, nonce, aad, data, length, whole);
    memcpy(tag, whole, tag_length_);
    return true;
  }

  bool Open(const uint8_t* nonce, Span aad, uint8_t* data, size_t length, const uint8_t* tag) override {
    uint8_t expected[16];
    Run<false>(key_, nonce, aad, data, length, expected);
    return CRYPTO_memcmp(expected, tag, tag_length_) == 0;
  }

  const char* implementation() const override { return VaesGcm::Name(); }

 private:
  const size_t tag_length_;
  GcmKey key_;
};

void FillPattern(uint8_t* target, size_t length, uint32_t seed) {
  uint32_t state = seed * 2654435761u + 12345u;
  for (size_t i = 0; i < length; i++) {
    state = state * 1664525u + 1013904223u;
    target[i] = static_cast<uint8_t>(state >> 24);
  }
}

// Both sides of every border: blocks, pairs, the three sizes of a tail, groups.
constexpr size_t kTestLengths[] = {0,   1,   15,  16,  17,  31,  32,  33,  63,  64,  65,  127, 128,  129,
                                   240, 241, 255, 256, 257, 496, 497, 511, 512, 513, 768, 769, 1400, 1439};
constexpr size_t kLongestTest = 1439;

}  // namespace

std::unique_ptr<VaesGcm> VaesGcm::Make(OpenSsl& openssl, KeyMemory& memory) {
  __builtin_cpu_init();
  const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") &&
                   __builtin_cpu_supports("vaes") && __builtin_cpu_supports("vpclmulqdq");
  return has ? std::unique_ptr<VaesGcm>(new VaesGcm(openssl, memory)) : nullptr;
}

Secret<Aead> VaesGcm::MakeAead(KeyMemory& memory, int32_t encryption, Span key, size_t tag_length) {
  const bool gcm = encryption == kAesGcm8 || encryption == kAesGcm12 || encryption == kAesGcm16;
  if (!gcm || (key.length != 16 && key.length != 24 && key.length != 32)) return nullptr;
  Trust& trust = trust_[key.length / 8 - 2];
  if (trust == Trust::kUntested) trust = Agrees(encryption, key.length, tag_length) ? Trust::kGood : Trust::kBad;
  return trust == Trust::kGood ? MakeSecret<Gcm>(memory, key, tag_length) : nullptr;
}

bool VaesGcm::Agrees(int32_t encryption, size_t key_length, size_t tag_length) {
  uint8_t key[32], nonce[12], aad[20], ours[kLongestTest + 16], theirs[kLongestTest + 16];
  FillPattern(key, sizeof key, 1);
  FillPattern(nonce, sizeof nonce, 2);
  FillPattern(aad, sizeof aad, 3);
  const Secret<Aead> candidate = MakeSecret<Gcm>(memory_, Span{key, key_length}, tag_length);
  const Secret<Aead> sealer = openssl_.MakeAead(memory_, encryption, {key, key_length}, tag_length, Direction::kSeal);
  if (candidate == nullptr || sealer == nullptr) return false;
  for (const size_t length : kTestLengths) {
    for (const size_t aad_length : {size_t{8}, size_t{12}, size_t{20}}) {
      FillPattern(ours, length, 4);
      memcpy(theirs, ours, length);
      const Span associated = {aad, aad_length};
      if (!sealer->Seal(nonce, associated, theirs, length, theirs + length)) return false;
      candidate->Seal(nonce, associated, ours, length, ours + length);
      if (memcmp(ours, theirs, length + tag_length) != 0) return false;
      if (!candidate->Open(nonce, associated, ours, length, ours + length)) return false;
      FillPattern(theirs, length, 4);
      if (memcmp(ours, theirs, length) != 0) return false;
    }
  }
  return true;
}

}  // namespace esplanade

#else

namespace esplanade {

std::unique_ptr<VaesGcm> VaesGcm::Make(OpenSsl&, KeyMemory&) { return nullptr; }
Secret<Aead> VaesGcm::MakeAead(KeyMemory&, int32_t, Span, size_t) { return nullptr; }
bool VaesGcm::Agrees(int32_t, size_t, size_t) { return false; }

}  // namespace esplanade

#endif

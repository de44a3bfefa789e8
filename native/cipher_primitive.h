// The shapes all algorithms are used through; the packets' layout is known to cipher_key.cc alone.
#pragma once
#include <cstddef>
#include <cstdint>

#include "key_memory.h"

namespace esplanade {

// IANA IKEv2 transform type 1. Twin of Encryption in src/crypto/transforms.ts.
enum EncryptionId : int32_t {
  kEncryptionNone = 0,
  kDes = 2,
  kTripleDes = 3,
  kNull = 11,
  kAesCbc = 12,
  kAesCtr = 13,
  kAesCcm8 = 14,
  kAesCcm12 = 15,
  kAesCcm16 = 16,
  kAesGcm8 = 18,
  kAesGcm12 = 19,
  kAesGcm16 = 20,
  kNullAuthAesGmac = 21,
  kChaCha20Poly1305 = 28,
};

// IANA IKEv2 transform type 3. Twin of Integrity in src/crypto/transforms.ts.
enum IntegrityId : int32_t {
  kIntegrityNone = 0,
  kHmacMd5 = 1,
  kHmacSha1 = 2,
  kAesXcbc = 5,
  kAesCmac = 8,
  kAes128Gmac = 9,
  kAes192Gmac = 10,
  kAes256Gmac = 11,
  kHmacSha256 = 12,
  kHmacSha384 = 13,
  kHmacSha512 = 14,
};

struct Span {
  const uint8_t* data;
  size_t length;
};

constexpr size_t kLongestTag = 64;
constexpr size_t kLongestIv = 16;

// An AEAD under one key, with the tag length given at birth; works in place. False = the library refused.
class Aead {
 public:
  virtual ~Aead() = default;
  virtual bool Seal(const uint8_t* nonce, Span aad, uint8_t* data, size_t length, uint8_t* tag) = 0;
  // Compares in constant time; false = the tag differs.
  virtual bool Open(const uint8_t* nonce, Span aad, uint8_t* data, size_t length, const uint8_t* tag) = 0;
  virtual const char* implementation() const = 0;
};

// A MAC under one key over parts in a row. `nonce` (12 octets) is for GMAC alone.
class Mac {
 public:
  virtual ~Mac() = default;
  // Writes tag_length() octets.
  virtual bool Compute(const uint8_t* nonce, const Span* parts, size_t count, uint8_t* tag) = 0;
  virtual size_t tag_length() const = 0;
  virtual const char* implementation() const = 0;
};

// CBC or CTR under one key and in one direction, in place; CTR takes its whole first counter block as `iv`.
class BlockMode {
 public:
  virtual ~BlockMode() = default;
  virtual bool Apply(const uint8_t* iv, uint8_t* data, size_t length) = 0;
  virtual const char* implementation() const = 0;
};

enum class Direction { kSeal, kOpen };

}  // namespace esplanade

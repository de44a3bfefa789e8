// One SA's key in one direction: where ESP (RFC 4303) and AH (RFC 4302) put nonce, associated data, IV and ICV.
#pragma once
#include "cipher_ipsec_mb.h"
#include "cipher_vaes.h"
#include "slab.h"

namespace esplanade {

// Octets nobody can predict, drawn from the system in large pieces.
class RandomPool {
 public:
  // nullptr = the system has none. Valid until the next call. `length` ≤ 64.
  const uint8_t* Take(size_t length);

 private:
  static constexpr size_t kLength = 4096;
  uint8_t pool_[kLength];
  size_t left_ = 0;
};

struct KeyMaterial {
  int32_t encryption;
  int32_t integrity;
  // With the salt at its end where the transform has one.
  Span encryption_key;
  Span integrity_key;
  bool esn;
  Direction direction;
};

struct PacketKeyShape {
  Direction direction;
  bool ah;
  bool esn;
  uint8_t iv_length;
  uint8_t icv_length;
  // 1 where any number of octets may be encrypted.
  uint8_t block_length;
};

class PacketKey {
 public:
  virtual ~PacketKey() = default;

  // Both are called only for rows that Fits() accepts. 0, or a drop code.
  virtual int32_t Seal(uint8_t* slab, const Row& row) = 0;
  virtual int32_t Open(uint8_t* slab, const Row& row) = 0;
  virtual const char* implementation() const = 0;
  // What runs of packets are given to, or nullptr.
  virtual const MultiBufferKey* multi_buffer() const { return nullptr; }
  virtual bool Prepare(uint8_t*, const Row&, MultiBufferJob*) { return false; }

  // Every octet the row names lies in the slab, and the ciphertext is whole blocks.
  bool Fits(const Row& row, size_t slab_length) const;

  Direction direction() const { return direction_; }
  bool ah() const { return ah_; }

 protected:
  explicit PacketKey(const PacketKeyShape& shape)
      : direction_(shape.direction),
        ah_(shape.ah),
        esn_(shape.esn),
        iv_length_(shape.iv_length),
        icv_length_(shape.icv_length),
        block_length_(shape.block_length) {}

  const Direction direction_;
  const bool ah_;
  const bool esn_;
  const uint8_t iv_length_;
  const uint8_t icv_length_;
  const uint8_t block_length_;
};

struct CipherLibraries {
  KeyMemory& memory;
  OpenSsl& openssl;
  // nullptr = do without.
  IpsecMb* ipsec_mb;
  VaesGcm* vaes;
  RandomPool& random;
};

// nullptr = no such suite, a key of wrong length, or no memory.
Secret<PacketKey> MakePacketKey(CipherLibraries& libraries, const KeyMaterial& material);

// The parts of a suite, also for use without packets.
Secret<Aead> MakeAead(CipherLibraries& libraries, int32_t encryption, Span key, Direction direction);
Secret<Mac> MakeMac(CipherLibraries& libraries, int32_t integrity, Span key);
size_t AeadTagLength(int32_t encryption);
// Octets of salt at the end of the key.
size_t SaltLength(int32_t encryption);

}  // namespace esplanade

#include "cipher_key.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <cstring>

namespace esplanade {
namespace {

// RFC 4303 §2, from the packet's first octet.
constexpr size_t kSequence = 4;
constexpr size_t kIv = 8;
constexpr size_t kCounterIv = 8;
// RFC 4302 §2: the sequence number stands right before the ICV.
constexpr size_t kSequenceBeforeIcv = 4;

inline uint32_t Load32(const uint8_t* at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return __builtin_bswap32(value);
}

inline void Store32(uint8_t* at, uint32_t value) {
  value = __builtin_bswap32(value);
  memcpy(at, &value, 4);
}

// The IVs of counter modes: the 64-bit sequence number, each but once (RFC 4106 §3.1, 3686 §4, 7634 §2).
class SequenceIv {
 public:
  // False = this number, or a later one, was already used.
  bool Write(uint32_t high, uint32_t low, uint8_t* iv) {
    const uint64_t sequence = static_cast<uint64_t>(high) << 32 | low;
    if (sequence <= last_) return false;
    last_ = sequence;
    Store32(iv, high);
    Store32(iv + 4, low);
    return true;
  }

 private:
  uint64_t last_ = 0;
};

// ESP with a combined mode: RFC 4106 (GCM), 4309 (CCM), 7634 (ChaCha20-Poly1305).
class EspAead final : public PacketKey {
 public:
  EspAead(const PacketKeyShape& shape, Secret<Aead> aead, Span salt)
      : PacketKey(shape), aead_(std::move(aead)), salt_length_(salt.length) {
    memcpy(salt_, salt.data, salt.length);
  }

  int32_t Seal(uint8_t* slab, const Row& row) override {
    uint8_t* packet = slab + row.crypt_offset;
    if (!sequence_.Write(row.seq_high, Load32(packet + kSequence), packet + kIv)) return kDropNonceReuse;
    uint8_t nonce[12], extended[12];
    MakeNonce(packet, nonce);
    uint8_t* data = packet + kIv + kCounterIv;
    const size_t length = static_cast<size_t>(row.crypt_length);
    return aead_->Seal(nonce, Associated(packet, row, extended), data, length, data + length) ? 0 : kDropNoKey;
  }

  int32_t Open(uint8_t* slab, const Row& row) override {
    uint8_t* packet = slab + row.crypt_offset;
    uint8_t nonce[12], extended[12];
    MakeNonce(packet, nonce);
    uint8_t* data = packet + kIv + kCounterIv;
    const size_t length = static_cast<size_t>(row.crypt_length);
    return aead_->Open(nonce, Associated(packet, row, extended), data, length, data + length) ? 0 : kDropIcvMismatch;
  }

  const char* implementation() const override { return aead_->implementation(); }

 private:
  void MakeNonce(const uint8_t* packet, uint8_t* nonce) const {
    memcpy(nonce, salt_, 4);
    memcpy(nonce + salt_length_, packet + kIv, kCounterIv);
  }

  // RFC 4106 §5: SPI and sequence number; with ESN all 64 bits of it, high half first.
  Span Associated(const uint8_t* packet, const Row& row, uint8_t* extended) const {
    if (!esn_) return {packet, 8};
    memcpy(extended, packet, 4);
    Store32(extended + 4, row.seq_high);
    memcpy(extended + 8, packet + kSequence, 4);
    return {extended, 12};
  }

  const Secret<Aead> aead_;
  SequenceIv sequence_;
  const size_t salt_length_;
  uint8_t salt_[4] = {};
};

// ESP with ENCR_NULL_AUTH_AES_GMAC (RFC 4543 §3): the ICV covers the IV too.
class EspGmac final : public PacketKey {
 public:
  EspGmac(const PacketKeyShape& shape, Secret<Mac> mac, Span salt) : PacketKey(shape), mac_(std::move(mac)) {
    memcpy(salt_, salt.data, sizeof salt_);
  }

  int32_t Seal(uint8_t* slab, const Row& row) override {
    uint8_t* packet = slab + row.crypt_offset;
    if (!sequence_.Write(row.seq_high, Load32(packet + kSequence), packet + kIv)) return kDropNonceReuse;
    return Compute(packet, row, packet + Covered(row)) ? 0 : kDropNoKey;
  }

  int32_t Open(uint8_t* slab, const Row& row) override {
    uint8_t* packet = slab + row.crypt_offset;
    uint8_t tag[kLongestTag];
    if (!Compute(packet, row, tag)) return kDropNoKey;
    return CRYPTO_memcmp(tag, packet + Covered(row), icv_length_) == 0 ? 0 : kDropIcvMismatch;
  }

  const char* implementation() const override { return mac_->implementation(); }

 private:
  static size_t Covered(const Row& row) { return kIv + kCounterIv + static_cast<size_t>(row.crypt_length); }

  bool Compute(const uint8_t* packet, const Row& row, uint8_t* tag) {
    uint8_t nonce[12], high[4];
    memcpy(nonce, salt_, sizeof salt_);
    memcpy(nonce + 4, packet + kIv, kCounterIv);
    Store32(high, row.seq_high);
    const Span parts[] = {{packet, 4}, {high, esn_ ? size_t{4} : 0}, {packet + 4, Covered(row) - 4}};
    return mac_->Compute(nonce, parts, 3, tag);
  }

  const Secret<Mac> mac_;
  SequenceIv sequence_;
  uint8_t salt_[4];
};

// ESP with encryption (or NULL) first and an ICV over all of it after (RFC 4303 §3.3.2.1).
class EspEncryptThenMac final : public PacketKey {
 public:
  EspEncryptThenMac(const PacketKeyShape& shape, int32_t encryption, Secret<BlockMode> mode, Secret<Mac> mac,
                    Secret<MultiBufferKey> multi_buffer, Span nonce, RandomPool& random)
      : PacketKey(shape),
        encryption_(encryption),
        mode_(std::move(mode)),
        mac_(std::move(mac)),
        multi_buffer_(std::move(multi_buffer)),
        random_(random) {
    if (nonce.length != 0) memcpy(nonce_, nonce.data, sizeof nonce_);
  }

  int32_t Seal(uint8_t* slab, const Row& row) override {
    uint8_t* packet = slab + row.crypt_offset;
    const int32_t failed = WriteIv(packet, row);
    if (failed != 0) return failed;
    if (!Apply(packet, row)) return kDropNoKey;
    uint8_t tag[kLongestTag];
    if (!Compute(packet, row, tag)) return kDropNoKey;
    memcpy(packet + Covered(row), tag, icv_length_);
    return 0;
  }

  // The ICV comes first: nothing is decrypted that was not authenticated (RFC 4303 §3.4.4.1).
  int32_t Open(uint8_t* slab, const Row& row) override {
    uint8_t* packet = slab + row.crypt_offset;
    uint8_t tag[kLongestTag];
    if (!Compute(packet, row, tag)) return kDropNoKey;
    if (CRYPTO_memcmp(tag, packet + Covered(row), icv_length_) != 0) return kDropIcvMismatch;
    return Apply(packet, row) ? 0 : kDropNoKey;
  }

  bool Prepare(uint8_t* slab, const Row& row, MultiBufferJob* job) override {
    uint8_t* packet = slab + row.crypt_offset;
    if (direction_ == Direction::kSeal && WriteIv(packet, row) != 0) return false;
    job->key = multi_buffer_.get();
    job->start = packet;
    job->covered = Covered(row);
    MakeIv(packet, job->iv);
    job->data = packet + kIv + iv_length_;
    job->length = static_cast<size_t>(row.crypt_length);
    job->icv = packet + Covered(row);
    job->esn = esn_;
    Store32(job->seq_high, row.seq_high);
    return true;
  }

  const MultiBufferKey* multi_buffer() const override { return multi_buffer_.get(); }
  const char* implementation() const override {
    if (multi_buffer_ != nullptr) return IpsecMb::Name();
    return encryption_ == kDes ? mode_->implementation() : mac_->implementation();
  }

 private:
  size_t Covered(const Row& row) const { return kIv + iv_length_ + static_cast<size_t>(row.crypt_length); }

  int32_t WriteIv(uint8_t* packet, const Row& row) {
    if (encryption_ == kNull) return 0;
    if (encryption_ == kAesCtr)
      return sequence_.Write(row.seq_high, Load32(packet + kSequence), packet + kIv) ? 0 : kDropNonceReuse;
    // RFC 3602 §3, 2451 §3: CBC's IV must not be predictable.
    const uint8_t* iv = random_.Take(iv_length_);
    if (iv == nullptr) return kDropNoKey;
    memcpy(packet + kIv, iv, iv_length_);
    return 0;
  }

  // RFC 3686 §4: nonce, IV, and a block counter that starts at 1.
  void MakeIv(const uint8_t* packet, uint8_t* iv) const {
    if (encryption_ == kAesCtr) {
      memcpy(iv, nonce_, 4);
      memcpy(iv + 4, packet + kIv, kCounterIv);
      Store32(iv + 12, 1);
    } else {
      memcpy(iv, packet + kIv, iv_length_);
    }
  }

  bool Apply(uint8_t* packet, const Row& row) {
    if (mode_ == nullptr) return true;
    uint8_t iv[kLongestIv];
    MakeIv(packet, iv);
    return mode_->Apply(iv, packet + kIv + iv_length_, static_cast<size_t>(row.crypt_length));
  }

  // RFC 4303 §2.2.1: with ESN the high half is hashed behind the packet and not sent.
  bool Compute(const uint8_t* packet, const Row& row, uint8_t* tag) {
    uint8_t high[4];
    Store32(high, row.seq_high);
    const Span parts[] = {{packet, Covered(row)}, {high, 4}};
    return mac_->Compute(nullptr, parts, esn_ ? 2 : 1, tag);
  }

  const int32_t encryption_;
  const Secret<BlockMode> mode_;
  const Secret<Mac> mac_;
  const Secret<MultiBufferKey> multi_buffer_;
  SequenceIv sequence_;
  uint8_t nonce_[4] = {};
  RandomPool& random_;
};

// AH (RFC 4302 §3.3.3): the muted copy of headers, the payload, with ESN the high half. GMAC (RFC 4543 §4) keeps its
// IV in front of the tag inside the ICV field, which the muted copy holds as zeros.
class Ah final : public PacketKey {
 public:
  Ah(const PacketKeyShape& shape, Secret<Mac> mac, Span salt) : PacketKey(shape), mac_(std::move(mac)) {
    if (salt.length != 0) memcpy(salt_, salt.data, sizeof salt_);
  }

  int32_t Seal(uint8_t* slab, const Row& row) override {
    uint8_t* icv = slab + row.icv_offset;
    if (iv_length_ != 0 && !sequence_.Write(row.seq_high, Load32(icv - kSequenceBeforeIcv), icv))
      return kDropNonceReuse;
    uint8_t tag[kLongestTag];
    if (!Compute(slab, row, tag)) return kDropNoKey;
    memcpy(icv + iv_length_, tag, icv_length_);
    return 0;
  }

  int32_t Open(uint8_t* slab, const Row& row) override {
    uint8_t tag[kLongestTag];
    if (!Compute(slab, row, tag)) return kDropNoKey;
    return CRYPTO_memcmp(tag, slab + row.icv_offset + iv_length_, icv_length_) == 0 ? 0 : kDropIcvMismatch;
  }

  const char* implementation() const override { return mac_->implementation(); }

 private:
  bool Compute(const uint8_t* slab, const Row& row, uint8_t* tag) {
    uint8_t nonce[12], high[4];
    memcpy(nonce, salt_, sizeof salt_);
    memcpy(nonce + 4, slab + row.icv_offset, kCounterIv);
    Store32(high, row.seq_high);
    const Span parts[] = {{slab + row.prefix_offset, static_cast<size_t>(row.prefix_length)},
                          {slab + row.crypt_offset, static_cast<size_t>(row.crypt_length)},
                          {high, 4}};
    return mac_->Compute(nonce, parts, esn_ ? 3 : 2, tag);
  }

  const Secret<Mac> mac_;
  SequenceIv sequence_;
  uint8_t salt_[4] = {};
};

size_t MacIcvLength(int32_t integrity) {
  switch (integrity) {
    case kHmacMd5:
    case kHmacSha1:
    case kAesXcbc:
    case kAesCmac:
      return 12;
    case kHmacSha256:
    case kAes128Gmac:
    case kAes192Gmac:
    case kAes256Gmac:
      return 16;
    case kHmacSha384:
      return 24;
    case kHmacSha512:
      return 32;
    default:
      return 0;
  }
}

// Octets of key without salt: the packets' MACs have one length each (RFC 4868 §2.1.1 and the transforms' own RFCs).
size_t MacKeyLength(int32_t integrity) {
  switch (integrity) {
    case kHmacSha1:
      return 20;
    case kAes192Gmac:
      return 24;
    case kHmacSha256:
    case kAes256Gmac:
      return 32;
    case kHmacSha384:
      return 48;
    case kHmacSha512:
      return 64;
    default:
      return 16;
  }
}

bool IsGmac(int32_t integrity) { return integrity >= kAes128Gmac && integrity <= kAes256Gmac; }

// Splits the salt off the key's end.
bool SplitSalt(Span whole, size_t salt_length, Span* key, Span* salt) {
  if (whole.length < salt_length) return false;
  *key = {whole.data, whole.length - salt_length};
  *salt = {whole.data + key->length, salt_length};
  return true;
}

}  // namespace

const uint8_t* RandomPool::Take(size_t length) {
  if (left_ < length) {
    if (RAND_bytes(pool_, kLength) != 1) return nullptr;
    left_ = kLength;
  }
  left_ -= length;
  return pool_ + left_;
}

bool PacketKey::Fits(const Row& row, size_t slab_length) const {
  // Negative offsets and lengths become huge, and no sum of a few int32 overflows 64 bits.
  const auto inside = [slab_length](int32_t offset, int32_t length, uint64_t more) {
    return offset >= 0 && length >= 0 &&
           static_cast<uint64_t>(offset) + static_cast<uint64_t>(length) + more <= slab_length;
  };
  if (ah_) {
    return row.prefix_length > 0 && inside(row.prefix_offset, row.prefix_length, 0) &&
           inside(row.crypt_offset, row.crypt_length, 0) &&
           row.icv_offset >= static_cast<int32_t>(kSequenceBeforeIcv) &&
           inside(row.icv_offset, 0, static_cast<uint64_t>(iv_length_) + icv_length_);
  }
  return row.prefix_length == 0 &&
         inside(row.crypt_offset, row.crypt_length, kIv + static_cast<uint64_t>(iv_length_) + icv_length_) &&
         (block_length_ == 1 || (row.crypt_length > 0 && row.crypt_length % block_length_ == 0));
}

size_t AeadTagLength(int32_t encryption) {
  switch (encryption) {
    case kAesCcm8:
    case kAesGcm8:
      return 8;
    case kAesCcm12:
    case kAesGcm12:
      return 12;
    case kAesCcm16:
    case kAesGcm16:
    case kChaCha20Poly1305:
      return 16;
    default:
      return 0;
  }
}

size_t SaltLength(int32_t encryption) {
  switch (encryption) {
    case kAesCcm8:
    case kAesCcm12:
    case kAesCcm16:
      return 3;
    case kAesGcm8:
    case kAesGcm12:
    case kAesGcm16:
    case kChaCha20Poly1305:
    case kNullAuthAesGmac:
    case kAesCtr:
      return 4;
    default:
      return 0;
  }
}

Secret<Aead> MakeAead(CipherLibraries& libraries, int32_t encryption, Span key, Direction direction) {
  const size_t tag_length = AeadTagLength(encryption);
  Secret<Aead> aead;
  if (libraries.vaes != nullptr) aead = libraries.vaes->MakeAead(libraries.memory, encryption, key, tag_length);
  if (aead == nullptr && libraries.ipsec_mb != nullptr)
    aead = libraries.ipsec_mb->MakeAead(libraries.memory, encryption, key, tag_length);
  if (aead == nullptr) aead = libraries.openssl.MakeAead(libraries.memory, encryption, key, tag_length, direction);
  return aead;
}

Secret<Mac> MakeMac(CipherLibraries& libraries, int32_t integrity, Span key) {
  Secret<Mac> mac;
  // The IDs of the three GMACs are 9, 10, 11 for keys of 16, 24, 32 octets.
  const bool gmac = IsGmac(integrity) && key.length == 16 + 8 * static_cast<size_t>(integrity - kAes128Gmac);
  if (gmac && libraries.ipsec_mb != nullptr)
    mac = libraries.ipsec_mb->MakeGmac(libraries.memory, key);
  if (mac == nullptr) mac = libraries.openssl.MakeMac(libraries.memory, integrity, key);
  return mac;
}

Secret<PacketKey> MakePacketKey(CipherLibraries& libraries, const KeyMaterial& material) {
  KeyMemory& memory = libraries.memory;
  const auto icv = [](size_t length) { return static_cast<uint8_t>(length); };
  Span key, salt;

  if (material.encryption == kEncryptionNone) {
    const bool gmac = IsGmac(material.integrity);
    if (!SplitSalt(material.integrity_key, gmac ? 4 : 0, &key, &salt)) return nullptr;
    if (key.length != MacKeyLength(material.integrity)) return nullptr;
    Secret<Mac> mac = MakeMac(libraries, material.integrity, key);
    if (mac == nullptr) return nullptr;
    const uint8_t iv = gmac ? kCounterIv : 0;
    return MakeSecret<Ah>(memory,
                          PacketKeyShape{material.direction, true, material.esn, iv,
                                         icv(MacIcvLength(material.integrity)), 1},
                          std::move(mac), salt);
  }
  if (!SplitSalt(material.encryption_key, SaltLength(material.encryption), &key, &salt)) return nullptr;

  if (AeadTagLength(material.encryption) != 0) {
    if (material.integrity != kIntegrityNone || material.integrity_key.length != 0) return nullptr;
    const size_t tag_length = AeadTagLength(material.encryption);
    Secret<Aead> aead = MakeAead(libraries, material.encryption, key, material.direction);
    if (aead == nullptr) return nullptr;
    return MakeSecret<EspAead>(
        memory, PacketKeyShape{material.direction, false, material.esn, kCounterIv, icv(tag_length), 1},
        std::move(aead), salt);
  }

  if (material.encryption == kNullAuthAesGmac) {
    if (material.integrity != kIntegrityNone) return nullptr;
    const int32_t by_length = key.length == 16 ? kAes128Gmac : key.length == 24 ? kAes192Gmac : kAes256Gmac;
    Secret<Mac> mac = MakeMac(libraries, by_length, key);
    if (mac == nullptr) return nullptr;
    return MakeSecret<EspGmac>(memory,
                               PacketKeyShape{material.direction, false, material.esn, kCounterIv, 16, 1},
                               std::move(mac), salt);
  }

  uint8_t iv = 0, block = 1;
  switch (material.encryption) {
    case kAesCbc:
      iv = block = 16;
      break;
    case kTripleDes:
    case kDes:
      iv = block = 8;
      break;
    case kAesCtr:
      iv = kCounterIv;
      break;
    case kNull:
      if (key.length != 0) return nullptr;
      break;
    default:
      return nullptr;
  }
  const size_t icv_length = MacIcvLength(material.integrity);
  // Encryption without integrity is refused here too, whatever a caller checked.
  if (icv_length == 0 || IsGmac(material.integrity)) return nullptr;
  if (material.integrity_key.length != MacKeyLength(material.integrity)) return nullptr;
  Secret<Mac> mac = MakeMac(libraries, material.integrity, material.integrity_key);
  Secret<BlockMode> mode;
  if (material.encryption != kNull) {
    mode = libraries.openssl.MakeBlockMode(memory, material.encryption, key, material.direction);
    if (mode == nullptr) return nullptr;
  }
  if (mac == nullptr) return nullptr;
  Secret<MultiBufferKey> multi_buffer;
  if (libraries.ipsec_mb != nullptr)
    multi_buffer = libraries.ipsec_mb->MakeMultiBufferKey(memory, material.encryption, key, material.integrity,
                                                          material.integrity_key, icv_length, material.direction);
  return MakeSecret<EspEncryptThenMac>(
      memory, PacketKeyShape{material.direction, false, material.esn, iv, icv(icv_length), block},
      material.encryption, std::move(mode), std::move(mac), std::move(multi_buffer), salt, libraries.random);
}

}  // namespace esplanade

// Intel ipsec-mb where it was built in (WITH_IPSEC_MB) and the CPU has AES-NI: AES-GCM and GMAC a packet at a time,
// CBC and CTR with HMAC many packets at a time. What gives another answer than OpenSSL is never used.
#pragma once
#include "cipher_openssl.h"

struct IMB_MGR;

namespace esplanade {

// Below this many packets of a kind its lanes run empty, and OpenSSL is faster.
constexpr size_t kMultiBufferLeast = 8;
constexpr size_t kMultiBufferMost = 64;

// Expanded keys of one encrypt-then-MAC SA, as jobs want them.
struct alignas(64) MultiBufferKey {
  virtual ~MultiBufferKey() = default;
  alignas(16) uint8_t cipher_keys[15 * 16];
  alignas(16) uint8_t inner_state[64];
  alignas(16) uint8_t outer_state[64];
  int32_t encryption;
  int32_t integrity;
  uint32_t key_length;
  uint32_t icv_length;
  Direction direction;

  // Rows of equal kind may share a call.
  bool SameKind(const MultiBufferKey& other) const {
    return encryption == other.encryption && integrity == other.integrity && key_length == other.key_length &&
           direction == other.direction;
  }
};

// One ESP packet. Its ICV field also serves as the place of the sequence number's high half while hashing.
struct MultiBufferJob {
  const MultiBufferKey* key;
  // What the ICV covers.
  uint8_t* start;
  size_t covered;
  // CBC: in the packet. CTR: the whole counter block.
  uint8_t iv[kLongestIv];
  uint8_t* data;
  size_t length;
  uint8_t* icv;
  bool esn;
  uint8_t seq_high[4];
  bool ok;
};

class IpsecMb {
 public:
  // nullptr where it is not built in, the CPU lacks AES-NI, or its own self-test failed.
  static std::unique_ptr<IpsecMb> Make(OpenSsl& openssl, KeyMemory& memory);
  ~IpsecMb();
  IpsecMb(const IpsecMb&) = delete;
  IpsecMb& operator=(const IpsecMb&) = delete;

  // AES-GCM runs four blocks an instruction.
  bool has_avx512() const;

  // "ipsec-mb 1.3.0".
  static const char* Name();

  // nullptr = not offered, or it failed its comparison with OpenSSL.
  Secret<Aead> MakeAead(KeyMemory& memory, int32_t encryption, Span key, size_t tag_length);
  Secret<Mac> MakeGmac(KeyMemory& memory, Span key);
  Secret<MultiBufferKey> MakeMultiBufferKey(KeyMemory& memory, int32_t encryption, Span encryption_key,
                                            int32_t integrity, Span integrity_key, size_t icv_length,
                                            Direction direction);

  // All jobs are of one kind, at most kMultiBufferMost; `ok` tells of each.
  void Seal(MultiBufferJob* jobs, size_t count);
  // ICVs of all first, then the ciphertexts of those that verify.
  void Open(MultiBufferJob* jobs, size_t count);

 private:
  enum class Trust : uint8_t { kUntested, kGood, kBad };
  IpsecMb(IMB_MGR* manager, OpenSsl& openssl, KeyMemory& memory)
      : manager_(manager), openssl_(openssl), memory_(memory) {}

  Secret<Aead> NewAead(KeyMemory& memory, int32_t encryption, Span key, size_t tag_length);
  Secret<Mac> NewGmac(KeyMemory& memory, Span key);
  Secret<MultiBufferKey> NewMultiBufferKey(KeyMemory& memory, int32_t encryption, Span encryption_key,
                                           int32_t integrity, Span integrity_key, size_t icv_length,
                                           Direction direction);
  bool AeadAgrees(int32_t encryption, size_t key_length, size_t tag_length);
  bool GmacAgrees(size_t key_length);
  bool JobsAgree(int32_t encryption, size_t key_length, int32_t integrity, size_t integrity_key_length,
                 size_t icv_length);
  void Drain();

  IMB_MGR* const manager_;
  OpenSsl& openssl_;
  KeyMemory& memory_;
  // By encryption ID and key length; GMAC at its own ID.
  Trust aead_trust_[32][3] = {};
  // By encryption (CBC, CTR), key length and integrity ID.
  Trust job_trust_[2][3][16] = {};
};

}  // namespace esplanade

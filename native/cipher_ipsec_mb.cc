#include "cipher_ipsec_mb.h"

#include <openssl/crypto.h>

#include <cstring>

#ifdef WITH_IPSEC_MB
#include <intel-ipsec-mb.h>

namespace esplanade {
namespace {

size_t SizeIndex(size_t key_length) { return key_length / 8 - 2; }
bool IsAesKeyLength(size_t length) { return length == 16 || length == 24 || length == 32; }

class Gcm final : public Aead {
 public:
  Gcm(IMB_MGR* manager, Span key, size_t tag_length) : tag_length_(tag_length) {
    if (key.length == 16) {
      seal_ = manager->gcm128_enc;
      open_ = manager->gcm128_dec;
      IMB_AES128_GCM_PRE(manager, key.data, &key_);
    } else if (key.length == 24) {
      seal_ = manager->gcm192_enc;
      open_ = manager->gcm192_dec;
      IMB_AES192_GCM_PRE(manager, key.data, &key_);
    } else {
      seal_ = manager->gcm256_enc;
      open_ = manager->gcm256_dec;
      IMB_AES256_GCM_PRE(manager, key.data, &key_);
    }
  }

  bool Seal(const uint8_t* nonce, Span aad, uint8_t* data, size_t length, uint8_t* tag) override {
    gcm_context_data context;
    seal_(&key_, &context, data, data, length, nonce, aad.data, aad.length, tag, tag_length_);
    return true;
  }

  bool Open(const uint8_t* nonce, Span aad, uint8_t* data, size_t length, const uint8_t* tag) override {
    gcm_context_data context;
    uint8_t expected[16];
    open_(&key_, &context, data, data, length, nonce, aad.data, aad.length, expected, tag_length_);
    return CRYPTO_memcmp(expected, tag, tag_length_) == 0;
  }

  const char* implementation() const override { return IpsecMb::Name(); }

 private:
  aes_gcm_enc_dec_t seal_;
  aes_gcm_enc_dec_t open_;
  const size_t tag_length_;
  gcm_key_data key_;
};

class Gmac final : public Mac {
 public:
  Gmac(IMB_MGR* manager, Span key) {
    if (key.length == 16) {
      init_ = manager->gmac128_init;
      update_ = manager->gmac128_update;
      finish_ = manager->gmac128_finalize;
      IMB_AES128_GCM_PRE(manager, key.data, &key_);
    } else if (key.length == 24) {
      init_ = manager->gmac192_init;
      update_ = manager->gmac192_update;
      finish_ = manager->gmac192_finalize;
      IMB_AES192_GCM_PRE(manager, key.data, &key_);
    } else {
      init_ = manager->gmac256_init;
      update_ = manager->gmac256_update;
      finish_ = manager->gmac256_finalize;
      IMB_AES256_GCM_PRE(manager, key.data, &key_);
    }
  }

  bool Compute(const uint8_t* nonce, const Span* parts, size_t count, uint8_t* tag) override {
    gcm_context_data context;
    init_(&key_, &context, nonce, 12);
    for (size_t i = 0; i < count; i++) {
      if (parts[i].length != 0) update_(&key_, &context, parts[i].data, parts[i].length);
    }
    finish_(&key_, &context, tag, 16);
    return true;
  }

  size_t tag_length() const override { return 16; }
  const char* implementation() const override { return IpsecMb::Name(); }

 private:
  aes_gmac_init_t init_;
  aes_gmac_update_t update_;
  aes_gmac_finalize_t finish_;
  gcm_key_data key_;
};

class ChaChaPoly final : public Aead {
 public:
  ChaChaPoly(IMB_MGR* manager, Span key)
      : init_(manager->chacha20_poly1305_init),
        seal_(manager->chacha20_poly1305_enc_update),
        open_(manager->chacha20_poly1305_dec_update),
        finish_(manager->chacha20_poly1305_finalize) {
    memcpy(key_, key.data, sizeof key_);
  }

  bool Seal(const uint8_t* nonce, Span aad, uint8_t* data, size_t length, uint8_t* tag) override {
    chacha20_poly1305_context_data context;
    init_(key_, &context, nonce, aad.data, aad.length);
    if (length != 0) seal_(key_, &context, data, data, length);
    finish_(&context, tag, 16);
    return true;
  }

  bool Open(const uint8_t* nonce, Span aad, uint8_t* data, size_t length, const uint8_t* tag) override {
    chacha20_poly1305_context_data context;
    uint8_t expected[16];
    init_(key_, &context, nonce, aad.data, aad.length);
    if (length != 0) open_(key_, &context, data, data, length);
    finish_(&context, expected, 16);
    return CRYPTO_memcmp(expected, tag, 16) == 0;
  }

  const char* implementation() const override { return IpsecMb::Name(); }

 private:
  const chacha_poly_init_t init_;
  const chacha_poly_enc_dec_update_t seal_;
  const chacha_poly_enc_dec_update_t open_;
  const chacha_poly_finalize_t finish_;
  alignas(16) uint8_t key_[32];
};

struct HashShape {
  IMB_HASH_ALG algorithm;
  size_t block;
  hash_one_block_t one_block;
};

// A block of 0 octets: not offered.
HashShape ShapeOf(const IMB_MGR* manager, int32_t integrity) {
  switch (integrity) {
    case kHmacSha1:
      return {IMB_AUTH_HMAC_SHA_1, 64, manager->sha1_one_block};
    case kHmacSha256:
      return {IMB_AUTH_HMAC_SHA_256, 64, manager->sha256_one_block};
    case kHmacSha384:
      return {IMB_AUTH_HMAC_SHA_384, 128, manager->sha384_one_block};
    case kHmacSha512:
      return {IMB_AUTH_HMAC_SHA_512, 128, manager->sha512_one_block};
    default:
      return {IMB_AUTH_NULL, 0, nullptr};
  }
}

// Place in job_trust_. NULL is not among them: an HMAC alone is no faster in lanes where the CPU has SHA instructions.
int CipherIndex(int32_t encryption) { return encryption == kAesCbc ? 0 : encryption == kAesCtr ? 1 : -1; }

void FillHash(IMB_JOB* out, const MultiBufferJob& job, IMB_HASH_ALG algorithm, uint8_t* tag) {
  out->src = job.start;
  out->hash_alg = algorithm;
  out->hash_start_src_offset_in_bytes = 0;
  out->msg_len_to_hash_in_bytes = job.covered + (job.esn ? 4 : 0);
  out->auth_tag_output = tag;
  out->auth_tag_output_len_in_bytes = job.key->icv_length;
  out->u.HMAC._hashed_auth_key_xor_ipad = job.key->inner_state;
  out->u.HMAC._hashed_auth_key_xor_opad = job.key->outer_state;
}

void FillCipher(IMB_JOB* out, const MultiBufferJob& job) {
  out->src = job.start;
  out->dst = job.data;
  out->enc_keys = job.key->cipher_keys;
  out->dec_keys = job.key->cipher_keys;
  out->key_len_in_bytes = job.key->key_length;
  out->cipher_mode = job.key->encryption == kAesCbc ? IMB_CIPHER_CBC : IMB_CIPHER_CNTR;
  out->cipher_start_src_offset_in_bytes = static_cast<uint64_t>(job.data - job.start);
  out->msg_len_to_cipher_in_bytes = job.length;
  out->iv = job.iv;
  out->iv_len_in_bytes = kLongestIv;
}

bool Completed(const IMB_JOB* job) { return job->status == IMB_STATUS_COMPLETED; }

void Settle(IMB_JOB* done) { static_cast<MultiBufferJob*>(done->user_data)->ok = Completed(done); }

void FillPattern(uint8_t* target, size_t length, uint32_t seed) {
  uint32_t state = seed * 2654435761u + 12345u;
  for (size_t i = 0; i < length; i++) {
    state = state * 1664525u + 1013904223u;
    target[i] = static_cast<uint8_t>(state >> 24);
  }
}

constexpr size_t kTestLengths[] = {0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 1400};
constexpr size_t kLongestTest = 1400;

}  // namespace

const char* IpsecMb::Name() {
  struct Text {
    char text[64] = "ipsec-mb ";
    Text() {
      const char* version = imb_get_version_str();
      while (*version == 'v') version++;
      strncat(text, version, 32);
    }
  };
  static const Text name;
  return name.text;
}

std::unique_ptr<IpsecMb> IpsecMb::Make(OpenSsl& openssl, KeyMemory& memory) {
  constexpr uint64_t kNeeded = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_SSE4_2;
  if ((imb_get_feature_flags() & kNeeded) != kNeeded) return nullptr;
  IMB_MGR* manager = alloc_mb_mgr(0);
  if (manager == nullptr) return nullptr;
  init_mb_mgr_auto(manager, nullptr);
  const uint64_t self_test = manager->features & (IMB_FEATURE_SELF_TEST | IMB_FEATURE_SELF_TEST_PASS);
  if (imb_get_errno(manager) != 0 || self_test == IMB_FEATURE_SELF_TEST) {
    free_mb_mgr(manager);
    return nullptr;
  }
  return std::unique_ptr<IpsecMb>(new IpsecMb(manager, openssl, memory));
}

IpsecMb::~IpsecMb() { free_mb_mgr(manager_); }

bool IpsecMb::has_avx512() const {
  constexpr uint64_t kNeeded = IMB_FEATURE_AVX512_SKX | IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ;
  return (manager_->features & kNeeded) == kNeeded;
}

Secret<Aead> IpsecMb::NewAead(KeyMemory& memory, int32_t encryption, Span key, size_t tag_length) {
  if (encryption == kChaCha20Poly1305) return MakeSecret<ChaChaPoly>(memory, manager_, key);
  return MakeSecret<Gcm>(memory, manager_, key, tag_length);
}

Secret<Mac> IpsecMb::NewGmac(KeyMemory& memory, Span key) { return MakeSecret<Gmac>(memory, manager_, key); }

Secret<Aead> IpsecMb::MakeAead(KeyMemory& memory, int32_t encryption, Span key, size_t tag_length) {
  const bool gcm = encryption == kAesGcm8 || encryption == kAesGcm12 || encryption == kAesGcm16;
  const bool chacha = encryption == kChaCha20Poly1305 && key.length == 32;
  if (!chacha && !(gcm && IsAesKeyLength(key.length))) return nullptr;
  Trust& trust = aead_trust_[encryption][SizeIndex(key.length)];
  if (trust == Trust::kUntested)
    trust = AeadAgrees(encryption, key.length, tag_length) ? Trust::kGood : Trust::kBad;
  return trust == Trust::kGood ? NewAead(memory, encryption, key, tag_length) : nullptr;
}

Secret<Mac> IpsecMb::MakeGmac(KeyMemory& memory, Span key) {
  if (!IsAesKeyLength(key.length)) return nullptr;
  Trust& trust = aead_trust_[kNullAuthAesGmac][SizeIndex(key.length)];
  if (trust == Trust::kUntested) trust = GmacAgrees(key.length) ? Trust::kGood : Trust::kBad;
  return trust == Trust::kGood ? NewGmac(memory, key) : nullptr;
}

Secret<MultiBufferKey> IpsecMb::MakeMultiBufferKey(KeyMemory& memory, int32_t encryption, Span encryption_key,
                                                   int32_t integrity, Span integrity_key, size_t icv_length,
                                                   Direction direction) {
  const int cipher = CipherIndex(encryption);
  const HashShape shape = ShapeOf(manager_, integrity);
  if (cipher < 0 || shape.block == 0 || integrity_key.length > shape.block) return nullptr;
  if (!IsAesKeyLength(encryption_key.length)) return nullptr;
  Trust& trust = job_trust_[cipher][SizeIndex(encryption_key.length)][integrity];
  if (trust == Trust::kUntested) {
    const bool agrees =
        JobsAgree(encryption, encryption_key.length, integrity, integrity_key.length, icv_length);
    trust = agrees ? Trust::kGood : Trust::kBad;
  }
  if (trust == Trust::kBad) return nullptr;
  return NewMultiBufferKey(memory, encryption, encryption_key, integrity, integrity_key, icv_length, direction);
}

Secret<MultiBufferKey> IpsecMb::NewMultiBufferKey(KeyMemory& memory, int32_t encryption, Span encryption_key,
                                                  int32_t integrity, Span integrity_key, size_t icv_length,
                                                  Direction direction) {
  Secret<MultiBufferKey> key = MakeSecret<MultiBufferKey>(memory);
  if (key == nullptr) return nullptr;
  key->encryption = encryption;
  key->integrity = integrity;
  key->key_length = static_cast<uint32_t>(encryption_key.length);
  key->icv_length = static_cast<uint32_t>(icv_length);
  key->direction = direction;
  alignas(16) uint8_t other[sizeof key->cipher_keys];
  // CTR encrypts in both directions; CBC opens with the inverse schedule.
  const bool inverse = encryption == kAesCbc && direction == Direction::kOpen;
  uint8_t* forward_keys = inverse ? other : key->cipher_keys;
  uint8_t* inverse_keys = inverse ? key->cipher_keys : other;
  if (encryption_key.length == 16)
    IMB_AES_KEYEXP_128(manager_, encryption_key.data, forward_keys, inverse_keys);
  else if (encryption_key.length == 24)
    IMB_AES_KEYEXP_192(manager_, encryption_key.data, forward_keys, inverse_keys);
  else
    IMB_AES_KEYEXP_256(manager_, encryption_key.data, forward_keys, inverse_keys);
  OPENSSL_cleanse(other, sizeof other);
  const HashShape shape = ShapeOf(manager_, integrity);
  uint8_t block[128] = {};
  if (integrity_key.length != 0) memcpy(block, integrity_key.data, integrity_key.length);
  for (uint8_t& octet : block) octet ^= 0x36;
  shape.one_block(block, key->inner_state);
  for (uint8_t& octet : block) octet ^= 0x36 ^ 0x5c;
  shape.one_block(block, key->outer_state);
  OPENSSL_cleanse(block, sizeof block);
  return key;
}

void IpsecMb::Drain() {
  while (IMB_JOB* done = IMB_FLUSH_JOB(manager_)) Settle(done);
}

void IpsecMb::Seal(MultiBufferJob* jobs, size_t count) {
  uint8_t tags[kMultiBufferMost][kLongestTag];
  const IMB_HASH_ALG hash = ShapeOf(manager_, jobs[0].key->integrity).algorithm;
  for (size_t i = 0; i < count; i++) {
    MultiBufferJob& job = jobs[i];
    job.ok = false;
    if (job.esn) memcpy(job.icv, job.seq_high, 4);
    IMB_JOB* out = IMB_GET_NEXT_JOB(manager_);
    FillCipher(out, job);
    FillHash(out, job, hash, tags[i]);
    out->cipher_direction = IMB_DIR_ENCRYPT;
    out->chain_order = IMB_ORDER_CIPHER_HASH;
    out->user_data = &job;
    for (IMB_JOB* done = IMB_SUBMIT_JOB(manager_); done != nullptr; done = IMB_GET_COMPLETED_JOB(manager_))
      Settle(done);
  }
  Drain();
  for (size_t i = 0; i < count; i++) memcpy(jobs[i].icv, tags[i], jobs[i].key->icv_length);
}

void IpsecMb::Open(MultiBufferJob* jobs, size_t count) {
  uint8_t tags[kMultiBufferMost][kLongestTag];
  uint8_t received[kMultiBufferMost][kLongestTag];
  const IMB_HASH_ALG hash = ShapeOf(manager_, jobs[0].key->integrity).algorithm;
  for (size_t i = 0; i < count; i++) {
    MultiBufferJob& job = jobs[i];
    job.ok = false;
    memcpy(received[i], job.icv, job.key->icv_length);
    if (job.esn) memcpy(job.icv, job.seq_high, 4);
    IMB_JOB* out = IMB_GET_NEXT_JOB(manager_);
    FillHash(out, job, hash, tags[i]);
    out->cipher_mode = IMB_CIPHER_NULL;
    out->cipher_direction = IMB_DIR_DECRYPT;
    out->chain_order = IMB_ORDER_HASH_CIPHER;
    out->user_data = &job;
    for (IMB_JOB* done = IMB_SUBMIT_JOB(manager_); done != nullptr; done = IMB_GET_COMPLETED_JOB(manager_))
      Settle(done);
  }
  Drain();
  for (size_t i = 0; i < count; i++) {
    MultiBufferJob& job = jobs[i];
    job.ok = job.ok && CRYPTO_memcmp(tags[i], received[i], job.key->icv_length) == 0;
    if (!job.ok) continue;
    job.ok = false;
    IMB_JOB* out = IMB_GET_NEXT_JOB(manager_);
    FillCipher(out, job);
    out->hash_alg = IMB_AUTH_NULL;
    out->cipher_direction = IMB_DIR_DECRYPT;
    out->chain_order = IMB_ORDER_CIPHER_HASH;
    out->user_data = &job;
    for (IMB_JOB* done = IMB_SUBMIT_JOB(manager_); done != nullptr; done = IMB_GET_COMPLETED_JOB(manager_))
      Settle(done);
  }
  Drain();
}

bool IpsecMb::AeadAgrees(int32_t encryption, size_t key_length, size_t tag_length) {
  uint8_t key[32], nonce[12], aad[12], ours[kLongestTest + 16], theirs[kLongestTest + 16];
  FillPattern(key, sizeof key, 1);
  FillPattern(nonce, sizeof nonce, 2);
  FillPattern(aad, sizeof aad, 3);
  const Secret<Aead> candidate = NewAead(memory_, encryption, {key, key_length}, tag_length);
  const Secret<Aead> sealer = openssl_.MakeAead(memory_, encryption, {key, key_length}, tag_length, Direction::kSeal);
  if (candidate == nullptr || sealer == nullptr) return false;
  for (const size_t length : kTestLengths) {
    for (const size_t aad_length : {size_t{8}, size_t{12}}) {
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

bool IpsecMb::GmacAgrees(size_t key_length) {
  uint8_t key[32], nonce[12], data[kLongestTest], ours[16], theirs[16];
  FillPattern(key, sizeof key, 1);
  FillPattern(nonce, sizeof nonce, 2);
  FillPattern(data, sizeof data, 3);
  const Secret<Mac> candidate = NewGmac(memory_, {key, key_length});
  const Secret<Mac> reference = openssl_.MakeGmac(memory_, {key, key_length});
  if (candidate == nullptr || reference == nullptr) return false;
  for (const size_t length : kTestLengths) {
    // Parts of odd lengths, as ESN and AH make them.
    const size_t first = length < 5 ? length : 5;
    const Span parts[] = {{data, first}, {data + first, length - first}};
    if (!reference->Compute(nonce, parts, 2, theirs)) return false;
    candidate->Compute(nonce, parts, 2, ours);
    if (memcmp(ours, theirs, sizeof ours) != 0) return false;
  }
  return true;
}

bool IpsecMb::JobsAgree(int32_t encryption, size_t key_length, int32_t integrity, size_t integrity_key_length,
                        size_t icv_length) {
  constexpr size_t kJobs = 9;
  constexpr size_t kHeader = 24;
  constexpr size_t kLongest = kHeader + 16 * 16 * kJobs + kLongestTag;
  uint8_t keys[32], mac_key[128], plain[kLongest], packets[kJobs][kLongest], expected[kLongest], tag[kLongestTag];
  FillPattern(keys, sizeof keys, 1);
  FillPattern(mac_key, sizeof mac_key, 2);
  FillPattern(plain, sizeof plain, 3);
  const Span key = {keys, key_length};
  const Span integrity_key = {mac_key, integrity_key_length};
  const auto seal =
      NewMultiBufferKey(memory_, encryption, key, integrity, integrity_key, icv_length, Direction::kSeal);
  const auto open =
      NewMultiBufferKey(memory_, encryption, key, integrity, integrity_key, icv_length, Direction::kOpen);
  const auto mac = openssl_.MakeMac(memory_, integrity, integrity_key);
  const auto mode = openssl_.MakeBlockMode(memory_, encryption, key, Direction::kSeal);
  if (seal == nullptr || open == nullptr || mac == nullptr || mode == nullptr) return false;
  MultiBufferJob jobs[kJobs];
  for (size_t i = 0; i < kJobs; i++) {
    const size_t length = 16 + i * i * 16;
    memcpy(packets[i], plain, sizeof plain);
    MultiBufferJob& job = jobs[i];
    job = MultiBufferJob{};
    job.key = seal.get();
    job.start = packets[i];
    job.covered = kHeader + length;
    FillPattern(job.iv, sizeof job.iv, static_cast<uint32_t>(10 + i));
    job.data = packets[i] + kHeader;
    job.length = length;
    job.icv = job.data + length;
    job.esn = i % 2 == 1;
    FillPattern(job.seq_high, 4, 5);
  }
  Seal(jobs, kJobs);
  for (size_t i = 0; i < kJobs; i++) {
    MultiBufferJob& job = jobs[i];
    memcpy(expected, plain, sizeof plain);
    if (!mode->Apply(job.iv, expected + kHeader, job.length)) return false;
    const Span parts[] = {{expected, job.covered}, {job.seq_high, job.esn ? size_t{4} : size_t{0}}};
    if (!mac->Compute(nullptr, parts, 2, tag)) return false;
    memcpy(expected + job.covered, tag, icv_length);
    if (!job.ok || memcmp(packets[i], expected, job.covered + icv_length) != 0) return false;
    job.key = open.get();
  }
  Open(jobs, kJobs);
  for (size_t i = 0; i < kJobs; i++) {
    if (!jobs[i].ok || memcmp(packets[i], plain, jobs[i].covered) != 0) return false;
  }
  return true;
}

}  // namespace esplanade

#else

struct IMB_MGR {};

namespace esplanade {

std::unique_ptr<IpsecMb> IpsecMb::Make(OpenSsl&, KeyMemory&) { return nullptr; }
IpsecMb::~IpsecMb() = default;
bool IpsecMb::has_avx512() const { return false; }
const char* IpsecMb::Name() { return "ipsec-mb"; }
Secret<Aead> IpsecMb::MakeAead(KeyMemory&, int32_t, Span, size_t) { return nullptr; }
Secret<Mac> IpsecMb::MakeGmac(KeyMemory&, Span) { return nullptr; }
Secret<MultiBufferKey> IpsecMb::MakeMultiBufferKey(KeyMemory&, int32_t, Span, int32_t, Span, size_t, Direction) {
  return nullptr;
}
void IpsecMb::Seal(MultiBufferJob*, size_t) {}
void IpsecMb::Open(MultiBufferJob*, size_t) {}

}  // namespace esplanade

#endif

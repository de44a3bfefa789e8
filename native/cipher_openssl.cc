#include "cipher_openssl.h"

#include <openssl/crypto.h>

#include <cstdio>
#include <cstring>

#include "des.h"

namespace esplanade {
namespace {

constexpr size_t kBlock = 16;

Context NewContext(const EVP_CIPHER* cipher, Span key, size_t nonce_length, size_t tag_length, bool encrypt) {
  if (cipher == nullptr) return nullptr;
  Context context(EVP_CIPHER_CTX_new());
  if (context == nullptr) return nullptr;
  if (EVP_CipherInit_ex(context.get(), cipher, nullptr, nullptr, nullptr, encrypt) != 1) return nullptr;
  if (nonce_length != 0 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(nonce_length), nullptr) != 1)
    return nullptr;
  // CCM wants its tag length before the key.
  if (tag_length != 0 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag_length), nullptr) != 1)
    return nullptr;
  if (EVP_CIPHER_CTX_get_key_length(context.get()) != static_cast<int>(key.length)) return nullptr;
  if (EVP_CipherInit_ex(context.get(), nullptr, nullptr, key.data, nullptr, encrypt) != 1) return nullptr;
  // ESP pads by itself. Said to AEADs, which never pad, it would cost each packet a round of parameters.
  if (EVP_CIPHER_CTX_get_mode(context.get()) == EVP_CIPH_CBC_MODE) EVP_CIPHER_CTX_set_padding(context.get(), 0);
  return context;
}

bool GetTag(EVP_CIPHER_CTX* context, uint8_t* tag, size_t length) {
  return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(length), tag) == 1;
}

// Only a context that opens is ever given a tag; OpenSSL then compares by itself, in constant time.
bool SetTag(EVP_CIPHER_CTX* context, const uint8_t* tag, size_t length) {
  return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(length), const_cast<uint8_t*>(tag)) == 1;
}

// AES-GCM (RFC 4106) and ChaCha20-Poly1305 (RFC 7634).
class StreamAead final : public Aead {
 public:
  StreamAead(Context context, size_t tag_length) : context_(std::move(context)), tag_length_(tag_length) {}

  bool Seal(const uint8_t* nonce, Span aad, uint8_t* data, size_t length, uint8_t* tag) override {
    EVP_CIPHER_CTX* context = context_.get();
    return Start(nonce, aad) && Update(data, length) && Finish(data) && GetTag(context, tag, tag_length_);
  }

  bool Open(const uint8_t* nonce, Span aad, uint8_t* data, size_t length, const uint8_t* tag) override {
    return Start(nonce, aad) && SetTag(context_.get(), tag, tag_length_) && Update(data, length) && Finish(data);
  }

  const char* implementation() const override { return OpenSslName(); }

 private:
  bool Start(const uint8_t* nonce, Span aad) {
    int written;
    return EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce, -1) == 1 &&
           (aad.length == 0 || EVP_CipherUpdate(context_.get(), nullptr, &written, aad.data,
                                                static_cast<int>(aad.length)) == 1);
  }
  bool Update(uint8_t* data, size_t length) {
    int written;
    return length == 0 || EVP_CipherUpdate(context_.get(), data, &written, data, static_cast<int>(length)) == 1;
  }
  bool Finish(uint8_t* data) {
    int written;
    return EVP_CipherFinal_ex(context_.get(), data, &written) == 1;
  }

  const Context context_;
  const size_t tag_length_;
};

// AES-CCM (RFC 4309): the length comes before the associated data, and the tag is checked with the only update.
class CcmAead final : public Aead {
 public:
  CcmAead(Context context, size_t tag_length) : context_(std::move(context)), tag_length_(tag_length) {}

  bool Seal(const uint8_t* nonce, Span aad, uint8_t* data, size_t length, uint8_t* tag) override {
    return Start(nonce) && Run(aad, data, length) && GetTag(context_.get(), tag, tag_length_);
  }

  bool Open(const uint8_t* nonce, Span aad, uint8_t* data, size_t length, const uint8_t* tag) override {
    return Start(nonce) && SetTag(context_.get(), tag, tag_length_) && Run(aad, data, length);
  }

  const char* implementation() const override { return OpenSslName(); }

 private:
  bool Start(const uint8_t* nonce) {
    return EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce, -1) == 1;
  }
  bool Run(Span aad, uint8_t* data, size_t length) {
    EVP_CIPHER_CTX* context = context_.get();
    int written;
    uint8_t nothing[kBlock];
    uint8_t* target = length == 0 ? nothing : data;
    return EVP_CipherUpdate(context, nullptr, &written, nullptr, static_cast<int>(length)) == 1 &&
           (aad.length == 0 ||
            EVP_CipherUpdate(context, nullptr, &written, aad.data, static_cast<int>(aad.length)) == 1) &&
           EVP_CipherUpdate(context, target, &written, target, static_cast<int>(length)) == 1;
  }

  const Context context_;
  const size_t tag_length_;
};

// AES-GMAC (RFC 4543): GCM that has associated data only.
class GcmMac final : public Mac {
 public:
  explicit GcmMac(Context context) : context_(std::move(context)) {}

  bool Compute(const uint8_t* nonce, const Span* parts, size_t count, uint8_t* tag) override {
    EVP_CIPHER_CTX* context = context_.get();
    int written;
    if (EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, nonce, -1) != 1) return false;
    for (size_t i = 0; i < count; i++) {
      if (parts[i].length != 0 &&
          EVP_CipherUpdate(context, nullptr, &written, parts[i].data, static_cast<int>(parts[i].length)) != 1)
        return false;
    }
    uint8_t nothing[kBlock];
    return EVP_CipherFinal_ex(context, nothing, &written) == 1 && GetTag(context, tag, kBlock);
  }

  size_t tag_length() const override { return kBlock; }
  const char* implementation() const override { return OpenSslName(); }

 private:
  const Context context_;
};

class EvpBlockMode final : public BlockMode {
 public:
  explicit EvpBlockMode(Context context) : context_(std::move(context)) {}

  bool Apply(const uint8_t* iv, uint8_t* data, size_t length) override {
    int written;
    return EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, iv, -1) == 1 &&
           EVP_CipherUpdate(context_.get(), data, &written, data, static_cast<int>(length)) == 1;
  }

  const char* implementation() const override { return OpenSslName(); }

 private:
  const Context context_;
};

class DesCbc final : public BlockMode {
 public:
  DesCbc(const uint8_t* key, Direction direction) : encrypt_(direction == Direction::kSeal) {
    DesExpand(key, &schedule_);
  }

  bool Apply(const uint8_t* iv, uint8_t* data, size_t length) override {
    if (encrypt_)
      DesCbcEncrypt(schedule_, iv, data, length);
    else
      DesCbcDecrypt(schedule_, iv, data, length);
    return true;
  }

  const char* implementation() const override { return "own"; }

 private:
  DesSchedule schedule_;
  const bool encrypt_;
};

// CBC-MAC whose last block is masked: AES-XCBC (RFC 3566) and AES-CMAC (RFC 4493) differ in their subkeys only.
class MaskedCbcMac final : public Mac {
 public:
  MaskedCbcMac(Context chain, const uint8_t* full_mask, const uint8_t* padded_mask) : chain_(std::move(chain)) {
    memcpy(full_mask_, full_mask, kBlock);
    memcpy(padded_mask_, padded_mask, kBlock);
  }

  bool Compute(const uint8_t*, const Span* parts, size_t count, uint8_t* tag) override {
    static constexpr uint8_t kZero[kBlock] = {};
    if (EVP_CipherInit_ex(chain_.get(), nullptr, nullptr, nullptr, kZero, -1) != 1) return false;
    // The last block waits here: it is masked, and nobody knows that it is the last before the parts end.
    uint8_t waiting[kBlock];
    size_t have = 0;
    for (size_t i = 0; i < count; i++) {
      const uint8_t* data = parts[i].data;
      size_t length = parts[i].length;
      if (length == 0) continue;
      const size_t room = kBlock - have;
      if (have != 0) {
        const size_t take = length < room ? length : room;
        memcpy(waiting + have, data, take);
        have += take;
        data += take;
        length -= take;
        if (length == 0) continue;
        if (!Chain(waiting, kBlock)) return false;
        have = 0;
      }
      const size_t whole = (length - 1) / kBlock * kBlock;
      if (whole != 0 && !Chain(data, whole)) return false;
      have = length - whole;
      memcpy(waiting, data + whole, have);
    }
    const uint8_t* mask = full_mask_;
    if (have < kBlock) {
      memset(waiting + have, 0, kBlock - have);
      waiting[have] = 0x80;
      mask = padded_mask_;
    }
    for (size_t i = 0; i < kBlock; i++) waiting[i] ^= mask[i];
    int written;
    return EVP_CipherUpdate(chain_.get(), tag, &written, waiting, kBlock) == 1;
  }

  size_t tag_length() const override { return kBlock; }
  const char* implementation() const override { return OpenSslName(); }

 private:
  bool Chain(const uint8_t* data, size_t length) {
    uint8_t discarded[2048];
    while (length != 0) {
      const size_t take = length < sizeof discarded ? length : sizeof discarded;
      int written;
      if (EVP_CipherUpdate(chain_.get(), discarded, &written, data, static_cast<int>(take)) != 1) return false;
      data += take;
      length -= take;
    }
    return true;
  }

  const Context chain_;
  uint8_t full_mask_[kBlock];
  uint8_t padded_mask_[kBlock];
};

// One block of AES by a CBC context: its zero IV makes CBC's first block plain AES.
bool EncryptBlock(EVP_CIPHER_CTX* cbc, const uint8_t* in, uint8_t* out) {
  static constexpr uint8_t kZero[kBlock] = {};
  int written;
  return EVP_CipherInit_ex(cbc, nullptr, nullptr, nullptr, kZero, -1) == 1 &&
         EVP_CipherUpdate(cbc, out, &written, in, kBlock) == 1;
}

// RFC 4493 §2.3: multiplication by x in GF(2^128), without a branch on the key.
void Double(uint8_t* block) {
  const uint8_t carry = static_cast<uint8_t>(-(block[0] >> 7)) & 0x87;
  for (size_t i = 0; i + 1 < kBlock; i++) block[i] = static_cast<uint8_t>(block[i] << 1 | block[i + 1] >> 7);
  block[kBlock - 1] = static_cast<uint8_t>(block[kBlock - 1] << 1) ^ carry;
}

Secret<Mac> MakeCmac(KeyMemory& memory, const EVP_CIPHER* cipher, Span key) {
  Context chain = NewContext(cipher, key, 0, 0, true);
  if (chain == nullptr) return nullptr;
  uint8_t subkeys[2][kBlock] = {};
  Secret<Mac> mac;
  if (EncryptBlock(chain.get(), subkeys[0], subkeys[0])) {
    Double(subkeys[0]);
    memcpy(subkeys[1], subkeys[0], kBlock);
    Double(subkeys[1]);
    mac = MakeSecret<MaskedCbcMac>(memory, std::move(chain), subkeys[0], subkeys[1]);
  }
  OPENSSL_cleanse(subkeys, sizeof subkeys);
  return mac;
}

Secret<Mac> MakeXcbc(KeyMemory& memory, const EVP_CIPHER* cipher, Span key) {
  Context root = NewContext(cipher, key, 0, 0, true);
  if (root == nullptr) return nullptr;
  // RFC 3566 §4: K1, K2, K3 are the encryptions of 01…, 02…, 03….
  uint8_t subkeys[3][kBlock];
  bool done = true;
  for (uint8_t i = 0; i < 3; i++) {
    memset(subkeys[i], i + 1, kBlock);
    done = done && EncryptBlock(root.get(), subkeys[i], subkeys[i]);
  }
  Secret<Mac> mac;
  Context chain = NewContext(cipher, {subkeys[0], kBlock}, 0, 0, true);
  if (done && chain != nullptr) mac = MakeSecret<MaskedCbcMac>(memory, std::move(chain), subkeys[1], subkeys[2]);
  OPENSSL_cleanse(subkeys, sizeof subkeys);
  return mac;
}

}  // namespace

const char* OpenSslName() {
  struct Name {
    char text[64];
    Name() { snprintf(text, sizeof text, "openssl %s", OpenSSL_version(OPENSSL_VERSION_STRING)); }
  };
  static const Name name;
  return name.text;
}

OpenSsl::~OpenSsl() {
  for (auto& sizes : fetched_) {
    for (EVP_CIPHER* cipher : sizes) EVP_CIPHER_free(cipher);
  }
}

const EVP_CIPHER* OpenSsl::Fetch(Mode mode, size_t key_length) {
  static constexpr const char* kNames[kModes][3] = {
      {"AES-128-GCM", "AES-192-GCM", "AES-256-GCM"},
      {"AES-128-CCM", "AES-192-CCM", "AES-256-CCM"},
      {nullptr, nullptr, "ChaCha20-Poly1305"},
      {"AES-128-CBC", "AES-192-CBC", "AES-256-CBC"},
      {"AES-128-CTR", "AES-192-CTR", "AES-256-CTR"},
      {nullptr, "DES-EDE3-CBC", nullptr},
  };
  if (key_length != 16 && key_length != 24 && key_length != 32) return nullptr;
  const size_t size = key_length / 8 - 2;
  if (fetched_[mode][size] == nullptr && kNames[mode][size] != nullptr)
    fetched_[mode][size] = EVP_CIPHER_fetch(nullptr, kNames[mode][size], nullptr);
  return fetched_[mode][size];
}

Secret<Aead> OpenSsl::MakeAead(KeyMemory& memory, int32_t encryption, Span key, size_t tag_length,
                               Direction direction) {
  const bool encrypt = direction == Direction::kSeal;
  switch (encryption) {
    case kAesCcm8:
    case kAesCcm12:
    case kAesCcm16: {
      Context context = NewContext(Fetch(kCcm, key.length), key, 11, tag_length, encrypt);
      return context == nullptr ? nullptr : MakeSecret<CcmAead>(memory, std::move(context), tag_length);
    }
    case kAesGcm8:
    case kAesGcm12:
    case kAesGcm16:
    case kChaCha20Poly1305: {
      const Mode mode = encryption == kChaCha20Poly1305 ? kChaCha : kGcm;
      Context context = NewContext(Fetch(mode, key.length), key, 12, 0, encrypt);
      return context == nullptr ? nullptr : MakeSecret<StreamAead>(memory, std::move(context), tag_length);
    }
    default:
      return nullptr;
  }
}

Secret<Mac> OpenSsl::MakeGmac(KeyMemory& memory, Span key) {
  Context context = NewContext(Fetch(kGcm, key.length), key, 12, 0, true);
  return context == nullptr ? nullptr : MakeSecret<GcmMac>(memory, std::move(context));
}

Secret<BlockMode> OpenSsl::MakeBlockMode(KeyMemory& memory, int32_t encryption, Span key, Direction direction) {
  if (encryption == kDes) return key.length == 8 ? MakeSecret<DesCbc>(memory, key.data, direction) : nullptr;
  const Mode mode = encryption == kAesCbc ? kCbc : encryption == kAesCtr ? kCtr : kTripleDesCbc;
  Context context = NewContext(Fetch(mode, key.length), key, 0, 0, direction == Direction::kSeal);
  return context == nullptr ? nullptr : MakeSecret<EvpBlockMode>(memory, std::move(context));
}

Secret<Mac> OpenSsl::MakeMac(KeyMemory& memory, int32_t integrity, Span key) {
  switch (integrity) {
    case kAesXcbc:
      return key.length == 16 ? MakeXcbc(memory, Fetch(kCbc, 16), key) : nullptr;
    case kAesCmac:
      return MakeCmac(memory, Fetch(kCbc, key.length), key);
    case kAes128Gmac:
      return key.length == 16 ? MakeGmac(memory, key) : nullptr;
    case kAes192Gmac:
      return key.length == 24 ? MakeGmac(memory, key) : nullptr;
    case kAes256Gmac:
      return key.length == 32 ? MakeGmac(memory, key) : nullptr;
    default:
      return MakeHmac(memory, integrity, key);
  }
}

}  // namespace esplanade

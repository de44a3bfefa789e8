// HMAC (RFC 2104) whose two key blocks are hashed once. OpenSSL's EVP_MAC would copy contexts on its heap for each
// packet; the plain hash functions are deprecated but stable.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include <cstring>

#include "cipher_openssl.h"

namespace esplanade {
namespace {

struct Md5 {
  using State = MD5_CTX;
  static constexpr size_t kBlock = 64, kDigest = 16;
  static void Init(State* state) { MD5_Init(state); }
  static void Update(State* state, const void* data, size_t length) { MD5_Update(state, data, length); }
  static void Final(uint8_t* digest, State* state) { MD5_Final(digest, state); }
};

struct Sha1 {
  using State = SHA_CTX;
  static constexpr size_t kBlock = 64, kDigest = 20;
  static void Init(State* state) { SHA1_Init(state); }
  static void Update(State* state, const void* data, size_t length) { SHA1_Update(state, data, length); }
  static void Final(uint8_t* digest, State* state) { SHA1_Final(digest, state); }
};

struct Sha256 {
  using State = SHA256_CTX;
  static constexpr size_t kBlock = 64, kDigest = 32;
  static void Init(State* state) { SHA256_Init(state); }
  static void Update(State* state, const void* data, size_t length) { SHA256_Update(state, data, length); }
  static void Final(uint8_t* digest, State* state) { SHA256_Final(digest, state); }
};

struct Sha384 {
  using State = SHA512_CTX;
  static constexpr size_t kBlock = 128, kDigest = 48;
  static void Init(State* state) { SHA384_Init(state); }
  static void Update(State* state, const void* data, size_t length) { SHA384_Update(state, data, length); }
  static void Final(uint8_t* digest, State* state) { SHA384_Final(digest, state); }
};

struct Sha512 {
  using State = SHA512_CTX;
  static constexpr size_t kBlock = 128, kDigest = 64;
  static void Init(State* state) { SHA512_Init(state); }
  static void Update(State* state, const void* data, size_t length) { SHA512_Update(state, data, length); }
  static void Final(uint8_t* digest, State* state) { SHA512_Final(digest, state); }
};

template <class Hash>
class Hmac final : public Mac {
 public:
  explicit Hmac(Span key) {
    uint8_t block[Hash::kBlock] = {};
    typename Hash::State state;
    if (key.length > Hash::kBlock) {
      Hash::Init(&state);
      Hash::Update(&state, key.data, key.length);
      Hash::Final(block, &state);
    } else if (key.length != 0) {
      memcpy(block, key.data, key.length);
    }
    for (uint8_t& octet : block) octet ^= 0x36;
    Hash::Init(&inner_);
    Hash::Update(&inner_, block, sizeof block);
    for (uint8_t& octet : block) octet ^= 0x36 ^ 0x5c;
    Hash::Init(&outer_);
    Hash::Update(&outer_, block, sizeof block);
    OPENSSL_cleanse(block, sizeof block);
    OPENSSL_cleanse(&state, sizeof state);
  }

  // Final() wipes the working copy of the state.
  bool Compute(const uint8_t*, const Span* parts, size_t count, uint8_t* tag) override {
    typename Hash::State state = inner_;
    for (size_t i = 0; i < count; i++) Hash::Update(&state, parts[i].data, parts[i].length);
    Hash::Final(tag, &state);
    state = outer_;
    Hash::Update(&state, tag, Hash::kDigest);
    Hash::Final(tag, &state);
    return true;
  }

  size_t tag_length() const override { return Hash::kDigest; }
  const char* implementation() const override { return OpenSslName(); }

 private:
  typename Hash::State inner_;
  typename Hash::State outer_;
};

}  // namespace

Secret<Mac> MakeHmac(KeyMemory& memory, int32_t integrity, Span key) {
  switch (integrity) {
    case kHmacMd5:
      return MakeSecret<Hmac<Md5>>(memory, key);
    case kHmacSha1:
      return MakeSecret<Hmac<Sha1>>(memory, key);
    case kHmacSha256:
      return MakeSecret<Hmac<Sha256>>(memory, key);
    case kHmacSha384:
      return MakeSecret<Hmac<Sha384>>(memory, key);
    case kHmacSha512:
      return MakeSecret<Hmac<Sha512>>(memory, key);
    default:
      return nullptr;
  }
}

}  // namespace esplanade

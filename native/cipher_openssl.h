// Every algorithm by OpenSSL (Node's own copy, or the system's in a program without Node); DES by des.cc.
#pragma once
#include <openssl/evp.h>

#include "cipher_primitive.h"

namespace esplanade {

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

// "openssl 3.0.19".
const char* OpenSslName();

// The algorithms, fetched once: a fetch per key takes locks and some microseconds.
class OpenSsl {
 public:
  OpenSsl() = default;
  ~OpenSsl();
  OpenSsl(const OpenSsl&) = delete;
  OpenSsl& operator=(const OpenSsl&) = delete;

  // Keys come without salt. nullptr = no such algorithm with this key length, or no memory.
  Secret<Aead> MakeAead(KeyMemory& memory, int32_t encryption, Span key, size_t tag_length, Direction direction);
  Secret<BlockMode> MakeBlockMode(KeyMemory& memory, int32_t encryption, Span key, Direction direction);
  Secret<Mac> MakeMac(KeyMemory& memory, int32_t integrity, Span key);
  Secret<Mac> MakeGmac(KeyMemory& memory, Span key);

 private:
  enum Mode { kGcm, kCcm, kChaCha, kCbc, kCtr, kTripleDesCbc, kModes };
  const EVP_CIPHER* Fetch(Mode mode, size_t key_length);

  EVP_CIPHER* fetched_[kModes][3] = {};
};

// HMAC of RFC 2104 with the two padded key blocks hashed once; cipher_hmac.cc.
Secret<Mac> MakeHmac(KeyMemory& memory, int32_t integrity, Span key);

}  // namespace esplanade

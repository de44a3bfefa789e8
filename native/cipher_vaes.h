// AES-GCM with 256-bit VAES and VPCLMULQDQ (no AVX-512): two blocks an instruction. Debian's ipsec-mb 1.3 has these wide
// instructions for AVX-512 alone: on Zen 3 a packet of 1,400 octets took 866 cycles with it and takes 528 here, of 64 octets
// 96 and 84. What gives another answer than OpenSSL is never used.
#pragma once
#include "cipher_openssl.h"

namespace esplanade {

class VaesGcm {
 public:
  // nullptr where the CPU lacks one of the instructions.
  static std::unique_ptr<VaesGcm> Make(OpenSsl& openssl, KeyMemory& memory);
  VaesGcm(const VaesGcm&) = delete;
  VaesGcm& operator=(const VaesGcm&) = delete;

  static const char* Name() { return "vaes"; }

  // nullptr = no AES-GCM with this key, or it failed its comparison with OpenSSL.
  Secret<Aead> MakeAead(KeyMemory& memory, int32_t encryption, Span key, size_t tag_length);

 private:
  enum class Trust : uint8_t { kUntested, kGood, kBad };
  VaesGcm(OpenSsl& openssl, KeyMemory& memory) : openssl_(openssl), memory_(memory) {}

  bool Agrees(int32_t encryption, size_t key_length, size_t tag_length);

  OpenSsl& openssl_;
  KeyMemory& memory_;
  // By key length.
  Trust trust_[3] = {};
};

}  // namespace esplanade

// Diffie–Hellman on elliptic curves with keys as IKE has them: no key object is built and no encoding decoded.
#pragma once
#include "cipher_primitive.h"

namespace esplanade {

// Octets of each value; the points of prime curves are x | y (RFC 5903 §6), their shared secret is x (§7).
struct CurveSizes {
  size_t private_key;
  size_t public_value;
  size_t shared;
};

// By IANA's IKEv2 transform type 4; nullptr for methods that are no curves. Twin of KeMethod in src/crypto/key-exchange.ts.
const CurveSizes* SizesOfCurve(int32_t method);

enum class CurveOutcome {
  kDone,
  // The peer's value is no point of the curve, or gives zeros to everybody (RFC 6989 §2.3, RFC 8031 §3.2).
  kBadPublicValue,
  // Ours: a private key out of range, or no memory.
  kFailed,
};

// Both take values of the method's sizes and write as much; constant-time in the private key.
CurveOutcome PublicOfCurve(int32_t method, const uint8_t* private_key, uint8_t* public_value);
CurveOutcome SecretOfCurve(int32_t method, const uint8_t* private_key, const uint8_t* public_value, uint8_t* shared);

}  // namespace esplanade

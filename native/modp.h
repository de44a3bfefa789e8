// Diffie–Hellman over the MODP groups: one exponentiation, constant-time in the exponent.
#pragma once
#include "cipher_primitive.h"

namespace esplanade {

// Writes modulus.length octets. The modulus is odd; all numbers are big-endian.
bool ModpPower(Span modulus, Span base, Span exponent, uint8_t* result);

}  // namespace esplanade

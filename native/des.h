// DES (FIPS 46-3) in CBC (RFC 2405): legacy, since OpenSSL's default provider has it no more.
#pragma once
#include <cstddef>
#include <cstdint>

namespace esplanade {

struct DesSchedule {
  // Eight 6-bit values a round, one for each S-box.
  uint8_t round[16][8];
};

void DesExpand(const uint8_t key[8], DesSchedule* schedule);
// `length` is a multiple of 8.
void DesCbcEncrypt(const DesSchedule& schedule, const uint8_t iv[8], uint8_t* data, size_t length);
void DesCbcDecrypt(const DesSchedule& schedule, const uint8_t iv[8], uint8_t* data, size_t length);

}  // namespace esplanade

// Octets of IP, TCP and UDP headers as far as cutting and joining need them, and the virtio-net header in front of them.
#pragma once
#include <arpa/inet.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "checksum.h"

namespace esplanade {

constexpr uint8_t kProtocolTcp = 6;
constexpr uint8_t kProtocolUdp = 17;
constexpr uint8_t kProtocolEsp = 50;
constexpr uint8_t kProtocolAh = 51;

// TCP flags (RFC 9293 §3.1, RFC 3168 §6.1).
constexpr uint8_t kTcpFin = 0x01;
constexpr uint8_t kTcpPsh = 0x08;
constexpr uint8_t kTcpAck = 0x10;
constexpr uint8_t kTcpCwr = 0x80;

constexpr uint32_t kIpv4Header = 20;
constexpr uint32_t kIpv6Header = 40;
constexpr uint32_t kTcpHeader = 20;
constexpr uint32_t kUdpHeader = 8;
constexpr uint32_t kTcpChecksum = 16;
constexpr uint32_t kUdpChecksum = 6;

// virtio 1.2 §5.1.6; the kernel's TUN speaks it in host order. USO's number is newer than some kernels' headers.
struct VirtioHeader {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t header_length;
  uint16_t gso_size;
  uint16_t checksum_start;
  uint16_t checksum_offset;
};
static_assert(sizeof(VirtioHeader) == 10, "struct virtio_net_hdr");

constexpr uint8_t kVirtioNeedsChecksum = 1;
constexpr uint8_t kVirtioGsoNone = 0;
constexpr uint8_t kVirtioGsoTcp4 = 1;
constexpr uint8_t kVirtioGsoTcp6 = 4;
constexpr uint8_t kVirtioGsoUdp = 5;
constexpr uint8_t kVirtioGsoEcn = 0x80;

inline uint16_t Read16(const uint8_t* at) {
  uint16_t value;
  memcpy(&value, at, 2);
  return ntohs(value);
}

inline uint32_t Read32(const uint8_t* at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return ntohl(value);
}

inline void Write16(uint8_t* at, uint32_t value) {
  const uint16_t word = htons(static_cast<uint16_t>(value));
  memcpy(at, &word, 2);
}

inline void Write32(uint8_t* at, uint32_t value) {
  const uint32_t word = htonl(value);
  memcpy(at, &word, 4);
}

inline bool IsIpv4(const uint8_t* packet) { return packet[0] >> 4 == 4; }
inline bool IsIpv6(const uint8_t* packet) { return packet[0] >> 4 == 6; }

// Addresses and protocol of the pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1); the length is added apart.
inline uint64_t SumPseudoHeader(const uint8_t* packet, uint8_t protocol) {
  return (IsIpv4(packet) ? SumHeader(packet + 12, 8) : SumHeader(packet + 8, 32)) + htons(protocol);
}

// A length, up to 2^17, as the sum of its 16-bit halves.
inline uint64_t SumLength(uint32_t length) {
  return static_cast<uint64_t>(htons(static_cast<uint16_t>(length))) + htons(static_cast<uint16_t>(length >> 16));
}

}  // namespace esplanade

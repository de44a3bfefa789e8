#include "segment.h"

namespace esplanade {
namespace {

// IPv6 with extension headers, then TCP with options; longer ones are refused.
constexpr uint32_t kMaxHeader = 256;

struct Transport {
  uint32_t offset;
  uint8_t protocol;
};

// Finds TCP or UDP. A super-packet is never a fragment, and behind a routing header the pseudo-header's destination is
// another one: both are refused.
bool FindTransport(const uint8_t* packet, uint32_t length, Transport* found) {
  if (length < kIpv4Header) return false;
  if (IsIpv4(packet)) {
    const uint32_t header = (packet[0] & 15U) * 4;
    if (header < kIpv4Header || header > length) return false;
    if ((Read16(packet + 6) & 0x3fff) != 0) return false;
    *found = {header, packet[9]};
    return true;
  }
  if (!IsIpv6(packet) || length < kIpv6Header) return false;
  uint32_t offset = kIpv6Header;
  uint8_t next = packet[6];
  // RFC 8200 §4.3, §4.6: hop-by-hop (0) and destination options (60).
  while (next == 0 || next == 60) {
    if (offset + 8 > length) return false;
    next = packet[offset];
    offset += (packet[offset + 1] + 1U) * 8;
    if (offset > length) return false;
  }
  *found = {offset, next};
  return true;
}

CutResult CutSingle(const uint8_t* packet, uint32_t length, const VirtioHeader& virtio, int32_t group,
                    OutSlots* slots) {
  const uint32_t start = virtio.checksum_start;
  const uint32_t field = start + virtio.checksum_offset;
  const bool partial = (virtio.flags & kVirtioNeedsChecksum) != 0;
  if (length == 0 || length > 0xffff || (partial && field + 2 > length)) return CutResult::kMalformed;
  if (!slots->Fits(1, length)) return CutResult::kFull;
  uint8_t* target = slots->Take(length, group);
  memcpy(target, packet, length);
  if (!partial) return CutResult::kDone;
  // The field holds the pseudo-header's sum and is part of what is summed.
  uint16_t checksum = static_cast<uint16_t>(~FoldSum(SumOctets(target + start, length - start)));
  // RFC 768: a computed zero is sent as all ones; TCP and ICMPv6 know no such rule.
  if (checksum == 0 && virtio.checksum_offset == kUdpChecksum) checksum = 0xffff;
  memcpy(target + field, &checksum, 2);
  return CutResult::kDone;
}

// What all segments of a super-packet share. The header's changing fields are zero, so sums need only the changes.
struct Pattern {
  uint8_t header[kMaxHeader];
  uint32_t header_length;
  uint32_t ip_length;
  bool ipv4;
  bool tcp;
  uint16_t identification;
  uint32_t sequence;
  uint8_t flags;
  uint64_t ip_sum;
  uint64_t transport_sum;
};

void MakePattern(const uint8_t* packet, Pattern* p) {
  uint8_t* ip = p->header;
  memcpy(ip, packet, p->header_length);
  uint8_t* transport = ip + p->ip_length;
  if (p->ipv4) {
    p->identification = Read16(ip + 4);
    Write16(ip + 2, 0);
    Write16(ip + 4, 0);
    Write16(ip + 10, 0);
    p->ip_sum = SumHeader(ip, p->ip_length);
  } else {
    Write16(ip + 4, 0);
  }
  if (p->tcp) {
    p->sequence = Read32(transport + 4);
    p->flags = transport[13];
    Write32(transport + 4, 0);
    transport[13] = 0;
    Write16(transport + kTcpChecksum, 0);
  } else {
    Write16(transport + 4, 0);
    Write16(transport + kUdpChecksum, 0);
  }
  p->transport_sum = SumHeader(transport, p->header_length - p->ip_length) +
                     SumPseudoHeader(ip, p->tcp ? kProtocolTcp : kProtocolUdp);
}

// Writes segment `index` with `length` octets of payload that stood at `position`.
void WriteSegment(const Pattern& p, const uint8_t* payload, uint32_t index, uint32_t position, uint32_t length,
                  bool last, uint8_t* target) {
  const uint32_t total = p.header_length + length;
  const uint32_t transport_length = total - p.ip_length;
  memcpy(target, p.header, p.header_length);
  uint64_t sum = p.transport_sum + CopyAndSum(target + p.header_length, payload + position, length) +
                 htons(static_cast<uint16_t>(transport_length));
  if (p.ipv4) {
    // RFC 6864 §4.2: each packet its own identification.
    const uint16_t identification = static_cast<uint16_t>(p.identification + index);
    Write16(target + 2, total);
    Write16(target + 4, identification);
    const uint16_t checksum = static_cast<uint16_t>(
        ~FoldSum(p.ip_sum + htons(static_cast<uint16_t>(total)) + htons(identification)));
    memcpy(target + 10, &checksum, 2);
  } else {
    Write16(target + 4, total - kIpv6Header);
  }
  uint8_t* transport = target + p.ip_length;
  uint16_t checksum;
  if (p.tcp) {
    uint8_t flags = p.flags;
    if (!last) flags &= static_cast<uint8_t>(~(kTcpFin | kTcpPsh));
    // RFC 3168 §6.1.2: CWR answers once.
    if (index > 0) flags &= static_cast<uint8_t>(~kTcpCwr);
    Write32(transport + 4, p.sequence + position);
    transport[13] = flags;
    sum += htonl(p.sequence + position) + static_cast<uint64_t>(htons(flags));
    checksum = static_cast<uint16_t>(~FoldSum(sum));
    memcpy(transport + kTcpChecksum, &checksum, 2);
  } else {
    Write16(transport + 4, transport_length);
    sum += htons(static_cast<uint16_t>(transport_length));
    checksum = static_cast<uint16_t>(~FoldSum(sum));
    // RFC 768: a computed zero is sent as all ones.
    if (checksum == 0) checksum = 0xffff;
    memcpy(transport + kUdpChecksum, &checksum, 2);
  }
}

CutResult CutSuper(const uint8_t* packet, uint32_t length, const VirtioHeader& virtio, int32_t group,
                   OutSlots* slots) {
  Transport transport;
  if (!FindTransport(packet, length, &transport)) return CutResult::kMalformed;
  const bool partial = (virtio.flags & kVirtioNeedsChecksum) != 0;
  if (partial && virtio.checksum_start != transport.offset) return CutResult::kMalformed;
  const uint8_t type = virtio.gso_type & static_cast<uint8_t>(~kVirtioGsoEcn);
  Pattern pattern;
  pattern.ipv4 = IsIpv4(packet);
  pattern.ip_length = transport.offset;
  pattern.tcp = transport.protocol == kProtocolTcp;
  if (pattern.tcp ? type != (pattern.ipv4 ? kVirtioGsoTcp4 : kVirtioGsoTcp6)
                  : type != kVirtioGsoUdp || transport.protocol != kProtocolUdp)
    return CutResult::kMalformed;
  uint32_t transport_header = kUdpHeader;
  if (pattern.tcp) {
    if (transport.offset + kTcpHeader > length) return CutResult::kMalformed;
    transport_header = (packet[transport.offset + 12] >> 4) * 4U;
    if (transport_header < kTcpHeader) return CutResult::kMalformed;
  }
  pattern.header_length = transport.offset + transport_header;
  if (pattern.header_length > kMaxHeader || pattern.header_length >= length) return CutResult::kMalformed;
  const uint32_t payload = length - pattern.header_length;
  const uint32_t size = virtio.gso_size;
  if (size == 0 || pattern.header_length + size > 0xffff) return CutResult::kMalformed;
  const uint32_t segments = (payload + size - 1) / size;
  if (!slots->Fits(segments, pattern.header_length + size)) return CutResult::kFull;
  MakePattern(packet, &pattern);
  uint32_t position = 0;
  for (uint32_t index = 0; index < segments; index++) {
    const bool last = index + 1 == segments;
    const uint32_t part = last ? payload - position : size;
    uint8_t* target = slots->Take(pattern.header_length + part, group);
    WriteSegment(pattern, packet + pattern.header_length, index, position, part, last, target);
    position += part;
  }
  return CutResult::kDone;
}

}  // namespace

CutResult Cut(const uint8_t* packet, uint32_t length, const VirtioHeader& virtio, int32_t group, OutSlots* slots) {
  return virtio.gso_type == kVirtioGsoNone ? CutSingle(packet, length, virtio, group, slots)
                                           : CutSuper(packet, length, virtio, group, slots);
}

}  // namespace esplanade

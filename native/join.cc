#include "join.h"

#include <unistd.h>

#include <cerrno>

namespace esplanade {
namespace {

constexpr uint32_t kRefusals = 4;
constexpr uint16_t kDontFragment = 0x4000;

uint32_t Word(const uint8_t* at) {
  uint32_t word;
  memcpy(&word, at, 4);
  return word;
}

bool SameOctets(const uint8_t* a, const uint8_t* b, uint32_t from, uint32_t length) {
  return memcmp(a + from, b + from, length) == 0;
}

uint32_t HashFlow(const uint8_t* packet, bool ipv4, uint32_t ip_length, uint8_t protocol) {
  uint32_t hash = protocol;
  const uint32_t from = ipv4 ? 12 : 8;
  const uint32_t to = ipv4 ? 20 : 40;
  for (uint32_t i = from; i < to; i += 4) hash = (hash ^ Word(packet + i)) * 0x9e3779b1U;
  return (hash ^ Word(packet + ip_length)) * 0x9e3779b1U;
}

}  // namespace

TunWriter::TunWriter(int fd, const Options& options, const LaneMemory& memory)
    : fd_(fd),
      memory_(memory),
      virtio_(options.virtio),
      join_tcp_(options.virtio && options.join_tcp),
      join_udp_(options.virtio && options.join_udp) {}

// False when the packet belongs to no TCP or UDP flow that can be told.
bool TunWriter::Parse(Row* row, Segment* s) const {
  const uint8_t* packet = memory_.slab + row->offset;
  const uint32_t length = static_cast<uint32_t>(row->length);
  uint8_t protocol;
  s->row = row;
  s->packet = packet;
  s->length = length;
  s->joinable = false;
  if (length < kIpv4Header + kUdpHeader) return false;
  s->ipv4 = IsIpv4(packet);
  if (s->ipv4) {
    // Without options and no fragment.
    if (packet[0] != 0x45 || (Read16(packet + 6) & 0x3fff) != 0 || Read16(packet + 2) != length) return false;
    s->ip_length = kIpv4Header;
    protocol = packet[9];
  } else {
    if (!IsIpv6(packet) || length < kIpv6Header + kUdpHeader || kIpv6Header + Read16(packet + 4) != length)
      return false;
    s->ip_length = kIpv6Header;
    protocol = packet[6];
  }
  const uint8_t* transport = packet + s->ip_length;
  s->tcp = protocol == kProtocolTcp;
  if (s->tcp) {
    if (length < s->ip_length + kTcpHeader) return false;
    s->header_length = s->ip_length + (transport[12] >> 4) * 4U;
    if (s->header_length < s->ip_length + kTcpHeader || s->header_length > length) return false;
  } else {
    if (protocol != kProtocolUdp) return false;
    s->header_length = s->ip_length + kUdpHeader;
    if (Read16(transport + 4) != length - s->ip_length) return false;
  }
  s->hash = HashFlow(packet, s->ipv4, s->ip_length, protocol);
  return true;
}

bool TunWriter::MayJoin(const Segment& s) const {
  const uint8_t* transport = s.packet + s.ip_length;
  if (!(s.tcp ? join_tcp_ : join_udp_) || s.length == s.header_length) return false;
  // Pure data: ACK with or without PSH. A UDP checksum of zero says "none" and cannot be verified.
  if (s.tcp && (transport[13] & static_cast<uint8_t>(~kTcpPsh)) != kTcpAck) return false;
  if (s.tcp && (transport[12] & 0x0f) != 0) return false;
  if (!s.tcp && Read16(transport + kUdpChecksum) == 0) return false;
  if (s.ipv4 && FoldSum(SumHeader(s.packet, kIpv4Header)) != 0xffff) return false;
  const uint32_t length = s.length - s.ip_length;
  return FoldSum(SumPseudoHeader(s.packet, s.tcp ? kProtocolTcp : kProtocolUdp) + SumLength(length) +
                 SumOctets(transport, length)) == 0xffff;
}

// True when the kernel, cutting the joined packet, makes the same octets of this segment again.
bool TunWriter::Fits(const Flow& flow, const Segment& s) const {
  const uint8_t* head = flow.head.packet;
  const uint32_t part = s.length - s.header_length;
  if (s.header_length != flow.head.header_length || part > flow.size || flow.count == kMaxSegments) return false;
  if (s.header_length + flow.payload + part > 0xffff) return false;
  if (s.ipv4) {
    // TOS, DF, TTL. Identification counts up, or does not matter with DF (RFC 6864 §4.1).
    if (head[1] != s.packet[1] || !SameOctets(head, s.packet, 6, 3)) return false;
    const bool atomic = (Read16(s.packet + 6) & kDontFragment) != 0;
    if (!atomic && Read16(s.packet + 4) != static_cast<uint16_t>(Read16(head + 4) + flow.count)) return false;
  } else if (!SameOctets(head, s.packet, 0, 4) || head[7] != s.packet[7]) {
    return false;
  }
  if (!s.tcp) return true;
  const uint32_t ip = s.ip_length;
  // Acknowledgment and data offset; window and urgent pointer; options.
  return Read32(s.packet + ip + 4) == Read32(head + ip + 4) + flow.payload && SameOctets(head, s.packet, ip + 8, 5) &&
         SameOctets(head, s.packet, ip + 14, 2) &&
         SameOctets(head, s.packet, ip + 18, s.header_length - ip - 18);
}

TunWriter::Flow* TunWriter::Find(const Segment& s) {
  for (Flow& flow : flows_) {
    if (!flow.open || flow.head.hash != s.hash || flow.head.ipv4 != s.ipv4 || flow.head.tcp != s.tcp) continue;
    const uint32_t from = s.ipv4 ? 12 : 8;
    const uint32_t addresses = s.ipv4 ? 8 : 32;
    if (SameOctets(flow.head.packet, s.packet, from, addresses) &&
        SameOctets(flow.head.packet, s.packet, s.ip_length, 4))
      return &flow;
  }
  return nullptr;
}

TunWriter::Flow* TunWriter::TakeFlow() {
  Flow* oldest = &flows_[0];
  for (Flow& flow : flows_) {
    if (!flow.open) return &flow;
    if (static_cast<int32_t>(flow.opened - oldest->opened) < 0) oldest = &flow;
  }
  Flush(oldest);
  return oldest;
}

void TunWriter::Open(Flow* flow, const Segment& s) {
  flow->open = true;
  flow->head = s;
  flow->size = s.length - s.header_length;
  flow->payload = 0;
  flow->opened = next_opened_++;
  flow->flags = 0;
  flow->count = 0;
  open_count_++;
  Append(flow, s);
}

void TunWriter::Append(Flow* flow, const Segment& s) {
  const uint32_t part = s.length - s.header_length;
  const uint8_t flags = s.tcp ? s.packet[s.ip_length + 13] : 0;
  flow->rows[flow->count] = s.row;
  flow->vectors[++flow->count] = {const_cast<uint8_t*>(s.packet + s.header_length), part};
  flow->payload += part;
  flow->flags |= flags;
  // Only the last may be shorter, and PSH asks for delivery.
  if (part < flow->size || (flags & kTcpPsh) != 0) Flush(flow);
}

void TunWriter::Deliver(Row* row) {
  Segment segment;
  if (!InSlab(row->offset, row->length)) {
    row->verdict = kDropTunWriteFailed;
    memory_.Count(kTunWriteErrors);
    return;
  }
  if (!virtio_) return WriteAlone(row);
  if (!Parse(row, &segment)) {
    // It may be a fragment of any open flow.
    FlushAll();
    return WriteAlone(row);
  }
  segment.joinable = MayJoin(segment);
  Flow* flow = open_count_ == 0 ? nullptr : Find(segment);
  if (flow != nullptr) {
    if (segment.joinable && Fits(*flow, segment)) return Append(flow, segment);
    Flush(flow);
  }
  if (!segment.joinable) return WriteAlone(row);
  Open(flow != nullptr ? flow : TakeFlow(), segment);
}

void TunWriter::Deliver(uint32_t first, uint32_t end) {
  for (uint32_t i = first; i < end; i++) {
    Row* row = &memory_.in[i];
    if (row->verdict == 0) Deliver(row);
  }
  FlushAll();
}

void TunWriter::FlushAll() {
  if (open_count_ == 0) return;
  // Oldest first.
  for (;;) {
    Flow* oldest = nullptr;
    for (Flow& flow : flows_)
      if (flow.open && (oldest == nullptr || static_cast<int32_t>(flow.opened - oldest->opened) < 0)) oldest = &flow;
    if (oldest == nullptr) return;
    Flush(oldest);
  }
}

void TunWriter::Flush(Flow* flow) {
  flow->open = false;
  open_count_--;
  if (flow->count > 1 && WriteJoined(flow)) return;
  for (uint32_t i = 0; i < flow->count; i++) WriteAlone(flow->rows[i]);
}

// False when the kernel refused the super-packet as such: its segments may still go one by one.
bool TunWriter::WriteJoined(Flow* flow) {
  struct {
    VirtioHeader virtio;
    uint8_t octets[kMaxHeader];
  } front{};
  const Segment& head = flow->head;
  const uint32_t total = head.header_length + flow->payload;
  const uint32_t transport_length = total - head.ip_length;
  uint8_t* ip = front.octets;
  uint8_t* transport = ip + head.ip_length;
  memcpy(ip, head.packet, head.header_length);
  if (head.ipv4) {
    Write16(ip + 2, total);
    Write16(ip + 10, 0);
    const uint16_t checksum = static_cast<uint16_t>(~FoldSum(SumHeader(ip, kIpv4Header)));
    memcpy(ip + 10, &checksum, 2);
  } else {
    Write16(ip + 4, total - kIpv6Header);
  }
  if (head.tcp)
    transport[13] = flow->flags;
  else
    Write16(transport + 4, transport_length);
  const uint32_t field = head.tcp ? kTcpChecksum : kUdpChecksum;
  // The kernel finishes what the pseudo-header begins.
  const uint16_t partial =
      FoldSum(SumPseudoHeader(ip, head.tcp ? kProtocolTcp : kProtocolUdp) + SumLength(transport_length));
  memcpy(transport + field, &partial, 2);
  front.virtio.flags = kVirtioNeedsChecksum;
  front.virtio.gso_type = head.tcp ? (head.ipv4 ? kVirtioGsoTcp4 : kVirtioGsoTcp6) : kVirtioGsoUdp;
  front.virtio.header_length = static_cast<uint16_t>(head.header_length);
  front.virtio.gso_size = static_cast<uint16_t>(flow->size);
  front.virtio.checksum_start = static_cast<uint16_t>(head.ip_length);
  front.virtio.checksum_offset = static_cast<uint16_t>(field);
  flow->vectors[0] = {&front, sizeof(VirtioHeader) + head.header_length};
  uint32_t* refusals = head.tcp ? &tcp_refusals_ : &udp_refusals_;
  if (::writev(fd_, flow->vectors, static_cast<int>(flow->count + 1)) >= 0) {
    *refusals = 0;
    memory_.Count(kTunWrites);
    memory_.Count(kTunWritePackets, flow->count);
    memory_.Count(kTunWriteOctets, total);
    return true;
  }
  if (errno == EINVAL && ++*refusals >= kRefusals) (head.tcp ? join_tcp_ : join_udp_) = false;
  return false;
}

void TunWriter::WriteAlone(Row* row) {
  VirtioHeader none{};
  iovec vectors[2] = {{&none, sizeof none}, {memory_.slab + row->offset, static_cast<size_t>(row->length)}};
  const ssize_t written = virtio_ ? ::writev(fd_, vectors, 2) : ::writev(fd_, vectors + 1, 1);
  if (written < 0) {
    row->verdict = kDropTunWriteFailed;
    memory_.Count(kTunWriteErrors);
    return;
  }
  memory_.Count(kTunWrites);
  memory_.Count(kTunWritePackets);
  memory_.Count(kTunWriteOctets, row->length);
}

}  // namespace esplanade

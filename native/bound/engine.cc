#include "engine.h"

#include <cstring>

#include "packet.h"

namespace esplanade::bound {
namespace {

// src/core/drop.ts.
enum : int32_t {
  kUnknownSpi = -6,
  kReplayed = -8,
  kOutsideWindow = -9,
  kSequenceZero = -10,
  kSequenceExhausted = -11,
  kBadPadding = -12,
  kBadNextHeader = -13,
  kInnerMalformed = -14,
  kSelectorMismatch = -15,
  kHardLifetime = -16,
  kNoPolicy = -17,
  kNoSa = -19,
  kPacketTooBig = -21,
  kNotIp = -24,
  kDummy = -27,
  kKeepalive = -28,
  kIkeOverload = -29,
  kEcnDrop = -31,
};

constexpr uint32_t kEspHeader = 8;
constexpr uint32_t kEspTrailer = 2;
constexpr uint8_t kNextIpv4 = 4;
constexpr uint8_t kNextIpv6 = 41;
constexpr uint8_t kNextNone = 59;
constexpr uint8_t kTcpSyn = 0x02;
constexpr uint8_t kEcnMask = 3;
constexpr uint64_t kSequenceEnd = (1ULL << 53) - 1;

// RFC 6040 §4.2, figure 4: a row per inner ECN field, columns outer Not-ECT, ECT(1), ECT(0), CE; -1 = drop.
constexpr int8_t kEgress[4][4] = {{0, 0, 0, -1}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};

// RFC 1624 §3.
void AdjustChecksum(uint8_t* field, uint16_t before, uint16_t after) {
  uint32_t sum = static_cast<uint16_t>(~Read16(field)) + static_cast<uint16_t>(~before) + after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  Write16(field, ~sum & 0xffff);
}

void SetTrafficClass(uint8_t* packet, uint8_t traffic_class) {
  const uint16_t before = Read16(packet);
  if (IsIpv6(packet)) {
    Write16(packet, (before & 0xf00fU) | static_cast<uint32_t>(traffic_class) << 4);
    return;
  }
  const uint16_t after = static_cast<uint16_t>((before & 0xff00U) | traffic_class);
  Write16(packet, after);
  AdjustChecksum(packet + 10, before, after);
}

}  // namespace

Engine::Engine(const Config& config, const LaneMemory& memory) : config_(config), memory_(memory) {
  Endpoint& endpoint = memory.endpoints[kOutbound];
  endpoint.family = 4;
  endpoint.port = config.remote_port;
  endpoint.address[0] = static_cast<int32_t>(config.remote);
  endpoint.local_address[0] = static_cast<int32_t>(config.local);
}

void Engine::Encapsulate(uint32_t count) {
  int32_t group = -1;
  for (uint32_t i = 0; i < count; i++) {
    Row* row = &memory_.out[i];
    row->verdict = row->group == group ? Wrap(row) : Classify(row);
    group = row->verdict == 0 ? row->group : -1;
  }
}

int32_t Engine::Classify(Row* row) {
  Inner inner;
  uint8_t* packet = memory_.slab + row->offset;
  if (!ParseInner(packet, static_cast<uint32_t>(row->length), &inner)) return kNotIp;
  row->length = static_cast<int32_t>(inner.length);
  const int32_t policy = cache_.PolicyOf(inner.flow, config_.policies);
  if (policy < 0) return kNoPolicy;
  if (policy != static_cast<int32_t>(config_.policy)) return kNoSa;
  row->policy = policy;
  outer_class_ = inner.traffic_class;
  dont_fragment_ = inner.dont_fragment;
  ClampMss(packet, inner);
  return Wrap(row);
}

int32_t Engine::Wrap(Row* row) {
  const uint32_t length = static_cast<uint32_t>(row->length);
  if (length > config_.mtu) return kPacketTooBig;
  const Suite& suite = config_.suite;
  const uint32_t pad = -(length + kEspTrailer) & (suite.alignment - 1);
  const uint32_t crypt_length = length + pad + kEspTrailer;
  if (!Charge(&outbound_, crypt_length, length)) return kHardLifetime;
  if (sequence_ >= (config_.esn ? kSequenceEnd : UINT32_MAX)) return kSequenceExhausted;
  sequence_++;
  uint8_t* packet = memory_.slab + row->offset;
  uint8_t* end = packet + length;
  for (uint32_t i = 1; i <= pad; i++) *end++ = static_cast<uint8_t>(i);
  *end++ = static_cast<uint8_t>(pad);
  *end = IsIpv4(packet) ? kNextIpv4 : kNextIpv6;
  const uint32_t front = kEspHeader + suite.iv_length;
  Write32(packet - front, config_.outbound.spi);
  Write32(packet - front + 4, static_cast<uint32_t>(sequence_));
  row->offset -= static_cast<int32_t>(front);
  row->length = static_cast<int32_t>(front + crypt_length + suite.icv_length);
  row->slot = kOutbound;
  row->crypt_offset = row->offset;
  row->crypt_length = static_cast<int32_t>(crypt_length);
  row->seq_high = config_.esn ? static_cast<uint32_t>(sequence_ >> 32) : 0;
  row->prefix_length = 0;
  row->tos = outer_class_;
  row->df = dont_fragment_ ? 1 : 0;
  row->socket = 0;
  return 0;
}

void Engine::Identify(uint32_t count) {
  for (uint32_t i = 0; i < count; i++) memory_.in[i].verdict = Prepare(&memory_.in[i]);
}

int32_t Engine::Prepare(Row* row) {
  const uint8_t* packet = memory_.slab + row->offset;
  row->slot = -1;
  if (row->length < static_cast<int32_t>(kEspHeader))
    return row->length == 1 && packet[0] == 0xff ? kKeepalive : kDropTooShort;
  const uint32_t spi = Read32(packet);
  if (spi == 0) return kIkeOverload;
  if (spi != config_.inbound.spi) return kUnknownSpi;
  const Suite& suite = config_.suite;
  const int32_t crypt_length = row->length - static_cast<int32_t>(kEspHeader + suite.iv_length + suite.icv_length);
  if (crypt_length < static_cast<int32_t>(kEspTrailer)) return kDropTooShort;
  const int64_t high = Check(Read32(packet + 4));
  if (high < 0) return static_cast<int32_t>(high);
  row->slot = kInbound;
  row->crypt_offset = row->offset;
  row->crypt_length = crypt_length;
  row->seq_high = static_cast<uint32_t>(high);
  row->prefix_length = 0;
  return 0;
}

// RFC 4303 Appendix A2.2.
int64_t Engine::Check(uint32_t low) const {
  uint64_t high = 0;
  if (config_.esn) {
    high = top_ >> 32;
    const uint32_t top_low = static_cast<uint32_t>(top_);
    const uint32_t bottom = top_low - kWindow + 1;
    if (top_low >= kWindow - 1) {
      if (low < bottom) high++;
    } else if (low >= bottom) {
      if (high == 0) return kOutsideWindow;
      high--;
    }
  }
  const uint64_t sequence = high << 32 | low;
  if (sequence == 0) return kSequenceZero;
  if (sequence > top_) return static_cast<int64_t>(high);
  if (top_ - sequence >= kWindow) return kOutsideWindow;
  const bool seen = (window_[(sequence >> 5) % kWindowWords] >> (sequence & 31) & 1) != 0;
  return seen ? int64_t{kReplayed} : static_cast<int64_t>(high);
}

int32_t Engine::Accept(uint64_t sequence) {
  if (sequence > top_) {
    const uint64_t first = top_ >> 5;
    uint64_t words = (sequence >> 5) - first;
    if (words > kWindowWords) words = kWindowWords;
    for (uint64_t i = 1; i <= words; i++) window_[(first + i) % kWindowWords] = 0;
    top_ = sequence;
  } else if (top_ - sequence >= kWindow) {
    return kOutsideWindow;
  }
  uint32_t& word = window_[(sequence >> 5) % kWindowWords];
  const uint32_t bit = 1U << (sequence & 31);
  if ((word & bit) != 0) return kReplayed;
  word |= bit;
  return 0;
}

void Engine::Decapsulate(uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    if (memory_.in[i].verdict == 0) memory_.in[i].verdict = Finish(&memory_.in[i]);
}

int32_t Engine::Finish(Row* row) {
  const uint8_t* esp = memory_.slab + row->crypt_offset;
  const int32_t accepted = Accept(static_cast<uint64_t>(row->seq_high) << 32 | Read32(esp + 4));
  if (accepted < 0) return accepted;
  const uint32_t front = kEspHeader + config_.suite.iv_length;
  uint8_t* packet = memory_.slab + row->crypt_offset + front;
  const uint32_t crypt_length = static_cast<uint32_t>(row->crypt_length);
  const uint8_t* end = packet + crypt_length;
  const uint32_t pad = end[-2];
  if (pad + kEspTrailer > crypt_length) return kBadPadding;
  const uint32_t length = crypt_length - kEspTrailer - pad;
  uint8_t bad = 0;
  for (uint32_t i = 1; i <= pad; i++) bad = static_cast<uint8_t>(bad | (packet[length + i - 1] ^ i));
  if (bad != 0) return kBadPadding;
  const uint8_t next = end[-1];
  if (!Charge(&inbound_, crypt_length, length)) return kHardLifetime;
  if (next == kNextNone) return kDummy;
  if (next != kNextIpv4 && next != kNextIpv6) return kBadNextHeader;
  Inner inner;
  if (!ParseInner(packet, length, &inner) || (inner.flow.family == 4) != (next == kNextIpv4)) return kInnerMalformed;
  const Policy& policy = config_.policies[config_.policy];
  if (!Fits(policy.remote, inner.flow.family, inner.flow.source) ||
      !Fits(policy.local, inner.flow.family, inner.flow.destination))
    return kSelectorMismatch;
  const int8_t ecn = kEgress[inner.traffic_class & kEcnMask][row->tos & kEcnMask];
  if (ecn < 0) return kEcnDrop;
  if (ecn != (inner.traffic_class & kEcnMask))
    SetTrafficClass(packet, static_cast<uint8_t>((inner.traffic_class & ~kEcnMask) | ecn));
  ClampMss(packet, inner);
  row->offset = row->crypt_offset + static_cast<int32_t>(front);
  row->length = static_cast<int32_t>(inner.length);
  return 0;
}

bool Engine::Charge(Counters* counters, uint32_t key_octets, uint32_t inner) const {
  if (counters->key_octets + key_octets > hard_octets_ || counters->packets + 1 > hard_packets_) return false;
  counters->key_octets += key_octets;
  counters->packets++;
  counters->octets += inner;
  return true;
}

// To what fits the SA, as src/ipsec/mss.ts.
void Engine::ClampMss(uint8_t* packet, const Inner& inner) const {
  if (inner.flow.protocol != kProtocolTcp || inner.length < inner.header_length + kTcpHeader) return;
  uint8_t* tcp = packet + inner.header_length;
  if ((tcp[13] & kTcpSyn) == 0) return;
  const uint8_t* end = tcp + (tcp[12] >> 4) * 4;
  if (end > packet + inner.length) return;
  const uint32_t headers = (inner.flow.family == 4 ? kIpv4Header : kIpv6Header) + kTcpHeader;
  const uint16_t most = static_cast<uint16_t>(config_.mtu - headers);
  for (uint8_t* at = tcp + kTcpHeader; at < end && *at != 0;) {
    if (*at == 1) {
      at++;
      continue;
    }
    if (at + 1 >= end || at[1] < 2 || at + at[1] > end) return;
    if (*at == 2 && at[1] == 4) {
      const uint16_t before = Read16(at + 2);
      if (before <= most) return;
      const bool odd = ((at + 2 - tcp) & 1) != 0;
      Write16(at + 2, most);
      AdjustChecksum(tcp + kTcpChecksum, odd ? __builtin_bswap16(before) : before,
                     odd ? __builtin_bswap16(most) : most);
      return;
    }
    at += at[1];
  }
}

void Engine::CountDrops(const Row* rows, uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    if (rows[i].verdict < 0) drops_[-rows[i].verdict % kDropReasons]++;
}

}  // namespace esplanade::bound

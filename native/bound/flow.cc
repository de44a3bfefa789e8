#include "flow.h"

#include <sys/random.h>

#include <cstring>

#include "packet.h"

namespace esplanade::bound {

bool ParseInner(const uint8_t* packet, uint32_t length, Inner* inner) {
  if (length < kIpv4Header) return false;
  Flow flow;
  if (IsIpv4(packet)) {
    flow.family = 4;
    inner->header_length = (packet[0] & 15U) * 4;
    inner->length = Read16(packet + 2);
    if (inner->header_length < kIpv4Header || inner->length < inner->header_length) return false;
    inner->traffic_class = packet[1];
    const uint16_t fragment = Read16(packet + 6);
    inner->dont_fragment = (fragment & 0x4000) != 0;
    flow.protocol = packet[9];
    flow.source[0] = Read32(packet + 12);
    flow.destination[0] = Read32(packet + 16);
    // Fragments have no ports that could be believed here.
    if ((fragment & 0x3fff) != 0) flow.spare = 1;
  } else if (IsIpv6(packet) && length >= kIpv6Header) {
    flow.family = 6;
    inner->header_length = kIpv6Header;
    inner->length = kIpv6Header + Read16(packet + 4);
    inner->traffic_class = static_cast<uint8_t>(Read16(packet) >> 4);
    inner->dont_fragment = true;
    flow.protocol = packet[6];
    for (uint32_t i = 0; i < 4; i++) {
      flow.source[i] = Read32(packet + 8 + 4 * i);
      flow.destination[i] = Read32(packet + 24 + 4 * i);
    }
  } else {
    return false;
  }
  if (inner->length > length) return false;
  const bool ports = flow.protocol == kProtocolTcp || flow.protocol == kProtocolUdp;
  if (ports && flow.spare == 0) {
    if (inner->length < inner->header_length + 4) return false;
    flow.ports = Read32(packet + inner->header_length);
  }
  inner->flow = flow;
  return true;
}

bool Fits(const Prefix& prefix, uint32_t family, const uint32_t* address) {
  if (prefix.family != family) return false;
  for (uint32_t i = 0; i < (family == 4 ? 1 : 4); i++)
    if ((address[i] & prefix.masks[i]) != prefix.words[i]) return false;
  return true;
}

int32_t FindPolicy(const std::vector<Policy>& policies, const Flow& flow) {
  for (size_t i = 0; i < policies.size(); i++)
    if (Fits(policies[i].local, flow.family, flow.source) && Fits(policies[i].remote, flow.family, flow.destination))
      return static_cast<int32_t>(i);
  return -1;
}

FlowCache::FlowCache() : entries_(kSets * kWays) {
  if (getrandom(keys_, sizeof keys_, 0) != sizeof keys_) memset(keys_, 0x5a, sizeof keys_);
}

uint32_t FlowCache::SetOf(const Flow& flow) const {
  uint64_t words[6];
  static_assert(sizeof words == sizeof flow);
  memcpy(words, &flow, sizeof words);
  uint64_t sum = keys_[6];
  for (uint32_t i = 0; i < 6; i++) sum += (words[i] ^ keys_[i]) * (keys_[i] | 1);
  return static_cast<uint32_t>((sum ^ (sum >> 32)) * 0x9e3779b97f4a7c15ULL >> 32) & (kSets - 1);
}

int32_t FlowCache::PolicyOf(const Flow& flow, const std::vector<Policy>& policies) {
  const uint32_t set = SetOf(flow);
  Entry* const ways = &entries_[set * kWays];
  for (uint32_t i = 0; i < kWays; i++)
    if (memcmp(&ways[i].flow, &flow, sizeof flow) == 0) return ways[i].policy;
  Entry& entry = ways[next_[set]];
  next_[set] = (next_[set] + 1) % kWays;
  entry.flow = flow;
  entry.policy = FindPolicy(policies, flow);
  return entry.policy;
}

}  // namespace esplanade::bound

// What a policy sees of a packet, and the cache from flow to policy.
#pragma once
#include <cstdint>
#include <vector>

#include "config.h"

namespace esplanade::bound {

struct Flow {
  uint32_t family = 0;
  uint32_t source[4] = {};
  uint32_t destination[4] = {};
  uint32_t protocol = 0;
  // Source port << 16 | destination port, 0 where there are none.
  uint32_t ports = 0;
  uint32_t spare = 0;
};

struct Inner {
  Flow flow;
  uint32_t length;
  uint32_t header_length;
  uint8_t traffic_class;
  bool dont_fragment;
};

// False = not IP or malformed. `length` octets are there.
bool ParseInner(const uint8_t* packet, uint32_t length, Inner* inner);

// Index of the first policy between whose prefixes the packet goes, from our side to the peer's; -1 = none.
int32_t FindPolicy(const std::vector<Policy>& policies, const Flow& flow);
bool Fits(const Prefix& prefix, uint32_t family, const uint32_t* address);

// Four ways a set, replaced in turn, keyed hash: the engine's (src/ipsec/flow-cache.ts).
class FlowCache {
 public:
  FlowCache();
  int32_t PolicyOf(const Flow& flow, const std::vector<Policy>& policies);

 private:
  static constexpr uint32_t kWays = 4;
  static constexpr uint32_t kSets = 1024;
  struct Entry {
    Flow flow;
    int32_t policy;
  };
  uint32_t SetOf(const Flow& flow) const;

  uint64_t keys_[7];
  std::vector<Entry> entries_;
  uint8_t next_[kSets] = {};
};

}  // namespace esplanade::bound

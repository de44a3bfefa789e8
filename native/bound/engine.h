// The engine of the bound: what src/gateway does for one pair of ESP SAs in UDP, tunnel mode, with C++ in TypeScript's
// place. It has what costs time on that road: policy lookup behind a flow cache, sequence numbers, replay window,
// lifetimes, DSCP and ECN, MSS clamp, counters, drops by reason. It answers nobody: no ICMP errors, no fragments of its
// own, no IKE, no events.
#pragma once
#include <cstdint>
#include <vector>

#include "cipher.h"
#include "config.h"
#include "flow.h"
#include "lane_memory.h"

namespace esplanade::bound {

struct Counters {
  uint64_t key_octets = 0;
  uint64_t packets = 0;
  uint64_t octets = 0;
};

class Engine {
 public:
  // Slots of the keys and of the endpoint.
  static constexpr int32_t kInbound = 0;
  static constexpr int32_t kOutbound = 1;
  static constexpr uint32_t kDropReasons = 64;

  Engine(const Config& config, const LaneMemory& memory);

  // Before and after the cipher, rows 0 … count - 1. `now` in milliseconds.
  void Encapsulate(uint32_t count);
  void Identify(uint32_t count);
  void Decapsulate(uint32_t count);
  void CountDrops(const Row* rows, uint32_t count);

  const Counters& inbound() const { return inbound_; }
  const Counters& outbound() const { return outbound_; }
  const uint64_t* drops() const { return drops_; }

 private:
  static constexpr uint32_t kWindow = 2048;
  static constexpr uint32_t kWindowWords = 128;

  int32_t Classify(Row* row);
  int32_t Wrap(Row* row);
  int32_t Prepare(Row* row);
  int32_t Finish(Row* row);
  // High half of the sequence number, or a drop code below 0.
  int64_t Check(uint32_t low) const;
  int32_t Accept(uint64_t sequence);
  bool Charge(Counters* counters, uint32_t key_octets, uint32_t inner) const;
  void ClampMss(uint8_t* packet, const Inner& inner) const;

  const Config& config_;
  const LaneMemory& memory_;
  FlowCache cache_;
  uint64_t sequence_ = 0;
  uint64_t top_ = 0;
  uint32_t window_[kWindowWords] = {};
  // Nothing limits a pair without lifetimes, but each packet is compared with the limits.
  uint64_t hard_octets_ = UINT64_MAX;
  uint64_t hard_packets_ = UINT64_MAX;
  // Of the packet that was classified last, for the rest of its super-packet.
  uint8_t outer_class_ = 0;
  bool dont_fragment_ = false;
  Counters inbound_;
  Counters outbound_;
  uint64_t drops_[kDropReasons] = {};
};

}  // namespace esplanade::bound

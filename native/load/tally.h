// What became of the packets of one step: each sequence number has one bit, so loss, duplicates and reordering are
// three different counts.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "latency.h"

namespace esplanade::load {

// Sequence numbers of a step are below this; the bits are allocated once and only touched as far as a step gets.
constexpr uint64_t kMaxPackets = uint64_t{1} << 28;

class Tally {
 public:
  Tally() : seen_(static_cast<uint64_t*>(std::calloc(kMaxPackets / 64, sizeof(uint64_t)))) {}

  bool Valid() const { return seen_ != nullptr; }

  void Clear() {
    for (uint64_t word = 0; word <= next_expected_ / 64 && word < kMaxPackets / 64; word++) seen_[word] = 0;
    next_expected_ = unique_ = duplicates_ = reordered_ = 0;
    latency_.Clear();
  }

  void Add(uint64_t sequence, uint64_t latency_nanos) {
    if (sequence >= kMaxPackets) return;
    const uint64_t bit = uint64_t{1} << (sequence % 64);
    uint64_t& word = seen_[sequence / 64];
    if ((word & bit) != 0) {
      duplicates_++;
      return;
    }
    word |= bit;
    unique_++;
    // RFC 4737 §3.3: reordered is what comes below the next expected number.
    if (sequence < next_expected_)
      reordered_++;
    else
      next_expected_ = sequence + 1;
    latency_.Add(latency_nanos);
  }

  uint64_t Unique() const { return unique_; }
  uint64_t Duplicates() const { return duplicates_; }
  uint64_t Reordered() const { return reordered_; }
  const LatencyHistogram& Latency() const { return latency_; }

 private:
  struct Free {
    void operator()(uint64_t* words) const { std::free(words); }
  };
  std::unique_ptr<uint64_t[], Free> seen_;
  uint64_t next_expected_ = 0;
  uint64_t unique_ = 0;
  uint64_t duplicates_ = 0;
  uint64_t reordered_ = 0;
  LatencyHistogram latency_;
};

}  // namespace esplanade::load

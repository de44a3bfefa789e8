// One-way latencies in log-linear buckets: within 1.6 % of the true value from a nanosecond to eighteen minutes.
#pragma once
#include <array>
#include <cstdint>

namespace esplanade::load {

class LatencyHistogram {
 public:
  void Clear() {
    buckets_.fill(0);
    count_ = 0;
    largest_ = 0;
  }

  void Add(uint64_t nanos) {
    if (nanos > largest_) largest_ = nanos;
    buckets_[IndexOf(nanos)]++;
    count_++;
  }

  // The latency that `quantile` (0–1) of all packets did not exceed, in microseconds; 0 when there are none.
  double Micros(double quantile) const {
    if (count_ == 0) return 0;
    uint64_t before = 0;
    const auto wanted = static_cast<uint64_t>(quantile * static_cast<double>(count_));
    for (uint32_t i = 0; i < kBuckets; i++) {
      before += buckets_[i];
      if (before > wanted) return static_cast<double>(MiddleOf(i)) / 1e3;
    }
    return LargestMicros();
  }

  double LargestMicros() const { return static_cast<double>(largest_) / 1e3; }

 private:
  static constexpr uint32_t kLinear = 64;
  static constexpr uint32_t kShifts = 34;
  static constexpr uint32_t kBuckets = kLinear * (kShifts + 2);

  static uint32_t IndexOf(uint64_t nanos) {
    if (nanos < 2 * kLinear) return static_cast<uint32_t>(nanos);
    const uint32_t shift = 63U - static_cast<uint32_t>(__builtin_clzll(nanos)) - 6U;
    if (shift > kShifts) return kBuckets - 1;
    return shift * kLinear + static_cast<uint32_t>(nanos >> shift);
  }

  static uint64_t MiddleOf(uint32_t index) {
    if (index < 2 * kLinear) return index;
    const uint32_t shift = index / kLinear - 1;
    const uint64_t low = static_cast<uint64_t>(index - shift * kLinear) << shift;
    return low + (uint64_t{1} << shift) / 2;
  }

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t largest_ = 0;
};

}  // namespace esplanade::load

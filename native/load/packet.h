// What the generator writes into each packet's payload.
#pragma once
#include <time.h>

#include <cstdint>

namespace esplanade::load {

struct Stamp {
  uint32_t magic;
  // Step of the run: stragglers of an earlier step are told apart.
  uint32_t step;
  uint64_t sequence;
  uint64_t sent_nanos;
};
static_assert(sizeof(Stamp) == 24);

constexpr uint32_t kMagic = 0x6573706c;
constexpr uint32_t kBatch = 32;
constexpr uint32_t kLargestPacket = 9216;

inline uint64_t NowNanos() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000U + static_cast<uint64_t>(now.tv_nsec);
}

inline void SleepNanos(uint64_t nanos) {
  const timespec rest{static_cast<time_t>(nanos / 1000000000U), static_cast<long>(nanos % 1000000000U)};
  nanosleep(&rest, nullptr);
}

}  // namespace esplanade::load

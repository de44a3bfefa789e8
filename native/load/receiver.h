// The receiving thread: takes batches, tallies them, keeps no packet.
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>

#include "socket.h"
#include "tally.h"

namespace esplanade::load {

struct Received {
  uint64_t unique = 0;
  uint64_t duplicates = 0;
  uint64_t reordered = 0;
  double latency50_micros = 0;
  double latency99_micros = 0;
  double latency_max_micros = 0;
};

class Receiver {
 public:
  explicit Receiver(Socket socket);
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  ~Receiver();

  bool Valid() const { return tally_.Valid(); }
  // Forgets the last step; packets of another step than `step` are no longer counted.
  void Begin(uint32_t step);
  uint64_t Unique();
  Received Result();
  // When the last packet of any step came; 0 before the first.
  uint64_t LastNanos() const { return last_nanos_.load(std::memory_order_relaxed); }

 private:
  void Run();

  Socket socket_;
  std::mutex mutex_;
  Tally tally_;
  uint32_t step_ = 0;
  std::atomic<uint64_t> last_nanos_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace esplanade::load

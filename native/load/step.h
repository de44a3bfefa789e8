// One step: send at a rate for a time, wait until nothing comes any more, say what became of it.
#pragma once
#include <cstdint>

#include "receiver.h"
#include "socket.h"

namespace esplanade::load {

struct StepPlan {
  // UDP payload, in octets.
  uint32_t payload = 0;
  // Packets a second; 0 = as fast as the sender can.
  double rate = 0;
  double seconds = 0;
};

struct StepResult {
  uint64_t sent = 0;
  // Received while the sender was still sending; the others are late.
  uint64_t in_time = 0;
  double seconds = 0;
  Received received;

  uint64_t Late() const { return received.unique - in_time; }
  double LossPercent() const {
    return sent == 0 ? 0 : 100.0 * static_cast<double>(sent - received.unique) / static_cast<double>(sent);
  }
  double SentPerSecond() const { return static_cast<double>(sent) / seconds; }
  double ReceivedPerSecond() const { return static_cast<double>(in_time) / seconds; }
};

// Longest wait for stragglers after a step.
constexpr double kDrainSeconds = 6;

StepResult RunStep(const Socket& sender, Receiver* receiver, uint32_t step, const StepPlan& plan);

}  // namespace esplanade::load

#include "step.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "packet.h"
#include "tally.h"

namespace esplanade::load {

namespace {

constexpr uint64_t kSilenceNanos = 150000000;
constexpr uint64_t kDrainLookNanos = 10000000;
// Pause between two looks at the pace; a slower rate sleeps from packet to packet.
constexpr double kPaceNanos = 100e3;
// The sender's own queue was full.
constexpr uint64_t kFullNanos = 50000;

class Batch {
 public:
  Batch(uint32_t payload, uint32_t step) : octets_(static_cast<size_t>(payload) * kBatch) {
    for (uint32_t i = 0; i < kBatch; i++) {
      vectors_[i] = {&octets_[static_cast<size_t>(payload) * i], payload};
      messages_[i].msg_hdr.msg_iov = &vectors_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
    stamp_.magic = kMagic;
    stamp_.step = step;
  }

  // Returns how many left, or -1 with errno.
  int Send(const Socket& sender, uint64_t first, uint32_t count, uint64_t now) {
    stamp_.sent_nanos = now;
    for (uint32_t i = 0; i < count; i++) {
      stamp_.sequence = first + i;
      std::memcpy(vectors_[i].iov_base, &stamp_, sizeof stamp_);
    }
    return sendmmsg(sender.Descriptor(), messages_.data(), count, 0);
  }

 private:
  std::vector<uint8_t> octets_;
  std::array<iovec, kBatch> vectors_{};
  std::array<mmsghdr, kBatch> messages_{};
  Stamp stamp_{};
};

void Drain(const Receiver& receiver) {
  const uint64_t started = NowNanos();
  const auto longest = static_cast<uint64_t>(kDrainSeconds * 1e9);
  for (uint64_t now = started; now - started < longest; now = NowNanos()) {
    const uint64_t last = receiver.LastNanos() > started ? receiver.LastNanos() : started;
    if (now > last && now - last > kSilenceNanos) return;
    SleepNanos(kDrainLookNanos);
  }
}

}  // namespace

StepResult RunStep(const Socket& sender, Receiver* receiver, uint32_t step, const StepPlan& plan) {
  Batch batch(plan.payload, step);
  receiver->Begin(step);
  StepResult result;
  const uint64_t started = NowNanos();
  const uint64_t end = started + static_cast<uint64_t>(plan.seconds * 1e9);
  const double pace = plan.rate > 0 && 1e9 / plan.rate > kPaceNanos ? 1e9 / plan.rate : kPaceNanos;
  for (uint64_t now = NowNanos(); now < end && result.sent + kBatch <= kMaxPackets; now = NowNanos()) {
    uint32_t count = kBatch;
    if (plan.rate > 0) {
      const double due = static_cast<double>(now - started) * plan.rate / 1e9 - static_cast<double>(result.sent);
      if (due < 1) {
        SleepNanos(static_cast<uint64_t>(pace));
        continue;
      }
      if (due < kBatch) count = static_cast<uint32_t>(due);
    }
    const int left = batch.Send(sender, result.sent, count, now);
    if (left > 0)
      result.sent += static_cast<uint64_t>(left);
    else
      SleepNanos(kFullNanos);
  }
  result.seconds = static_cast<double>(NowNanos() - started) / 1e9;
  result.in_time = receiver->Unique();
  Drain(*receiver);
  result.received = receiver->Result();
  return result;
}

}  // namespace esplanade::load

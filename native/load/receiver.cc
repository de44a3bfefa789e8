#include "receiver.h"

#include <array>
#include <cstring>
#include <utility>

#include "packet.h"

namespace esplanade::load {

Receiver::Receiver(Socket socket) : socket_(std::move(socket)), thread_([this] { Run(); }) {}

Receiver::~Receiver() {
  stop_.store(true, std::memory_order_relaxed);
  thread_.join();
}

void Receiver::Begin(uint32_t step) {
  const std::lock_guard<std::mutex> lock(mutex_);
  tally_.Clear();
  step_ = step;
}

uint64_t Receiver::Unique() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return tally_.Unique();
}

Received Receiver::Result() {
  const std::lock_guard<std::mutex> lock(mutex_);
  const LatencyHistogram& latency = tally_.Latency();
  return {tally_.Unique(),      tally_.Duplicates(),   tally_.Reordered(),
          latency.Micros(0.50), latency.Micros(0.99), latency.LargestMicros()};
}

void Receiver::Run() {
  // Only the stamp is wanted; the kernel drops the rest of the packet.
  std::array<Stamp, kBatch> stamps{};
  std::array<iovec, kBatch> vectors{};
  std::array<mmsghdr, kBatch> messages{};
  for (uint32_t i = 0; i < kBatch; i++) {
    vectors[i] = {&stamps[i], sizeof(Stamp)};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  while (!stop_.load(std::memory_order_relaxed)) {
    const int count = recvmmsg(socket_.Descriptor(), messages.data(), kBatch, MSG_WAITFORONE, nullptr);
    if (count <= 0) continue;
    const uint64_t now = NowNanos();
    last_nanos_.store(now, std::memory_order_relaxed);
    const std::lock_guard<std::mutex> lock(mutex_);
    for (uint32_t i = 0; i < static_cast<uint32_t>(count); i++) {
      const Stamp& stamp = stamps[i];
      if (messages[i].msg_len < sizeof(Stamp) || stamp.magic != kMagic || stamp.step != step_) continue;
      tally_.Add(stamp.sequence, now > stamp.sent_nanos ? now - stamp.sent_nanos : 0);
    }
  }
}

}  // namespace esplanade::load

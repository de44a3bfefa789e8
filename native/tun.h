// TUN devices: opening and configuring one, and reading a queue into a lane's out slots.
#pragma once
#include <string>
#include <vector>

#include "descriptor.h"
#include "error.h"
#include "lane_memory.h"
#include "segment.h"

namespace esplanade {

// TUN_F_*: what super-packets the kernel may hand over. USO's bits are newer than some kernels' headers.
constexpr uint32_t kOffloadChecksum = 0x01;
constexpr uint32_t kOffloadTso4 = 0x02;
constexpr uint32_t kOffloadTso6 = 0x04;
constexpr uint32_t kOffloadTsoEcn = 0x08;
constexpr uint32_t kOffloadUso4 = 0x20;
constexpr uint32_t kOffloadUso6 = 0x40;

struct TunOptions {
  // Empty or a pattern such as "esp%d": the kernel chooses.
  std::string name;
  uint32_t queues = 1;
  bool virtio = true;
  bool persist = false;
  // Which of kOffload* may be used.
  uint32_t offloads = ~0U;
};

struct TunDevice {
  std::string name;
  std::vector<UniqueFd> queues;
  // What the kernel agreed to.
  uint32_t offloads = 0;
  bool virtio = false;
};

// Opens all queues or none.
Failure OpenTun(const TunOptions& options, TunDevice* device);

// Reads super-packets of one queue and cuts them.
class TunReader {
 public:
  TunReader(int fd, bool virtio, const LaneMemory& memory)
      : fd_(fd), virtio_(virtio), memory_(memory), slots_(memory.slab, memory.out) {}

  // Takes what is there, at most one batch. Returns the out rows; `failure` says when the device is gone.
  uint32_t Read(uint32_t tailroom, Failure* failure);
  // A super-packet is read and waits for the next batch: the device itself may have nothing to read then.
  bool holds() const { return held_ > 0; }

 private:
  bool CutStaged(uint32_t length, int32_t group);

  const int fd_;
  const bool virtio_;
  const LaneMemory& memory_;
  OutSlots slots_;
  // Octets of a super-packet in the staging area that did not fit into the last batch; 0 = none.
  uint32_t held_ = 0;
};

}  // namespace esplanade

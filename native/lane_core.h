// One lane's input and output without N-API: what the addon's Lane and the all-C++ bound of the benchmarks both are.
#pragma once
#include <sys/epoll.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "error.h"
#include "error_queue.h"
#include "join.h"
#include "lane_memory.h"
#include "pace.h"
#include "raw.h"
#include "tun.h"
#include "udp.h"

namespace esplanade {

struct LaneOptions {
  bool virtio = true;
  bool gso = true;
  // The kernel may join received datagrams to trains.
  bool gro = true;
  // UDP may be joined and written as one.
  bool uso = true;
  bool join = true;
};

// Borrows all descriptors.
class LaneCore {
 public:
  LaneCore(const LaneMemory& memory, int tun, const std::vector<LaneSocket>& sockets, int wake,
           const LaneOptions& options);
  LaneCore(const LaneCore&) = delete;
  LaneCore& operator=(const LaneCore&) = delete;

  Failure Open();
  int32_t Wait(int timeout);
  uint32_t ReadTun(uint32_t tailroom, Failure* failure);
  void Send(uint32_t first, uint32_t end);
  uint32_t Receive(uint32_t socket);
  void Deliver(uint32_t first, uint32_t end) { writer_.Deliver(first, end); }
  bool TakeError(QueuedError* error);
  uint32_t socket_count() const { return static_cast<uint32_t>(sockets_.size()); }

 private:
  int Look(epoll_event* events, int timeout);

  struct Port {
    LaneSocket socket;
    std::unique_ptr<UdpSocket> udp;
    std::unique_ptr<RawSocket> raw;
  };

  const LaneMemory memory_;
  const int tun_;
  const int wake_;
  UniqueFd epoll_;
  TunReader reader_;
  TunWriter writer_;
  std::vector<Port> sockets_;
  TrainReceiver receiver_;
  Pace pace_;
};

}  // namespace esplanade

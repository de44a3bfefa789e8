// Raw IP sockets for ESP (50) and AH (51) without UDP. IPv4 hands over whole packets; IPv6 hands over payloads, and the
// header in front is made again from ancillary data.
#pragma once
#include <cstdint>

#include "udp.h"

namespace esplanade {

// `options.protocol` is 50, 51 or IPPROTO_RAW (send only).
Failure OpenRaw(const SocketOptions& options, OpenedSocket* opened);

class RawSocket {
 public:
  RawSocket(int fd, bool ipv4, uint8_t protocol, int32_t index, const LaneMemory& memory)
      : fd_(fd), ipv4_(ipv4), protocol_(protocol), index_(index), memory_(memory) {}

  // Rows are whole IP packets; they go where their headers say.
  void Send(uint32_t first, uint32_t end, Patience* patience);
  uint32_t Receive(TrainReceiver* receiver);

 private:
  static constexpr uint32_t kCall = 64;

  bool Sendable(const Row& row) const;
  void SendCall(Row** rows, uint32_t count, Patience* patience);

  const int fd_;
  const bool ipv4_;
  const uint8_t protocol_;
  const int32_t index_;
  const LaneMemory& memory_;
};

}  // namespace esplanade

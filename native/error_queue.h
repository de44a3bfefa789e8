// What the kernel keeps in a socket's error queue: ICMP errors about packets of ours (ip(7), IP_RECVERR).
#pragma once
#include <cstdint>

namespace esplanade {

enum class SocketKind { kUdp4, kUdp6, kRaw4, kRaw6 };

struct LaneSocket {
  int fd;
  SocketKind kind;
  // Raw sockets: 50 or 51.
  uint8_t protocol;
};

struct QueuedError {
  // Index of the socket among its lane's.
  int32_t socket;
  // errno, as the kernel translates the ICMP error.
  int32_t error;
  int32_t mtu;
  int32_t family;
  // Where the packet was going.
  int32_t port;
  int32_t address[4];
  // What came behind the UDP header, or behind the IP header of a raw socket's packet.
  uint32_t quoted_length;
  uint8_t quoted[576];
};

// Takes one error; false when there is none. Sets all but `socket`.
bool TakeQueuedError(const LaneSocket& socket, QueuedError* error);

}  // namespace esplanade

// UDP sockets: opening one with all the ancillary data a lane needs, sending rows as GSO trains, receiving GRO trains.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "descriptor.h"
#include "error.h"
#include "lane_memory.h"

namespace esplanade {

struct SocketOptions {
  int family = AF_INET;
  // In network order; 4 or 16 octets count. All zero = any.
  uint8_t address[16] = {};
  uint16_t port = 0;
  bool reuse_port = false;
  // Receive trains of datagrams where the kernel joins them.
  bool gro = true;
  // 0 = none.
  uint32_t mark = 0;
  // Octets of each socket buffer; 0 = the system's.
  uint32_t buffers = 0;
  // Interface to bind to; empty = any.
  std::string device;
  // Raw sockets: protocol number.
  int protocol = 0;
};

struct OpenedSocket {
  UniqueFd fd;
  uint16_t port = 0;
  bool gro = false;
};

// `address` in network order. Returns the length of the name.
socklen_t MakeAddress(int family, const uint8_t* address, uint16_t port, sockaddr_storage* storage);

// Address words of the shared tables, and octets in network order.
void WordsToOctets(const int32_t* words, uint32_t count, uint8_t* octets);
void OctetsToWords(const uint8_t* octets, uint32_t count, int32_t* words);

// An error that an earlier packet caused: the kernel tells it once, instead of doing what was asked.
bool IsOldNews(int error);

Failure OpenUdp(const SocketOptions& options, OpenedSocket* opened);

// Options that UDP and raw sockets share: mark, device, buffers, packet info, traffic class, error queue.
Failure SetCommonOptions(int fd, const SocketOptions& options);

// Time one batch may spend on waiting for a full socket; it starts with the first wait.
class Patience {
 public:
  // Waits until `fd` takes more, or a short while when only the device is full. False when the time is up.
  bool Wait(int fd, int error);

 private:
  int64_t deadline_ = 0;
};

// Rows and trains filled so far by one receive call of a lane.
struct Received {
  uint32_t rows = 0;
  uint32_t trains = 0;
};

// Ancillary data of one received message.
struct Ancillary {
  int32_t tos = 0;
  int32_t hop_limit = 64;
  int32_t interface = 0;
  // Octets of each datagram of a train; 0 = the message is one datagram.
  uint32_t segment = 0;
  bool has_local = false;
  uint8_t local[16] = {};
};

Ancillary ReadAncillary(msghdr* message);

// Most datagrams a train may hold: UDP_MAX_SEGMENTS of the newest kernels.
constexpr uint32_t kTrainDatagrams = 128;
// Room for packet info, traffic class, hop limit and segment size, with alignment.
constexpr uint32_t kControlLength = 192;

// Builds ancillary data into a fixed buffer.
class ControlWriter {
 public:
  explicit ControlWriter(msghdr* message) : message_(message) {
    message->msg_control = buffer_;
    message->msg_controllen = 0;
  }
  void Put(int level, int type, const void* data, size_t length) {
    cmsghdr* header = reinterpret_cast<cmsghdr*>(buffer_ + message_->msg_controllen);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(header), data, length);
    message_->msg_controllen += CMSG_SPACE(length);
  }

 private:
  msghdr* const message_;
  alignas(cmsghdr) uint8_t buffer_[kControlLength];
};

// Messages of one recvmmsg call, one train each.
class TrainReceiver {
 public:
  explicit TrainReceiver(const LaneMemory& memory) : memory_(memory) {}

  // Receives up to `count` messages into trains first …; returns how many, 0 when there are none.
  uint32_t Receive(int fd, uint32_t first, uint32_t count);
  mmsghdr& message(uint32_t train) { return messages_[train]; }
  uint8_t* octets(uint32_t train) const { return memory_.slab + Offset(train); }
  static uint32_t Offset(uint32_t train) { return kInOffset + train * kTrainStride + kTrainHeadroom; }
  // Fills the train's record: where it came from and where it went.
  void Describe(uint32_t train, int32_t socket, const Ancillary& ancillary);

 private:
  const LaneMemory& memory_;
  mmsghdr messages_[kTrains];
  iovec vectors_[kTrains];
  sockaddr_storage names_[kTrains];
  alignas(cmsghdr) uint8_t control_[kTrains][kControlLength];
};

class UdpSocket {
 public:
  UdpSocket(int fd, bool ipv4, int32_t index, bool gso, const LaneMemory& memory)
      : fd_(fd), ipv4_(ipv4), index_(index), gso_(gso), memory_(memory) {}

  // Sends the out rows first … end - 1 whose verdict is 0; all of them leave by this socket.
  void Send(uint32_t first, uint32_t end, Patience* patience);
  uint32_t Receive(TrainReceiver* receiver);

 private:
  static constexpr uint32_t kMaxSegments = 64;
  static constexpr uint32_t kMaxOctets = 65000;

  bool Sendable(const Row& row) const;
  // Collects rows from `first` on that may leave in one call; returns the row after the last one looked at.
  uint32_t Collect(uint32_t first, uint32_t end);
  void SendGroup(Patience* patience);
  // 0 or errno.
  int SendRows(uint32_t from, uint32_t count, Patience* patience);
  void SetDontFragment(bool on);
  bool GsoAllowed();

  const int fd_;
  const bool ipv4_;
  const int32_t index_;
  const bool gso_;
  const LaneMemory& memory_;
  Row* group_[kMaxSegments];
  uint32_t group_count_ = 0;
  // What the socket is set to: -1 = not known yet.
  int32_t dont_fragment_ = -1;
  uint32_t gso_refusals_ = 0;
  // Single sends left before GSO is tried again.
  uint32_t gso_pause_ = 0;
  // Datagrams a train held lately, to choose between few long and many short trains.
  uint32_t train_length_ = 1;
};

}  // namespace esplanade

// Joins neighbouring segments of a TCP or UDP flow to super-packets and writes them to TUN.
// The kernel believes what we mark as checksummed, so every segment is verified before it is joined, and only segments
// that the kernel would cut again into the same octets are joined. Order within a flow is kept.
#pragma once
#include <sys/uio.h>

#include <cstdint>

#include "lane_memory.h"
#include "packet.h"

namespace esplanade {

class TunWriter {
 public:
  struct Options {
    bool virtio;
    bool join_tcp;
    bool join_udp;
  };

  TunWriter(int fd, const Options& options, const LaneMemory& memory);

  // Writes the in rows first … end - 1 whose verdict is 0; a refused one gets kDropTunWriteFailed.
  void Deliver(uint32_t first, uint32_t end);

 private:
  // UDP GSO's bound in the kernel; TCP super-packets of this many segments of an Ethernet MTU are past 64 KiB anyway.
  static constexpr uint32_t kMaxSegments = 64;
  static constexpr uint32_t kMaxHeader = 120;
  // Flows that may be open at once: several interleaved streams still join.
  static constexpr uint32_t kFlows = 8;

  // One packet as far as joining looks at it.
  struct Segment {
    Row* row;
    const uint8_t* packet;
    uint32_t length;
    uint32_t hash;
    bool ipv4;
    bool tcp;
    bool joinable;
    uint32_t ip_length;
    uint32_t header_length;
  };
  struct Flow {
    bool open = false;
    Segment head;
    uint32_t size;
    uint32_t payload;
    uint32_t opened;
    uint8_t flags;
    uint32_t count = 0;
    Row* rows[kMaxSegments];
    iovec vectors[kMaxSegments + 1];
  };

  bool Parse(Row* row, Segment* segment) const;
  bool MayJoin(const Segment& segment) const;
  bool Fits(const Flow& flow, const Segment& segment) const;
  void Deliver(Row* row);
  Flow* Find(const Segment& segment);
  Flow* TakeFlow();
  void Open(Flow* flow, const Segment& segment);
  void Append(Flow* flow, const Segment& segment);
  void Flush(Flow* flow);
  void FlushAll();
  bool WriteJoined(Flow* flow);
  void WriteAlone(Row* row);

  const int fd_;
  const LaneMemory& memory_;
  const bool virtio_;
  bool join_tcp_;
  bool join_udp_;
  // Refused super-packets in a row; after a few of them the kernel gets none of the kind any more.
  uint32_t tcp_refusals_ = 0;
  uint32_t udp_refusals_ = 0;
  uint32_t open_count_ = 0;
  uint32_t next_opened_ = 0;
  Flow flows_[kFlows];
};

}  // namespace esplanade

// Cuts super-packets of TUN (TSO, USO) into packets with final checksums, straight into the lane's out slots.
#pragma once
#include <cstdint>

#include "lane_memory.h"
#include "packet.h"

namespace esplanade {

// Out slots are packed one after the other, each 64-aligned: headroom, packet, tailroom.
class OutSlots {
 public:
  OutSlots(uint8_t* slab, Row* rows) : slab_(slab), rows_(rows) {}

  void Begin(uint32_t tailroom) {
    tailroom_ = tailroom;
    next_ = kOutOffset;
    count_ = 0;
  }
  uint32_t count() const { return count_; }
  bool Fits(uint32_t packets, uint32_t length) const {
    return packets <= kRows - count_ &&
           static_cast<uint64_t>(packets) * SlotLength(length) <= kOutOffset + kOutLength - next_;
  }
  // The caller has asked Fits.
  uint8_t* Take(uint32_t length, int32_t group) {
    const uint32_t offset = next_ + kHeadroom;
    Row row{};
    row.offset = static_cast<int32_t>(offset);
    row.length = static_cast<int32_t>(length);
    row.slot = -1;
    row.group = group;
    rows_[count_++] = row;
    next_ += SlotLength(length);
    return slab_ + offset;
  }

 private:
  uint32_t SlotLength(uint32_t length) const { return (kHeadroom + length + tailroom_ + 63) & ~63U; }

  uint8_t* const slab_;
  Row* const rows_;
  uint32_t tailroom_ = 0;
  uint32_t next_ = kOutOffset;
  uint32_t count_ = 0;
};

enum class CutResult {
  kDone,
  // Nothing was taken; try again with empty slots.
  kFull,
  // Nothing was taken; the packet can never be cut.
  kMalformed,
};

// `packet` is what followed the virtio-net header. Reads nothing beyond `length`.
CutResult Cut(const uint8_t* packet, uint32_t length, const VirtioHeader& virtio, int32_t group, OutSlots* slots);

}  // namespace esplanade

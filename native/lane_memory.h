// One lane's shared memory as native code sees it (src/core/lane-memory.ts).
#pragma once
#include <cstdint>

#include "slab.h"

namespace esplanade {

struct LaneMemory {
  uint8_t* slab = nullptr;
  Row* out = nullptr;
  Row* in = nullptr;
  Train* trains = nullptr;
  Endpoint* endpoints = nullptr;
  uint32_t endpoint_count = 0;
  double* counters = nullptr;

  void Count(IoCounter counter, double by = 1) const { counters[counter] += by; }
};

// True when the octets lie inside the slab: a row comes from TypeScript and is checked before every use.
inline bool InSlab(int32_t offset, int32_t length) {
  return offset >= 0 && length >= 0 && static_cast<uint32_t>(offset) <= kSlabLength &&
         static_cast<uint32_t>(length) <= kSlabLength - static_cast<uint32_t>(offset);
}

}  // namespace esplanade

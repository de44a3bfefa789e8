// Where a lane's octets lie and what a descriptor row is: the only ABI between TypeScript and native code.
// Twin of src/core/slab.ts and of the codes in src/core/drop.ts; start-up compares the two.
#pragma once
#include <cstddef>
#include <cstdint>

namespace esplanade {

constexpr uint32_t kStagingOffset = 0;
constexpr uint32_t kStagingLength = 128 * 1024;
constexpr uint32_t kOutOffset = kStagingOffset + kStagingLength;
constexpr uint32_t kOutLength = 4 * 1024 * 1024;
constexpr uint32_t kHeadroom = 192;
constexpr uint32_t kInOffset = kOutOffset + kOutLength;
constexpr uint32_t kTrains = 64;
constexpr uint32_t kTrainStride = 66 * 1024;
constexpr uint32_t kTrainHeadroom = 64;
constexpr uint32_t kScratchOffset = kInOffset + kTrains * kTrainStride;
constexpr uint32_t kScratchLength = 1024 * 1024;
constexpr uint32_t kSlabLength = kScratchOffset + kScratchLength;
constexpr uint32_t kRows = 4096;

// One packet. See src/core/slab.ts for the meaning of each column.
struct Row {
  int32_t offset;
  int32_t length;
  int32_t verdict;
  int32_t slot;
  int32_t crypt_offset;
  int32_t crypt_length;
  uint32_t seq_high;
  int32_t prefix_offset;
  int32_t prefix_length;
  int32_t icv_offset;
  int32_t group;
  int32_t tos;
  int32_t df;
  int32_t socket;
  int32_t policy;
  int32_t spare;
};
static_assert(sizeof(Row) == 64, "a row is one cache line");
static_assert(offsetof(Row, verdict) == 2 * 4);
static_assert(offsetof(Row, slot) == 3 * 4);
static_assert(offsetof(Row, crypt_offset) == 4 * 4);
static_assert(offsetof(Row, crypt_length) == 5 * 4);
static_assert(offsetof(Row, seq_high) == 6 * 4);
static_assert(offsetof(Row, prefix_offset) == 7 * 4);
static_assert(offsetof(Row, prefix_length) == 8 * 4);
static_assert(offsetof(Row, icv_offset) == 9 * 4);
static_assert(offsetof(Row, group) == 10 * 4);
static_assert(offsetof(Row, tos) == 11 * 4);
static_assert(offsetof(Row, df) == 12 * 4);
static_assert(offsetof(Row, socket) == 13 * 4);

struct Train {
  int32_t family;
  int32_t port;
  int32_t address[4];        // big-endian words as host integers
  int32_t local_address[4];  // likewise
  int32_t socket;
  int32_t interface;
  int32_t spare[4];
};
static_assert(sizeof(Train) == 64);
static_assert(offsetof(Train, local_address) == 6 * 4);
static_assert(offsetof(Train, socket) == 10 * 4);

struct Endpoint {
  int32_t family;
  int32_t port;
  int32_t address[4];
  int32_t local_address[4];
  int32_t spare[6];
};
static_assert(sizeof(Endpoint) == 64);
static_assert(offsetof(Endpoint, local_address) == 6 * 4);

// Bits of wait().
constexpr int32_t kReadyTun = 1;
constexpr int32_t kReadyWake = 2;
constexpr int32_t kReadyError = 4;
constexpr int32_t kReadySocket = 8;

// Drop codes that native code sets (src/core/drop.ts).
constexpr int32_t kDropIcvMismatch = -1;
constexpr int32_t kDropNoKey = -2;
constexpr int32_t kDropNonceReuse = -3;
constexpr int32_t kDropSendFailed = -4;
constexpr int32_t kDropTooShort = -5;
constexpr int32_t kDropTunWriteFailed = -38;

// Indices of the I/O counters (float64).
enum IoCounter {
  kTunReads,
  kTunReadPackets,
  kTunReadOctets,
  kTunWrites,
  kTunWritePackets,
  kTunWriteOctets,
  kTunWriteErrors,
  kSends,
  kSendPackets,
  kSendOctets,
  kSendErrors,
  kSendRetries,
  kReceives,
  kReceivePackets,
  kReceiveOctets,
  kWaits,
  kGsoFallbacks,
  kTunReadBad,
  kIoCounters = 32,
};

}  // namespace esplanade

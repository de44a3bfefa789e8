// How a lane shares the cores. As long as it keeps up it goes before everybody, because whatever waits for a lane waits with
// all its flows; one that does not get to an end within 20 ms competes for the core like others.
//
//     asked ──► before others ──busy for 20 ms──► among others
//                     ▲────────nothing is left────────┘
//
// Packets that come thick are left to gather for 200 µs once nothing is left: a lane that wakes for each of them pushes aside
// who sends it, and finds one. Measured with both gateways and the load on two cores, medians: 4.0 Gbit/s of TCP with ping's
// 99th percentile at 13.5 ms among others and without rest, 5.1 Gbit/s and 5 ms with both. Packets of 64 octets pay for it:
// 207 to 224 thousand a second before, 149 to 224 with both.
#pragma once
#include <ctime>
#include <cstdint>

namespace esplanade {

class Pace {
 public:
  // For this thread, which makes its LaneCore afterwards. Without the right to go before others (RLIMIT_RTPRIO, CAP_SYS_NICE)
  // it is one that does not push aside who runs (sched(7), SCHED_BATCH): false.
  static bool Ask();

  Pace();
  void Took(uint32_t packets) { taken_ += packets; }
  // Before a look at what is ready: whether packets come so thick that a rest is worth it.
  bool IsThick();
  // Whether it matters that something is ready at once: a look of its own tells, a wait does not.
  bool Wonders() const;
  // Something is left to do.
  void Busy();
  // Nothing is.
  void Idle();
  static void Rest();
  // After a rest or a wait, which may have been none.
  void Woke();

 private:
  static int64_t Now();

  const bool preferred_;
  // At first: whoever has not looked yet is at its start.
  bool among_others_;
  bool thick_ = false;
  uint64_t taken_ = 0;
  // Nanoseconds of the monotonic clock.
  int64_t counted_since_;
  int64_t now_;
  int64_t busy_since_;
};

}  // namespace esplanade

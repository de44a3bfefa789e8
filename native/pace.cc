#include "pace.h"

#include <sched.h>
#include <sys/prctl.h>

namespace esplanade {
namespace {

constexpr int64_t kMicrosecond = 1000;
constexpr int64_t kMillisecond = 1000 * kMicrosecond;
constexpr int64_t kRest = 200 * kMicrosecond;
constexpr int64_t kLongestSpell = 20 * kMillisecond;
// A wait that took less found something at once.
constexpr int64_t kShortestSleep = 50 * kMicrosecond;
// Packets are counted over this long, or from one look to the next.
constexpr int64_t kCounted = kMillisecond;
// Of these a millisecond a rest is worth it: two exchanges that wait for each other make fewer.
constexpr int64_t kThick = 16;
// The lowest of those that go before all others (sched(7)).
constexpr int kLowestRealtime = 1;
constexpr unsigned long kTimerSlack = kMicrosecond;

// Of the thread, by Ask.
thread_local bool granted = false;

bool Schedule(int policy, int priority) {
  sched_param parameters{};
  parameters.sched_priority = priority;
  return ::sched_setscheduler(0, policy, &parameters) == 0;
}

// Threads that this one starts go among others; who has said so once must say so each time.
bool GoBefore() { return Schedule(SCHED_RR | SCHED_RESET_ON_FORK, kLowestRealtime); }

void GoAmong() { Schedule(SCHED_BATCH | SCHED_RESET_ON_FORK, 0); }

}  // namespace

bool Pace::Ask() {
  granted = GoBefore();
  // Without the flag, which a service that is refused real-time priorities is refused as well.
  if (granted)
    GoAmong();
  else
    Schedule(SCHED_BATCH, 0);
  ::prctl(PR_SET_TIMERSLACK, kTimerSlack);
  return granted;
}

Pace::Pace() : preferred_(granted), among_others_(granted), counted_since_(Now()), now_(counted_since_), busy_since_(counted_since_) {}

int64_t Pace::Now() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1000000000} + now.tv_nsec;
}

bool Pace::IsThick() {
  now_ = Now();
  const int64_t passed = now_ - counted_since_;
  if (passed >= kCounted) {
    thick_ = static_cast<int64_t>(taken_) * kMillisecond >= kThick * passed;
    taken_ = 0;
    counted_since_ = now_;
  }
  return thick_;
}

bool Pace::Wonders() const { return preferred_ && (among_others_ || now_ - busy_since_ >= kLongestSpell); }

void Pace::Busy() {
  if (!preferred_ || among_others_ || now_ - busy_since_ < kLongestSpell) return;
  among_others_ = true;
  GoAmong();
}

void Pace::Idle() {
  if (!among_others_) return;
  among_others_ = !GoBefore();
}

void Pace::Rest() {
  const timespec rest{0, kRest};
  ::nanosleep(&rest, nullptr);
}

void Pace::Woke() {
  const int64_t asked = now_;
  now_ = Now();
  if (now_ - asked >= kShortestSleep) busy_since_ = now_;
}

}  // namespace esplanade

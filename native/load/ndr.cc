#include "ndr.h"

namespace esplanade::load {

namespace {

constexpr double kFirstRate = 10000;
constexpr double kLowestRate = 200;
constexpr double kPrecision = 0.05;
// A queue that is still being emptied afterwards is not "kept up".
constexpr uint64_t kLateShare = 20;
// A sender that falls this far behind its own plan has met its own limit.
constexpr double kSenderKeepsUp = 0.9;

}  // namespace

NdrResult FindNdr(const Socket& sender, Receiver* receiver, const StepPlan& plan, double loss_percent) {
  NdrResult found;
  double low = 0;
  double high = 0;
  double rate = kFirstRate;
  for (int i = 1; i <= kMaxNdrSteps && rate >= kLowestRate; i++) {
    StepPlan at = plan;
    at.rate = rate;
    NdrStep step{rate, RunStep(sender, receiver, static_cast<uint32_t>(i), at), false};
    const StepResult& result = step.result;
    step.passed = result.sent > 0 && result.LossPercent() <= loss_percent && result.Late() <= result.sent / kLateShare;
    found.steps.push_back(step);
    if (step.passed) {
      low = rate;
      if (found.best.result.sent == 0 || result.ReceivedPerSecond() > found.best.result.ReceivedPerSecond())
        found.best = step;
      if (result.SentPerSecond() < kSenderKeepsUp * rate) break;
    } else {
      high = rate;
    }
    if (high == 0) {
      rate *= 2;
      continue;
    }
    if (high - low < high * kPrecision) break;
    rate = (low + high) / 2;
  }
  return found;
}

}  // namespace esplanade::load

// The highest rate with (nearly) no loss: doubling until a step fails, then bisection to within five percent.
#pragma once
#include <vector>

#include "step.h"

namespace esplanade::load {

struct NdrStep {
  double offered = 0;
  StepResult result;
  bool passed = false;
};

struct NdrResult {
  // The best passed step; nothing was sent in it when none passed.
  NdrStep best;
  std::vector<NdrStep> steps;
};

NdrResult FindNdr(const Socket& sender, Receiver* receiver, const StepPlan& plan, double loss_percent);

// Upper bound of steps, for the watchdog.
constexpr int kMaxNdrSteps = 18;

}  // namespace esplanade::load

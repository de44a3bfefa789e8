// esplanade-load: UDP load from one network namespace into another, counted out of band. One line of JSON on stdout.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <utility>

#include "ndr.h"
#include "options.h"
#include "packet.h"

namespace esplanade::load {

namespace {

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void PrintStep(const StepResult& step, uint32_t length) {
  const Received& received = step.received;
  std::printf("\"seconds\":%.4f,\"sent\":%llu,\"received\":%llu,\"late\":%llu,\"duplicates\":%llu,\"reordered\":%llu",
              step.seconds, static_cast<unsigned long long>(step.sent),
              static_cast<unsigned long long>(received.unique), static_cast<unsigned long long>(step.Late()),
              static_cast<unsigned long long>(received.duplicates),
              static_cast<unsigned long long>(received.reordered));
  std::printf(",\"lossPercent\":%.4f,\"sentPerSecond\":%.1f,\"receivedPerSecond\":%.1f,\"gbitPerSecond\":%.6f",
              step.LossPercent(), step.seconds > 0 ? step.SentPerSecond() : 0,
              step.seconds > 0 ? step.ReceivedPerSecond() : 0,
              step.seconds > 0 ? step.ReceivedPerSecond() * 8 * length / 1e9 : 0);
  std::printf(",\"latencyMicros\":{\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}", received.latency50_micros,
              received.latency99_micros, received.latency_max_micros);
}

void PrintNdr(const NdrResult& found, uint32_t length) {
  PrintStep(found.best.result, length);
  std::printf(",\"steps\":[");
  const char* separator = "";
  for (const NdrStep& step : found.steps) {
    std::printf("%s{\"offered\":%.0f,\"passed\":%s,", separator, step.offered, step.passed ? "true" : "false");
    PrintStep(step.result, length);
    std::printf("}");
    separator = ",";
  }
  std::printf("]");
}

int Complain(const std::string& problem) {
  std::fprintf(stderr, "esplanade-load: %s\n%s", problem.c_str(), kUsage);
  return 2;
}

int Main(int count, char** arguments) {
  Options options;
  std::string problem;
  if (!ParseOptions(count, arguments, &options, &problem)) return Complain(problem);
  Address source;
  Address destination;
  if (!ParseAddress(options.source.c_str(), 0, &source)) return Complain("not an IP address: " + options.source);
  if (!ParseAddress(options.destination.c_str(), options.port, &destination))
    return Complain("not an IP address: " + options.destination);
  if (source.header_octets != destination.header_octets) return Complain("source and destination differ in family");
  if (options.length < destination.header_octets + sizeof(Stamp)) return Complain("--length is too small");

  // The watchdog: whatever hangs, the default action of SIGALRM ends it.
  const int steps = options.mode == Mode::kNdr ? kMaxNdrSteps : 1;
  alarm(static_cast<unsigned>(std::ceil(steps * (options.seconds + kDrainSeconds + 1))) + 5);
  prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);

  if (!EnterNamespace(options.to_namespace)) return 1;
  Socket receiving = OpenReceiver(destination);
  if (!receiving.Valid() || !EnterNamespace(options.from_namespace)) return 1;
  const Socket sender = OpenSender(source, destination);
  if (!sender.Valid()) return 1;
  Receiver receiver(std::move(receiving));
  if (!receiver.Valid()) return Complain("out of memory");

  const StepPlan plan{options.length - destination.header_octets, options.rate, options.seconds};
  std::printf("{");
  if (options.mode == Mode::kNdr)
    PrintNdr(FindNdr(sender, &receiver, plan, options.loss), options.length);
  else
    PrintStep(RunStep(sender, &receiver, 1, plan), options.length);
  std::printf(",\"cpuSeconds\":%.3f}\n", CpuSeconds());
  return 0;
}

}  // namespace

}  // namespace esplanade::load

int main(int count, char** arguments) { return esplanade::load::Main(count, arguments); }

// The generator's command line.
#pragma once
#include <cstdint>
#include <string>

namespace esplanade::load {

enum class Mode { kRun, kNdr };

struct Options {
  Mode mode = Mode::kRun;
  std::string from_namespace;
  std::string to_namespace;
  std::string source;
  std::string destination;
  uint16_t port = 7777;
  // Octets of the whole IP packet.
  uint32_t length = 64;
  double rate = 0;
  double seconds = 1;
  // ndr: the loss that still counts as none, in percent.
  double loss = 0.5;
};

constexpr const char* kUsage =
    "usage: esplanade-load run|ndr --from NETNS --source ADDRESS --to NETNS --destination ADDRESS\n"
    "  NETNS          a name below /run/netns or a path such as /proc/PID/ns/net\n"
    "  --length N     octets of the whole IP packet (64)\n"
    "  --seconds S    length of the run, or of each ndr step (1)\n"
    "  --rate PPS     run: packets a second, 0 = as fast as possible (0)\n"
    "  --loss PERCENT ndr: loss that still counts as none (0.5)\n"
    "  --port N       UDP port of the receiver (7777)\n";

// False, with the complaint in `problem`, when the command line is not understood.
bool ParseOptions(int count, char** arguments, Options* options, std::string* problem);

}  // namespace esplanade::load

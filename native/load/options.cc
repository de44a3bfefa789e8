#include "options.h"

#include <cmath>
#include <cstdlib>

#include "packet.h"

namespace esplanade::load {

namespace {

bool ParseNumber(const char* text, double low, double high, double* value) {
  char* end = nullptr;
  *value = std::strtod(text, &end);
  return end != text && *end == '\0' && std::isfinite(*value) && *value >= low && *value <= high;
}

// Sets the option called `name`; false when there is none or its value is out of bounds.
bool Set(const std::string& name, const char* value, Options* options) {
  double number = 0;
  if (name == "--from") return !(options->from_namespace = value).empty();
  if (name == "--to") return !(options->to_namespace = value).empty();
  if (name == "--source") return !(options->source = value).empty();
  if (name == "--destination") return !(options->destination = value).empty();
  if (name == "--rate") return ParseNumber(value, 0, 1e9, &options->rate);
  if (name == "--seconds") return ParseNumber(value, 0.05, 600, &options->seconds);
  if (name == "--loss") return ParseNumber(value, 0, 100, &options->loss);
  if (name == "--length") {
    if (!ParseNumber(value, 0, kLargestPacket, &number)) return false;
    options->length = static_cast<uint32_t>(number);
    return true;
  }
  if (name == "--port") {
    if (!ParseNumber(value, 1, 65535, &number)) return false;
    options->port = static_cast<uint16_t>(number);
    return true;
  }
  return false;
}

}  // namespace

bool ParseOptions(int count, char** arguments, Options* options, std::string* problem) {
  if (count < 2) {
    *problem = "no mode given";
    return false;
  }
  const std::string mode = arguments[1];
  if (mode != "run" && mode != "ndr") {
    *problem = "unknown mode " + mode;
    return false;
  }
  options->mode = mode == "run" ? Mode::kRun : Mode::kNdr;
  for (int i = 2; i < count; i += 2) {
    if (i + 1 >= count || !Set(arguments[i], arguments[i + 1], options)) {
      *problem = std::string("unknown option, or value missing or out of bounds: ") + arguments[i];
      return false;
    }
  }
  if (options->from_namespace.empty() || options->to_namespace.empty() || options->source.empty() ||
      options->destination.empty()) {
    *problem = "--from, --source, --to and --destination are needed";
    return false;
  }
  return true;
}

}  // namespace esplanade::load

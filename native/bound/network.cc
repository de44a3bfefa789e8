#include "network.h"

#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <sstream>
#include <vector>

extern char** environ;

namespace esplanade::bound {
namespace {

// Words are parted by blanks; nothing of a configuration that was accepted holds one. No shell is asked.
bool Ip(const std::string& arguments) {
  std::istringstream stream("ip " + arguments);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  pid_t child;
  if (posix_spawnp(&child, "ip", nullptr, nullptr, pointers.data(), environ) != 0) return false;
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return false;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string Rule(const Policy& policy, const char* verb, const std::string& rest) {
  const std::string family = policy.remote.family == 4 ? "-4" : "-6";
  return family + " rule " + verb + " from " + policy.remote.text + " to " + policy.local.text + " " + rest;
}

std::string Unmarked(const Policy& policy, const char* verb) {
  return std::string(policy.remote.family == 4 ? "-4" : "-6") + " rule " + verb +
         " pref 4301 not fwmark 0x4301 lookup 4301";
}

}  // namespace

// The queue is as long as the gateway's (src/process/network.ts).
bool UpNetwork(const Config& config, const std::string& device) {
  bool ok = Ip("link set " + device + " mtu " + std::to_string(config.mtu) + " txqueuelen 2000 up");
  for (const Policy& policy : config.policies) {
    ok = ok && Ip("route replace unreachable " + policy.remote.text + " table 4301 metric 4096") &&
         Ip(Rule(policy, "add", "iif " + device + " pref 4299 lookup main")) &&
         Ip(Rule(policy, "add", "pref 4300 blackhole"));
    const std::string source = policy.source.empty() ? "" : " src " + policy.source;
    ok = ok && Ip("route replace " + policy.remote.text + " dev " + device + " table 4301 metric 100" + source);
  }
  return ok && (config.policies.empty() || Ip(Unmarked(config.policies[0], "add")));
}

void DownNetwork(const Config& config, const std::string& device) {
  if (!config.policies.empty()) Ip(Unmarked(config.policies[0], "del"));
  for (const Policy& policy : config.policies) {
    Ip(Rule(policy, "del", "iif " + device + " pref 4299 lookup main"));
    Ip(Rule(policy, "del", "pref 4300 blackhole"));
    Ip("route del unreachable " + policy.remote.text + " table 4301 metric 4096");
  }
}

}  // namespace esplanade::bound

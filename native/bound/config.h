// The part of a gateway's configuration (docs/configuration.md) that the bound serves: protect policies in order, and one
// pair of ESP SAs in UDP over IPv4, tunnel mode.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace esplanade::bound {

struct Prefix {
  std::string text;
  // 4 or 6.
  uint32_t family = 4;
  uint32_t words[4] = {};
  uint32_t masks[4] = {};
};

struct Policy {
  std::string name;
  Prefix local;
  Prefix remote;
  // Empty = none.
  std::string source;
};

struct Suite {
  int32_t encryption = 0;
  int32_t integrity = 0;
  uint32_t iv_length = 0;
  uint32_t icv_length = 0;
  uint32_t alignment = 4;
};

struct Keys {
  uint32_t spi = 0;
  std::vector<uint8_t> encryption;
  std::vector<uint8_t> integrity;
};

struct Config {
  std::string tun_name = "esp0";
  uint32_t mtu = 0;
  uint32_t local = 0;
  uint32_t remote = 0;
  uint16_t local_port = 4500;
  uint16_t remote_port = 4500;
  std::vector<Policy> policies;
  // Index of the SA's policy.
  uint32_t policy = 0;
  Suite suite;
  Keys inbound;
  Keys outbound;
  bool esn = true;
  bool openssl_only = false;
};

// Empty = understood; else what is not, for people.
std::string ReadConfig(const std::string& path, Config* config);

}  // namespace esplanade::bound

#include "config.h"

#include <arpa/inet.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "cipher_primitive.h"
#include "json.h"
#include "packet.h"

namespace esplanade::bound {
namespace {

struct NamedSuite {
  const char* name;
  Suite suite;
};

// Names and sizes of src/crypto/transforms.ts; those that benchmarks use.
constexpr NamedSuite kSuites[] = {
    {"aes128gcm16", {kAesGcm16, kIntegrityNone, 8, 16, 4}},
    {"aes256gcm16", {kAesGcm16, kIntegrityNone, 8, 16, 4}},
    {"chacha20poly1305", {kChaCha20Poly1305, kIntegrityNone, 8, 16, 4}},
    {"aes128-sha256", {kAesCbc, kHmacSha256, 16, 16, 16}},
    {"aes256-sha256", {kAesCbc, kHmacSha256, 16, 16, 16}},
    {"aes128-sha1", {kAesCbc, kHmacSha1, 16, 12, 16}},
    {"null-sha256", {kNull, kHmacSha256, 0, 16, 4}},
};

constexpr uint32_t kUdpAndIpv4 = kIpv4Header + kUdpHeader;
constexpr uint32_t kEspHeader = 8;
constexpr uint32_t kEspTrailer = 2;
constexpr uint32_t kPathMtu = 1500;

bool ParseAddress(const std::string& text, uint32_t* address) {
  in_addr parsed;
  if (inet_pton(AF_INET, text.c_str(), &parsed) != 1) return false;
  *address = ntohl(parsed.s_addr);
  return true;
}

// "192.0.2.1" or "192.0.2.1:4500".
bool ParseEndpoint(const std::string& text, uint32_t* address, uint16_t* port) {
  const size_t colon = text.find(':');
  if (colon != std::string::npos) *port = static_cast<uint16_t>(std::strtoul(text.c_str() + colon + 1, nullptr, 10));
  return ParseAddress(text.substr(0, colon), address);
}

bool ParsePrefix(const std::string& text, Prefix* prefix) {
  const size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  uint8_t octets[16] = {};
  prefix->text = text;
  prefix->family = address.find(':') == std::string::npos ? 4 : 6;
  if (inet_pton(prefix->family == 4 ? AF_INET : AF_INET6, address.c_str(), octets) != 1) return false;
  const unsigned long bits = prefix->family == 4 ? 32 : 128;
  const unsigned long length = slash == std::string::npos ? bits : std::strtoul(text.c_str() + slash + 1, nullptr, 10);
  if (length > bits) return false;
  for (uint32_t i = 0; i < bits / 32; i++) {
    const unsigned long here = length > 32 * i ? length - 32 * i : 0;
    prefix->masks[i] = here >= 32 ? ~0U : ~(~0U >> here);
    prefix->words[i] = Read32(octets + 4 * i) & prefix->masks[i];
  }
  return true;
}

bool ParseHex(const std::string& text, std::vector<uint8_t>* octets) {
  if (text.size() % 2 != 0) return false;
  for (size_t i = 0; i < text.size(); i += 2) {
    char* end;
    const std::string pair = text.substr(i, 2);
    octets->push_back(static_cast<uint8_t>(std::strtoul(pair.c_str(), &end, 16)));
    if (*end != '\0') return false;
  }
  return true;
}

bool ParseKeys(const Json& json, Keys* keys) {
  keys->spi = json["spi"].kind == Json::kNumber
                  ? static_cast<uint32_t>(json["spi"].number)
                  : static_cast<uint32_t>(std::strtoul(json["spi"].TextOr("0").c_str(), nullptr, 0));
  return keys->spi > 255 && ParseHex(json["key"].TextOr(""), &keys->encryption) &&
         ParseHex(json["integrityKey"].TextOr(""), &keys->integrity);
}

bool ParsePolicy(const Json& json, Policy* policy) {
  policy->name = json["name"].TextOr("");
  policy->source = json["source"].TextOr("");
  return json["action"].TextOr("") == "protect" && ParsePrefix(json["local"].TextOr(""), &policy->local) &&
         ParsePrefix(json["remote"].TextOr(""), &policy->remote);
}

// Largest inner packet of the SA.
uint32_t InnerMtu(const Suite& suite) {
  const uint32_t sealed = kPathMtu - kUdpAndIpv4 - kEspHeader - suite.iv_length - suite.icv_length;
  return sealed / suite.alignment * suite.alignment - kEspTrailer;
}

}  // namespace

std::string ReadConfig(const std::string& path, Config* config) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  Json json;
  if (!file || !ParseJson(text.str(), &json)) return "is no JSON file";
  for (const Json& item : json["policies"].list) {
    Policy policy;
    if (!ParsePolicy(item, &policy)) return "has a policy that does not protect one prefix from one prefix";
    config->policies.push_back(policy);
  }
  const Json& sa = json["sas"][size_t{0}];
  if (json["sas"].list.size() != 1) return "has not exactly one SA pair";
  const std::string served = sa["policy"].TextOr("");
  while (config->policy < config->policies.size() && config->policies[config->policy].name != served) config->policy++;
  if (config->policy == config->policies.size()) return "has an SA of an unknown policy";
  if (sa["encapsulation"].TextOr("udp") != "udp" || sa["protocol"].TextOr("esp") != "esp" ||
      sa["mode"].TextOr("tunnel") != "tunnel")
    return "has an SA that is not ESP in UDP in tunnel mode";
  const std::string suite = sa["suite"].TextOr("");
  bool known = false;
  for (const NamedSuite& named : kSuites)
    if (suite == named.name) config->suite = named.suite, known = true;
  if (!known) return "has a suite the bound does not know";
  if (!ParseEndpoint(sa["local"].TextOr(""), &config->local, &config->local_port) ||
      !ParseEndpoint(sa["remote"].TextOr(""), &config->remote, &config->remote_port))
    return "has an SA between other than IPv4 addresses";
  if (json["listen"]["port"].kind == Json::kNumber)
    config->local_port = static_cast<uint16_t>(json["listen"]["port"].number);
  if (!ParseKeys(sa["inbound"], &config->inbound) || !ParseKeys(sa["outbound"], &config->outbound))
    return "has keys that are not SPI and hex";
  config->esn = sa["esn"].kind != Json::kBoolean || sa["esn"].boolean;
  config->tun_name = json["tun"]["name"].TextOr("esp0");
  config->mtu = InnerMtu(config->suite);
  const double asked = json["tun"]["mtu"].number;
  if (asked >= 576 && asked < config->mtu) config->mtu = static_cast<uint32_t>(asked);
  config->openssl_only = json["crypto"].TextOr("auto") == "openssl";
  return "";
}

}  // namespace esplanade::bound

// Routes and rules of the bound's TUN: the ones src/process/network.ts makes, by the program `ip`, for a benchmark may need it.
#pragma once
#include <string>

#include "config.h"

namespace esplanade::bound {

// Firewall mark of the socket's packets: they do not go into the tunnel.
constexpr uint32_t kSocketMark = 0x4301;

// False = some `ip` command failed; it has said why.
bool UpNetwork(const Config& config, const std::string& device);
void DownNetwork(const Config& config, const std::string& device);

}  // namespace esplanade::bound

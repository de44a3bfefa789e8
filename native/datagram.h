// Datagrams of the control thread, one at a time: IKE beside the lanes' packets.
#pragma once
#include <napi.h>

#include <vector>

#include "udp.h"

namespace esplanade {

// A socket that sends from a port which other sockets of this process have, and receives nothing. It leaves DF alone:
// what is too long is cut into fragments, whatever the lanes set their sockets to.
Failure OpenSender(const SocketOptions& options, const std::vector<int>& beside, OpenedSocket* opened);

// Exports `receiveDatagrams(fd, octets, records) → count`, `sendDatagram(fd, octets, marker, remote, port, local) →
// undefined | { code, syscall }`, `takeSocketError(fd, family)`, `socketDrops(fd)`, and `routeTowards(address, mark) →
// { source, mtu } | { code, syscall }`.
void InitDatagram(Napi::Env env, Napi::Object exports);

}  // namespace esplanade

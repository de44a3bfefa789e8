#include "datagram.h"

#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <netinet/udp.h>

#include <cerrno>
#include <cstring>

#include "arguments.h"
#include "error_queue.h"
#include "packet.h"

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

namespace esplanade {
namespace {

// Datagrams of one call, and the octets of each that are kept.
constexpr uint32_t kBurst = 32;
// A record: octets of the datagram, then the columns of a train (slab.h).
constexpr size_t kRecordWords = 1 + sizeof(Train) / 4;

// RFC 3948 §2.2.
constexpr uint8_t kNonEspMarker[4] = {};

// Never a source: RFC 7600 and RFC 6666.
constexpr uint8_t kNowhere4[16] = {192, 0, 0, 8};
constexpr uint8_t kNowhere6[16] = {1};

bool Set(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof value) == 0; }

Failure SendPlain(int fd, bool ipv4) {
  const bool done = ipv4 ? Set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
                         : Set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
  return done ? Failure::None() : Failure::Last("IP_MTU_DISCOVER");
}

bool TakeAddress(Napi::Env env, const Napi::Value& value, const char* what, uint8_t* address, bool* ipv4) {
  uint8_t* octets;
  size_t length;
  if (!TakeArray(env, value, napi_uint8_array, what, &octets, &length)) return false;
  if (length != 4 && length != 16) return Complain(env, std::string(what) + " is no address");
  memcpy(address, octets, length);
  *ipv4 = length == 4;
  return true;
}

void Describe(const sockaddr_storage& name, const Ancillary& ancillary, uint32_t length, int32_t* record) {
  Train train{};
  const bool ipv4 = name.ss_family == AF_INET;
  train.family = ipv4 ? 4 : 6;
  if (ipv4) {
    const sockaddr_in& in = reinterpret_cast<const sockaddr_in&>(name);
    train.port = ntohs(in.sin_port);
    OctetsToWords(reinterpret_cast<const uint8_t*>(&in.sin_addr), 1, train.address);
  } else {
    const sockaddr_in6& in6 = reinterpret_cast<const sockaddr_in6&>(name);
    train.port = ntohs(in6.sin6_port);
    OctetsToWords(reinterpret_cast<const uint8_t*>(&in6.sin6_addr), 4, train.address);
  }
  if (ancillary.has_local) OctetsToWords(ancillary.local, ipv4 ? 1 : 4, train.local_address);
  train.interface = ancillary.interface;
  record[0] = static_cast<int32_t>(length);
  memcpy(record + 1, &train, sizeof train);
}

// (fd, octets, records): the datagrams lie side by side in equal parts of `octets`, one for each record. One that does
// not fit into its part has length 0.
Napi::Value ReceiveDatagrams(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int fd;
  uint8_t* octets;
  int32_t* records = nullptr;
  size_t length;
  size_t words;
  if (!TakeInteger(env, info[0], 0, INT32_MAX, "fd", &fd) ||
      !TakeArray(env, info[1], napi_uint8_array, "octets", &octets, &length) ||
      !TakeArray(env, info[2], napi_int32_array, "records", &records, &words))
    return Napi::Value();
  const size_t room = words / kRecordWords;
  const uint32_t count = room < kBurst ? static_cast<uint32_t>(room) : kBurst;
  if (count == 0 || length / count == 0) return Complain(env, "no room for datagrams"), Napi::Value();
  const size_t part = length / count;
  mmsghdr messages[kBurst];
  iovec vectors[kBurst];
  sockaddr_storage names[kBurst];
  alignas(cmsghdr) uint8_t control[kBurst][kControlLength];
  int received = -1;
  for (int attempt = 0; attempt < 4 && received < 0; attempt++) {
    for (uint32_t i = 0; i < count; i++) {
      vectors[i] = {octets + i * part, part};
      messages[i] = {};
      msghdr& header = messages[i].msg_hdr;
      header.msg_name = &names[i];
      header.msg_namelen = sizeof names[i];
      header.msg_iov = &vectors[i];
      header.msg_iovlen = 1;
      header.msg_control = control[i];
      header.msg_controllen = kControlLength;
    }
    received = ::recvmmsg(fd, messages, count, MSG_DONTWAIT, nullptr);
    if (received < 0 && errno != EINTR && !IsOldNews(errno)) break;
  }
  for (int i = 0; i < received; i++) {
    const bool cut = (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
    Describe(names[i], ReadAncillary(&messages[i].msg_hdr), cut ? 0 : messages[i].msg_len,
             records + static_cast<size_t>(i) * kRecordWords);
  }
  return Napi::Number::New(env, received < 0 ? 0 : received);
}

// (fd, octets, marker, remote, port, local): `local` of zeros lets the kernel choose.
Napi::Value SendDatagram(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int fd;
  uint16_t port;
  bool marker = false;
  bool ipv4 = true;
  bool local_ipv4 = true;
  uint8_t remote[16];
  uint8_t local[16];
  uint8_t* octets;
  size_t length;
  if (!TakeInteger(env, info[0], 0, INT32_MAX, "fd", &fd) ||
      !TakeArray(env, info[1], napi_uint8_array, "octets", &octets, &length) ||
      !TakeFlag(env, info[2], "marker", &marker) || !TakeAddress(env, info[3], "remote", remote, &ipv4) ||
      !TakeInteger(env, info[4], 1, 65535, "port", &port) ||
      !TakeAddress(env, info[5], "local", local, &local_ipv4))
    return Napi::Value();
  if (ipv4 != local_ipv4) return Complain(env, "local and remote are of two families"), Napi::Value();
  sockaddr_storage name;
  iovec vectors[2] = {{const_cast<uint8_t*>(kNonEspMarker), sizeof kNonEspMarker}, {octets, length}};
  msghdr message{};
  message.msg_name = &name;
  message.msg_namelen = MakeAddress(ipv4 ? AF_INET : AF_INET6, remote, port, &name);
  message.msg_iov = marker ? vectors : vectors + 1;
  message.msg_iovlen = marker ? 2 : 1;
  ControlWriter control(&message);
  if (ipv4) {
    in_pktinfo chosen{};
    memcpy(&chosen.ipi_spec_dst, local, 4);
    control.Put(IPPROTO_IP, IP_PKTINFO, &chosen, sizeof chosen);
  } else {
    in6_pktinfo chosen{};
    memcpy(&chosen.ipi6_addr, local, 16);
    control.Put(IPPROTO_IPV6, IPV6_PKTINFO, &chosen, sizeof chosen);
  }
  for (int attempt = 0; attempt < 4; attempt++) {
    if (::sendmsg(fd, &message, MSG_DONTWAIT) >= 0) return env.Undefined();
    if (errno != EINTR && !IsOldNews(errno)) break;
  }
  return FailureToData(env, Failure::Last("sendmsg"));
}

Napi::Value TakeSocketError(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  LaneSocket socket{};
  int family;
  if (!TakeInteger(env, info[0], 0, INT32_MAX, "fd", &socket.fd) ||
      !TakeInteger(env, info[1], 4, 6, "family", &family))
    return Napi::Value();
  socket.kind = family == 4 ? SocketKind::kUdp4 : SocketKind::kUdp6;
  QueuedError error;
  if (!TakeQueuedError(socket, &error)) return env.Undefined();
  const size_t length = family == 4 ? 4 : 16;
  Napi::Uint8Array address = Napi::Uint8Array::New(env, length);
  WordsToOctets(error.address, static_cast<uint32_t>(length / 4), address.Data());
  Napi::Object data = Napi::Object::New(env);
  data.Set("code", error.error == 0 ? std::string() : ErrnoName(error.error));
  data.Set("address", address);
  data.Set("port", error.port);
  return data;
}

// Datagrams the kernel had no room for.
Napi::Value SocketDrops(const Napi::CallbackInfo& info) {
  int fd;
  if (!TakeInteger(info.Env(), info[0], 0, INT32_MAX, "fd", &fd)) return Napi::Value();
  uint32_t counts[SK_MEMINFO_VARS] = {};
  socklen_t length = sizeof counts;
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, counts, &length) != 0) return Napi::Number::New(info.Env(), 0);
  return Napi::Number::New(info.Env(), counts[SK_MEMINFO_DROPS]);
}

// (address, mark): the address this host would send from, and what the way carries as far as the kernel knows.
Napi::Value RouteTowards(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  uint8_t remote[16];
  bool ipv4 = true;
  uint32_t mark;
  if (!TakeAddress(env, info[0], "remote", remote, &ipv4) ||
      !TakeInteger(env, info[1], 0, UINT32_MAX, "mark", &mark))
    return Napi::Value();
  const UniqueFd fd(::socket(ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return FailureToData(env, Failure::Last("socket"));
  if (mark != 0 && !Set(fd.get(), SOL_SOCKET, SO_MARK, static_cast<int>(mark)))
    return FailureToData(env, Failure::Last("SO_MARK"));
  sockaddr_storage name;
  // Nothing is sent: any port will do.
  socklen_t length = MakeAddress(ipv4 ? AF_INET : AF_INET6, remote, 500, &name);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&name), length) != 0)
    return FailureToData(env, Failure::Last("connect"));
  length = sizeof name;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &length) != 0)
    return FailureToData(env, Failure::Last("getsockname"));
  Napi::Uint8Array source = Napi::Uint8Array::New(env, ipv4 ? 4 : 16);
  if (ipv4)
    memcpy(source.Data(), &reinterpret_cast<sockaddr_in&>(name).sin_addr, 4);
  else
    memcpy(source.Data(), &reinterpret_cast<sockaddr_in6&>(name).sin6_addr, 16);
  int mtu = 0;
  length = sizeof mtu;
  if (getsockopt(fd.get(), ipv4 ? IPPROTO_IP : IPPROTO_IPV6, ipv4 ? IP_MTU : IPV6_MTU, &mtu, &length) != 0)
    return FailureToData(env, Failure::Last("IP_MTU"));
  Napi::Object route = Napi::Object::New(env);
  route.Set("source", source);
  route.Set("mtu", mtu);
  return route;
}

}  // namespace

Failure OpenSender(const SocketOptions& options, const std::vector<int>& beside, OpenedSocket* opened) {
  const bool ipv4 = options.family == AF_INET;
  UniqueFd fd(::socket(options.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return Failure::Last("socket");
  if (!ipv4 && !Set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1)) return Failure::Last("IPV6_V6ONLY");
  Failure failure = SetCommonOptions(fd.get(), options);
  if (!failure.failed()) failure = SendPlain(fd.get(), ipv4);
  if (failure.failed()) return failure;
  // Nothing can come to this address, and what comes all the same is not taken.
  if (!Set(fd.get(), IPPROTO_IP, IP_FREEBIND, 1)) return Failure::Last("IP_FREEBIND");
  sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog program{1, &nothing};
  if (setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
    return Failure::Last("SO_ATTACH_FILTER");
  sockaddr_storage address;
  const socklen_t length = MakeAddress(options.family, ipv4 ? kNowhere4 : kNowhere6, options.port, &address);
  // Only during this bind: another program must not get the port beside us.
  for (const int other : beside) Set(other, SOL_SOCKET, SO_REUSEADDR, 1);
  Set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) failure = Failure::Last("bind");
  Set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 0);
  for (const int other : beside) Set(other, SOL_SOCKET, SO_REUSEADDR, 0);
  if (failure.failed()) return failure;
  opened->port = options.port;
  opened->fd = std::move(fd);
  return Failure::None();
}

void InitDatagram(Napi::Env env, Napi::Object exports) {
  const auto put = [&](const char* name, auto function) { exports.Set(name, Napi::Function::New(env, function, name)); };
  put("receiveDatagrams", ReceiveDatagrams);
  put("sendDatagram", SendDatagram);
  put("takeSocketError", TakeSocketError);
  put("socketDrops", SocketDrops);
  put("routeTowards", RouteTowards);
}

}  // namespace esplanade

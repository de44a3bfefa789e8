#include "lane_core.h"

#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace esplanade {
namespace {

constexpr uint32_t kTunEvent = 0;
constexpr uint32_t kWakeEvent = 1;
constexpr uint32_t kSocketEvent = 2;

Failure Watch(int epoll, int fd, uint32_t what) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u32 = what;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? Failure::None() : Failure::Last("epoll_ctl");
}

}  // namespace

LaneCore::LaneCore(const LaneMemory& memory, int tun, const std::vector<LaneSocket>& sockets, int wake,
                   const LaneOptions& options)
    : memory_(memory),
      tun_(tun),
      wake_(wake),
      reader_(tun, options.virtio, memory_),
      writer_(tun, TunWriter::Options{options.virtio, options.join, options.join && options.uso}, memory_),
      receiver_(memory_) {
  for (const LaneSocket& socket : sockets) {
    Port port{socket, nullptr, nullptr};
    const int32_t index = static_cast<int32_t>(sockets_.size());
    if (socket.kind == SocketKind::kUdp4 || socket.kind == SocketKind::kUdp6)
      port.udp =
          std::make_unique<UdpSocket>(socket.fd, socket.kind == SocketKind::kUdp4, index, options.gso, memory_);
    else
      port.raw = std::make_unique<RawSocket>(socket.fd, socket.kind == SocketKind::kRaw4, socket.protocol, index,
                                             memory_);
    if (port.udp != nullptr && !options.gro) {
      const int off = 0;
      setsockopt(socket.fd, IPPROTO_UDP, UDP_GRO, &off, sizeof off);
    }
    sockets_.push_back(std::move(port));
  }
}

Failure LaneCore::Open() {
  epoll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return Failure::Last("epoll_create1");
  Failure failure = Watch(epoll_.get(), tun_, kTunEvent);
  if (!failure.failed() && wake_ >= 0) failure = Watch(epoll_.get(), wake_, kWakeEvent);
  for (uint32_t i = 0; i < sockets_.size() && !failure.failed(); i++)
    failure = Watch(epoll_.get(), sockets_[i].socket.fd, kSocketEvent + i);
  return failure;
}

int32_t LaneCore::Wait(int timeout) {
  epoll_event events[32];
  memory_.Count(kWaits);
  const int count = epoll_wait(epoll_.get(), events, 32, reader_.holds() ? 0 : timeout);
  int32_t ready = reader_.holds() ? kReadyTun : 0;
  for (int i = 0; i < count; i++) {
    const uint32_t what = events[i].data.u32;
    if (what == kTunEvent) {
      ready |= kReadyTun;
    } else if (what == kWakeEvent) {
      uint64_t signals;
      if (::read(wake_, &signals, sizeof signals) > 0) ready |= kReadyWake;
    } else {
      if ((events[i].events & EPOLLERR) != 0) ready |= kReadyError;
      if ((events[i].events & EPOLLIN) != 0) ready |= kReadySocket << (what - kSocketEvent);
    }
  }
  return ready;
}

uint32_t LaneCore::ReadTun(uint32_t tailroom, Failure* failure) { return reader_.Read(tailroom, failure); }

void LaneCore::Send(uint32_t first, uint32_t end) {
  Patience patience;
  while (first < end) {
    const Row& head = memory_.out[first];
    if (head.verdict != 0) {
      first++;
      continue;
    }
    uint32_t next = first + 1;
    while (next < end && (memory_.out[next].verdict != 0 || memory_.out[next].socket == head.socket)) next++;
    if (head.socket < 0 || static_cast<uint32_t>(head.socket) >= sockets_.size()) {
      for (; first < next; first++) {
        if (memory_.out[first].verdict != 0) continue;
        memory_.out[first].verdict = kDropSendFailed;
        memory_.Count(kSendErrors);
      }
      continue;
    }
    const Port& port = sockets_[static_cast<uint32_t>(head.socket)];
    if (port.udp != nullptr)
      port.udp->Send(first, next, &patience);
    else
      port.raw->Send(first, next, &patience);
    first = next;
  }
}

uint32_t LaneCore::Receive(uint32_t socket) {
  const Port& port = sockets_[socket];
  return port.udp != nullptr ? port.udp->Receive(&receiver_) : port.raw->Receive(&receiver_);
}

bool LaneCore::TakeError(QueuedError* error) {
  for (uint32_t i = 0; i < sockets_.size(); i++)
    if (TakeError(i, error)) return true;
  return false;
}

bool LaneCore::TakeError(uint32_t index, QueuedError* error) {
  const LaneSocket& socket = sockets_[index].socket;
  const bool ipv4 = socket.kind == SocketKind::kUdp4 || socket.kind == SocketKind::kRaw4;
  const bool raw = socket.kind == SocketKind::kRaw4 || socket.kind == SocketKind::kRaw6;
  sockaddr_storage name{};
  alignas(cmsghdr) uint8_t control[512];
  iovec vector{error->quoted, sizeof error->quoted};
  msghdr message{};
  message.msg_name = &name;
  message.msg_namelen = sizeof name;
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t length = ::recvmsg(socket.fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
  if (length < 0) {
    // An error without a queue entry would keep the socket ready for ever.
    int pending;
    socklen_t size = sizeof pending;
    getsockopt(socket.fd, SOL_SOCKET, SO_ERROR, &pending, &size);
    return false;
  }
  error->socket = static_cast<int32_t>(index);
  error->family = ipv4 ? 4 : 6;
  error->mtu = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    const bool extended = (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_RECVERR) ||
                          (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_RECVERR);
    if (!extended || header->cmsg_len < CMSG_LEN(sizeof(sock_extended_err))) continue;
    sock_extended_err told;
    memcpy(&told, CMSG_DATA(header), sizeof told);
    if (told.ee_errno == EMSGSIZE) error->mtu = static_cast<int32_t>(told.ee_info);
  }
  memset(error->address, 0, sizeof error->address);
  if (ipv4) {
    const sockaddr_in& in = reinterpret_cast<const sockaddr_in&>(name);
    error->port = raw ? 0 : ntohs(in.sin_port);
    error->address[0] = static_cast<int32_t>(ntohl(in.sin_addr.s_addr));
  } else {
    const sockaddr_in6& in6 = reinterpret_cast<const sockaddr_in6&>(name);
    error->port = raw ? 0 : ntohs(in6.sin6_port);
    for (uint32_t i = 0; i < 4; i++)
      error->address[i] = static_cast<int32_t>(Read32(reinterpret_cast<const uint8_t*>(&in6.sin6_addr) + 4 * i));
  }
  // With the header included the kernel quotes it too.
  uint32_t skipped = 0;
  const uint32_t quoted = static_cast<uint32_t>(length);
  if (raw && quoted > 0 && (ipv4 ? IsIpv4(error->quoted) : IsIpv6(error->quoted)))
    skipped = ipv4 ? (error->quoted[0] & 15U) * 4 : kIpv6Header;
  if (skipped > quoted) skipped = quoted;
  error->quoted_length = quoted - skipped;
  memmove(error->quoted, error->quoted + skipped, error->quoted_length);
  return true;
}

}  // namespace esplanade

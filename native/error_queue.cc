#include "error_queue.h"

// errqueue.h needs timespec.
#include <time.h>

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "packet.h"

namespace esplanade {

bool TakeQueuedError(const LaneSocket& socket, QueuedError* error) {
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
  error->family = ipv4 ? 4 : 6;
  error->mtu = 0;
  error->error = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    const bool extended = (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_RECVERR) ||
                          (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_RECVERR);
    if (!extended || header->cmsg_len < CMSG_LEN(sizeof(sock_extended_err))) continue;
    sock_extended_err told;
    memcpy(&told, CMSG_DATA(header), sizeof told);
    error->error = static_cast<int32_t>(told.ee_errno);
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

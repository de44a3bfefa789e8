#include "raw.h"

#include <cerrno>
#include <cstring>

#include "packet.h"

namespace esplanade {
namespace {

// Since Linux 4.15; older headers lack it.
constexpr int kIpv6HeaderIncluded = 36;

bool SetInt(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof value) == 0; }

}  // namespace

Failure OpenRaw(const SocketOptions& options, OpenedSocket* opened) {
  UniqueFd fd(::socket(options.family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, options.protocol));
  if (!fd.valid()) return Failure::Last("socket");
  const Failure failure = SetCommonOptions(fd.get(), options);
  if (failure.failed()) return failure;
  if (options.family == AF_INET) {
    if (!SetInt(fd.get(), IPPROTO_IP, IP_HDRINCL, 1)) return Failure::Last("IP_HDRINCL");
    // The packet's own DF bit counts, not the kernel's path MTU cache.
    if (!SetInt(fd.get(), IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)) return Failure::Last("IP_MTU_DISCOVER");
  } else {
    if (!SetInt(fd.get(), IPPROTO_IPV6, kIpv6HeaderIncluded, 1)) return Failure::Last("IPV6_HDRINCL");
    if (!SetInt(fd.get(), IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1)) return Failure::Last("IPV6_RECVHOPLIMIT");
  }
  opened->fd = std::move(fd);
  opened->port = 0;
  opened->gro = false;
  return Failure::None();
}

bool RawSocket::Sendable(const Row& row) const {
  if (!InSlab(row.offset, row.length) || row.length > 0xffff) return false;
  const uint8_t* packet = memory_.slab + row.offset;
  const uint32_t length = static_cast<uint32_t>(row.length);
  return ipv4_ ? length >= kIpv4Header && IsIpv4(packet) : length >= kIpv6Header && IsIpv6(packet);
}

void RawSocket::Send(uint32_t first, uint32_t end, Patience* patience) {
  Row* rows[kCall];
  uint32_t count = 0;
  for (; first < end; first++) {
    Row& row = memory_.out[first];
    if (row.verdict != 0) continue;
    if (!Sendable(row)) {
      row.verdict = kDropSendFailed;
      memory_.Count(kSendErrors);
      continue;
    }
    rows[count++] = &row;
    if (count == kCall) {
      SendCall(rows, count, patience);
      count = 0;
    }
  }
  if (count > 0) SendCall(rows, count, patience);
}

void RawSocket::SendCall(Row** rows, uint32_t count, Patience* patience) {
  mmsghdr messages[kCall];
  iovec vectors[kCall];
  union {
    sockaddr_in in;
    sockaddr_in6 in6;
  } names[kCall];
  memset(messages, 0, count * sizeof messages[0]);
  memset(names, 0, count * sizeof names[0]);
  for (uint32_t i = 0; i < count; i++) {
    uint8_t* packet = memory_.slab + rows[i]->offset;
    vectors[i] = {packet, static_cast<size_t>(rows[i]->length)};
    msghdr& header = messages[i].msg_hdr;
    header.msg_iov = &vectors[i];
    header.msg_iovlen = 1;
    header.msg_name = &names[i];
    if (ipv4_) {
      names[i].in.sin_family = AF_INET;
      memcpy(&names[i].in.sin_addr, packet + 16, 4);
      header.msg_namelen = sizeof(sockaddr_in);
    } else {
      names[i].in6.sin6_family = AF_INET6;
      memcpy(&names[i].in6.sin6_addr, packet + 24, 16);
      header.msg_namelen = sizeof(sockaddr_in6);
    }
  }
  bool told = false;
  for (uint32_t done = 0; done < count;) {
    const int sent = ::sendmmsg(fd_, messages + done, count - done, MSG_DONTWAIT);
    if (sent > 0) {
      memory_.Count(kSends);
      memory_.Count(kSendPackets, sent);
      for (int i = 0; i < sent; i++) memory_.Count(kSendOctets, rows[done + static_cast<uint32_t>(i)]->length);
      done += static_cast<uint32_t>(sent);
      told = false;
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == ENOBUFS) {
      memory_.Count(kSendRetries);
      if (patience->Wait(fd_, errno)) continue;
    } else if (!told) {
      // It may be the news of an earlier packet: the kernel tells it once, instead of sending.
      told = true;
      continue;
    }
    rows[done]->verdict = kDropSendFailed;
    memory_.Count(kSendErrors);
    done++;
    told = false;
  }
}

uint32_t RawSocket::Receive(TrainReceiver* receiver) {
  const uint32_t received = receiver->Receive(fd_, 0, kTrains);
  uint32_t rows = 0;
  for (uint32_t train = 0; train < received; train++) {
    mmsghdr& message = receiver->message(train);
    if ((message.msg_hdr.msg_flags & MSG_TRUNC) != 0) continue;
    const Ancillary ancillary = ReadAncillary(&message.msg_hdr);
    receiver->Describe(train, index_, ancillary);
    // Raw sockets say the protocol where UDP says the port.
    memory_.trains[train].port = 0;
    uint32_t offset = TrainReceiver::Offset(train);
    uint32_t length = message.msg_len;
    int32_t tos = ancillary.tos;
    if (ipv4_) {
      if (length < kIpv4Header) continue;
      tos = receiver->octets(train)[1];
    } else {
      if (length > 0xffff) continue;
      const sockaddr_in6* source = static_cast<const sockaddr_in6*>(message.msg_hdr.msg_name);
      uint8_t* header = receiver->octets(train) - kIpv6Header;
      // RFC 8200 §3. The flow label stays zero: it is not handed over, and AH mutes it (RFC 4302 §3.3.3.1.2.1).
      Write32(header, 6U << 28 | static_cast<uint32_t>(ancillary.tos) << 20);
      Write16(header + 4, length);
      header[6] = protocol_;
      header[7] = static_cast<uint8_t>(ancillary.hop_limit);
      memcpy(header + 8, &source->sin6_addr, 16);
      memcpy(header + 24, ancillary.local, 16);
      offset -= kIpv6Header;
      length += kIpv6Header;
    }
    Row row{};
    row.offset = static_cast<int32_t>(offset);
    row.length = static_cast<int32_t>(length);
    row.slot = -1;
    row.group = static_cast<int32_t>(train);
    row.tos = tos;
    row.socket = index_;
    memory_.in[rows++] = row;
    memory_.Count(kReceiveOctets, length);
  }
  memory_.Count(kReceives, received);
  memory_.Count(kReceivePackets, rows);
  return rows;
}

}  // namespace esplanade

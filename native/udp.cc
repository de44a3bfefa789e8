#include "udp.h"

#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <poll.h>
#include <time.h>

#include <cerrno>
#include <cstring>

#include "packet.h"

namespace esplanade {
namespace {

constexpr int64_t kPatience = 10'000'000;
constexpr int64_t kDevicePause = 200'000;
constexpr uint32_t kGsoRefusals = 8;
constexpr uint32_t kGsoPause = 4096;
// Trains of a receive call when they are long: more would only make the first packet wait.
constexpr uint32_t kLongTrains = 8;

int64_t NowNanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

bool SetInt(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof value) == 0; }

bool SetBuffer(int fd, int force, int plain, uint32_t octets) {
  // The forced form passes net.core.*mem_max and needs CAP_NET_ADMIN.
  return SetInt(fd, SOL_SOCKET, force, static_cast<int>(octets)) ||
         SetInt(fd, SOL_SOCKET, plain, static_cast<int>(octets));
}

}  // namespace

socklen_t MakeAddress(int family, const uint8_t* address, uint16_t port, sockaddr_storage* storage) {
  memset(storage, 0, sizeof *storage);
  if (family == AF_INET) {
    sockaddr_in* in = reinterpret_cast<sockaddr_in*>(storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    memcpy(&in->sin_addr, address, 4);
    return sizeof *in;
  }
  sockaddr_in6* in6 = reinterpret_cast<sockaddr_in6*>(storage);
  in6->sin6_family = AF_INET6;
  in6->sin6_port = htons(port);
  memcpy(&in6->sin6_addr, address, 16);
  return sizeof *in6;
}

void WordsToOctets(const int32_t* words, uint32_t count, uint8_t* octets) {
  for (uint32_t i = 0; i < count; i++) Write32(octets + 4 * i, static_cast<uint32_t>(words[i]));
}

void OctetsToWords(const uint8_t* octets, uint32_t count, int32_t* words) {
  for (uint32_t i = 0; i < count; i++) words[i] = static_cast<int32_t>(Read32(octets + 4 * i));
}

bool IsOldNews(int error) {
  return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH || error == EMSGSIZE ||
         error == EPROTO || error == ENOPROTOOPT || error == EACCES || error == EOPNOTSUPP;
}

Failure SetCommonOptions(int fd, const SocketOptions& options) {
  if (options.mark != 0 && !SetInt(fd, SOL_SOCKET, SO_MARK, static_cast<int>(options.mark)))
    return Failure::Last("SO_MARK");
  if (!options.device.empty() && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options.device.c_str(),
                                            static_cast<socklen_t>(options.device.size() + 1)) != 0)
    return Failure::Last("SO_BINDTODEVICE");
  if (options.buffers != 0 && (!SetBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, options.buffers) ||
                               !SetBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, options.buffers)))
    return Failure::Last("SO_RCVBUF");
  if (options.family == AF_INET) {
    if (!SetInt(fd, IPPROTO_IP, IP_PKTINFO, 1)) return Failure::Last("IP_PKTINFO");
    if (!SetInt(fd, IPPROTO_IP, IP_RECVTOS, 1)) return Failure::Last("IP_RECVTOS");
    if (!SetInt(fd, IPPROTO_IP, IP_RECVERR, 1)) return Failure::Last("IP_RECVERR");
  } else {
    if (!SetInt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)) return Failure::Last("IPV6_RECVPKTINFO");
    if (!SetInt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1)) return Failure::Last("IPV6_RECVTCLASS");
    if (!SetInt(fd, IPPROTO_IPV6, IPV6_RECVERR, 1)) return Failure::Last("IPV6_RECVERR");
  }
  return Failure::None();
}

Failure OpenUdp(const SocketOptions& options, OpenedSocket* opened) {
  UniqueFd fd(::socket(options.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return Failure::Last("socket");
  if (options.family == AF_INET6 && !SetInt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1))
    return Failure::Last("IPV6_V6ONLY");
  if (options.reuse_port && !SetInt(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1)) return Failure::Last("SO_REUSEPORT");
  const Failure failure = SetCommonOptions(fd.get(), options);
  if (failure.failed()) return failure;
  sockaddr_storage address;
  socklen_t length = MakeAddress(options.family, options.address, options.port, &address);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) return Failure::Last("bind");
  length = sizeof address;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
    return Failure::Last("getsockname");
  opened->port = ntohs(options.family == AF_INET ? reinterpret_cast<sockaddr_in*>(&address)->sin_port
                                                 : reinterpret_cast<sockaddr_in6*>(&address)->sin6_port);
  // Since Linux 5.0; without it every datagram comes alone.
  opened->gro = options.gro && SetInt(fd.get(), IPPROTO_UDP, UDP_GRO, 1);
  opened->fd = std::move(fd);
  return Failure::None();
}

bool Patience::Wait(int fd, int error) {
  const int64_t now = NowNanoseconds();
  if (deadline_ == 0) deadline_ = now + kPatience;
  const int64_t left = deadline_ - now;
  if (left <= 0) return false;
  // ENOBUFS: the device's queue is full while the socket's is not, and nothing tells when there is room again.
  const bool device = error == ENOBUFS;
  const int64_t span = device && left > kDevicePause ? kDevicePause : left;
  const timespec timeout{0, static_cast<long>(span)};
  pollfd waited{fd, POLLOUT, 0};
  ppoll(&waited, device ? 0 : 1, &timeout, nullptr);
  return true;
}

Ancillary ReadAncillary(msghdr* message) {
  Ancillary found;
  for (cmsghdr* header = CMSG_FIRSTHDR(message); header != nullptr; header = CMSG_NXTHDR(message, header)) {
    const uint8_t* data = CMSG_DATA(header);
    const size_t length = header->cmsg_len - CMSG_LEN(0);
    int number = 0;
    if (length >= sizeof number) memcpy(&number, data, sizeof number);
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_TOS && length >= 1) {
      found.tos = data[0];
    } else if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO && length >= sizeof(in_pktinfo)) {
      in_pktinfo info;
      memcpy(&info, data, sizeof info);
      found.interface = info.ipi_ifindex;
      found.has_local = true;
      memcpy(found.local, &info.ipi_addr, 4);
    } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO &&
               length >= sizeof(in6_pktinfo)) {
      in6_pktinfo info;
      memcpy(&info, data, sizeof info);
      found.interface = static_cast<int32_t>(info.ipi6_ifindex);
      found.has_local = true;
      memcpy(found.local, &info.ipi6_addr, 16);
    } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_TCLASS) {
      found.tos = number & 0xff;
    } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_HOPLIMIT) {
      found.hop_limit = number & 0xff;
    } else if (header->cmsg_level == IPPROTO_UDP && header->cmsg_type == UDP_GRO && number > 0) {
      found.segment = static_cast<uint32_t>(number);
    }
  }
  return found;
}

uint32_t TrainReceiver::Receive(int fd, uint32_t first, uint32_t count) {
  for (uint32_t i = first; i < first + count; i++) {
    vectors_[i] = {octets(i), kTrainStride - kTrainHeadroom};
    msghdr& header = messages_[i].msg_hdr;
    header.msg_name = &names_[i];
    header.msg_namelen = sizeof names_[i];
    header.msg_iov = &vectors_[i];
    header.msg_iovlen = 1;
    header.msg_control = control_[i];
    header.msg_controllen = kControlLength;
    header.msg_flags = 0;
    messages_[i].msg_len = 0;
  }
  for (int attempt = 0; attempt < 4; attempt++) {
    const int received = ::recvmmsg(fd, messages_ + first, count, MSG_DONTWAIT, nullptr);
    if (received >= 0) return static_cast<uint32_t>(received);
    if (errno != EINTR && !IsOldNews(errno)) return 0;
  }
  return 0;
}

void TrainReceiver::Describe(uint32_t train, int32_t socket, const Ancillary& ancillary) {
  Train record{};
  const sockaddr_storage& name = names_[train];
  const bool ipv4 = name.ss_family == AF_INET;
  record.family = ipv4 ? 4 : 6;
  if (ipv4) {
    const sockaddr_in& in = reinterpret_cast<const sockaddr_in&>(name);
    record.port = ntohs(in.sin_port);
    OctetsToWords(reinterpret_cast<const uint8_t*>(&in.sin_addr), 1, record.address);
  } else {
    const sockaddr_in6& in6 = reinterpret_cast<const sockaddr_in6&>(name);
    record.port = ntohs(in6.sin6_port);
    OctetsToWords(reinterpret_cast<const uint8_t*>(&in6.sin6_addr), 4, record.address);
  }
  if (ancillary.has_local) OctetsToWords(ancillary.local, ipv4 ? 1 : 4, record.local_address);
  record.socket = socket;
  record.interface = ancillary.interface;
  memory_.trains[train] = record;
}

bool UdpSocket::Sendable(const Row& row) const {
  if (!InSlab(row.offset, row.length) || row.length == 0 || row.length > 0xffff) return false;
  if (row.slot < 0 || static_cast<uint32_t>(row.slot) >= memory_.endpoint_count) return false;
  return memory_.endpoints[row.slot].family == (ipv4_ ? 4 : 6);
}

bool UdpSocket::GsoAllowed() {
  if (!gso_) return false;
  if (gso_pause_ == 0) return true;
  gso_pause_--;
  return false;
}

uint32_t UdpSocket::Collect(uint32_t first, uint32_t end) {
  Row& head = memory_.out[first];
  group_[0] = &head;
  group_count_ = 1;
  uint32_t next = first + 1;
  if (!GsoAllowed()) return next;
  uint32_t total = static_cast<uint32_t>(head.length);
  for (; next < end && group_count_ < kMaxSegments; next++) {
    Row& row = memory_.out[next];
    if (row.verdict != 0) continue;
    const uint32_t length = static_cast<uint32_t>(row.length);
    if (row.slot != head.slot || row.tos != head.tos || row.df != head.df || row.length > head.length ||
        row.length <= 0 || !InSlab(row.offset, row.length) || total + length > kMaxOctets)
      break;
    group_[group_count_++] = &row;
    total += length;
    if (row.length < head.length) return next + 1;
  }
  return next;
}

void UdpSocket::Send(uint32_t first, uint32_t end, Patience* patience) {
  while (first < end) {
    Row& row = memory_.out[first];
    if (row.verdict != 0) {
      first++;
    } else if (!Sendable(row)) {
      row.verdict = kDropSendFailed;
      memory_.Count(kSendErrors);
      first++;
    } else {
      first = Collect(first, end);
      SendGroup(patience);
    }
  }
}

void UdpSocket::SetDontFragment(bool on) {
  if (dont_fragment_ == (on ? 1 : 0)) return;
  // PROBE sets DF without believing the kernel's own path MTU cache: the engine keeps the path MTU of each SA.
  if (ipv4_) {
    SetInt(fd_, IPPROTO_IP, IP_MTU_DISCOVER, on ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
  } else {
    SetInt(fd_, IPPROTO_IPV6, IPV6_MTU_DISCOVER, on ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT);
    SetInt(fd_, IPPROTO_IPV6, IPV6_DONTFRAG, on ? 1 : 0);
  }
  dont_fragment_ = on ? 1 : 0;
}

void UdpSocket::SendGroup(Patience* patience) {
  SetDontFragment(group_[0]->df != 0);
  int error = SendRows(0, group_count_, patience);
  if (error == 0) {
    if (group_count_ > 1) gso_refusals_ = 0;
    return;
  }
  const bool refused = error == EIO || error == EINVAL || error == EMSGSIZE;
  if (group_count_ > 1 && refused) {
    memory_.Count(kGsoFallbacks);
    if (error != EMSGSIZE && ++gso_refusals_ >= kGsoRefusals) {
      gso_refusals_ = 0;
      gso_pause_ = kGsoPause;
    }
    for (uint32_t i = 0; i < group_count_; i++) {
      if (SendRows(i, 1, patience) == 0) continue;
      group_[i]->verdict = kDropSendFailed;
      memory_.Count(kSendErrors);
    }
    return;
  }
  for (uint32_t i = 0; i < group_count_; i++) group_[i]->verdict = kDropSendFailed;
  memory_.Count(kSendErrors, group_count_);
}

int UdpSocket::SendRows(uint32_t from, uint32_t count, Patience* patience) {
  const Row& head = *group_[from];
  const Endpoint& endpoint = memory_.endpoints[head.slot];
  uint8_t address[16];
  sockaddr_storage name;
  iovec vectors[kMaxSegments];
  size_t total = 0;
  for (uint32_t i = 0; i < count; i++) {
    const Row& row = *group_[from + i];
    vectors[i] = {memory_.slab + row.offset, static_cast<size_t>(row.length)};
    total += static_cast<size_t>(row.length);
  }
  WordsToOctets(endpoint.address, ipv4_ ? 1 : 4, address);
  msghdr message{};
  message.msg_name = &name;
  message.msg_namelen =
      MakeAddress(ipv4_ ? AF_INET : AF_INET6, address, static_cast<uint16_t>(endpoint.port), &name);
  message.msg_iov = vectors;
  message.msg_iovlen = count;
  ControlWriter control(&message);
  const int tos = head.tos & 0xff;
  const int32_t* local = endpoint.local_address;
  if (ipv4_) {
    if (tos != 0) control.Put(IPPROTO_IP, IP_TOS, &tos, sizeof tos);
    if (local[0] != 0) {
      in_pktinfo info{};
      WordsToOctets(local, 1, reinterpret_cast<uint8_t*>(&info.ipi_spec_dst));
      control.Put(IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
  } else {
    if (tos != 0) control.Put(IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof tos);
    if ((local[0] | local[1] | local[2] | local[3]) != 0) {
      in6_pktinfo info{};
      WordsToOctets(local, 4, reinterpret_cast<uint8_t*>(&info.ipi6_addr));
      control.Put(IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
  }
  if (count > 1) {
    const uint16_t segment = static_cast<uint16_t>(head.length);
    control.Put(IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
  }
  bool told = false;
  for (;;) {
    if (::sendmsg(fd_, &message, MSG_DONTWAIT) >= 0) break;
    const int error = errno;
    if (error == EINTR) continue;
    if (error == EAGAIN || error == ENOBUFS) {
      memory_.Count(kSendRetries);
      if (!patience->Wait(fd_, error)) return error;
    } else if (IsOldNews(error) && !told) {
      told = true;
    } else {
      return error;
    }
  }
  memory_.Count(kSends);
  memory_.Count(kSendPackets, count);
  memory_.Count(kSendOctets, static_cast<double>(total));
  return 0;
}

uint32_t UdpSocket::Receive(TrainReceiver* receiver) {
  uint32_t rows = 0;
  uint32_t trains = 0;
  const uint32_t limit = train_length_ >= 8 ? kLongTrains : kTrains;
  while (trains < limit) {
    // Rows for all datagrams of the longest trains must be there before the kernel hands them over.
    uint32_t count = (kRows - rows) / kTrainDatagrams;
    if (count > limit - trains) count = limit - trains;
    if (count == 0) break;
    const uint32_t received = receiver->Receive(fd_, trains, count);
    if (received == 0) break;
    memory_.Count(kReceives, received);
    for (uint32_t train = trains; train < trains + received; train++) {
      mmsghdr& message = receiver->message(train);
      if ((message.msg_hdr.msg_flags & MSG_TRUNC) != 0) continue;
      const Ancillary ancillary = ReadAncillary(&message.msg_hdr);
      receiver->Describe(train, index_, ancillary);
      const uint32_t length = message.msg_len;
      const uint32_t segment = ancillary.segment == 0 ? length : ancillary.segment;
      uint32_t at = 0;
      do {
        const uint32_t part = length - at < segment ? length - at : segment;
        Row row{};
        row.offset = static_cast<int32_t>(TrainReceiver::Offset(train) + at);
        row.length = static_cast<int32_t>(part);
        row.slot = -1;
        row.group = static_cast<int32_t>(train);
        row.tos = ancillary.tos;
        row.socket = index_;
        memory_.in[rows++] = row;
        at += part;
      } while (at < length && rows < kRows);
      memory_.Count(kReceiveOctets, length);
    }
    trains += received;
    if (received < count) break;
  }
  if (trains > 0) train_length_ = rows / trains;
  memory_.Count(kReceivePackets, rows);
  return rows;
}

}  // namespace esplanade

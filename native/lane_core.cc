#include "lane_core.h"

#include <netinet/udp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace esplanade {
namespace {

constexpr uint32_t kTunEvent = 0;
constexpr uint32_t kWakeEvent = 1;
constexpr uint32_t kSocketEvent = 2;
constexpr int kMostEvents = 32;

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

// Where packets come thick they gather before the lane looks again. One call both looks and waits, unless it matters which.
int LaneCore::Look(epoll_event* events, int timeout) {
  const bool thick = pace_.IsThick();
  const bool left = reader_.holds();
  if (left || timeout == 0 || thick || pace_.Wonders()) {
    int count = epoll_wait(epoll_.get(), events, kMostEvents, 0);
    if (left || count > 0) {
      pace_.Busy();
      return count;
    }
    pace_.Idle();
    if (timeout == 0) return count;
    if (thick) {
      Pace::Rest();
      count = epoll_wait(epoll_.get(), events, kMostEvents, 0);
      if (count > 0) {
        pace_.Woke();
        return count;
      }
    }
  }
  const int count = epoll_wait(epoll_.get(), events, kMostEvents, timeout);
  pace_.Woke();
  return count;
}

int32_t LaneCore::Wait(int timeout) {
  epoll_event events[kMostEvents];
  memory_.Count(kWaits);
  const int count = Look(events, timeout);
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

uint32_t LaneCore::ReadTun(uint32_t tailroom, Failure* failure) {
  const uint32_t count = reader_.Read(tailroom, failure);
  pace_.Took(count);
  return count;
}

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
  const uint32_t count = port.udp != nullptr ? port.udp->Receive(&receiver_) : port.raw->Receive(&receiver_);
  pace_.Took(count);
  return count;
}

bool LaneCore::TakeError(QueuedError* error) {
  for (uint32_t i = 0; i < sockets_.size(); i++) {
    if (!TakeQueuedError(sockets_[i].socket, error)) continue;
    error->socket = static_cast<int32_t>(i);
    return true;
  }
  return false;
}

}  // namespace esplanade

#include "socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdio>

namespace esplanade::load {

namespace {

constexpr int kReceiveBuffer = 32 << 20;
constexpr int kSendBuffer = 1 << 20;
// How long the receiver sleeps at most before it looks whether it shall stop.
constexpr suseconds_t kReceiveTimeoutMicros = 20000;

bool Complain(const char* what) {
  std::perror(what);
  return false;
}

bool Grow(int descriptor, int forced, int ordinary, int octets) {
  return setsockopt(descriptor, SOL_SOCKET, forced, &octets, sizeof octets) == 0 ||
         setsockopt(descriptor, SOL_SOCKET, ordinary, &octets, sizeof octets) == 0;
}

const sockaddr* Generic(const Address& address) { return reinterpret_cast<const sockaddr*>(&address.storage); }

}  // namespace

bool ParseAddress(const char* text, uint16_t port, Address* address) {
  auto* four = reinterpret_cast<sockaddr_in*>(&address->storage);
  if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    address->length = sizeof *four;
    address->header_octets = 20 + 8;
    return true;
  }
  auto* six = reinterpret_cast<sockaddr_in6*>(&address->storage);
  if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    address->length = sizeof *six;
    address->header_octets = 40 + 8;
    return true;
  }
  return false;
}

bool EnterNamespace(const std::string& name_or_path) {
  const bool path = name_or_path.find('/') != std::string::npos;
  const std::string file = path ? name_or_path : "/run/netns/" + name_or_path;
  const Socket descriptor(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!descriptor.Valid()) return Complain(file.c_str());
  return setns(descriptor.Descriptor(), CLONE_NEWNET) == 0 || Complain("setns");
}

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = other.descriptor_;
    other.descriptor_ = -1;
  }
  return *this;
}

Socket::~Socket() {
  if (descriptor_ >= 0) close(descriptor_);
}

Socket OpenReceiver(const Address& local) {
  Socket opened(socket(local.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const timeval timeout{0, kReceiveTimeoutMicros};
  const bool ready = opened.Valid() && Grow(opened.Descriptor(), SO_RCVBUFFORCE, SO_RCVBUF, kReceiveBuffer) &&
                     setsockopt(opened.Descriptor(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0 &&
                     bind(opened.Descriptor(), Generic(local), local.length) == 0;
  if (!ready) {
    std::perror("receiver's socket");
    return Socket();
  }
  return opened;
}

Socket OpenSender(const Address& local, const Address& remote) {
  Socket opened(socket(local.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const bool ready = opened.Valid() && Grow(opened.Descriptor(), SO_SNDBUFFORCE, SO_SNDBUF, kSendBuffer) &&
                     bind(opened.Descriptor(), Generic(local), local.length) == 0 &&
                     connect(opened.Descriptor(), Generic(remote), remote.length) == 0;
  if (!ready) {
    std::perror("sender's socket");
    return Socket();
  }
  return opened;
}

}  // namespace esplanade::load

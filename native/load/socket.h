// The generator's two sockets, each born in a network namespace of its own.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>

namespace esplanade::load {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  // Octets of the IP and UDP headers in front of the payload.
  uint32_t header_octets = 0;
};

// A numeric IPv4 or IPv6 address.
bool ParseAddress(const char* text, uint16_t port, Address* address);

// Moves the calling thread into a namespace: a name below /run/netns, or a path such as /proc/PID/ns/net.
bool EnterNamespace(const std::string& name_or_path);

class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept : descriptor_(other.descriptor_) { other.descriptor_ = -1; }
  Socket& operator=(Socket&& other) noexcept;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket();

  bool Valid() const { return descriptor_ >= 0; }
  int Descriptor() const { return descriptor_; }

 private:
  int descriptor_ = -1;
};

// Both complain on stderr and return an invalid socket when a call fails.
Socket OpenReceiver(const Address& local);
Socket OpenSender(const Address& local, const Address& remote);

}  // namespace esplanade::load

#include "sniffer.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "arguments.h"
#include "descriptor.h"

namespace esplanade {
namespace {

constexpr napi_type_tag kSnifferTag = {0x536e6966666572f2ULL, 0x9e5d3c7ab8410671ULL};
constexpr size_t kMaxPacket = 128 * 1024;
constexpr int kReceiveBuffer = 4 << 20;
// Packets one call reads: an interface at full speed must not keep the thread for ever.
constexpr double kMaxRead = 65536;

class Sniffer : public Napi::ObjectWrap<Sniffer> {
 public:
  // (interface index, filter as struct sock_filter; empty = everything)
  explicit Sniffer(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Sniffer>(info) {
    const Napi::Env env = info.Env();
    int index;
    uint8_t* filter = nullptr;
    size_t length;
    if (!TakeInteger(env, info[0], 1, INT32_MAX, "interface", &index) ||
        !TakeArray(env, info[1], napi_uint8_array, "filter", &filter, &length))
      return;
    if (length % sizeof(sock_filter) != 0 || length / sizeof(sock_filter) > BPF_MAXINSNS) {
      Complain(env, "filter is not a BPF program");
      return;
    }
    const Failure failure = Open(index, filter, length);
    if (failure.failed()) {
      Napi::Error error = Napi::Error::New(env, std::string(failure.syscall) + " failed");
      error.Set("code", ErrnoName(failure.error));
      error.Set("syscall", std::string(failure.syscall));
      error.ThrowAsJavaScriptException();
      return;
    }
    Mark(env, info.This().As<Napi::Object>(), kSnifferTag);
  }

  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Sniffer",
                       {InstanceMethod<&Sniffer::Drain>("drain"), InstanceMethod<&Sniffer::Close>("close")});
  }

 private:
  Failure Open(int index, const uint8_t* octets, size_t length) {
    // Protocol 0: nothing is received before filter and interface are set.
    UniqueFd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return Failure::Last("socket");
    if (length > 0) {
      std::vector<sock_filter> program(length / sizeof(sock_filter));
      memcpy(program.data(), octets, length);
      const sock_fprog attached{static_cast<unsigned short>(program.size()), program.data()};
      if (setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &attached, sizeof attached) != 0)
        return Failure::Last("SO_ATTACH_FILTER");
    }
    if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) != 0)
      setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = index;
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return Failure::Last("bind");
    fd_ = std::move(fd);
    buffer_.resize(kMaxPacket);
    return Failure::None();
  }

  // (how many packets to hand back) → { read, octets, unread, samples } since the last call; `unread` are matches that
  // no longer fitted into the socket's buffer.
  Napi::Value Drain(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    uint32_t wanted;
    if (!IsMarked(env, info.This(), kSnifferTag)) return Complain(env, "not a Sniffer"), Napi::Value();
    if (!TakeInteger(env, info[0], 0, 1024, "samples", &wanted)) return Napi::Value();
    double octets = 0;
    double read = 0;
    Napi::Array samples = Napi::Array::New(env);
    while (fd_.valid() && read < kMaxRead) {
      const ssize_t length = ::recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_TRUNC);
      if (length < 0 && errno == EINTR) continue;
      // An interface that goes down is told once, as ENETDOWN, before what is still buffered.
      if (length < 0 && errno == ENETDOWN) continue;
      if (length < 0) break;
      read++;
      octets += static_cast<double>(length);
      if (samples.Length() >= wanted) continue;
      const size_t kept = static_cast<size_t>(length) < buffer_.size() ? static_cast<size_t>(length) : buffer_.size();
      Napi::Uint8Array sample = Napi::Uint8Array::New(env, kept);
      memcpy(sample.Data(), buffer_.data(), kept);
      samples.Set(samples.Length(), sample);
    }
    tpacket_stats statistics{};
    socklen_t size = sizeof statistics;
    if (fd_.valid()) getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &statistics, &size);
    Napi::Object drained = Napi::Object::New(env);
    drained.Set("read", read);
    drained.Set("octets", octets);
    drained.Set("unread", static_cast<double>(statistics.tp_drops));
    drained.Set("samples", samples);
    return drained;
  }

  void Close(const Napi::CallbackInfo& info) {
    if (!IsMarked(info.Env(), info.This(), kSnifferTag)) {
      Complain(info.Env(), "not a Sniffer");
      return;
    }
    fd_.Close();
  }

  UniqueFd fd_;
  std::vector<uint8_t> buffer_;
};

}  // namespace

void InitSniffer(Napi::Env env, Napi::Object exports) { exports.Set("Sniffer", Sniffer::Define(env)); }

}  // namespace esplanade

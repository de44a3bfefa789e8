#include "sniffer.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
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
// Of one that keeps what it sees: a tenth of a second of some Gbit/s.
constexpr int kCaptureBuffer = 32 << 20;
// Packets one call reads: an interface at full speed must not keep the thread for ever.
constexpr double kMaxRead = 65536;
// Six 32-bit fields of this machine's order in front of each packet that Take gives: octets that follow, octets on the
// wire, seconds and nanoseconds since 1970, interface index, whether it was sent.
constexpr size_t kRecordFields = 6;
constexpr size_t kSnapLength = 65535;
constexpr int kMaxTake = 64 << 20;

class Sniffer : public Napi::ObjectWrap<Sniffer> {
 public:
  // (interface index, filter as struct sock_filter; empty = everything, without link headers and of all interfaces for
  // index 0, to be read by Take)
  explicit Sniffer(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Sniffer>(info) {
    const Napi::Env env = info.Env();
    int index;
    uint8_t* filter = nullptr;
    size_t length;
    cooked_ = info[2].IsBoolean() && info[2].As<Napi::Boolean>().Value();
    if (!TakeInteger(env, info[0], cooked_ ? 0 : 1, INT32_MAX, "interface", &index) ||
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
                       {InstanceMethod<&Sniffer::Drain>("drain"), InstanceMethod<&Sniffer::Take>("take"),
                        InstanceMethod<&Sniffer::Close>("close")});
  }

 private:
  Failure Open(int index, const uint8_t* octets, size_t length) {
    // Protocol 0: nothing is received before filter and interface are set.
    UniqueFd fd(::socket(AF_PACKET, (cooked_ ? SOCK_DGRAM : SOCK_RAW) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return Failure::Last("socket");
    if (length > 0) {
      std::vector<sock_filter> program(length / sizeof(sock_filter));
      memcpy(program.data(), octets, length);
      const sock_fprog attached{static_cast<unsigned short>(program.size()), program.data()};
      if (setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &attached, sizeof attached) != 0)
        return Failure::Last("SO_ATTACH_FILTER");
    }
    const int room = cooked_ ? kCaptureBuffer : kReceiveBuffer;
    if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
      setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    const int on = 1;
    if (cooked_ && setsockopt(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0)
      return Failure::Last("SO_TIMESTAMPNS");
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
    Napi::Object drained = Napi::Object::New(env);
    drained.Set("read", read);
    drained.Set("octets", octets);
    drained.Set("unread", Unread());
    drained.Set("samples", samples);
    return drained;
  }

  // (octets at most, records included) → { records, unread } since the last call.
  Napi::Value Take(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    uint32_t limit;
    if (!IsMarked(env, info.This(), kSnifferTag)) return Complain(env, "not a Sniffer"), Napi::Value();
    if (!cooked_) return Complain(env, "not a Sniffer of packets"), Napi::Value();
    if (!TakeInteger(env, info[0], 0, kMaxTake, "limit", &limit)) return Napi::Value();
    std::vector<uint8_t> taken;
    while (fd_.valid() && taken.size() + kRecordFields * 4 + kSnapLength <= limit) {
      iovec into{buffer_.data(), buffer_.size()};
      sockaddr_ll from{};
      alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(timespec))];
      msghdr message{};
      message.msg_name = &from;
      message.msg_namelen = sizeof from;
      message.msg_iov = &into;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      const ssize_t length = ::recvmsg(fd_.get(), &message, MSG_TRUNC);
      if (length < 0 && (errno == EINTR || errno == ENETDOWN)) continue;
      if (length < 0) break;
      timespec at{};
      const cmsghdr* header = CMSG_FIRSTHDR(&message);
      if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_TIMESTAMPNS)
        memcpy(&at, CMSG_DATA(header), sizeof at);
      const size_t kept = std::min(static_cast<size_t>(length), kSnapLength);
      const uint32_t fields[kRecordFields] = {
          static_cast<uint32_t>(kept),       static_cast<uint32_t>(length),
          static_cast<uint32_t>(at.tv_sec),  static_cast<uint32_t>(at.tv_nsec),
          static_cast<uint32_t>(from.sll_ifindex), from.sll_pkttype == PACKET_OUTGOING ? 1u : 0u,
      };
      const auto* octets = reinterpret_cast<const uint8_t*>(fields);
      taken.insert(taken.end(), octets, octets + sizeof fields);
      taken.insert(taken.end(), buffer_.data(), buffer_.data() + kept);
    }
    Napi::Uint8Array records = Napi::Uint8Array::New(env, taken.size());
    if (!taken.empty()) memcpy(records.Data(), taken.data(), taken.size());
    Napi::Object result = Napi::Object::New(env);
    result.Set("records", records);
    result.Set("unread", Unread());
    return result;
  }

  // Matches since the last call that no longer fitted into the socket's buffer.
  double Unread() {
    tpacket_stats statistics{};
    socklen_t size = sizeof statistics;
    if (fd_.valid()) getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &statistics, &size);
    return statistics.tp_drops;
  }

  void Close(const Napi::CallbackInfo& info) {
    if (!IsMarked(info.Env(), info.This(), kSnifferTag)) {
      Complain(info.Env(), "not a Sniffer");
      return;
    }
    fd_.Close();
  }

  UniqueFd fd_;
  bool cooked_ = false;
  std::vector<uint8_t> buffer_;
};

}  // namespace

void InitSniffer(Napi::Env env, Napi::Object exports) { exports.Set("Sniffer", Sniffer::Define(env)); }

}  // namespace esplanade

#include "opening.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "arguments.h"
#include "datagram.h"
#include "descriptor.h"
#include "raw.h"
#include "tun.h"
#include "udp.h"

namespace esplanade {
namespace {

constexpr napi_type_tag kDescriptorTag = {0x44657363726970ULL, 0x746f72d8c4a1907bULL};
constexpr uint32_t kMaxQueues = 64;

bool SignalDescriptor(int fd) {
  const uint64_t one = 1;
  return ::write(fd, &one, sizeof one) >= 0 || errno == EAGAIN;
}

class Descriptor : public Napi::ObjectWrap<Descriptor> {
 public:
  explicit Descriptor(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Descriptor>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
      Complain(info.Env(), "descriptors come from the open functions");
      return;
    }
    fd_ = std::move(*info[0].As<Napi::External<UniqueFd>>().Data());
    Mark(info.Env(), info.This().As<Napi::Object>(), kDescriptorTag);
  }

  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Descriptor",
                       {InstanceAccessor<&Descriptor::Fd>("fd"), InstanceMethod<&Descriptor::Close>("close"),
                        InstanceMethod<&Descriptor::Signal>("signal"), InstanceMethod<&Descriptor::Read>("read"),
                        InstanceMethod<&Descriptor::Write>("write"),
                        InstanceMethod<&Descriptor::AttachFilter>("attachFilter")});
  }

 private:
  bool Valid(const Napi::CallbackInfo& info) {
    return IsMarked(info.Env(), info.This(), kDescriptorTag) || Complain(info.Env(), "not a Descriptor");
  }

  Napi::Value Fd(const Napi::CallbackInfo& info) {
    if (!Valid(info)) return Napi::Value();
    return Napi::Number::New(info.Env(), fd_.get());
  }

  void Close(const Napi::CallbackInfo& info) {
    if (Valid(info)) fd_.Close();
  }

  // Wakes whoever waits for an eventfd.
  void Signal(const Napi::CallbackInfo& info) {
    if (!Valid(info)) return;
    if (fd_.valid() && !SignalDescriptor(fd_.get())) Complain(info.Env(), "the descriptor cannot be signalled");
  }

  // One packet. Returns its octets or -errno.
  Napi::Value Read(const Napi::CallbackInfo& info) {
    uint8_t* octets;
    size_t length;
    if (!Valid(info) || !TakeArray(info.Env(), info[0], napi_uint8_array, "target", &octets, &length))
      return Napi::Value();
    const ssize_t result = ::read(fd_.get(), octets, length);
    return Napi::Number::New(info.Env(), static_cast<double>(result < 0 ? -errno : result));
  }

  Napi::Value Write(const Napi::CallbackInfo& info) {
    uint8_t* octets;
    size_t length;
    if (!Valid(info) || !TakeArray(info.Env(), info[0], napi_uint8_array, "source", &octets, &length))
      return Napi::Value();
    const ssize_t result = ::write(fd_.get(), octets, length);
    return Napi::Number::New(info.Env(), static_cast<double>(result < 0 ? -errno : result));
  }

  // (program as struct sock_filter, "socket" | "port"): which packets this socket takes, or which socket of its port's
  // group (SO_REUSEPORT) takes one.
  Napi::Value AttachFilter(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    uint8_t* octets;
    size_t length;
    std::string scope;
    if (!Valid(info) || !TakeArray(env, info[0], napi_uint8_array, "filter", &octets, &length) ||
        !TakeText(env, info[1], "scope", &scope))
      return Napi::Value();
    if (length == 0 || length % sizeof(sock_filter) != 0 || length / sizeof(sock_filter) > BPF_MAXINSNS) {
      Complain(env, "filter is not a BPF program");
      return Napi::Value();
    }
    if (scope != "socket" && scope != "port") return Complain(env, "scope is neither socket nor port"), Napi::Value();
    std::vector<sock_filter> program(length / sizeof(sock_filter));
    memcpy(program.data(), octets, length);
    const sock_fprog attached{static_cast<unsigned short>(program.size()), program.data()};
    const bool port = scope == "port";
    if (setsockopt(fd_.get(), SOL_SOCKET, port ? SO_ATTACH_REUSEPORT_CBPF : SO_ATTACH_FILTER, &attached,
                   sizeof attached) != 0)
      return FailureToData(env, Failure::Last(port ? "SO_ATTACH_REUSEPORT_CBPF" : "SO_ATTACH_FILTER"));
    return env.Undefined();
  }

  UniqueFd fd_;
};

// Makes Descriptor objects in one environment.
class Maker {
 public:
  explicit Maker(Napi::Function constructor) : constructor_(Napi::Persistent(constructor)) {}
  // An empty value with an exception pending when JavaScript has ended.
  Napi::Value Make(Napi::Env env, UniqueFd fd) const {
    const auto made = constructor_.New({Napi::External<UniqueFd>::New(env, &fd)});
    return made.IsJust() ? Napi::Value(made.Unwrap()) : Napi::Value();
  }

 private:
  Napi::FunctionReference constructor_;
};
using MakerPtr = std::shared_ptr<Maker>;

bool TakeSocketOptions(Napi::Env env, const Napi::Value& given, SocketOptions* options) {
  int family;
  if (!TakeInteger(env, Property(given, "family"), 4, 6, "family", &family)) return false;
  options->family = family == 4 ? AF_INET : AF_INET6;
  return TakeInteger(env, Property(given, "mark"), 0, UINT32_MAX, "mark", &options->mark) &&
         TakeInteger(env, Property(given, "buffers"), 0, 1 << 30, "buffers", &options->buffers) &&
         TakeText(env, Property(given, "device"), "device", &options->device);
}

Napi::Value Tun(const Napi::CallbackInfo& info, const Maker& maker) {
  const Napi::Env env = info.Env();
  TunOptions options;
  if (!TakeText(env, Property(info[0], "name"), "name", &options.name) ||
      !TakeInteger(env, Property(info[0], "queues"), 1, kMaxQueues, "queues", &options.queues) ||
      !TakeFlag(env, Property(info[0], "vnetHeader"), "vnetHeader", &options.virtio) ||
      !TakeFlag(env, Property(info[0], "persist"), "persist", &options.persist) ||
      !TakeInteger(env, Property(info[0], "offloads"), 0, UINT32_MAX, "offloads", &options.offloads))
    return Napi::Value();
  TunDevice device;
  const Failure failure = OpenTun(options, &device);
  if (failure.failed()) return FailureToData(env, failure);
  Napi::Array descriptors = Napi::Array::New(env, device.queues.size());
  for (uint32_t i = 0; i < device.queues.size(); i++) {
    const Napi::Value descriptor = maker.Make(env, std::move(device.queues[i]));
    if (descriptor.IsEmpty()) return descriptor;
    descriptors.Set(i, descriptor);
  }
  Napi::Object opened = Napi::Object::New(env);
  opened.Set("name", device.name);
  opened.Set("descriptors", descriptors);
  opened.Set("offloads", device.offloads);
  return opened;
}

Napi::Value Opened(Napi::Env env, const Maker& maker, const Failure& failure, OpenedSocket* opened) {
  if (failure.failed()) return FailureToData(env, failure);
  const Napi::Value descriptor = maker.Make(env, std::move(opened->fd));
  if (descriptor.IsEmpty()) return descriptor;
  Napi::Object data = Napi::Object::New(env);
  data.Set("descriptor", descriptor);
  data.Set("port", static_cast<uint32_t>(opened->port));
  data.Set("gro", opened->gro);
  return data;
}

Napi::Value Udp(const Napi::CallbackInfo& info, const Maker& maker) {
  const Napi::Env env = info.Env();
  SocketOptions options;
  uint8_t* address;
  size_t length;
  if (!TakeSocketOptions(env, info[0], &options) ||
      !TakeInteger(env, Property(info[0], "port"), 0, 65535, "port", &options.port) ||
      !TakeFlag(env, Property(info[0], "reusePort"), "reusePort", &options.reuse_port) ||
      !TakeFlag(env, Property(info[0], "gro"), "gro", &options.gro) ||
      !TakeArray(env, Property(info[0], "address"), napi_uint8_array, "address", &address, &length))
    return Napi::Value();
  if (length != (options.family == AF_INET ? 4U : 16U)) {
    Complain(env, "address does not fit the family");
    return Napi::Value();
  }
  memcpy(options.address, address, length);
  OpenedSocket opened;
  const Failure failure = OpenUdp(options, &opened);
  return Opened(env, maker, failure, &opened);
}

// Next to sockets of this process that have the port.
Napi::Value Sender(const Napi::CallbackInfo& info, const Maker& maker) {
  const Napi::Env env = info.Env();
  SocketOptions options;
  int32_t* beside = nullptr;
  size_t count;
  if (!TakeSocketOptions(env, info[0], &options) ||
      !TakeInteger(env, Property(info[0], "port"), 1, 65535, "port", &options.port) ||
      !TakeArray(env, Property(info[0], "beside"), napi_int32_array, "beside", &beside, &count))
    return Napi::Value();
  OpenedSocket opened;
  const Failure failure = OpenSender(options, std::vector<int>(beside, beside + count), &opened);
  return Opened(env, maker, failure, &opened);
}

Napi::Value Raw(const Napi::CallbackInfo& info, const Maker& maker) {
  const Napi::Env env = info.Env();
  SocketOptions options;
  if (!TakeSocketOptions(env, info[0], &options) ||
      !TakeInteger(env, Property(info[0], "protocol"), 1, 255, "protocol", &options.protocol))
    return Napi::Value();
  OpenedSocket opened;
  const Failure failure = OpenRaw(options, &opened);
  return Opened(env, maker, failure, &opened);
}

// Changes of this host's addresses and routes (rtnetlink(7)), as messages to be read.
Napi::Value NetworkChanges(const Napi::CallbackInfo& info, const Maker& maker) {
  const Napi::Env env = info.Env();
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return FailureToData(env, Failure::Last("netlink"));
  sockaddr_nl groups{};
  groups.nl_family = AF_NETLINK;
  groups.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&groups), sizeof groups) != 0)
    return FailureToData(env, Failure::Last("netlink"));
  return maker.Make(env, std::move(fd));
}

Napi::Value Event(const Napi::CallbackInfo& info, const Maker& maker) {
  UniqueFd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd.valid()) return FailureToData(info.Env(), Failure::Last("eventfd"));
  return maker.Make(info.Env(), std::move(fd));
}

Failure SetCloseOnExec(int fd) {
  const int flags = ::fcntl(fd, F_GETFD);
  const bool set = flags >= 0 && ::fcntl(fd, F_SETFD, flags | FD_CLOEXEC) == 0;
  return set ? Failure::None() : Failure::Last("fcntl");
}

// A descriptor that this process was born with: from now on it is closed like those it opened, and not inherited further.
Napi::Value Adopt(const Napi::CallbackInfo& info, const Maker& maker) {
  int number;
  if (!TakeInteger(info.Env(), info[0], 3, INT32_MAX, "descriptor", &number)) return Napi::Value();
  const Failure failure = SetCloseOnExec(number);
  if (failure.failed()) return FailureToData(info.Env(), failure);
  return maker.Make(info.Env(), UniqueFd(number));
}

// For descriptors of this process that others own.
Napi::Value CloseOnExec(const Napi::CallbackInfo& info) {
  int fd;
  if (!TakeInteger(info.Env(), info[0], 3, INT32_MAX, "descriptor", &fd)) return Napi::Value();
  const Failure failure = SetCloseOnExec(fd);
  return failure.failed() ? FailureToData(info.Env(), failure) : info.Env().Undefined();
}

// A file that is memory alone (memfd_create(2)).
Napi::Value MemoryFile(const Napi::CallbackInfo& info, const Maker& maker) {
  UniqueFd fd(::memfd_create("esplanade", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return FailureToData(info.Env(), Failure::Last("memfd_create"));
  return maker.Make(info.Env(), std::move(fd));
}

// Its length is final; its octets can still be wiped.
Napi::Value SealMemory(const Napi::CallbackInfo& info) {
  int fd;
  if (!TakeInteger(info.Env(), info[0], 0, INT32_MAX, "memory file", &fd)) return Napi::Value();
  if (::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return FailureToData(info.Env(), Failure::Last("fcntl"));
  return info.Env().Undefined();
}

void SignalEvent(const Napi::CallbackInfo& info) {
  int fd;
  if (!TakeInteger(info.Env(), info[0], 0, INT32_MAX, "event", &fd)) return;
  if (!SignalDescriptor(fd)) Complain(info.Env(), "the event cannot be signalled");
}

// Two ends that keep packets apart: a TUN device without a kernel behind it.
Napi::Value Pair(const Napi::CallbackInfo& info, const Maker& maker) {
  const Napi::Env env = info.Env();
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
    return FailureToData(env, Failure::Last("socketpair"));
  UniqueFd ends[2] = {UniqueFd(fds[0]), UniqueFd(fds[1])};
  Napi::Array pair = Napi::Array::New(env, 2);
  for (uint32_t i = 0; i < 2; i++) {
    const int buffer = 4 << 20;
    if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer) != 0)
      setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    const Napi::Value end = maker.Make(env, std::move(ends[i]));
    if (end.IsEmpty()) return end;
    pair.Set(i, end);
  }
  return pair;
}

UniqueFd OpenNamespaceOfThread() { return UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)); }

// Back to where the thread was. Going on in the wrong network would be worse than ending.
void Return(const UniqueFd& home) {
  if (::setns(home.get(), CLONE_NEWNET) != 0)
    Napi::Error::Fatal("esplanade", "the thread cannot return to its network namespace");
}

// A network namespace without a name: it lives as long as its descriptor or a process inside.
Napi::Value NewNamespace(const Napi::CallbackInfo& info, const Maker& maker) {
  const UniqueFd home = OpenNamespaceOfThread();
  if (!home.valid()) return FailureToData(info.Env(), Failure::Last("open"));
  if (::unshare(CLONE_NEWNET) != 0) return FailureToData(info.Env(), Failure::Last("unshare"));
  UniqueFd fresh = OpenNamespaceOfThread();
  const Failure failure = fresh.valid() ? Failure::None() : Failure::Last("open");
  Return(home);
  if (failure.failed()) return FailureToData(info.Env(), failure);
  return maker.Make(info.Env(), std::move(fresh));
}

// Calls a function while this thread is in another network namespace. What it opens or starts stays there.
Napi::Value InNamespace(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int fd;
  if (!TakeInteger(env, info[0], 0, INT32_MAX, "namespace", &fd)) return Napi::Value();
  if (!info[1].IsFunction()) return Complain(env, "work is not a function"), Napi::Value();
  const UniqueFd home = OpenNamespaceOfThread();
  if (!home.valid()) return FailureToData(env, Failure::Last("open"));
  if (::setns(fd, CLONE_NEWNET) != 0) return FailureToData(env, Failure::Last("setns"));
  const Napi::Maybe<Napi::Value> result = info[1].As<Napi::Function>().Call({});
  Return(home);
  return result.IsJust() ? env.Undefined() : Napi::Value();
}

}  // namespace

void InitOpening(Napi::Env env, Napi::Object exports) {
  const MakerPtr maker = std::make_shared<Maker>(Descriptor::Define(env));
  const auto put = [&](const char* name, Napi::Value (*open)(const Napi::CallbackInfo&, const Maker&)) {
    exports.Set(name, Napi::Function::New(
                          env, [maker, open](const Napi::CallbackInfo& info) { return open(info, *maker); }, name));
  };
  put("openTun", Tun);
  put("openUdp", Udp);
  put("openSender", Sender);
  put("openRaw", Raw);
  put("openNetworkChanges", NetworkChanges);
  put("openEvent", Event);
  put("adoptDescriptor", Adopt);
  put("openMemoryFile", MemoryFile);
  put("socketPair", Pair);
  put("newNamespace", NewNamespace);
  exports.Set("closeOnExec", Napi::Function::New(env, CloseOnExec, "closeOnExec"));
  exports.Set("sealMemory", Napi::Function::New(env, SealMemory, "sealMemory"));
  exports.Set("signalEvent", Napi::Function::New(env, SignalEvent, "signalEvent"));
  exports.Set("inNamespace", Napi::Function::New(env, InNamespace, "inNamespace"));
}

}  // namespace esplanade

#include "lane.h"

#include <memory>
#include <vector>

#include "arguments.h"
#include "lane_core.h"

namespace esplanade {
namespace {

constexpr uint32_t kMaxSockets = 16;
constexpr uint32_t kMaxTailroom = 65536;

template <typename Record>
constexpr size_t Words() {
  return sizeof(Record) / sizeof(int32_t);
}

bool TakeKind(Napi::Env env, const Napi::Value& value, SocketKind* kind) {
  std::string name;
  if (!TakeText(env, value, "socket kind", &name)) return false;
  if (name == "udp4") return *kind = SocketKind::kUdp4, true;
  if (name == "udp6") return *kind = SocketKind::kUdp6, true;
  if (name == "raw4") return *kind = SocketKind::kRaw4, true;
  if (name == "raw6") return *kind = SocketKind::kRaw6, true;
  return Complain(env, "socket kind is none of udp4, udp6, raw4, raw6");
}

class Lane : public Napi::ObjectWrap<Lane> {
 public:
  explicit Lane(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Lane>(info) {
    const Napi::Env env = info.Env();
    const Napi::Value given = info[0];
    LaneMemory memory;
    LaneOptions options;
    std::vector<LaneSocket> sockets;
    int tun = -1;
    int wake = -1;
    if (!TakeMemory(env, Property(given, "memory"), &memory) ||
        !TakeInteger(env, Property(given, "tunFd"), 0, INT32_MAX, "tunFd", &tun) ||
        !TakeInteger(env, Property(given, "wakeFd"), 0, INT32_MAX, "wakeFd", &wake) ||
        !TakeSockets(env, Property(given, "sockets"), &sockets) ||
        !TakeOptions(env, Property(given, "options"), &options))
      return;
    auto core = std::make_unique<LaneCore>(memory, tun, sockets, wake, options);
    const Failure failure = core->Open();
    if (failure.failed()) {
      Throw(env, failure);
      return;
    }
    core_ = std::move(core);
  }

  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Lane",
                       {InstanceMethod<&Lane::Wait>("wait"), InstanceMethod<&Lane::ReadTun>("readTun"),
                        InstanceMethod<&Lane::Send>("send"), InstanceMethod<&Lane::Receive>("receive"),
                        InstanceMethod<&Lane::Deliver>("deliver"), InstanceMethod<&Lane::TakeError>("takeError"),
                        InstanceMethod<&Lane::Close>("close")});
  }

 private:
  template <typename Element>
  bool Hold(Napi::Env env, const Napi::Value& memory, const char* name, napi_typedarray_type type, size_t least,
            Element** elements, size_t* length) {
    const Napi::Value array = Property(memory, name);
    if (!TakeArray(env, array, type, name, elements, length, true)) return false;
    if (*length < least) return Complain(env, std::string(name) + " is too short");
    held_.push_back(Napi::Persistent(array.As<Napi::Object>()));
    return true;
  }

  bool TakeMemory(Napi::Env env, const Napi::Value& given, LaneMemory* memory) {
    if (given.IsEmpty() || !given.IsObject()) return Complain(env, "memory is not an object");
    int32_t* out;
    int32_t* in;
    int32_t* trains;
    int32_t* endpoints;
    size_t length;
    if (!Hold(env, given, "slab", napi_uint8_array, kSlabLength, &memory->slab, &length) ||
        !Hold(env, given, "out", napi_int32_array, kRows * Words<Row>(), &out, &length) ||
        !Hold(env, given, "in", napi_int32_array, kRows * Words<Row>(), &in, &length) ||
        !Hold(env, given, "trains", napi_int32_array, kTrains * Words<Train>(), &trains, &length) ||
        !Hold(env, given, "ioCounters", napi_float64_array, kIoCounters, &memory->counters, &length) ||
        !Hold(env, given, "endpoints", napi_int32_array, 0, &endpoints, &length))
      return false;
    memory->out = reinterpret_cast<Row*>(out);
    memory->in = reinterpret_cast<Row*>(in);
    memory->trains = reinterpret_cast<Train*>(trains);
    memory->endpoints = reinterpret_cast<Endpoint*>(endpoints);
    memory->endpoint_count = static_cast<uint32_t>(length / Words<Endpoint>());
    return true;
  }

  static bool TakeSockets(Napi::Env env, const Napi::Value& given, std::vector<LaneSocket>* sockets) {
    if (given.IsEmpty() || !given.IsArray()) return Complain(env, "sockets is not an array");
    const Napi::Array list = given.As<Napi::Array>();
    const uint32_t count = list.Length();
    if (count > kMaxSockets) return Complain(env, "too many sockets");
    for (uint32_t i = 0; i < count; i++) {
      const Napi::Value item = list.Get(i).UnwrapOr(Napi::Value());
      if (item.IsEmpty() || !item.IsObject()) return Complain(env, "a socket is not an object");
      LaneSocket socket{};
      if (!TakeInteger(env, Property(item, "fd"), 0, INT32_MAX, "socket fd", &socket.fd) ||
          !TakeKind(env, Property(item, "kind"), &socket.kind))
        return false;
      const bool raw = socket.kind == SocketKind::kRaw4 || socket.kind == SocketKind::kRaw6;
      if (raw && !TakeInteger(env, Property(item, "protocol"), 0, 255, "socket protocol", &socket.protocol))
        return false;
      sockets->push_back(socket);
    }
    return true;
  }

  static bool TakeOptions(Napi::Env env, const Napi::Value& given, LaneOptions* options) {
    if (given.IsEmpty() || !given.IsObject()) return Complain(env, "options is not an object");
    return TakeFlag(env, Property(given, "vnetHeader"), "vnetHeader", &options->virtio) &&
           TakeFlag(env, Property(given, "gso"), "gso", &options->gso) &&
           TakeFlag(env, Property(given, "gro"), "gro", &options->gro) &&
           TakeFlag(env, Property(given, "uso"), "uso", &options->uso) &&
           TakeFlag(env, Property(given, "join"), "join", &options->join);
  }

  static void Throw(Napi::Env env, const Failure& failure) {
    Napi::Error error = Napi::Error::New(env, std::string(failure.syscall) + " failed");
    error.Set("code", ErrnoName(failure.error));
    error.Set("syscall", std::string(failure.syscall));
    error.ThrowAsJavaScriptException();
  }

  // The open lane, or null with an exception pending. `this` is a Lane: V8 refuses to call a class's methods on others.
  LaneCore* Core(const Napi::CallbackInfo& info) {
    if (core_ == nullptr) Complain(info.Env(), "the lane is closed");
    return core_.get();
  }

  static bool TakeRows(const Napi::CallbackInfo& info, uint32_t* first, uint32_t* end) {
    uint32_t count;
    if (!TakeInteger(info.Env(), info[0], 0, kRows, "first", first) ||
        !TakeInteger(info.Env(), info[1], 0, kRows - *first, "count", &count))
      return false;
    *end = *first + count;
    return true;
  }

  Napi::Value Wait(const Napi::CallbackInfo& info) {
    int timeout;
    LaneCore* core = Core(info);
    if (core == nullptr || !TakeInteger(info.Env(), info[0], -1, INT32_MAX, "timeout", &timeout)) return Napi::Value();
    return Napi::Number::New(info.Env(), core->Wait(timeout));
  }

  Napi::Value ReadTun(const Napi::CallbackInfo& info) {
    uint32_t tailroom;
    LaneCore* core = Core(info);
    if (core == nullptr || !TakeInteger(info.Env(), info[0], 0, kMaxTailroom, "tailroom", &tailroom))
      return Napi::Value();
    Failure failure;
    const uint32_t rows = core->ReadTun(tailroom, &failure);
    if (rows == 0 && failure.failed()) Throw(info.Env(), failure);
    return Napi::Number::New(info.Env(), rows);
  }

  void Send(const Napi::CallbackInfo& info) {
    uint32_t first;
    uint32_t end;
    LaneCore* core = Core(info);
    if (core != nullptr && TakeRows(info, &first, &end)) core->Send(first, end);
  }

  Napi::Value Receive(const Napi::CallbackInfo& info) {
    uint32_t socket;
    LaneCore* core = Core(info);
    if (core == nullptr ||
        !TakeInteger(info.Env(), info[0], 0, static_cast<double>(core->socket_count()) - 1, "socket", &socket))
      return Napi::Value();
    return Napi::Number::New(info.Env(), core->Receive(socket));
  }

  void Deliver(const Napi::CallbackInfo& info) {
    uint32_t first;
    uint32_t end;
    LaneCore* core = Core(info);
    if (core != nullptr && TakeRows(info, &first, &end)) core->Deliver(first, end);
  }

  Napi::Value TakeError(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    LaneCore* core = Core(info);
    QueuedError error;
    if (core == nullptr || !core->TakeError(&error)) return env.Undefined();
    const uint32_t words = error.family == 4 ? 1 : 4;
    Napi::Array destination = Napi::Array::New(env, words);
    for (uint32_t i = 0; i < words; i++) destination.Set(i, error.address[i]);
    Napi::Uint8Array quoted = Napi::Uint8Array::New(env, error.quoted_length);
    memcpy(quoted.Data(), error.quoted, error.quoted_length);
    Napi::Object data = Napi::Object::New(env);
    data.Set("code", error.error == 0 ? std::string() : ErrnoName(error.error));
    data.Set("mtu", error.mtu);
    data.Set("family", error.family);
    data.Set("destination", destination);
    data.Set("port", error.port);
    data.Set("socket", error.socket);
    data.Set("quoted", quoted);
    return data;
  }

  void Close(const Napi::CallbackInfo& info) {
    core_.reset();
    held_.clear();
  }

  // The memory outlives the lane, whatever becomes of the object that named it.
  std::vector<Napi::ObjectReference> held_;
  std::unique_ptr<LaneCore> core_;
};

Napi::Object Layout(Napi::Env env) {
  Napi::Object layout = Napi::Object::New(env);
  const auto put = [&](const char* name, double value) { layout.Set(name, value); };
  put("STAGING_OFFSET", kStagingOffset);
  put("STAGING_LENGTH", kStagingLength);
  put("OUT_OFFSET", kOutOffset);
  put("OUT_LENGTH", kOutLength);
  put("HEADROOM", kHeadroom);
  put("IN_OFFSET", kInOffset);
  put("TRAINS", kTrains);
  put("TRAIN_STRIDE", kTrainStride);
  put("TRAIN_HEADROOM", kTrainHeadroom);
  put("SCRATCH_OFFSET", kScratchOffset);
  put("SCRATCH_LENGTH", kScratchLength);
  put("SLAB_LENGTH", kSlabLength);
  put("ROWS", kRows);
  put("ROW_STRIDE", Words<Row>());
  put("TRAIN_COLUMNS", Words<Train>());
  put("ENDPOINT_COLUMNS", Words<Endpoint>());
  put("IO_COUNTERS", kIoCounters);
  put("READY_TUN", kReadyTun);
  put("READY_WAKE", kReadyWake);
  put("READY_ERROR", kReadyError);
  put("READY_SOCKET", kReadySocket);
  put("Row.OFFSET", offsetof(Row, offset) / 4);
  put("Row.LENGTH", offsetof(Row, length) / 4);
  put("Row.VERDICT", offsetof(Row, verdict) / 4);
  put("Row.SLOT", offsetof(Row, slot) / 4);
  put("Row.CRYPT_OFFSET", offsetof(Row, crypt_offset) / 4);
  put("Row.CRYPT_LENGTH", offsetof(Row, crypt_length) / 4);
  put("Row.SEQ_HIGH", offsetof(Row, seq_high) / 4);
  put("Row.PREFIX_OFFSET", offsetof(Row, prefix_offset) / 4);
  put("Row.PREFIX_LENGTH", offsetof(Row, prefix_length) / 4);
  put("Row.ICV_OFFSET", offsetof(Row, icv_offset) / 4);
  put("Row.GROUP", offsetof(Row, group) / 4);
  put("Row.TOS", offsetof(Row, tos) / 4);
  put("Row.DF", offsetof(Row, df) / 4);
  put("Row.SOCKET", offsetof(Row, socket) / 4);
  put("Row.POLICY", offsetof(Row, policy) / 4);
  put("Row.SPARE", offsetof(Row, spare) / 4);
  put("Train.FAMILY", offsetof(Train, family) / 4);
  put("Train.PORT", offsetof(Train, port) / 4);
  put("Train.ADDRESS", offsetof(Train, address) / 4);
  put("Train.LOCAL_ADDRESS", offsetof(Train, local_address) / 4);
  put("Train.SOCKET", offsetof(Train, socket) / 4);
  put("Train.INTERFACE", offsetof(Train, interface) / 4);
  put("EndpointColumn.FAMILY", offsetof(Endpoint, family) / 4);
  put("EndpointColumn.PORT", offsetof(Endpoint, port) / 4);
  put("EndpointColumn.ADDRESS", offsetof(Endpoint, address) / 4);
  put("EndpointColumn.LOCAL_ADDRESS", offsetof(Endpoint, local_address) / 4);
  put("Drop.ICV_MISMATCH", kDropIcvMismatch);
  put("Drop.NO_KEY", kDropNoKey);
  put("Drop.NONCE_REUSE", kDropNonceReuse);
  put("Drop.SEND_FAILED", kDropSendFailed);
  put("Drop.TUN_WRITE_FAILED", kDropTunWriteFailed);
  put("IoCounter.TUN_READS", kTunReads);
  put("IoCounter.TUN_READ_PACKETS", kTunReadPackets);
  put("IoCounter.TUN_READ_OCTETS", kTunReadOctets);
  put("IoCounter.TUN_WRITES", kTunWrites);
  put("IoCounter.TUN_WRITE_PACKETS", kTunWritePackets);
  put("IoCounter.TUN_WRITE_OCTETS", kTunWriteOctets);
  put("IoCounter.TUN_WRITE_ERRORS", kTunWriteErrors);
  put("IoCounter.SENDS", kSends);
  put("IoCounter.SEND_PACKETS", kSendPackets);
  put("IoCounter.SEND_OCTETS", kSendOctets);
  put("IoCounter.SEND_ERRORS", kSendErrors);
  put("IoCounter.SEND_RETRIES", kSendRetries);
  put("IoCounter.RECEIVES", kReceives);
  put("IoCounter.RECEIVE_PACKETS", kReceivePackets);
  put("IoCounter.RECEIVE_OCTETS", kReceiveOctets);
  put("IoCounter.WAITS", kWaits);
  put("IoCounter.GSO_FALLBACKS", kGsoFallbacks);
  put("IoCounter.TUN_READ_BAD", kTunReadBad);
  return layout;
}

}  // namespace

void InitLane(Napi::Env env, Napi::Object exports) {
  exports.Set("Lane", Lane::Define(env));
  exports.Set("layout", Layout(env));
  exports.Set("checksumVariant", ChecksumVariant());
}

}  // namespace esplanade

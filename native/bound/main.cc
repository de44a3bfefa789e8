// esplanade-bound CONFIG.json: how fast could this gateway be without TypeScript? The addon's own parts (TUN, cutting,
// cipher, UDP trains, joining) in the loop of a lane, driven by a C++ engine in one thread. Benchmarks start it like
// `esplanade run`; it is no gateway for anything else.
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <vector>

#include "cipher.h"
#include "engine.h"
#include "lane_core.h"
#include "network.h"
#include "packet.h"
#include "pace.h"

namespace esplanade::bound {
namespace {

// As the engine asks of the port: padding, trailer and ICV.
constexpr uint32_t kTailroom = 64;
constexpr uint32_t kSocketBuffers = 8U << 20;
constexpr int kPriority = -10;

int wake = -1;

void Stop(int) {
  const uint64_t one = 1;
  if (::write(wake, &one, sizeof one) < 0) std::_Exit(1);
}

int Complain(const char* what, const char* why) {
  std::fprintf(stderr, "esplanade-bound: %s %s\n", what, why);
  return 1;
}

int Complain(const Failure& failure) { return Complain(failure.syscall, strerror(failure.error)); }

// Page-aligned and zeroed, as a SharedArrayBuffer is.
struct Memory {
  std::unique_ptr<uint8_t[]> slab{new (std::align_val_t{4096}) uint8_t[kSlabLength]()};
  std::vector<Row> out{kRows};
  std::vector<Row> in{kRows};
  std::vector<Train> trains{kTrains};
  std::vector<Endpoint> endpoints{2};
  std::vector<double> counters = std::vector<double>(kIoCounters);

  LaneMemory View() {
    return {slab.get(), out.data(), in.data(), trains.data(), endpoints.data(), 2, counters.data()};
  }
};

bool Install(const Config& config, Cipher* cipher) {
  const auto key = [&](const Keys& keys, Direction direction) {
    return KeyMaterial{config.suite.encryption,
                       config.suite.integrity,
                       {keys.encryption.data(), keys.encryption.size()},
                       {keys.integrity.data(), keys.integrity.size()},
                       config.esn,
                       direction};
  };
  return cipher->Install(Engine::kInbound, key(config.inbound, Direction::kOpen)) &&
         cipher->Install(Engine::kOutbound, key(config.outbound, Direction::kSeal));
}

// Until somebody wakes it: one wait, one batch for each ready bit.
Failure Run(LaneCore* core, const LaneMemory& memory, Cipher* cipher, Engine* engine) {
  for (;;) {
    const int32_t ready = core->Wait(-1);
    if ((ready & kReadyWake) != 0) return Failure::None();
    if ((ready & kReadyError) != 0) {
      QueuedError error;
      core->TakeError(&error);
    }
    if ((ready & kReadyTun) != 0) {
      Failure failure;
      const uint32_t count = core->ReadTun(kTailroom, &failure);
      if (count == 0 && failure.failed()) return failure;
      engine->Encapsulate(count);
      cipher->Seal(memory.out, count);
      core->Send(0, count);
      engine->CountDrops(memory.out, count);
    }
    if ((ready & kReadySocket) != 0) {
      const uint32_t count = core->Receive(0);
      engine->Identify(count);
      cipher->Open(memory.in, count);
      engine->Decapsulate(count);
      core->Deliver(0, count);
      engine->CountDrops(memory.in, count);
    }
  }
}

void Report(const Engine& engine) {
  const auto line = [](const char* name, const Counters& counters) {
    std::printf("%s: %llu packets, %llu octets\n", name, static_cast<unsigned long long>(counters.packets),
                static_cast<unsigned long long>(counters.octets));
  };
  line("out", engine.outbound());
  line("in", engine.inbound());
  for (uint32_t i = 0; i < Engine::kDropReasons; i++)
    if (engine.drops()[i] != 0)
      std::printf("dropped for reason -%u: %llu\n", i, static_cast<unsigned long long>(engine.drops()[i]));
}

// As a lane does (src/lane.ts); without the right to it goes with the others.
void AskForPriority() {
  Pace::Ask();
  ::setpriority(PRIO_PROCESS, 0, kPriority);
}

int Main(const char* path) {
  Config config;
  const std::string complaint = ReadConfig(path, &config);
  if (!complaint.empty()) return Complain(path, complaint.c_str());
  TunOptions tun_options;
  tun_options.name = config.tun_name;
  TunDevice tun;
  Failure failure = OpenTun(tun_options, &tun);
  if (failure.failed()) return Complain(failure);
  SocketOptions socket_options;
  Write32(socket_options.address, config.local);
  socket_options.port = config.local_port;
  socket_options.mark = kSocketMark;
  socket_options.buffers = kSocketBuffers;
  OpenedSocket socket;
  failure = OpenUdp(socket_options, &socket);
  if (failure.failed()) return Complain(failure);
  wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  std::signal(SIGTERM, Stop);
  std::signal(SIGINT, Stop);

  Memory memory;
  const LaneMemory view = memory.View();
  Cipher cipher(view.slab, kSlabLength, 2, config.openssl_only ? Libraries::kOpenSslOnly : Libraries::kAll);
  if (!Install(config, &cipher)) return Complain(path, "has keys the cipher does not take");
  AskForPriority();
  LaneOptions options;
  options.gro = socket.gro;
  options.uso = (tun.offloads & kOffloadUso4) != 0 && (tun.offloads & kOffloadUso6) != 0;
  LaneCore core(view, tun.queues[0].get(), {{socket.fd.get(), SocketKind::kUdp4, 0}}, wake, options);
  failure = core.Open();
  if (failure.failed()) return Complain(failure);
  auto engine = std::make_unique<Engine>(config, view);
  if (!UpNetwork(config, tun.name)) return Complain("ip", "could not set up the network");
  std::printf("ready: %s mtu %u, %s\n", tun.name.c_str(), config.mtu, cipher.implementation(Engine::kOutbound));
  std::fflush(stdout);
  failure = Run(&core, view, &cipher, engine.get());
  Report(*engine);
  DownNetwork(config, tun.name);
  return failure.failed() ? Complain(failure) : 0;
}

}  // namespace
}  // namespace esplanade::bound

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: esplanade-bound CONFIG.json\n");
    return 2;
  }
  return esplanade::bound::Main(arguments[1]);
}

#include "tun.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace esplanade {
namespace {

// A batch ends here: enough to fill a few GSO sends, few enough that the first packet does not wait for the last.
constexpr uint32_t kReadPackets = 256;

// From all to none; a kernel before 6.2 knows no USO, and TSO needs checksum offload.
constexpr uint32_t kOffloadLadder[] = {
    kOffloadChecksum | kOffloadTso4 | kOffloadTso6 | kOffloadTsoEcn | kOffloadUso4 | kOffloadUso6,
    kOffloadChecksum | kOffloadTso4 | kOffloadTso6 | kOffloadTsoEcn,
    kOffloadChecksum | kOffloadTso4 | kOffloadTso6,
    kOffloadChecksum | kOffloadTso4,
    kOffloadChecksum,
    0,
};

Failure OpenQueue(const TunOptions& options, bool virtio, std::string* name, UniqueFd* queue) {
  UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) return Failure::Last("open /dev/net/tun");
  ifreq request{};
  if (name->size() >= sizeof request.ifr_name) return Failure{ENAMETOOLONG, "TUNSETIFF"};
  memcpy(request.ifr_name, name->data(), name->size());
  int flags = IFF_TUN | IFF_NO_PI;
  if (virtio) flags |= IFF_VNET_HDR;
  if (options.queues > 1) flags |= IFF_MULTI_QUEUE;
  request.ifr_flags = static_cast<int16_t>(flags);
  if (ioctl(fd.get(), TUNSETIFF, &request) != 0) return Failure::Last("TUNSETIFF");
  request.ifr_name[sizeof request.ifr_name - 1] = '\0';
  *name = request.ifr_name;
  if (virtio) {
    int size = sizeof(VirtioHeader);
    if (ioctl(fd.get(), TUNSETVNETHDRSZ, &size) != 0) return Failure::Last("TUNSETVNETHDRSZ");
  }
  *queue = std::move(fd);
  return Failure::None();
}

uint32_t EnableOffloads(int fd, uint32_t allowed) {
  for (uint32_t step : kOffloadLadder) {
    const uint32_t wanted = step & allowed;
    if (ioctl(fd, TUNSETOFFLOAD, static_cast<unsigned long>(wanted)) == 0) return wanted;
  }
  return 0;
}

}  // namespace

Failure OpenTun(const TunOptions& options, TunDevice* device) {
  TunDevice opened;
  opened.name = options.name;
  opened.virtio = options.virtio;
  for (uint32_t i = 0; i < options.queues; i++) {
    UniqueFd queue;
    const Failure failure = OpenQueue(options, opened.virtio, &opened.name, &queue);
    if (failure.failed()) return failure;
    opened.queues.push_back(std::move(queue));
  }
  if (opened.virtio) opened.offloads = EnableOffloads(opened.queues[0].get(), options.offloads);
  if (ioctl(opened.queues[0].get(), TUNSETPERSIST, options.persist ? 1UL : 0UL) != 0)
    return Failure::Last("TUNSETPERSIST");
  *device = std::move(opened);
  return Failure::None();
}

bool TunReader::CutStaged(uint32_t length, int32_t group) {
  const uint8_t* staged = memory_.slab + kStagingOffset;
  VirtioHeader header{};
  uint32_t header_length = 0;
  if (virtio_) {
    header_length = sizeof header;
    if (length < header_length) {
      memory_.Count(kTunReadBad);
      return true;
    }
    memcpy(&header, staged, header_length);
  }
  CutResult result = Cut(staged + header_length, length - header_length, header, group, &slots_);
  if (result == CutResult::kFull && slots_.count() > 0) {
    held_ = length;
    return false;
  }
  if (result != CutResult::kDone) memory_.Count(kTunReadBad);
  return true;
}

uint32_t TunReader::Read(uint32_t tailroom, Failure* failure) {
  slots_.Begin(tailroom);
  int32_t group = 0;
  if (held_ > 0) {
    const uint32_t length = held_;
    held_ = 0;
    CutStaged(length, group++);
  }
  while (slots_.count() < kReadPackets) {
    const ssize_t length = ::read(fd_, memory_.slab + kStagingOffset, kStagingLength);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno != EAGAIN) *failure = Failure::Last("read TUN");
    if (length <= 0) break;
    memory_.Count(kTunReads);
    memory_.Count(kTunReadOctets, static_cast<double>(length) - (virtio_ ? sizeof(VirtioHeader) : 0));
    if (!CutStaged(static_cast<uint32_t>(length), group++)) break;
  }
  memory_.Count(kTunReadPackets, slots_.count());
  return slots_.count();
}

}  // namespace esplanade

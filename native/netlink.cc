#include "netlink.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "arguments.h"
#include "descriptor.h"

namespace esplanade {
namespace {

// The kernel cuts dumps to the buffer it is offered, up to 32 KiB; a single answer is never larger.
constexpr size_t kAnswer = 64 * 1024;
constexpr size_t kAllAnswers = 64 * 1024 * 1024;

// True when the messages of one datagram end the exchange.
bool IsLast(const uint8_t* octets, size_t length) {
  size_t at = 0;
  while (at + sizeof(nlmsghdr) <= length) {
    nlmsghdr header;
    memcpy(&header, octets + at, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > length - at) return true;
    if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE) return true;
    at += NLMSG_ALIGN(header.nlmsg_len);
  }
  return false;
}

Failure Exchange(const uint8_t* request, size_t length, std::vector<uint8_t>* answers) {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return Failure::Last("netlink");
  const int on = 1;
  // Both are for better answers: the kernel's own words, and no echo of the request.
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  // The kernel answers while we send; this only keeps a fault of ours from waiting for ever.
  const timeval timeout{5, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(fd.get(), request, length, 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel) < 0)
    return Failure::Last("netlink");
  std::vector<uint8_t> buffer(kAnswer);
  for (;;) {
    const ssize_t received = ::recv(fd.get(), buffer.data(), buffer.size(), MSG_TRUNC);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return Failure::Last("netlink");
    const size_t count = static_cast<size_t>(received);
    if (count > buffer.size() || answers->size() + count > kAllAnswers) return Failure{EMSGSIZE, "netlink"};
    answers->insert(answers->end(), buffer.begin(), buffer.begin() + received);
    if (count == 0 || IsLast(buffer.data(), count)) return Failure::None();
  }
}

Napi::Value Netlink(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  uint8_t* request;
  size_t length;
  if (!TakeArray(env, info[0], napi_uint8_array, "request", &request, &length)) return Napi::Value();
  nlmsghdr header{};
  if (length >= sizeof header) memcpy(&header, request, sizeof header);
  // An acknowledgment or the end of a dump ends the exchange: a request without either would wait for nothing.
  if (header.nlmsg_len != length || (header.nlmsg_flags & (NLM_F_ACK | NLM_F_DUMP)) == 0) {
    Complain(env, "request is no netlink message that is answered");
    return Napi::Value();
  }
  std::vector<uint8_t> answers;
  const Failure failure = Exchange(request, length, &answers);
  if (failure.failed()) return FailureToData(env, failure);
  Napi::Uint8Array data = Napi::Uint8Array::New(env, answers.size());
  memcpy(data.Data(), answers.data(), answers.size());
  return data;
}

}  // namespace

void InitNetlink(Napi::Env env, Napi::Object exports) {
  exports.Set("netlink", Napi::Function::New(env, Netlink, "netlink"));
}

}  // namespace esplanade

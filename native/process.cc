#include "process.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "arguments.h"
#include "descriptor.h"
#include "pace.h"

namespace esplanade {
namespace {

constexpr size_t kMaxAccount = 1 << 20;
constexpr int kMaxGroups = 65536;
constexpr double kMaxId = 4294967294.0;
// Linux has 41 capabilities, and room for 64.
constexpr int kCapabilities = 64;
// getrlimit(2): 20 - nice.
constexpr rlim_t kNice = 30;
constexpr rlim_t kRealtime = 1;

Napi::Value HideMemory(const Napi::CallbackInfo& info) {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return FailureToData(info.Env(), Failure::Last("setrlimit"));
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return FailureToData(info.Env(), Failure::Last("prctl"));
  return info.Env().Undefined();
}

Napi::Value SendNotice(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::string path;
  std::string text;
  if (!TakeText(env, info[0], "path", &path) || !TakeText(env, info[1], "text", &text)) return Napi::Value();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // A path ends with a zero, an abstract name begins with one (unix(7)).
  const bool abstract = !path.empty() && path[0] == '@';
  if (path.empty() || path.size() + (abstract ? 0 : 1) > sizeof address.sun_path)
    return FailureToData(env, Failure{ENAMETOOLONG, "sendto"});
  memcpy(address.sun_path, path.data(), path.size());
  if (abstract) address.sun_path[0] = '\0';
  const size_t length = offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return FailureToData(env, Failure::Last("socket"));
  const ssize_t sent = ::sendto(fd.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                                reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(length));
  if (sent < 0) return FailureToData(env, Failure::Last("sendto"));
  return env.Undefined();
}

Napi::Value PreferThread(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), Pace::Ask()); }

Napi::Value FindAccount(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::string name;
  if (!TakeText(env, info[0], "name", &name)) return Napi::Value();
  passwd account{};
  passwd* found = nullptr;
  std::vector<char> texts(4096);
  int error;
  while ((error = ::getpwnam_r(name.c_str(), &account, texts.data(), texts.size(), &found)) == ERANGE &&
         texts.size() < kMaxAccount)
    texts.resize(2 * texts.size());
  if (error != 0) return FailureToData(env, Failure{error, "getpwnam"});
  if (found == nullptr) return env.Undefined();
  std::vector<gid_t> groups(64);
  int count = static_cast<int>(groups.size());
  while (::getgrouplist(account.pw_name, account.pw_gid, groups.data(), &count) < 0) {
    if (count > kMaxGroups) return FailureToData(env, Failure{E2BIG, "getgrouplist"});
    groups.resize(static_cast<size_t>(count));
  }
  Napi::Uint32Array list = Napi::Uint32Array::New(env, static_cast<size_t>(count));
  for (int i = 0; i < count; i++) list[static_cast<size_t>(i)] = groups[static_cast<size_t>(i)];
  Napi::Object data = Napi::Object::New(env);
  data.Set("uid", static_cast<double>(account.pw_uid));
  data.Set("gid", static_cast<double>(account.pw_gid));
  data.Set("groups", list);
  return data;
}

bool TakeTexts(Napi::Env env, const Napi::Value& value, const char* what, std::vector<std::string>* texts) {
  if (value.IsEmpty() || !value.IsArray()) return Complain(env, std::string(what) + " is no array");
  const Napi::Array array = value.As<Napi::Array>();
  texts->resize(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++)
    if (!TakeText(env, array.Get(i).UnwrapOr(Napi::Value()), what, &(*texts)[i])) return false;
  return true;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// The rights of this thread become those of another user and `wanted`, and what it executes has them too (capabilities(7),
// "Ambient").
Failure Become(uid_t uid, gid_t gid, const std::vector<gid_t>& groups, uint64_t wanted) {
  // Lanes may still go before other processes (native/pace.h), or up to nice -10; where it is refused they go with them.
  const rlimit nice{kNice, kNice};
  ::setrlimit(RLIMIT_NICE, &nice);
  const rlimit realtime{kRealtime, kRealtime};
  ::setrlimit(RLIMIT_RTPRIO, &realtime);
  for (int one = 0; one < kCapabilities; one++)
    if ((wanted >> one & 1) == 0 && ::prctl(PR_CAPBSET_READ, one, 0, 0, 0) == 1 &&
        ::prctl(PR_CAPBSET_DROP, one, 0, 0, 0) != 0)
      return Failure::Last("PR_CAPBSET_DROP");
  // What only root may leave as it is must not be left to chance: groups first, then the user.
  if (::setgroups(groups.size(), groups.data()) != 0) return Failure::Last("setgroups");
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return Failure::Last("PR_SET_KEEPCAPS");
  if (::setresgid(gid, gid, gid) != 0) return Failure::Last("setresgid");
  if (::setresuid(uid, uid, uid) != 0) return Failure::Last("setresuid");
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
  for (int half = 0; half < _LINUX_CAPABILITY_U32S_3; half++) {
    const uint32_t part = static_cast<uint32_t>(wanted >> (32 * half));
    sets[half] = {part, part, part};
  }
  if (::syscall(SYS_capset, &header, sets) != 0) return Failure::Last("capset");
  for (int one = 0; one < kCapabilities; one++)
    if ((wanted >> one & 1) != 0 && ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, one, 0, 0) != 0)
      return Failure::Last("PR_CAP_AMBIENT_RAISE");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Failure::Last("PR_SET_NO_NEW_PRIVS");
  return Failure::None();
}

Napi::Value BecomeUser(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  uid_t uid;
  gid_t gid;
  uint32_t* given = nullptr;
  uint32_t* wanted = nullptr;
  size_t given_count;
  size_t wanted_count;
  std::string program;
  std::vector<std::string> words;
  std::vector<std::string> variables;
  if (!TakeInteger(env, info[0], 1, kMaxId, "uid", &uid) || !TakeInteger(env, info[1], 0, kMaxId, "gid", &gid) ||
      !TakeArray(env, info[2], napi_uint32_array, "groups", &given, &given_count) ||
      !TakeArray(env, info[3], napi_uint32_array, "capabilities", &wanted, &wanted_count) ||
      !TakeText(env, info[4], "program", &program) || !TakeTexts(env, info[5], "arguments", &words) ||
      !TakeTexts(env, info[6], "environment", &variables))
    return Napi::Value();
  uint64_t capabilities = 0;
  for (size_t i = 0; i < wanted_count; i++) {
    if (wanted[i] >= kCapabilities) return Complain(env, "there is no such capability"), Napi::Value();
    capabilities |= uint64_t{1} << wanted[i];
  }
  const Failure failure = Become(uid, gid, std::vector<gid_t>(given, given + given_count), capabilities);
  if (failure.failed()) return FailureToData(env, failure);
  std::vector<char*> arguments = Pointers(words);
  std::vector<char*> environment = Pointers(variables);
  // Node keeps all descriptors from programs it executes, its standard streams too.
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
    const int flags = ::fcntl(stream, F_GETFD);
    if (flags >= 0) ::fcntl(stream, F_SETFD, flags & ~FD_CLOEXEC);
  }
  ::execve(program.c_str(), arguments.data(), environment.data());
  return FailureToData(env, Failure::Last("execve"));
}

}  // namespace

void InitProcess(Napi::Env env, Napi::Object exports) {
  exports.Set("hideMemory", Napi::Function::New(env, HideMemory, "hideMemory"));
  exports.Set("preferThread", Napi::Function::New(env, PreferThread, "preferThread"));
  exports.Set("sendNotice", Napi::Function::New(env, SendNotice, "sendNotice"));
  exports.Set("findAccount", Napi::Function::New(env, FindAccount, "findAccount"));
  exports.Set("becomeUser", Napi::Function::New(env, BecomeUser, "becomeUser"));
}

}  // namespace esplanade

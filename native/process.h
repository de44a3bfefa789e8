#pragma once
#include <napi.h>

namespace esplanade {

// Exports
//   hideMemory() → undefined | { code, syscall }: no core dump and no other process of the same user shows what this
//     process holds (prctl(2) PR_SET_DUMPABLE, setrlimit(2) RLIMIT_CORE).
//   preferThread() → boolean: whether this thread goes before others from now on (pace.h).
//   sendNotice(path, text) → undefined | { code, syscall }: one datagram to a unix socket, "@…" in the abstract namespace,
//     as sd_notify(3) does it. Does not wait.
//   findAccount(name) → { uid, gid, groups } | undefined | { code, syscall }: getpwnam(3), getgrouplist(3).
//   becomeUser(uid, gid, groups, capabilities, program, arguments, environment) → { code, syscall }, or never: this process
//     begins anew as another user with these capabilities and no way to others. Done by execve(2), as rights belong to
//     threads: those that run already would keep theirs. After a failure the rights may be gone in part.
void InitProcess(Napi::Env env, Napi::Object exports);

}  // namespace esplanade

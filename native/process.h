#pragma once
#include <napi.h>

namespace esplanade {

// Exports `hideMemory() → undefined | { code, syscall }`: no core dump and no other process of the same user shows what
// this process holds (prctl(2) PR_SET_DUMPABLE, setrlimit(2) RLIMIT_CORE).
void InitProcess(Napi::Env env, Napi::Object exports);

}  // namespace esplanade

#pragma once
#include <napi.h>

namespace esplanade {

// Exports openTun, openUdp, openRaw, openEvent, signalEvent, adoptDescriptor, closeOnExec, openMemoryFile, sealMemory, socketPair
// and the namespace functions; each returns Descriptors or { code, syscall }.
void InitOpening(Napi::Env env, Napi::Object exports);

}  // namespace esplanade

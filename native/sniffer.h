#pragma once
#include <napi.h>

namespace esplanade {

// Exports `Sniffer`: counts what passes an interface and a classic BPF filter.
void InitSniffer(Napi::Env env, Napi::Object exports);

}  // namespace esplanade

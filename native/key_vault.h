#pragma once
#include <napi.h>

namespace esplanade {

// Exports class `KeyVault`: copies of SAs' keys, by slot, in key memory.
void InitKeyVault(Napi::Env env, Napi::Object exports);

}  // namespace esplanade

#pragma once
#include <napi.h>

namespace esplanade {

// Exports `modpPower`, `curvePublic` and `curveSecret`.
void InitKeyExchange(Napi::Env env, Napi::Object exports);

}  // namespace esplanade

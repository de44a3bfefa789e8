#pragma once
#include <napi.h>

namespace esplanade {

// Exports the class `Cipher`.
void InitCipher(Napi::Env env, Napi::Object exports);

}  // namespace esplanade

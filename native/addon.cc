// The addon's export list, nothing else.
#include <napi.h>

#include "cipher_binding.h"

namespace esplanade {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  InitCipher(env, exports);
  return exports;
}

NODE_API_MODULE(esplanade, Init)

}  // namespace esplanade

// The addon's export list, nothing else.
#include <napi.h>

#include "cipher_binding.h"
#include "lane.h"
#include "opening.h"

namespace esplanade {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  InitCipher(env, exports);
  InitLane(env, exports);
  InitOpening(env, exports);
  return exports;
}

NODE_API_MODULE(esplanade, Init)

}  // namespace esplanade

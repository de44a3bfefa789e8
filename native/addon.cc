// The addon's export list, nothing else.
#include <napi.h>

namespace esplanade {

Napi::Object Init(Napi::Env env, Napi::Object exports) { return exports; }

NODE_API_MODULE(esplanade, Init)

}  // namespace esplanade

#pragma once
#include <napi.h>

namespace esplanade {

// Exports `Poller`: readiness of a descriptor on the environment's own event loop.
void InitPoller(Napi::Env env, Napi::Object exports);

}  // namespace esplanade

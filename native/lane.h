#pragma once
#include <napi.h>

namespace esplanade {

// Exports `Lane` (LanePort of src/core/ports.ts), `layout` and `checksumVariant`.
void InitLane(Napi::Env env, Napi::Object exports);

}  // namespace esplanade

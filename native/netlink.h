#pragma once
#include <napi.h>

namespace esplanade {

// Exports `netlink(request) → Uint8Array | { code, syscall }`: one rtnetlink request and all that answers it.
// Messages are made and read in src/io/netlink-message.ts.
void InitNetlink(Napi::Env env, Napi::Object exports);

}  // namespace esplanade

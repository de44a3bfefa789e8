// The addon's export list, nothing else.
#include <napi.h>

#include "cipher_binding.h"
#include "datagram.h"
#include "key_exchange_binding.h"
#include "key_vault.h"
#include "lane.h"
#include "netlink.h"
#include "opening.h"
#include "poller.h"
#include "process.h"
#include "sniffer.h"

namespace esplanade {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  InitCipher(env, exports);
  InitDatagram(env, exports);
  InitKeyExchange(env, exports);
  InitKeyVault(env, exports);
  InitLane(env, exports);
  InitNetlink(env, exports);
  InitOpening(env, exports);
  InitPoller(env, exports);
  InitProcess(env, exports);
  InitSniffer(env, exports);
  return exports;
}

NODE_API_MODULE(esplanade, Init)

}  // namespace esplanade

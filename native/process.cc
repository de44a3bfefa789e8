#include "process.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include "arguments.h"

namespace esplanade {
namespace {

Napi::Value HideMemory(const Napi::CallbackInfo& info) {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return FailureToData(info.Env(), Failure::Last("setrlimit"));
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return FailureToData(info.Env(), Failure::Last("prctl"));
  return info.Env().Undefined();
}

}  // namespace

void InitProcess(Napi::Env env, Napi::Object exports) {
  exports.Set("hideMemory", Napi::Function::New(env, HideMemory, "hideMemory"));
}

}  // namespace esplanade

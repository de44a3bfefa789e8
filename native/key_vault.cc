// Keys of SAs for whoever takes them over: a cipher's own are schedules that cannot be turned back.
#include "key_vault.h"

#include <cstring>
#include <unordered_map>

#include "arguments.h"
#include "key_memory.h"

namespace esplanade {
namespace {

constexpr napi_type_tag kVaultTag = {0x4b65795661756c74ULL, 0x9d1c5e2ab7f04386ULL};
// The longest are HMAC-SHA2-512's.
constexpr size_t kLongestKey = 64;

struct StoredKey {
  uint8_t octets[2][kLongestKey];
  uint8_t length[2];
};

class KeyVault : public Napi::ObjectWrap<KeyVault> {
 public:
  explicit KeyVault(const Napi::CallbackInfo& info) : Napi::ObjectWrap<KeyVault>(info) {
    Mark(info.Env(), info.This().As<Napi::Object>(), kVaultTag);
  }

  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "KeyVault",
                       {InstanceMethod<&KeyVault::Put>("put"), InstanceMethod<&KeyVault::Read>("read"),
                        InstanceMethod<&KeyVault::Remove>("remove")});
  }

 private:
  bool Take(const Napi::CallbackInfo& info, uint32_t* slot) {
    return (IsMarked(info.Env(), info.This(), kVaultTag) || Complain(info.Env(), "not a KeyVault")) &&
           TakeInteger(info.Env(), info[0], 0, INT32_MAX, "slot", slot);
  }

  // put(slot, encryptionKey, integrityKey): boolean. False: longer than any key, or no memory.
  Napi::Value Put(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    uint32_t slot;
    if (!Take(info, &slot)) return Napi::Value();
    keys_.erase(slot);
    Secret<StoredKey> key = MakeSecret<StoredKey>(memory_);
    if (key == nullptr) return Napi::Boolean::New(env, false);
    for (size_t i = 0; i < 2; i++) {
      uint8_t* octets;
      size_t length;
      if (!TakeArray(env, info[i + 1], napi_uint8_array, "key", &octets, &length)) return Napi::Value();
      if (length > kLongestKey) return Napi::Boolean::New(env, false);
      if (length != 0) memcpy(key->octets[i], octets, length);
      key->length[i] = static_cast<uint8_t>(length);
    }
    keys_.emplace(slot, std::move(key));
    return Napi::Boolean::New(env, true);
  }

  // read(slot, encryptionKey, integrityKey): boolean. Fills both; false: unknown, or of other lengths.
  Napi::Value Read(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    uint32_t slot;
    if (!Take(info, &slot)) return Napi::Value();
    const auto found = keys_.find(slot);
    if (found == keys_.end()) return Napi::Boolean::New(env, false);
    for (size_t i = 0; i < 2; i++) {
      uint8_t* octets;
      size_t length;
      if (!TakeArray(env, info[i + 1], napi_uint8_array, "key", &octets, &length)) return Napi::Value();
      if (length != found->second->length[i]) return Napi::Boolean::New(env, false);
      if (length != 0) memcpy(octets, found->second->octets[i], length);
    }
    return Napi::Boolean::New(env, true);
  }

  void Remove(const Napi::CallbackInfo& info) {
    uint32_t slot;
    if (Take(info, &slot)) keys_.erase(slot);
  }

  // Before what lies in it: it goes last.
  KeyMemory memory_;
  std::unordered_map<uint32_t, Secret<StoredKey>> keys_;
};

}  // namespace

void InitKeyVault(Napi::Env env, Napi::Object exports) { exports.Set("KeyVault", KeyVault::Define(env)); }

}  // namespace esplanade

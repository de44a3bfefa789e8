// Class `Cipher` for JavaScript: a lane's cipher over its slab, and single calls by the same implementations.
// Arguments are checked by src/io/native-cipher.ts; what slips through fails here without touching memory.
#include "cipher_binding.h"

#include <cstring>
#include <string>

#include "cipher.h"

namespace esplanade {
namespace {

// Octets of a Uint8Array argument; empty for anything else.
Span OctetsOf(const Napi::Value& value) {
  if (!value.IsTypedArray()) return {nullptr, 0};
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array)
    return {nullptr, 0};
  return {static_cast<const uint8_t*>(data), length};
}

int32_t IntOf(const Napi::Value& value) {
  int32_t number = 0;
  napi_get_value_int32(value.Env(), value, &number);
  return number;
}

bool BoolOf(const Napi::Value& value) {
  bool boolean = false;
  napi_get_value_bool(value.Env(), value, &boolean);
  return boolean;
}

Napi::Value NewOctets(Napi::Env env, const uint8_t* data, size_t length) {
  Napi::Uint8Array octets = Napi::Uint8Array::New(env, length);
  if (length != 0) memcpy(octets.Data(), data, length);
  return octets;
}

Napi::Value Text(Napi::Env env, const char* text) {
  return text == nullptr ? env.Undefined() : Napi::Value(Napi::String::New(env, text));
}

class CipherObject : public Napi::ObjectWrap<CipherObject> {
 public:
  static void Init(Napi::Env env, Napi::Object exports) {
    exports.Set("Cipher", DefineClass(env, "Cipher",
                                      {
                                          InstanceMethod<&CipherObject::Install>("install"),
                                          InstanceMethod<&CipherObject::Remove>("remove"),
                                          InstanceMethod<&CipherObject::Batch<Direction::kSeal>>("seal"),
                                          InstanceMethod<&CipherObject::Batch<Direction::kOpen>>("open"),
                                          InstanceMethod<&CipherObject::Implementation>("implementation"),
                                          InstanceMethod<&CipherObject::Memory>("memory"),
                                          InstanceMethod<&CipherObject::Destroy>("destroy"),
                                          InstanceMethod<&CipherObject::AeadSeal>("aeadSeal"),
                                          InstanceMethod<&CipherObject::AeadOpen>("aeadOpen"),
                                          InstanceMethod<&CipherObject::Mac>("mac"),
                                          InstanceMethod<&CipherObject::Block>("block"),
                                      }));
  }

  // new Cipher(slab: Uint8Array over a SharedArrayBuffer, capacity, libraries: 0 OpenSSL alone, 1 ipsec-mb too, 2 all)
  explicit CipherObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CipherObject>(info) {
    const Napi::Env env = info.Env();
    napi_typedarray_type type;
    size_t length = 0;
    void* data = nullptr;
    napi_value buffer = nullptr;
    bool detachable = true;
    if (napi_get_typedarray_info(env, info[0], &type, &length, &data, &buffer, nullptr) != napi_ok ||
        type != napi_uint8_array || napi_is_arraybuffer(env, buffer, &detachable) != napi_ok || detachable) {
      Napi::TypeError::New(env, "slab must be a Uint8Array over a SharedArrayBuffer").ThrowAsJavaScriptException();
      return;
    }
    slab_ = Napi::Reference<Napi::Value>::New(info[0], 1);
    const int32_t libraries = IntOf(info[2]);
    const Libraries use = libraries == 0   ? Libraries::kOpenSslOnly
                          : libraries == 1 ? Libraries::kWithoutVaes
                                           : Libraries::kAll;
    cipher_ = std::make_unique<Cipher>(static_cast<uint8_t*>(data), length,
                                       static_cast<size_t>(IntOf(info[1]) < 0 ? 0 : IntOf(info[1])), use);
  }

 private:
  // install(slot, encryption, integrity, encryptionKey, integrityKey, esn, seal): boolean
  Napi::Value Install(const Napi::CallbackInfo& info) {
    const KeyMaterial material = {IntOf(info[1]),
                                  IntOf(info[2]),
                                  OctetsOf(info[3]),
                                  OctetsOf(info[4]),
                                  BoolOf(info[5]),
                                  BoolOf(info[6]) ? Direction::kSeal : Direction::kOpen};
    const bool done = cipher_ != nullptr && cipher_->Install(static_cast<uint32_t>(IntOf(info[0])), material);
    return Napi::Boolean::New(info.Env(), done);
  }

  Napi::Value Remove(const Napi::CallbackInfo& info) {
    if (cipher_ != nullptr) cipher_->Remove(static_cast<uint32_t>(IntOf(info[0])));
    return info.Env().Undefined();
  }

  // seal(rows: Int32Array, count)
  template <Direction kDirection>
  Napi::Value Batch(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    napi_typedarray_type type;
    size_t length = 0;
    void* data = nullptr;
    if (napi_get_typedarray_info(env, info[0], &type, &length, &data, nullptr, nullptr) != napi_ok ||
        type != napi_int32_array)
      return env.Undefined();
    const size_t rows = length / (sizeof(Row) / sizeof(int32_t));
    const int32_t wanted = IntOf(info[1]);
    const size_t count = wanted < 0 ? 0 : static_cast<size_t>(wanted) < rows ? static_cast<size_t>(wanted) : rows;
    Row* table = static_cast<Row*>(data);
    if (cipher_ == nullptr) {
      for (size_t i = 0; i < count; i++) {
        if (table[i].verdict == 0) table[i].verdict = kDropNoKey;
      }
    } else if (kDirection == Direction::kSeal) {
      cipher_->Seal(table, count);
    } else {
      cipher_->Open(table, count);
    }
    return env.Undefined();
  }

  Napi::Value Implementation(const Napi::CallbackInfo& info) {
    return Text(info.Env(),
                cipher_ == nullptr ? nullptr : cipher_->implementation(static_cast<uint32_t>(IntOf(info[0]))));
  }

  Napi::Value Memory(const Napi::CallbackInfo& info) {
    Napi::Object memory = Napi::Object::New(info.Env());
    if (cipher_ != nullptr) {
      memory.Set("octets", static_cast<double>(cipher_->memory().octets()));
      memory.Set("lockedOctets", static_cast<double>(cipher_->memory().locked_octets()));
      memory.Set("ipsecMb", cipher_->has_ipsec_mb() ? Text(info.Env(), IpsecMb::Name()) : info.Env().Undefined());
      memory.Set("vaes", cipher_->has_vaes() ? Text(info.Env(), VaesGcm::Name()) : info.Env().Undefined());
      memory.Set("openssl", OpenSslName());
    }
    return memory;
  }

  // Wipes all keys; the object then refuses everything. Twice is once.
  Napi::Value Destroy(const Napi::CallbackInfo& info) {
    cipher_ = nullptr;
    slab_.Reset();
    return info.Env().Undefined();
  }

  // aeadSeal(encryption, key, nonce, aad, plaintext): ciphertext and tag, or undefined
  Napi::Value AeadSeal(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const int32_t encryption = IntOf(info[0]);
    const Span nonce = OctetsOf(info[2]);
    const Span plain = OctetsOf(info[4]);
    if (cipher_ == nullptr || AeadTagLength(encryption) == 0 || nonce.length != SaltLength(encryption) + 8)
      return env.Undefined();
    CipherLibraries libraries = cipher_->libraries();
    const Secret<Aead> aead = esplanade::MakeAead(libraries, encryption, OctetsOf(info[1]), Direction::kSeal);
    if (aead == nullptr) return env.Undefined();
    std::vector<uint8_t> out(plain.length + AeadTagLength(encryption));
    if (plain.length != 0) memcpy(out.data(), plain.data, plain.length);
    if (!aead->Seal(nonce.data, OctetsOf(info[3]), out.data(), plain.length, out.data() + plain.length))
      return env.Undefined();
    return NewOctets(env, out.data(), out.size());
  }

  // aeadOpen(encryption, key, nonce, aad, ciphertext and tag): plaintext, or undefined
  Napi::Value AeadOpen(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const int32_t encryption = IntOf(info[0]);
    const Span nonce = OctetsOf(info[2]);
    const Span sealed = OctetsOf(info[4]);
    const size_t tag_length = AeadTagLength(encryption);
    if (cipher_ == nullptr || tag_length == 0 || sealed.length < tag_length ||
        nonce.length != SaltLength(encryption) + 8)
      return env.Undefined();
    CipherLibraries libraries = cipher_->libraries();
    const Secret<Aead> aead = esplanade::MakeAead(libraries, encryption, OctetsOf(info[1]), Direction::kOpen);
    if (aead == nullptr) return env.Undefined();
    const size_t length = sealed.length - tag_length;
    std::vector<uint8_t> out(sealed.data, sealed.data + sealed.length);
    if (!aead->Open(nonce.data, OctetsOf(info[3]), out.data(), length, sealed.data + length)) return env.Undefined();
    return NewOctets(env, out.data(), length);
  }

  // mac(integrity, key, nonce (GMAC: 12 octets, else empty), data): the whole tag, or undefined
  Napi::Value Mac(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const int32_t integrity = IntOf(info[0]);
    const Span nonce = OctetsOf(info[2]);
    const bool gmac = integrity >= kAes128Gmac && integrity <= kAes256Gmac;
    if (cipher_ == nullptr || nonce.length != (gmac ? 12 : 0)) return env.Undefined();
    CipherLibraries libraries = cipher_->libraries();
    const Secret<esplanade::Mac> mac = MakeMac(libraries, integrity, OctetsOf(info[1]));
    const Span data = OctetsOf(info[3]);
    uint8_t tag[kLongestTag];
    if (mac == nullptr || !mac->Compute(nonce.data, &data, 1, tag)) return env.Undefined();
    return NewOctets(env, tag, mac->tag_length());
  }

  // block(encryption, key, iv, data, encrypt): CBC or CTR over whole blocks, without padding; or undefined
  Napi::Value Block(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const int32_t encryption = IntOf(info[0]);
    const Span iv = OctetsOf(info[2]);
    const Span data = OctetsOf(info[3]);
    const bool aes = encryption == kAesCbc || encryption == kAesCtr;
    const bool des = encryption == kTripleDes || encryption == kDes;
    const size_t block = aes ? 16 : 8;
    if (cipher_ == nullptr || (!aes && !des) || iv.length != block ||
        (encryption != kAesCtr && data.length % block != 0))
      return env.Undefined();
    CipherLibraries libraries = cipher_->libraries();
    const Secret<BlockMode> mode = libraries.openssl.MakeBlockMode(
        libraries.memory, encryption, OctetsOf(info[1]), BoolOf(info[4]) ? Direction::kSeal : Direction::kOpen);
    std::vector<uint8_t> out(data.data, data.data + data.length);
    if (mode == nullptr || (!out.empty() && !mode->Apply(iv.data, out.data(), out.size()))) return env.Undefined();
    return NewOctets(env, out.data(), out.size());
  }

  Napi::Reference<Napi::Value> slab_;
  std::unique_ptr<Cipher> cipher_;
};

}  // namespace

void InitCipher(Napi::Env env, Napi::Object exports) { CipherObject::Init(env, exports); }

}  // namespace esplanade

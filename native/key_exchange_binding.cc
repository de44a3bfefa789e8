// Key exchanges for JavaScript (src/io/native-key-exchange.ts): single calls that keep nothing.
#include "key_exchange_binding.h"

#include "arguments.h"
#include "key_exchange.h"
#include "modp.h"

namespace esplanade {
namespace {

bool TakeOctets(Napi::Env env, const Napi::Value& value, const char* what, Span* octets) {
  uint8_t* data = nullptr;
  size_t length = 0;
  if (!TakeArray(env, value, napi_uint8_array, what, &data, &length)) return false;
  *octets = {data, length};
  return true;
}

bool TakeOctetsOf(Napi::Env env, const Napi::Value& value, const char* what, size_t length, Span* octets) {
  if (!TakeOctets(env, value, what, octets)) return false;
  return octets->length == length || Complain(env, std::string(what) + " is of the wrong length");
}

bool TakeCurve(Napi::Env env, const Napi::Value& value, int32_t* method, const CurveSizes** sizes) {
  if (!TakeInteger(env, value, 0, 0xffff, "the method", method)) return false;
  *sizes = SizesOfCurve(*method);
  return *sizes != nullptr || Complain(env, "the method is no curve");
}

Napi::Value Fault(Napi::Env env) {
  Napi::Error::New(env, "the curve's calculation failed").ThrowAsJavaScriptException();
  return Napi::Value();
}

// modpPower(modulus, base, exponent): base ^ exponent mod modulus, as long as the modulus; or undefined
Napi::Value PowerOf(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Span modulus, base, exponent;
  if (!TakeOctets(env, info[0], "the modulus", &modulus) || !TakeOctets(env, info[1], "the base", &base) ||
      !TakeOctets(env, info[2], "the exponent", &exponent))
    return Napi::Value();
  Napi::Uint8Array result = Napi::Uint8Array::New(env, modulus.length);
  if (env.IsExceptionPending()) return Napi::Value();
  return ModpPower(modulus, base, exponent, result.Data()) ? Napi::Value(result) : env.Undefined();
}

// curvePublic(method, privateKey): the public value
Napi::Value PublicOf(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int32_t method;
  const CurveSizes* sizes;
  Span private_key;
  if (!TakeCurve(env, info[0], &method, &sizes) ||
      !TakeOctetsOf(env, info[1], "the private key", sizes->private_key, &private_key))
    return Napi::Value();
  Napi::Uint8Array result = Napi::Uint8Array::New(env, sizes->public_value);
  if (env.IsExceptionPending()) return Napi::Value();
  if (PublicOfCurve(method, private_key.data, result.Data()) != CurveOutcome::kDone) return Fault(env);
  return result;
}

// curveSecret(method, privateKey, publicValue): the shared secret; undefined for a bad public value
Napi::Value SecretOf(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int32_t method;
  const CurveSizes* sizes;
  Span private_key, public_value;
  if (!TakeCurve(env, info[0], &method, &sizes) ||
      !TakeOctetsOf(env, info[1], "the private key", sizes->private_key, &private_key) ||
      !TakeOctetsOf(env, info[2], "the public value", sizes->public_value, &public_value))
    return Napi::Value();
  Napi::Uint8Array result = Napi::Uint8Array::New(env, sizes->shared);
  if (env.IsExceptionPending()) return Napi::Value();
  switch (SecretOfCurve(method, private_key.data, public_value.data, result.Data())) {
    case CurveOutcome::kDone:
      return result;
    case CurveOutcome::kBadPublicValue:
      return env.Undefined();
    case CurveOutcome::kFailed:
      break;
  }
  return Fault(env);
}

}  // namespace

void InitKeyExchange(Napi::Env env, Napi::Object exports) {
  exports.Set("modpPower", Napi::Function::New(env, PowerOf, "modpPower"));
  exports.Set("curvePublic", Napi::Function::New(env, PublicOf, "curvePublic"));
  exports.Set("curveSecret", Napi::Function::New(env, SecretOf, "curveSecret"));
}

}  // namespace esplanade

// Arguments of native functions, checked before use: a wrong one leaves a pending TypeError and returns false.
// Failures of system calls go the other way: as data, { code, syscall }.
#pragma once
#include <napi.h>
#include <uv.h>

#include <cmath>
#include <string>

#include "error.h"

namespace esplanade {

inline bool Complain(Napi::Env env, const std::string& what) {
  if (!env.IsExceptionPending()) Napi::TypeError::New(env, what).ThrowAsJavaScriptException();
  return false;
}

// A property, or an empty value with an exception pending.
inline Napi::Value Property(const Napi::Value& holder, const char* name) {
  if (!holder.IsObject()) return holder.Env().Undefined();
  return holder.As<Napi::Object>().Get(name).UnwrapOr(Napi::Value());
}

template <typename Number>
bool TakeInteger(Napi::Env env, const Napi::Value& value, double least, double most, const char* what,
                 Number* number) {
  if (value.IsEmpty() || !value.IsNumber()) return Complain(env, std::string(what) + " is not a number");
  const double given = value.As<Napi::Number>().DoubleValue();
  if (!(given >= least && given <= most) || given != std::floor(given))
    return Complain(env, std::string(what) + " is out of range");
  *number = static_cast<Number>(given);
  return true;
}

inline bool TakeFlag(Napi::Env env, const Napi::Value& value, const char* what, bool* flag) {
  if (value.IsEmpty() || !value.IsBoolean()) return Complain(env, std::string(what) + " is not a boolean");
  *flag = value.As<Napi::Boolean>().Value();
  return true;
}

inline bool TakeText(Napi::Env env, const Napi::Value& value, const char* what, std::string* text) {
  if (value.IsEmpty() || !value.IsString()) return Complain(env, std::string(what) + " is not a string");
  *text = value.As<Napi::String>().Utf8Value();
  if (text->find('\0') != std::string::npos) return Complain(env, std::string(what) + " holds a zero octet");
  return true;
}

// The elements of a typed array. The pointer holds for this call only, unless the memory is shared.
template <typename Element>
bool TakeArray(Napi::Env env, const Napi::Value& value, napi_typedarray_type type, const char* what,
               Element** elements, size_t* length, bool shared = false) {
  if (value.IsEmpty() || !value.IsTypedArray()) return Complain(env, std::string(what) + " is not a typed array");
  napi_typedarray_type given;
  void* data = nullptr;
  napi_value buffer = nullptr;
  if (napi_get_typedarray_info(env, value, &given, length, &data, &buffer, nullptr) != napi_ok || given != type)
    return Complain(env, std::string(what) + " is a typed array of the wrong kind");
  // Only a SharedArrayBuffer can neither be detached nor shrunk while we hold its address.
  bool detachable = true;
  if (shared && (napi_is_arraybuffer(env, buffer, &detachable) != napi_ok || detachable))
    return Complain(env, std::string(what) + " is not over a SharedArrayBuffer");
  *elements = static_cast<Element*>(data);
  return true;
}

inline std::string ErrnoName(int error) {
  // A descriptor in a bad state, such as a TUN device that was removed: libuv has no name for it.
  if (error == EBADFD) return "EBADFD";
  char name[64];
  return uv_err_name_r(-error, name, sizeof name);
}

inline Napi::Value FailureToData(Napi::Env env, const Failure& failure) {
  Napi::Object data = Napi::Object::New(env);
  data.Set("code", ErrnoName(failure.error));
  data.Set("syscall", failure.syscall);
  return data;
}

// Objects of different native classes must not be taken for each other: each class marks its own.
inline bool Mark(Napi::Env env, const Napi::Object& object, const napi_type_tag& tag) {
  return napi_type_tag_object(env, object, &tag) == napi_ok;
}

inline bool IsMarked(Napi::Env env, const Napi::Value& object, const napi_type_tag& tag) {
  bool marked = false;
  return object.IsObject() && napi_check_object_type_tag(env, object, &tag, &marked) == napi_ok && marked;
}

}  // namespace esplanade

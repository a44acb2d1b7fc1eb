// JavaScript objects that own one C++ object each. A type tag identifies them. The C++ object is deleted when
// the JavaScript object is collected.
#ifndef SIDEROUTE_BINDING_WRAPPED_TYPE_H_
#define SIDEROUTE_BINDING_WRAPPED_TYPE_H_

#include <node_api.h>

#include <memory>
#include <string>

#include "binding/napi_util.h"

namespace sideroute {

template <typename T>
struct WrappedType {
  napi_type_tag tag;
  // Used in errors, for example "an access log".
  const char* name;

  // The C++ object of `value`; null if `value` is something else.
  T* Unwrap(napi_env env, napi_value value) const {
    bool ours = false;
    void* data = nullptr;
    if (napi_check_object_type_tag(env, value, &tag, &ours) != napi_ok || !ours) return nullptr;
    return napi_unwrap(env, value, &data) == napi_ok ? static_cast<T*>(data) : nullptr;
  }

  // The C++ object of `this` in a method, and the first `count` arguments. Null with an exception pending if
  // `this` is something else.
  T* This(napi_env env, napi_callback_info info, size_t count = 0, napi_value* arguments = nullptr) const {
    napi_value self;
    napi_get_cb_info(env, info, &count, arguments, &self, nullptr);
    T* held = Unwrap(env, self);
    if (held == nullptr) napi_throw_type_error(env, "ERR_INVALID_THIS", ("not " + std::string(name)).c_str());
    return held;
  }

  template <size_t kCount>
  napi_value Make(napi_env env, std::unique_ptr<T> held,
                  const napi_property_descriptor (&members)[kCount]) const {
    napi_value object;
    napi_create_object(env, &object);
    napi_type_tag_object(env, object, &tag);
    napi_define_properties(env, object, kCount, members);
    napi_wrap(
        env, object, held.release(), [](napi_env, void* data, void*) { delete static_cast<T*>(data); },
        nullptr, nullptr);
    return object;
  }

  // options[member]; `held` stays null when that is missing or null. False with an exception pending when it
  // is anything else than such an object.
  bool ReadOption(napi_env env, napi_value options, const char* member, T** held) const {
    napi_value value;
    if (!ReadProperty(env, options, member, "options", &value)) return false;
    if (IsMissing(env, value)) return true;
    *held = Unwrap(env, value);
    return *held != nullptr || ThrowInvalid(env, "options." + std::string(member) + " must be " + name);
  }
};

}  // namespace sideroute

#endif  // SIDEROUTE_BINDING_WRAPPED_TYPE_H_

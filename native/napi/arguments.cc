#include "napi/arguments.h"

#include <cmath>
#include <cstdio>

#include "ltx/limits.h"

namespace litestream {
namespace {

std::string NumberText(double number) {
  char text[32];
  snprintf(text, sizeof text, "%.17g", number);
  return text;
}

// Returns the text that stands for a JavaScript value in an error message. The text of a number is
// the number itself, and the text of any other value is the name of its type.
std::string Shown(Napi::Value value) {
  if (value.IsEmpty()) return "nothing";
  double number = 0;
  if (napi_get_value_double(value.Env(), value, &number) == napi_ok) return NumberText(number);
  switch (value.Type()) {
    case napi_undefined: return "undefined";
    case napi_null: return "null";
    case napi_boolean: return "a boolean";
    case napi_string: return "a string";
    case napi_symbol: return "a symbol";
    case napi_function: return "a function";
    case napi_external: return "an external value";
    case napi_bigint: return "a BigInt";
    default: return "an object";
  }
}

}  // namespace

Arguments::~Arguments() {
  if (fault_.empty()) return;
  // While the JavaScript environment is shutting down, N-API cannot throw an exception. The missing
  // exception is harmless, because Node.js discards the result of a call during the shutdown.
  if (range_) napi_throw_range_error(info_.Env(), "ERR_OUT_OF_RANGE", fault_.c_str());
  else napi_throw_type_error(info_.Env(), "ERR_INVALID_ARG_TYPE", fault_.c_str());
}

void Arguments::Fail(bool range, const char* name, const std::string& expected, Napi::Value value) {
  if (!fault_.empty()) return;
  range_ = range;
  fault_ = std::string(function_) + ": " + name + " must be " + expected + ", got " + Shown(value);
}

void Arguments::Require(bool holds, const char* rule) {
  if (holds || !fault_.empty()) return;
  range_ = true;
  fault_ = std::string(function_) + ": " + rule;
}

double Arguments::Number(Napi::Value value, const char* name) {
  double number = NAN;
  if (value.IsEmpty() || napi_get_value_double(info_.Env(), value, &number) != napi_ok) Fail(false, name, "a number", value);
  return number;
}

double Arguments::Whole(Napi::Value value, const char* name, double min, double max) {
  const double number = Number(value, name);
  // NaN fails this range check, because a comparison with NaN is false.
  if (number >= min && number <= max && std::trunc(number) == number) return number;
  Fail(true, name, "a whole number from " + NumberText(min) + " to " + NumberText(max), value);
  return min;
}

uint32_t Arguments::U32(Napi::Value value, const char* name, uint32_t min, uint32_t max) {
  return uint32_t(Whole(value, name, min, max));
}

uint64_t Arguments::U53(Napi::Value value, const char* name) { return uint64_t(Whole(value, name, 0, kMaxSafeInteger)); }

int64_t Arguments::I53(Napi::Value value, const char* name) {
  return int64_t(Whole(value, name, -kMaxSafeInteger, kMaxSafeInteger));
}

int64_t Arguments::Milliseconds(Napi::Value value, const char* name) {
  return int64_t(Between(value, name, 0, kMaxSafeInteger));
}

double Arguments::Between(Napi::Value value, const char* name, double min, double max) {
  const double number = Number(value, name);
  if (number >= min && number <= max) return number;
  Fail(true, name, "a number from " + NumberText(min) + " to " + NumberText(max), value);
  return min;
}

double Arguments::AnyDouble(Napi::Value value, const char* name) { return Number(value, name); }

uint64_t Arguments::U64(Napi::Value value, const char* name) {
  uint64_t number = 0;
  bool lossless = false;
  const bool big = !value.IsEmpty() && napi_get_value_bigint_uint64(info_.Env(), value, &number, &lossless) == napi_ok;
  if (big && lossless) return number;
  Fail(big, name, "a BigInt from 0n to 2n ** 64n - 1n", value);
  return 0;
}

uint32_t Arguments::PageSize(Napi::Value value) {
  const uint32_t size = U32(value, "pageSize", kMinPageSize, kMaxPageSize);
  if (IsPageSize(size)) return size;
  Fail(true, "pageSize", "a power of two from 512 to 65536", value);
  return kMinPageSize;
}

uint32_t Arguments::Commit(Napi::Value value) { return U32(value, "commit", 1, kMaxCommit); }

int Arguments::Descriptor(Napi::Value value) { return int(Whole(value, "fd", 0, INT32_MAX)); }

bool Arguments::Bool(Napi::Value value, const char* name) {
  bool boolean = false;
  if (value.IsEmpty() || napi_get_value_bool(info_.Env(), value, &boolean) != napi_ok) Fail(false, name, "a boolean", value);
  return boolean;
}

std::string Arguments::Text(Napi::Value value, const char* name) {
  if (!value.IsEmpty() && value.IsString()) return value.As<Napi::String>().Utf8Value();
  Fail(false, name, "a string", value);
  return "";
}

Napi::Function Arguments::Function(Napi::Value value, const char* name) {
  if (!value.IsEmpty() && value.IsFunction()) return value.As<Napi::Function>();
  Fail(false, name, "a function", value);
  return {};
}

Napi::Array Arguments::List(Napi::Value value, const char* name) {
  if (!value.IsEmpty() && value.IsArray()) return value.As<Napi::Array>();
  Fail(false, name, "an array", value);
  return {};
}

Napi::Object Arguments::Object(Napi::Value value, const char* name) {
  if (!value.IsEmpty() && value.Type() == napi_object) return value.As<Napi::Object>();
  Fail(false, name, "an object", value);
  return {};
}

template <typename T>
Span<T> Arguments::Typed(Napi::Value value, const char* name, size_t min, napi_typedarray_type type, const char* kind) {
  napi_typedarray_type actual{};
  size_t length = 0;
  void* data = nullptr;
  if (value.IsEmpty() ||
      napi_get_typedarray_info(info_.Env(), value, &actual, &length, &data, nullptr, nullptr) != napi_ok || actual != type) {
    Fail(false, name, kind, value);
    return {};
  }
  if (length < min) {
    const std::string rule = std::string(name) + " must have at least " + std::to_string(min) + " elements, got " +
                             std::to_string(length);
    Require(false, rule.c_str());
    return {};
  }
  return {static_cast<T*>(data), length};
}

Span<uint8_t> Arguments::Bytes(Napi::Value value, const char* name, size_t min) {
  return Typed<uint8_t>(value, name, min, napi_uint8_array, "a Uint8Array");
}

Span<uint32_t> Arguments::U32s(Napi::Value value, const char* name, size_t min) {
  return Typed<uint32_t>(value, name, min, napi_uint32_array, "a Uint32Array");
}

Span<double> Arguments::Doubles(Napi::Value value, const char* name, size_t min) {
  return Typed<double>(value, name, min, napi_float64_array, "a Float64Array");
}

Span<uint64_t> Arguments::U64s(Napi::Value value, const char* name, size_t min) {
  return Typed<uint64_t>(value, name, min, napi_biguint64_array, "a BigUint64Array");
}

Span<uint8_t> Arguments::Buffer(Napi::Value value, const char* name, size_t min) {
  void* data = nullptr;
  size_t length = 0;
  if (value.IsEmpty() || napi_get_arraybuffer_info(info_.Env(), value, &data, &length) != napi_ok || length < min) {
    Fail(false, name, "an ArrayBuffer of at least " + std::to_string(min) + " bytes", value);
    return {};
  }
  return {static_cast<uint8_t*>(data), length};
}

void* Arguments::External(Napi::Value value, const char* name, const void* tag) {
  void* data = nullptr;
  if (value.IsEmpty() || napi_get_value_external(info_.Env(), value, &data) != napi_ok || data == nullptr ||
      *static_cast<const void* const*>(data) != tag) {
    Fail(false, name, "a handle of its kind", value);
    return nullptr;
  }
  return data;
}

}  // namespace litestream

// Every function of the addon uses the class Arguments to read its arguments and the properties of
// object arguments. Arguments checks a number before the addon uses the number as a size, an index
// or a loop bound. Arguments refuses a typed array that has fewer elements than the function reads
// or writes. test/native/arguments.test.ts fails if a C++ file calls N-API's own conversions.
// N-API's own conversions wrap or truncate a number that is out of range, and accept NaN.
//
// For a wrong value, Arguments returns a harmless value, such as the lower bound or an empty array.
// If an argument was wrong, Arguments throws a TypeError or RangeError at the end of the call from
// JavaScript. The error contains the names of the function and the argument, and the wrong value. Each function of the addon first reads all of its
// arguments, and then returns immediately if ok() is false.
#pragma once
#include <napi.h>

#include <cstdint>
#include <memory>
#include <string>

namespace litestream {

constexpr double kMaxSafeInteger = 9007199254740991.0;  // Number.MAX_SAFE_INTEGER

// The elements of a JavaScript typed array. A Span is valid as long as the typed array exists.
template <typename T>
struct Span {
  T* data = nullptr;
  size_t size = 0;  // number of elements
  T& operator[](size_t i) const { return data[i]; }
  T* begin() const { return data; }
  T* end() const { return data + size; }
};

// The native object to which a JavaScript handle (a Napi::External) refers. The address of `kTag`
// identifies the C++ type of the object.
template <typename T>
struct Handle {
  static inline char kTag = 0;
  const void* tag = &kTag;
  std::shared_ptr<T> object;

  static Napi::Value New(Napi::Env env, std::shared_ptr<T> object) {
    auto* handle = new Handle;
    handle->object = std::move(object);
    return Napi::External<Handle>::New(env, handle, [](Napi::Env, Handle* data) { delete data; });
  }
};

class Arguments {
 public:
  Arguments(const Napi::CallbackInfo& info, const char* function) : info_(info), function_(function) {}
  ~Arguments();
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  // Returns argument i of the call, or undefined if the call has no argument i.
  Napi::Value operator[](size_t i) const { return info_[i]; }
  [[nodiscard]] bool ok() const { return fault_.empty(); }
  // Checks a condition that the types of the arguments do not express. If `holds` is false, the
  // call throws a RangeError that contains the text of `rule`.
  void Require(bool holds, const char* rule);

  uint32_t U32(Napi::Value value, const char* name, uint32_t min = 0, uint32_t max = UINT32_MAX);
  uint64_t U53(Napi::Value value, const char* name);  // an offset or a size: 0 to 2^53 - 1
  int64_t I53(Napi::Value value, const char* name);   // a time: -(2^53 - 1) to 2^53 - 1
  // Returns a duration, or a time of the monotonic clock, as a number of milliseconds from 0 to
  // 2^53 - 1. Truncates a fraction of a millisecond.
  int64_t Milliseconds(Napi::Value value, const char* name);
  double Between(Napi::Value value, const char* name, double min, double max);
  double AnyDouble(Napi::Value value, const char* name);  // also NaN and the infinities
  uint64_t U64(Napi::Value value, const char* name);      // a BigInt
  // page size in bytes, a power of two from 512 to 65,536
  uint32_t PageSize(Napi::Value value);
  uint32_t Commit(Napi::Value value);                     // size of a database in pages
  int Descriptor(Napi::Value value);                      // file descriptor
  bool Bool(Napi::Value value, const char* name);
  std::string Text(Napi::Value value, const char* name);
  Napi::Function Function(Napi::Value value, const char* name);
  Napi::Array List(Napi::Value value, const char* name);
  Napi::Object Object(Napi::Value value, const char* name);

  // `min` is the number of elements that the called function reads or writes. A typed array with
  // fewer than `min` elements is refused.
  Span<uint8_t> Bytes(Napi::Value value, const char* name, size_t min = 0);
  Span<uint32_t> U32s(Napi::Value value, const char* name, size_t min = 0);
  Span<double> Doubles(Napi::Value value, const char* name, size_t min = 0);
  Span<uint64_t> U64s(Napi::Value value, const char* name, size_t min = 0);
  // Returns the bytes of an ArrayBuffer, which must have at least `min` bytes.
  Span<uint8_t> Buffer(Napi::Value value, const char* name, size_t min);

  // Returns the native object of the handle `value`. If the handle is closed, or if `value` is not
  // a handle of type T, records a TypeError and returns null.
  template <typename T>
  std::shared_ptr<T> Open(Napi::Value value, const char* name) {
    Handle<T>* handle = HandleOf<T>(value, name);
    if (handle != nullptr && handle->object == nullptr) Fail(false, name, "an open handle", value);
    return handle == nullptr ? nullptr : handle->object;
  }
  template <typename T>
  Handle<T>* HandleOf(Napi::Value value, const char* name) {
    return static_cast<Handle<T>*>(External(value, name, &Handle<T>::kTag));
  }

 private:
  template <typename T>
  Span<T> Typed(Napi::Value value, const char* name, size_t min, napi_typedarray_type type, const char* kind);
  double Number(Napi::Value value, const char* name);
  // Returns `value` as a whole number from `min` to `max`. If `value` is not a whole number in this
  // range, records a RangeError or TypeError and returns `min`.
  double Whole(Napi::Value value, const char* name, double min, double max);
  void* External(Napi::Value value, const char* name, const void* tag);
  // Records a RangeError if `range` is true, otherwise a TypeError. The destructor throws the first
  // recorded error and ignores all later errors.
  void Fail(bool range, const char* name, const std::string& expected, Napi::Value value);

  const Napi::CallbackInfo& info_;
  const char* const function_;
  std::string fault_;
  bool range_ = false;
};

}  // namespace litestream

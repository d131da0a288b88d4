// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "engine/core/error.h"

namespace graft {

enum class DType : std::uint8_t { kF32, kF64, kBF16, kI32, kI64, kU8, kI8 };

/// A bfloat16 value as stored; arithmetic is done in f32.
struct BFloat16 {
  std::uint16_t bits = 0;
};

[[nodiscard]] constexpr std::size_t size_of(DType t) {
  switch (t) {
    case DType::kF64:
    case DType::kI64:
      return 8;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kBF16:
      return 2;
    case DType::kU8:
    case DType::kI8:
      return 1;
  }
  return 0;
}

[[nodiscard]] constexpr std::string_view name(DType t) {
  switch (t) {
    case DType::kF32:
      return "f32";
    case DType::kF64:
      return "f64";
    case DType::kBF16:
      return "bf16";
    case DType::kI32:
      return "i32";
    case DType::kI64:
      return "i64";
    case DType::kU8:
      return "u8";
    case DType::kI8:
      return "i8";
  }
  return "?";
}

template <class T>
inline constexpr DType kDtypeOf = [] {
  if constexpr (std::is_same_v<T, float>)
    return DType::kF32;
  else if constexpr (std::is_same_v<T, double>)
    return DType::kF64;
  else if constexpr (std::is_same_v<T, BFloat16>)
    return DType::kBF16;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return DType::kI32;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return DType::kI64;
  else if constexpr (std::is_same_v<T, std::uint8_t>)
    return DType::kU8;
  else if constexpr (std::is_same_v<T, std::int8_t>)
    return DType::kI8;
}();

/// Calls `f(std::type_identity<T>{})` with T = float or double; the error names `op` and the dtype.
template <class F>
decltype(auto) dispatch_float(DType t, std::string_view op, F&& f) {
  if (t == DType::kF32) return f(std::type_identity<float>{});
  if (t == DType::kF64) return f(std::type_identity<double>{});
  fail(Errc::kUnsupported, op, ": expects f32 or f64, got ", name(t));
}

}  // namespace graft

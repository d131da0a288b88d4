// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tensors.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "engine/core/rng.h"

namespace graft::testing {
namespace {

Philox stream(std::uint64_t seed) { return Philox({.seed = seed, .purpose = RngPurpose::kTest}); }

/// An f64 tensor of draw() rounded to f32.
template <class F>
Tensor drawn(const Shape& shape, F&& draw) {
  Tensor t = Tensor::allocate(host_memory(), shape, DType::kF64);
  auto* data = t.ptr<double>();
  for (std::int64_t i = 0; i < t.numel(); ++i) data[i] = draw();
  quantise(t);
  return t;
}

}  // namespace

Tensor normal(const Shape& shape, std::uint64_t seed, double scale, double mean) {
  Philox rng = stream(seed);
  return drawn(shape, [&] { return mean + scale * rng.normal(); });
}

Tensor uniform(const Shape& shape, std::uint64_t seed, double lo, double hi) {
  Philox rng = stream(seed);
  return drawn(shape, [&] { return lo + (hi - lo) * rng.uniform_double(); });
}

Tensor distinct(const Shape& shape, std::uint64_t seed) {
  Philox rng = stream(seed);
  std::int64_t rank = -shape.numel() / 2;
  Tensor t = drawn(shape, [&] { return static_cast<double>(rank++) / 64; });
  auto* data = t.ptr<double>();
  for (std::int64_t i = t.numel() - 1; i > 0; --i) {
    std::swap(data[i], data[rng.below(static_cast<std::uint32_t>(i + 1))]);
  }
  return t;
}

Tensor full(const Shape& shape, double value) {
  return drawn(shape, [&] { return value; });
}

Tensor labels(std::int64_t n, std::uint32_t classes, std::uint64_t seed) {
  Philox rng = stream(seed);
  Tensor t = Tensor::allocate(host_memory(), {n}, DType::kI32);
  for (std::int64_t i = 0; i < n; ++i) {
    t.ptr<std::int32_t>()[i] = static_cast<std::int32_t>(rng.below(classes));
  }
  return t;
}

Tensor pixels(const Shape& shape, std::uint64_t seed) {
  Philox rng = stream(seed);
  Tensor t = Tensor::allocate(host_memory(), shape, DType::kU8);
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    t.ptr<std::uint8_t>()[i] = static_cast<std::uint8_t>(rng.below(256));
  }
  return t;
}

void push_away(Tensor& t, std::initializer_list<double> kinks, double distance) {
  auto* data = t.ptr<double>();
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    for (const double kink : kinks) {
      if (std::abs(data[i] - kink) < distance) {
        data[i] = kink + (data[i] < kink ? -distance : distance);
      }
    }
  }
  quantise(t);
}

void quantise(Tensor& t) {
  auto* data = t.ptr<double>();
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    data[i] = static_cast<double>(static_cast<float>(data[i]));
  }
}

Tensor converted(const Tensor& t, DType dtype, MemoryResource& memory) {
  if (t.empty()) return {};
  const bool floating = t.dtype() == DType::kF64 || t.dtype() == DType::kF32;
  if (!floating || t.dtype() == dtype) return t.clone(memory);
  Tensor out = Tensor::allocate(memory, t.shape(), dtype);
  dispatch_float(dtype, "converted", [&]<class T>(std::type_identity<T>) {
    for (std::int64_t i = 0; i < t.numel(); ++i) out.ptr<T>()[i] = static_cast<T>(element(t, i));
  });
  return out;
}

void poison(Tensor& t) { std::memset(t.data(), 0xFF, t.bytes()); }

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() && a.empty() == b.empty() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.bytes()) == 0);
}

double element(const Tensor& t, std::int64_t i) {
  switch (t.dtype()) {
    case DType::kF32:
      return static_cast<double>(t.ptr<float>()[i]);
    case DType::kF64:
      return t.ptr<double>()[i];
    case DType::kBF16: {
      const std::uint32_t bits = std::uint32_t{t.ptr<BFloat16>()[i].bits} << 16;
      return static_cast<double>(std::bit_cast<float>(bits));
    }
    case DType::kI32:
      return t.ptr<std::int32_t>()[i];
    case DType::kU8:
      return t.ptr<std::uint8_t>()[i];
    case DType::kI8:
      return t.ptr<std::int8_t>()[i];
    default:
      fail(Errc::kUnsupported, "element: cannot read ", name(t.dtype()));
  }
}

}  // namespace graft::testing

// SPDX-License-Identifier: Apache-2.0
// Seeded test inputs, in host memory. Floating ones are f64 whose values an f32 holds exactly, so
// that an f32 kernel and the f64 reference can be given the same numbers.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "engine/tensor/tensor.h"

namespace graft::testing {

using Tensors = std::vector<Tensor>;

/// Independent normal values: mean + scale * N(0, 1).
[[nodiscard]] Tensor normal(const Shape& shape, std::uint64_t seed, double scale = 1,
                            double mean = 0);
/// Uniform values in [lo, hi).
[[nodiscard]] Tensor uniform(const Shape& shape, std::uint64_t seed, double lo, double hi);
/// Different values around zero, at least 1/64 apart, in random order: no ties for a maximum.
[[nodiscard]] Tensor distinct(const Shape& shape, std::uint64_t seed);
[[nodiscard]] Tensor full(const Shape& shape, double value);
/// i32 (n), uniform in [0, classes).
[[nodiscard]] Tensor labels(std::int64_t n, std::uint32_t classes, std::uint64_t seed);
/// u8, uniform.
[[nodiscard]] Tensor pixels(const Shape& shape, std::uint64_t seed);

/// Moves every element of an f64 tensor that is nearer than `distance` to a kink away from it.
void push_away(Tensor& t, std::initializer_list<double> kinks, double distance = 1e-3);
/// Rounds every element of an f64 tensor to f32.
void quantise(Tensor& t);

/// A copy in `memory`; floating tensors become `dtype`, others keep theirs. Empty stays empty.
[[nodiscard]] Tensor converted(const Tensor& t, DType dtype, MemoryResource& memory);
/// Sets every byte to 0xFF: NaN for floating tensors, so that an element nobody wrote shows.
void poison(Tensor& t);
/// Equal dtype, shape and bytes.
[[nodiscard]] bool same_bits(const Tensor& a, const Tensor& b);
/// Element `i` of any floating or integer tensor.
[[nodiscard]] double element(const Tensor& t, std::int64_t i);

}  // namespace graft::testing

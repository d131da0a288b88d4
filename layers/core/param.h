// SPDX-License-Identifier: Apache-2.0
// Parameters: declared by layers, stored in flat blocks.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"

namespace graft {

/// How a parameter starts. A pure function of (seed, parameter index, element).
struct Init {
  enum class Kind : std::uint8_t { kConstant, kNormal, kUniform };
  Kind kind = Kind::kConstant;
  double value = 0;  ///< the constant, the standard deviation, or the bound of U(-value, value)

  static Init constant(double v) { return {Kind::kConstant, v}; }
  /// N(0, 2 / fan): He et al. 2015.
  static Init kaiming_normal(std::int64_t fan);
  /// U(-1/sqrt(fan), 1/sqrt(fan)): torch.nn.Linear's default.
  static Init uniform_fan_in(std::int64_t fan);
  static Init normal(double stddev) { return {Kind::kNormal, stddev}; }
};

enum class ParamKind : std::uint8_t {
  kTrainable,
  kBuffer,  ///< part of the state, moved by the forward pass, not by the optimizer
};

/// Order of a filter's axes in memory. Archives always hold (K, C/g, R, S), as torchvision does.
enum class ParamOrder : std::uint8_t { kPlain, kFilterOhwi };

struct ParamSpec {
  std::string name;  ///< within the layer, e.g. "weight"
  Shape shape;       ///< in memory order
  Init init = {};
  ParamKind kind = ParamKind::kTrainable;
  ParamOrder order = ParamOrder::kPlain;
  DType dtype = DType::kF32;  ///< kF32 stands for the store's floating type; others: buffers only
};

using ParamId = std::int32_t;

/// Whether a store has room for gradients; inference needs none.
enum class Gradients : std::uint8_t { kStored, kNone };

/// All parameters of a graph: one flat block each for trainable values, their gradients, and
/// buffers; tensors start at 64-byte boundaries, the gaps hold zeros. Buffers of another dtype than
/// the store's have a block each.
class ParamStore {
 public:
  struct Entry {
    std::string name;  ///< node name + "." + spec name: torchvision's state_dict key
    ParamSpec spec;
    Tensor value;
    Tensor grad;  ///< empty for buffers and in stores without gradients
  };

  ParamStore(Context& ctx, std::vector<std::pair<std::string, ParamSpec>> named, DType dtype,
             Gradients gradients = Gradients::kStored);

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] const Entry& entry(ParamId id) const {
    return entries_[static_cast<std::size_t>(id)];
  }
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  /// -1 if there is none.
  [[nodiscard]] ParamId find(const std::string& name) const;

  [[nodiscard]] Tensor& values() { return values_; }    ///< flat, trainable
  [[nodiscard]] Tensor& grads() { return grads_; }      ///< flat, same offsets as values()
  [[nodiscard]] Tensor& buffers() { return buffers_; }  ///< flat

  /// Number of trainable scalars, without the gaps.
  [[nodiscard]] std::int64_t trainable_count() const { return trainable_count_; }
  /// Bytes of all blocks.
  [[nodiscard]] std::size_t bytes() const;

  /// Stamp of the trainable values; changes with every update. Never 0, and never the same for two
  /// stores of a process: backends keep packed weights by address and stamp.
  [[nodiscard]] std::uint64_t version() const { return version_; }
  void bump_version();

  /// Draws every parameter from its Init; buffers too. Bumps the version.
  void initialise(Context& ctx, std::uint64_t seed);

 private:
  std::vector<Entry> entries_;
  std::unordered_map<std::string, ParamId> index_;
  Tensor values_, grads_, buffers_;
  std::int64_t trainable_count_ = 0;
  std::uint64_t version_ = 0;
};

/// Elements of `value` (order of `spec`) in archive order, as f32; `shape` gets the archive's
/// shape.
[[nodiscard]] std::vector<float> to_archive_order(Context& ctx, const ParamSpec& spec,
                                                  const Tensor& value, Shape& shape);
/// The inverse: writes f32 elements in archive order into `value` (f32 or f64).
void from_archive_order(Context& ctx, const ParamSpec& spec, const float* elements, Tensor& value);
/// Shape of `spec` in an archive.
[[nodiscard]] Shape archive_shape(const ParamSpec& spec);

}  // namespace graft

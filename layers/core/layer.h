// SPDX-License-Identifier: Apache-2.0
// What the graph knows of an operator: its plan, its parameters, forward, backward.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/device/context.h"
#include "engine/tensor/tensor.h"
#include "kernels/api/common.h"
#include "layers/core/param.h"

namespace graft {

using kernels::Activation;
using kernels::GradMode;

/// How a graph is run.
enum class Phase : std::uint8_t {
  kTrain,   ///< batch statistics, dropout on, everything kept that backward needs
  kEval,    ///< running statistics, dropout off, nothing kept
  kSelect,  ///< as kEval, and `Select` nodes run: the selection forward
};

/// A tensor that a layer's forward leaves for its backward.
struct SavedSpec {
  std::string_view name;
  Shape shape;
  DType dtype;     ///< kF32 stands for the graph's floating type, f32 if that is bf16
  int batch_axis;  ///< 0, or -1: not per row
};

/// What a layer needs, declared before any memory exists.
struct LayerPlan {
  Shape y;
  bool keeps_x = false;  ///< backward reads the inputs
  bool keeps_y = false;  ///< backward reads the output
  std::vector<SavedSpec> saved = {};
  bool row_separable = true;     ///< dx[n] depends on row n only, in training
  bool scale_invariant = false;  ///< in training y stays when a channel of x[0] is scaled
  int backward_in_place = -1;    ///< index of the input whose dx may share memory with dy, or -1
  bool accepts_dy2 = false;      ///< backward can take a second gradient contribution
  DType dtype = DType::kF32;     ///< of y; kF32 stands for the graph's floating type
  bool exact = false;            ///< y is a loss: f32 in a graph of bf16
};

/// Which examples the rows are: dropout is keyed by them. Spans may be empty where no layer asks.
struct RowIds {
  std::uint64_t seed = 0;
  std::span<const std::int64_t> example;
  std::span<const std::uint32_t> epoch;
  bool on_device = false;  ///< the spans lie on the context's device: for recordings
};

struct ForwardArgs {
  Context& ctx;
  Phase phase;
  bool frozen;  ///< no statistics are taken or moved
  std::span<const Tensor> x;
  std::span<Tensor> params;  ///< in the order of Layer::params()
  std::uint64_t param_version;
  std::span<Tensor> saved;  ///< in the order of LayerPlan::saved; in every phase
  const RowIds& rows;
  std::uint32_t ordinal;  ///< Node::ordinal
  Tensor& y;
};

struct BackwardArgs {
  Context& ctx;
  bool frozen;
  std::span<const Tensor> x;  ///< meaningful if keeps_x
  const Tensor& y;            ///< meaningful if keeps_y
  std::span<const Tensor> params;
  std::uint64_t param_version;
  std::span<const Tensor> saved;
  const RowIds& rows;
  std::uint32_t ordinal;
  const Tensor& dy;
  const Tensor& dy2;  ///< empty unless accepts_dy2
  std::span<const GradMode> dx_mode;
  std::span<Tensor> dx;
  GradMode param_mode;
  std::span<Tensor> dparams;  ///< empty tensors for buffers and if param_mode is kSkip
  /// What saved batch statistics are to these rows; kBatch unless the tape was compacted.
  kernels::NormStats batch_stats = kernels::NormStats::kBatch;
};

class Layer;

/// A layer of another graph and its parameters, from which a derived layer computes its own.
struct ParamSource {
  const Layer* layer;
  std::span<const Tensor> params;
};

/// What graph/plan/int8.h must know to put a layer between 8-bit values.
struct Int8Traits {
  bool takes = false;        ///< reads 8-bit inputs, and floating ones
  bool needs = false;        ///< input 0 has to be 8-bit
  bool makes = false;        ///< can write an 8-bit output
  bool keeps_range = false;  ///< outputs lie among the inputs and 0: all have one dtype and scale
  bool nonnegative = false;  ///< of all outputs
};

/// An operator. Immutable after construction; the same object may serve several executors.
class Layer {
 public:
  Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;
  virtual ~Layer() = default;

  /// E.g. "Conv2d".
  [[nodiscard]] virtual std::string_view kind() const = 0;
  /// Everything that decides what is computed, e.g. "3->16 3x3 stride 1 pad 1"; part of the content
  /// hash.
  [[nodiscard]] virtual std::string attributes() const = 0;

  /// Checks the inputs' shapes (batch first) and says what running on them needs.
  [[nodiscard]] virtual LayerPlan plan(std::span<const Shape> x) const = 0;
  [[nodiscard]] virtual std::vector<ParamSpec> params() const { return {}; }
  /// Floating-point operations of one forward; a multiply-add counts two.
  [[nodiscard]] virtual std::int64_t flops(std::span<const Shape> x) const = 0;

  virtual void forward(const ForwardArgs& args) const = 0;
  virtual void backward(const BackwardArgs& args) const = 0;

  // What graph/plan/fuse.h asks. A null pointer means "cannot".

  /// The non-linearity that this layer is, or kNone.
  [[nodiscard]] virtual Activation as_activation() const { return Activation::kNone; }
  /// Whether this layer is a plain sum of two inputs.
  [[nodiscard]] virtual bool is_sum() const { return false; }
  /// This layer followed by `act`.
  [[nodiscard]] virtual std::shared_ptr<const Layer> with_activation(Activation) const {
    return nullptr;
  }
  /// This layer plus a second input of y's shape, added to its output.
  [[nodiscard]] virtual std::shared_ptr<const Layer> with_residual() const { return nullptr; }

  // What graph/plan/inference.h asks. In evaluation ...

  /// ... this layer changes nothing.
  [[nodiscard]] virtual bool is_identity() const { return false; }
  /// ... this layer is fused_activation()(scale[c] * x + shift[c] [+ residual]).
  [[nodiscard]] virtual bool is_affine() const { return false; }
  [[nodiscard]] virtual Activation fused_activation() const { return Activation::kNone; }
  /// Scale and shift of an affine layer; both have one element a channel.
  virtual void affine(std::span<const Tensor>, std::span<double>, std::span<double>) const {}
  /// ... this layer can be replaced by the result, whose parameters derive from its own.
  [[nodiscard]] virtual std::shared_ptr<const Layer> inference_form() const { return nullptr; }
  /// Whether derive_params() can take a second source, an affine layer behind this one.
  [[nodiscard]] virtual bool takes_affine() const { return false; }
  /// Computes this layer's parameters, `to`, from those of the layers that it stands for.
  virtual void derive_params(Context& ctx, std::span<const ParamSource> from,
                             std::span<Tensor> to) const;

  // What graph/plan/int8.h asks.

  [[nodiscard]] virtual Int8Traits int8_traits() const { return {}; }
  /// This layer on values of these dtypes, kF32 among them. Scales of its values are buffers (1)
  /// called "x_scale", "residual_scale" (input 1) and "y_scale".
  [[nodiscard]] virtual std::shared_ptr<const Layer> int8_form(std::span<const DType>,
                                                               DType) const {
    return nullptr;
  }
};

using LayerPtr = std::shared_ptr<const Layer>;

}  // namespace graft

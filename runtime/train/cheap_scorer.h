// SPDX-License-Identifier: Apache-2.0
// The selection forward in its inference form: batch norm folded, in less precision, on a smaller
// image. Only the order of the losses matters to a sampler (spec/selective-backprop, section 4.8).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/exec/executor.h"
#include "graph/exec/param_derivation.h"
#include "graph/plan/bf16.h"
#include "graph/plan/int8.h"

namespace graft::train {

/// Arithmetic of the selection forward; losses are f32 in all.
enum class SelectDType : std::uint8_t { kF32, kBF16, kInt8 };

/// "f32", "bf16" or "int8".
[[nodiscard]] std::string_view name(SelectDType dtype);
/// Inverse of name(). Throws Error(kUsage).
[[nodiscard]] SelectDType parse_select_dtype(std::string_view text);

struct CheapScorerOptions {
  SelectDType dtype = SelectDType::kF32;
  double scale = 1;              ///< of the image's sides: 1, or 0.5 by averaging 2 x 2 pixels
  std::int64_t max_batch = 128;  ///< rows of one score()
  std::int64_t calibrate_every = 100;  ///< int8: calls of score() from one calibration to the next

  /// Whether nothing is lost: f32 on the whole image.
  [[nodiscard]] bool exact() const { return dtype == SelectDType::kF32 && scale == 1; }
};

/// Per-example losses of a training graph in evaluation mode, computed cheaply. Deterministic for a
/// fixed thread count.
///
/// int8: a calibration runs the f32 inference form on the slice at hand and takes the largest
/// magnitude m of every value; its range becomes max(m, 0.9 * range). The first call calibrates. A
/// value that is not finite counts as zero, unlike in f32: the training forward has to catch it.
class CheapScorer {
 public:
  /// `training`: inputs "image" and "label", output "loss"; `params` its store. Both `ctx` and
  /// `params` must outlive the scorer. Throws Error(kUnsupported) for a device other than the host,
  /// for bf16 and int8 where the processor has no instructions for them, and for a scale that the
  /// network cannot take; Error(kInvalidArgument) for other wrong options.
  CheapScorer(Context& ctx, const Graph& training, const ParamStore& params,
              const CheapScorerOptions& options);

  /// x (N,H,W,3) f32, y (N) i32, N <= max_batch; loss: N. Follows params.version(): parameters are
  /// folded and reduced again when it has changed. A warm call does not allocate.
  void score(const Tensor& x, const Tensor& y, std::span<float> loss);
  /// The same in f32 on the whole image: what a SelectionMonitor compares with. Its first call
  /// allocates.
  void score_exactly(const Tensor& x, const Tensor& y, std::span<float> loss);
  /// Folds and reduces the parameters if they have changed; the others call it.
  void follow_params();

  [[nodiscard]] const CheapScorerOptions& options() const { return options_; }
  /// The graph that score() runs.
  [[nodiscard]] const Graph& graph() const;
  /// Called after every node of score()'s graph; see Executor::set_observer().
  void set_observer(Executor::Observer observer);

  /// What a resume needs to give the same losses: the ranges of the int8 values and the calls since
  /// the last calibration. Empty for f32 and bf16.
  [[nodiscard]] std::map<std::string, std::vector<float>> state() const;
  /// Throws Error(kModel) if `state` is of another network or other options.
  void restore(const std::map<std::string, std::vector<float>>& state);

 private:
  /// The folded graph in less precision, with parameters of its own.
  struct Reduced {
    Reduced(Context& ctx, const DerivedGraph& form, const ParamStore& folded_params,
            std::int64_t batch);
    ParamStore params;
    ParamDerivation derivation;
    Executor executor;
  };
  /// Ranges of int8 values, and where they go.
  struct Int8 {
    Int8(const Graph& folded, Int8Graph form, ParamStore& params);
    Int8Graph form;
    std::vector<float*> scales;         // one an entry of form.scales
    std::vector<std::size_t> value_of;  // by node of the folded graph: index into ranges, or none
    std::vector<float> ranges;          // one an entry of form.values
    std::int64_t calls = 0;             // since the last calibration
    bool ready = false;                 // the scales hold the ranges
  };

  void calibrate_if_due(const Tensor& x, const Tensor& y);
  void calibrate(const Tensor& x, const Tensor& y);
  void see(ValueId node, const Tensor& value);
  void set_scales();
  [[nodiscard]] Tensor small(const Tensor& x);
  void run(Executor& executor, const Tensor& x, const Tensor& y, std::span<float> loss);

  Context& ctx_;
  const ParamStore& params_;
  CheapScorerOptions options_;
  DerivedGraph folded_;  // for the whole image
  ParamStore folded_params_;
  ParamDerivation derivation_;
  Executor executor_;  // f32, on the image that score() takes
  std::unique_ptr<Executor> whole_;
  std::unique_ptr<Reduced> reduced_;  // none: f32
  std::unique_ptr<Int8> int8_;        // of reduced_, if that is int8
  Tensor small_x_;
  std::uint64_t version_ = 0;  // of params_ that the derived ones follow
};

}  // namespace graft::train

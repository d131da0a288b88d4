// SPDX-License-Identifier: Apache-2.0
// A trained network with everything that turns an image into a class: what MODEL.graft holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/device/context.h"
#include "graph/exec/executor.h"
#include "models/spec/model_spec.h"
#include "runtime/data/preprocess.h"
#include "runtime/model/inference_net.h"

namespace graft {

/// Of model files. Older ones are read, but for int8 ones; a newer one is refused (exit code 5).
inline constexpr int kModelFormat = 4;

inline constexpr const char* kImageInput = "image";   ///< (1,H,W,3)
inline constexpr const char* kLogits = "logits";      ///< output of a classifier, (1,classes)
inline constexpr const char* kFeatures = "features";  ///< output of a feature extractor

/// How a model came to its 8-bit form.
struct Quantization {
  std::string method;                 ///< of calibration, e.g. "percentile"
  std::vector<std::string> floating;  ///< layers that could be 8-bit and stay f32
  std::string calibration;            ///< on what, for people
};

/// What a model is, besides its weights.
struct ModelHeader {
  /// Name that build_model() knows; empty: the file holds the graph itself.
  std::string architecture;
  Norm norm = Norm::kBatch;
  /// Input "image", one output, "logits" or "features"; not fused.
  Graph graph;
  data::Preprocess preprocess;
  std::vector<std::string> labels;  ///< one a class; empty for a feature extractor
  std::string origin;               ///< where the weights came from, for people
  /// The inference form runs, with batch norms folded; else the graph as it is written.
  bool folds = true;
  /// Given: the weights are those of the 8-bit form of the inference form (graph/plan/int8.h).
  std::optional<Quantization> quantization = {};
  /// The weights are those of the bf16 form of the inference form (graph/plan/bf16.h).
  bool bf16 = false;

  /// Of weights and most values: kF32, kBF16 or kI8.
  [[nodiscard]] DType arithmetic() const {
    return quantization ? DType::kI8 : bf16 ? DType::kBF16 : DType::kF32;
  }
  [[nodiscard]] bool classifies() const { return graph.outputs().front().name == kLogits; }
  [[nodiscard]] ValueId output() const { return graph.outputs().front().value; }
};

/// "f32", "bf16" or "int8".
[[nodiscard]] std::string_view arithmetic_name(DType arithmetic);

/// The graph whose parameters a model has: the one as written, or its bf16 or 8-bit form. Throws
/// Error(kInvalidArgument) if Quantization::floating names what is no 8-bit layer.
[[nodiscard]] Graph stored_graph(const ModelHeader& header);

/// One guess.
struct Prediction {
  int index = 0;
  std::string label;
  double probability = 0;  ///< softmax of the logits
};

/// A model in memory, ready to run in evaluation: in its inference form (graph/plan/inference.h)
/// unless folding was found to move its outputs. The weights as written are kept beside the folded
/// ones, for export and further training. Its threads are those of the context, which several
/// models may share; all runs of the process together stay within ThreadBudget::process(). One
/// thread per context at a time.
class Model {
 public:
  /// Weights are zero until params() is filled and bump_version() called. `ctx` must outlive the
  /// model. Throws Error(kInvalidArgument) if the header contradicts itself.
  Model(Context& ctx, ModelHeader header);

  /// Throws Error(kIo) if the file cannot be read; Error(kModel), naming file and reason, if it is
  /// no sound model file: wrong hash, newer format, weights that do not fit the network.
  [[nodiscard]] static Model load(Context& ctx, const std::filesystem::path& path);
  /// Writes atomically; returns the SHA-256 of the file. Throws Error(kIo), Error(kNumerical) if a
  /// weight is not finite.
  std::string save(const std::filesystem::path& path) const;

  [[nodiscard]] const ModelHeader& header() const { return header_; }
  [[nodiscard]] ParamStore& params() { return *params_; }
  [[nodiscard]] const ParamStore& params() const { return *params_; }
  [[nodiscard]] std::int64_t classes() const {
    return static_cast<std::int64_t>(header_.labels.size());
  }

  /// The output for preprocessed images x (N,H,W,3), one row each: logits or features. The values
  /// hold until the next call. Plans anew, and allocates, when N is larger than ever before. Throws
  /// Error(kUnsupported) for a bf16 model where the processor has no instructions for it.
  [[nodiscard]] std::span<const float> run(const Tensor& x);
  /// run() on decoded images.
  [[nodiscard]] std::span<const float> run(std::span<const ImageU8> images);

  /// Whether to run the inference form. The next run plans anew. For f32 models only.
  void set_folds(bool folds);
  /// What run() runs.
  [[nodiscard]] const Graph& inference_graph();
  /// The inference form with its parameters as of the last run. For f32 models only.
  [[nodiscard]] InferenceNet& inference_net();
  /// Bytes of all that for the largest batch so far, and of what the context's kernels keep.
  [[nodiscard]] std::size_t planned_bytes() const;

  /// Called after every node of a run; see Executor::set_observer(). Empty: off.
  void set_observer(Executor::Observer observer);

  /// What run() ran on last, for profiles. Throws Error(kInvalidArgument) before the first run.
  [[nodiscard]] Executor& executor();

  /// The `top` most probable classes, best first; equal ones by index. Throws Error(kModel) for a
  /// feature extractor, Error(kNumerical) if a logit is not finite.
  [[nodiscard]] std::vector<Prediction> classify(const ImageU8& image, int top = 5);
  /// From logits that run() gave for one image.
  [[nodiscard]] std::vector<Prediction> best(std::span<const float> logits, int top) const;

 private:
  void plan_for(std::int64_t batch);
  [[nodiscard]] bool runs_folded() const {
    return header_.folds && header_.arithmetic() == DType::kF32;
  }

  Context* ctx_;
  ModelHeader header_;
  Graph stored_;  // whose parameters params_ holds
  std::unique_ptr<ParamStore> params_;
  std::unique_ptr<InferenceNet> net_;  // made when it is needed first
  std::unique_ptr<Executor> executor_;
  Executor::Observer observer_;
  std::int64_t max_batch_ = 0;
  Tensor staging_;             // (max_batch, H, W, 3)
  std::vector<float> pixels_;  // of one image
  std::vector<float> values_;  // of the last run
};

/// Throws Error(kModel), naming `source`, for a model of less precision: others take its weights
/// for those of its graph as written.
void require_f32(const Model& model, const std::string& source);

}  // namespace graft

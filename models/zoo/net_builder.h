// SPDX-License-Identifier: Apache-2.0
// Appends named layers to a graph: the vocabulary in which the zoo is written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layers/nn/conv2d.h"
#include "layers/nn/pool.h"
#include "models/spec/model_spec.h"

namespace graft::zoo {

/// Convolution as networks speak of it; the input's channels are known from the graph.
struct ConvSpec {
  std::int64_t out = 0;
  int kernel = 3;
  int stride = 1;
  int pad = -1;      ///< -1: kernel / 2
  int pad_end = -1;  ///< as Conv2dOptions
  bool depthwise = false;
  bool bias = false;
  int kernel_w = 0;  ///< columns, padded by half of them; 0: as kernel
};

/// Groups of a group normalisation over `channels`: the largest divisor that is at most 32 (Wu & He
/// 2018) and leaves four channels a group, so that narrow layers do not become instance norm;
/// else 1.
[[nodiscard]] int group_count(std::int64_t channels);

class NetBuilder {
 public:
  explicit NetBuilder(const ModelContext& context);

  [[nodiscard]] ValueId image() const { return image_; }
  [[nodiscard]] const ModelContext& context() const { return context_; }
  [[nodiscard]] std::int64_t channels(ValueId x) const;

  /// Constant added to the variance by the norms that follow; 1e-5 at start, as in PyTorch.
  void set_norm_eps(double eps) { norm_eps_ = eps; }

  ValueId conv(const std::string& name, ValueId x, const ConvSpec& spec);
  /// Batch or group norm, as the context says.
  ValueId norm(const std::string& name, ValueId x);
  /// Node `name` without parameters.
  ValueId activation(const std::string& name, ValueId x, Activation act = Activation::kRelu);
  /// norm(name), then an activation `name`.act.
  ValueId norm_act(const std::string& name, ValueId x, Activation act = Activation::kRelu);
  ValueId add(const std::string& name, ValueId a, ValueId b);
  ValueId concat(const std::string& name, std::vector<ValueId> x);
  ValueId max_pool(const std::string& name, ValueId x, const kernels::PoolOptions& options);
  ValueId avg_pool(const std::string& name, ValueId x, const kernels::PoolOptions& options);
  ValueId global_pool(const std::string& name, ValueId x);
  ValueId subsample_pad(const std::string& name, ValueId x, std::int64_t out, int stride);
  /// Nothing is appended for p = 0.
  ValueId dropout(const std::string& name, ValueId x, double p);
  /// Fully connected, from (1,C) to the classes of the context.
  ValueId classifier(const std::string& name, ValueId x);

  /// Appends the loss and the Select node, marks the outputs, and hands the graph over.
  [[nodiscard]] Graph finish(ValueId logits) &&;

 private:
  ModelContext context_;
  Graph graph_;
  ValueId image_, label_;
  double norm_eps_ = 1e-5;
};

}  // namespace graft::zoo

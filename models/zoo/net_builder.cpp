// SPDX-License-Identifier: Apache-2.0
#include "models/zoo/net_builder.h"

#include <memory>
#include <utility>

#include "layers/loss/cross_entropy.h"
#include "layers/nn/linear.h"
#include "layers/nn/norm.h"
#include "layers/nn/pointwise.h"

namespace graft::zoo {

int group_count(std::int64_t channels) {
  constexpr int kMostGroups = 32, kFewestChannels = 4;
  for (int groups = kMostGroups; groups > 1; --groups) {
    if (channels % groups == 0 && channels / groups >= kFewestChannels) return groups;
  }
  return 1;
}

NetBuilder::NetBuilder(const ModelContext& context)
    : context_(context),
      image_(graph_.input("image", {1, context.height, context.width, 3})),
      label_(graph_.input("label", {1}, DType::kI32)) {}

std::int64_t NetBuilder::channels(ValueId x) const {
  const Shape& shape = graph_.node(x).shape;
  return shape[shape.rank() - 1];
}

ValueId NetBuilder::conv(const std::string& name, ValueId x, const ConvSpec& spec) {
  const std::int64_t in = channels(x);
  return graph_.add(name,
                    std::make_shared<Conv2d>(
                        Conv2dOptions{.in_channels = in,
                                      .out_channels = spec.out,
                                      .kernel = spec.kernel,
                                      .stride = spec.stride,
                                      .pad = spec.pad < 0 ? spec.kernel / 2 : spec.pad,
                                      .groups = spec.depthwise ? static_cast<int>(in) : 1,
                                      .bias = spec.bias,
                                      .pad_end = spec.pad_end,
                                      .kernel_w = spec.kernel_w,
                                      .pad_left = spec.kernel_w == 0 ? -1 : spec.kernel_w / 2}),
                    {x});
}

ValueId NetBuilder::norm(const std::string& name, ValueId x) {
  const std::int64_t c = channels(x);
  if (context_.norm == Norm::kBatch) {
    return graph_.add(
        name, std::make_shared<BatchNorm2d>(c, kernels::BatchNormOptions{.eps = norm_eps_}), {x});
  }
  return graph_.add(name,
                    std::make_shared<GroupNorm>(
                        c, kernels::GroupNormOptions{.groups = group_count(c), .eps = norm_eps_}),
                    {x});
}

ValueId NetBuilder::activation(const std::string& name, ValueId x, Activation act) {
  return graph_.add(name, std::make_shared<ActivationLayer>(act), {x});
}

ValueId NetBuilder::norm_act(const std::string& name, ValueId x, Activation act) {
  return activation(name + ".act", norm(name, x), act);
}

ValueId NetBuilder::add(const std::string& name, ValueId a, ValueId b) {
  return graph_.add(name, std::make_shared<Add>(), {a, b});
}

ValueId NetBuilder::concat(const std::string& name, std::vector<ValueId> x) {
  return graph_.add(name, std::make_shared<Concat>(), std::move(x));
}

ValueId NetBuilder::max_pool(const std::string& name, ValueId x,
                             const kernels::PoolOptions& options) {
  return graph_.add(name, std::make_shared<MaxPool2d>(options), {x});
}

ValueId NetBuilder::avg_pool(const std::string& name, ValueId x,
                             const kernels::PoolOptions& options) {
  return graph_.add(name, std::make_shared<AvgPool2d>(options), {x});
}

ValueId NetBuilder::global_pool(const std::string& name, ValueId x) {
  return graph_.add(name, std::make_shared<GlobalAvgPool>(), {x});
}

ValueId NetBuilder::subsample_pad(const std::string& name, ValueId x, std::int64_t out,
                                  int stride) {
  return graph_.add(name, std::make_shared<SubsamplePad>(out, stride), {x});
}

ValueId NetBuilder::dropout(const std::string& name, ValueId x, double p) {
  return p == 0 ? x : graph_.add(name, std::make_shared<Dropout>(p), {x});
}

ValueId NetBuilder::classifier(const std::string& name, ValueId x) {
  return graph_.add(name, std::make_shared<Linear>(channels(x), context_.classes), {x});
}

Graph NetBuilder::finish(ValueId logits) && {
  const ValueId loss = graph_.add("loss", std::make_shared<CrossEntropy>(context_.label_smoothing),
                                  {logits, label_});
  graph_.select("select", loss, "sampler");
  graph_.mark_output("logits", logits);
  graph_.mark_output("loss", loss);
  return std::move(graph_);
}

}  // namespace graft::zoo

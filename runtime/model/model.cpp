// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/model.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "engine/device/thread_budget.h"
#include "graph/plan/bf16.h"
#include "graph/plan/int8.h"
#include "kernels/api/backend_info.h"

namespace graft {
namespace {

void check(const ModelHeader& header) {
  const Graph& graph = header.graph;
  GRAFT_CHECK_EQ(graph.outputs().size(), 1u, "model: outputs");
  const std::string& output = graph.outputs().front().name;
  GRAFT_CHECK(output == kLogits || output == kFeatures, "model: the output is called ", output);
  const ValueId image = graph.find(kImageInput);
  GRAFT_CHECK(image != kNoValue && graph.node(image).kind == NodeKind::kInput,
              "model: no input called ", kImageInput);
  const Shape want = {1, header.preprocess.height, header.preprocess.width, ImageU8::kChannels};
  GRAFT_CHECK_EQ(graph.node(image).shape, want, "model: preprocessing and input");
  const Shape& y = graph.node(header.output()).shape;
  if (!header.classifies()) return;
  GRAFT_CHECK(y.rank() == 2, "model: logits are ", y);
  GRAFT_CHECK_EQ(static_cast<std::int64_t>(header.labels.size()), y[1],
                 "model: labels and classes");
}

}  // namespace

std::string_view arithmetic_name(DType arithmetic) {
  return arithmetic == DType::kI8 ? "int8" : name(arithmetic);
}

Graph stored_graph(const ModelHeader& header) {
  if (header.arithmetic() == DType::kF32) return header.graph;
  const Graph inference = inference_form(header.graph).graph;
  if (header.arithmetic() == DType::kBF16) return bf16_form(inference).graph;
  const auto candidates = int8_layers(inference);
  for (const std::string& name : header.quantization->floating) {
    GRAFT_CHECK(std::find(candidates.begin(), candidates.end(), name) != candidates.end(),
                "model: ", name, " is no layer that could be 8-bit");
  }
  return int8_form(inference, header.quantization->floating).derived.graph;
}

Model::Model(Context& ctx, ModelHeader header) : ctx_(&ctx), header_(std::move(header)) {
  check(header_);
  stored_ = stored_graph(header_);
  params_ = std::make_unique<ParamStore>(ctx, stored_.param_specs(), DType::kF32, Gradients::kNone);
}

void require_f32(const Model& model, const std::string& source) {
  const DType arithmetic = model.header().arithmetic();
  if (arithmetic == DType::kF32) return;
  fail(Errc::kModel, source, ": an ", arithmetic_name(arithmetic),
       " model cannot stand for the network as written; give the f32 model that it was made of");
}

InferenceNet& Model::inference_net() {
  if (!net_) net_ = std::make_unique<InferenceNet>(*ctx_, stored_, *params_);
  return *net_;
}

void Model::set_folds(bool folds) {
  GRAFT_CHECK(header_.arithmetic() == DType::kF32, "model: one in ",
              arithmetic_name(header_.arithmetic()), " runs as it is");
  header_.folds = folds;
  executor_.reset();
  max_batch_ = 0;
}

const Graph& Model::inference_graph() { return runs_folded() ? inference_net().graph() : stored_; }

void Model::plan_for(std::int64_t batch) {
  if (batch <= max_batch_) return;
  if (header_.arithmetic() == DType::kBF16) {
    if (const char* missing = kernels::why_not_fast(DType::kBF16)) {
      fail(Errc::kUnsupported, "the model is bf16: ", missing,
           "; run the f32 model that it was made of");
    }
  }
  executor_.reset();
  executor_ = std::make_unique<Executor>(*ctx_, inference_graph(),
                                         runs_folded() ? inference_net().params() : *params_,
                                         ExecutorOptions{.max_batch = batch});
  executor_->set_observer(observer_);
  max_batch_ = batch;
}

void Model::set_observer(Executor::Observer observer) {
  observer_ = std::move(observer);
  if (executor_) executor_->set_observer(observer_);
}

std::size_t Model::planned_bytes() const {
  return params_->bytes() + (net_ ? net_->params().bytes() : 0) +
         (executor_ ? executor_->arena_bytes() : 0) + staging_.bytes() + kernels::kept_bytes(*ctx_);
}

Executor& Model::executor() {
  GRAFT_CHECK(executor_ != nullptr, "model: nothing has run yet");
  return *executor_;
}

std::span<const float> Model::run(const Tensor& x) {
  const ThreadBudget::Lease lease(ThreadBudget::process(), ctx_->threads());
  plan_for(x.shape()[0]);
  if (runs_folded()) net_->follow();
  const Graph& graph = executor_->graph();
  executor_->bind(graph.find(kImageInput), x);
  executor_->forward(Phase::kEval);
  const Tensor y = executor_->value(graph.outputs().front().value);
  values_.resize(static_cast<std::size_t>(y.numel()));
  copy_to_host(*ctx_, y, values_.data());
  return values_;
}

std::span<const float> Model::run(std::span<const ImageU8> images) {
  GRAFT_CHECK(!images.empty(), "model: no images");
  const auto batch = static_cast<std::int64_t>(images.size());
  if (staging_.empty() || staging_.shape()[0] < batch) {
    const data::Preprocess& p = header_.preprocess;
    staging_ = Tensor::allocate(ctx_->memory(), {batch, p.height, p.width, ImageU8::kChannels});
  }
  Tensor x = staging_.rows(0, batch);
  pixels_.resize(static_cast<std::size_t>(x.shape().row_numel()));
  for (std::int64_t i = 0; i < batch; ++i) {
    data::apply(header_.preprocess, images[static_cast<std::size_t>(i)], pixels_);
    Tensor row = x.rows(i, 1);
    copy_from_host(*ctx_, pixels_.data(), row);
  }
  return run(x);
}

std::vector<Prediction> Model::classify(const ImageU8& image, int top) {
  return best(run(std::span(&image, 1)), top);
}

std::vector<Prediction> Model::best(std::span<const float> logits, int top) const {
  if (!header_.classifies()) {
    fail(Errc::kModel, "the model is a feature extractor, ",
         header_.graph.node(header_.output()).shape,
         " an image, and has no classes; import it with a complete weights file to classify");
  }
  GRAFT_CHECK_EQ(logits.size(), header_.labels.size(), "model: logits of one image");
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!std::isfinite(logits[i])) {
      fail(Errc::kNumerical, "logit ", i, " is ", logits[i], "; the model or its input is broken");
    }
  }
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto count = std::min(order.size(), static_cast<std::size_t>(std::max(top, 0)));
  const auto value = [&](int i) {
    return static_cast<double>(logits[static_cast<std::size_t>(i)]);
  };
  std::partial_sort(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
      [&](int a, int b) { return value(a) != value(b) ? value(a) > value(b) : a < b; });
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float v : logits) sum += std::exp(static_cast<double>(v) - largest);
  std::vector<Prediction> best;
  for (std::size_t i = 0; i < count; ++i) {
    best.push_back({order[i], header_.labels[static_cast<std::size_t>(order[i])],
                    std::exp(value(order[i]) - largest) / sum});
  }
  return best;
}

}  // namespace graft

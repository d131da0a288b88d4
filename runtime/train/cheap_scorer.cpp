// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/cheap_scorer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/api/backend_info.h"
#include "kernels/api/pool.h"

namespace graft::train {
namespace {

constexpr float kForget = 0.9F;  // of a range, from one calibration to the next
constexpr std::size_t kNoRange = std::numeric_limits<std::size_t>::max();
constexpr const char *kRanges = "ranges", *kCalls = "calls_since_calibration";
constexpr std::array<std::string_view, 3> kNames = {"f32", "bf16", "int8"};

void check_options(const Context& ctx, const CheapScorerOptions& o) {
  if (ctx.backend() == Backend::kCuda) {
    fail(Errc::kUnsupported, "cheap selection: the inference form runs on the host, not on ",
         name(ctx.backend()), "; leave --select-dtype out");
  }
  if (ctx.backend() == Backend::kRef && o.dtype == SelectDType::kBF16) {
    fail(Errc::kUnsupported, "cheap selection: the reference has no bf16; use --device cpu");
  }
  GRAFT_CHECK(o.scale == 1 || o.scale == 0.5, "cheap selection: scale must be 1 or 0.5, got ",
              o.scale);
  GRAFT_CHECK(o.max_batch >= 1 && o.calibrate_every >= 1, "cheap selection: batch ", o.max_batch,
              ", calibration every ", o.calibrate_every, " calls");
  const char* missing = kernels::why_not_fast(o.dtype == SelectDType::kBF16   ? DType::kBF16
                                              : o.dtype == SelectDType::kInt8 ? DType::kI8
                                                                              : DType::kF32);
  if (missing != nullptr && ctx.backend() != Backend::kRef) {
    fail(Errc::kUnsupported, "cheap selection: ", name(o.dtype),
         " would be slower than f32 here: ", missing, "; use --select-dtype f32");
  }
}

bool has_global_pool(const Graph& graph) {
  return std::any_of(graph.nodes().begin(), graph.nodes().end(), [](const Node& n) {
    return n.kind == NodeKind::kLayer && n.layer->kind() == "GlobalAvgPool";
  });
}

/// `folded` on images of `scale` times the sides.
Graph scaled(const Graph& folded, double scale) {
  if (scale == 1) return folded;
  Shape image = folded.node(folded.find("image")).shape;
  if (!has_global_pool(folded) || image[1] % 2 != 0 || image[2] % 2 != 0) {
    fail(Errc::kUnsupported, "cheap selection: scale ", scale,
         " needs a network with global pooling and even sides, got ", image[1], "x", image[2]);
  }
  image[1] /= 2;
  image[2] /= 2;
  try {
    return with_input_shape(folded, "image", image);
  } catch (const Error& e) {
    fail(Errc::kUnsupported, "cheap selection: the network cannot take images of ", image[1], "x",
         image[2], ": ", e.what(), "; use --select-scale 1");
  }
}

float largest(const Tensor& t) {
  const float* v = t.ptr<const float>();
  float most = 0;
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    const float magnitude = std::fabs(v[i]);
    if (magnitude > most && std::isfinite(magnitude)) most = magnitude;
  }
  return most;
}

}  // namespace

std::string_view name(SelectDType dtype) { return kNames[static_cast<std::size_t>(dtype)]; }

SelectDType parse_select_dtype(std::string_view text) {
  const auto found = std::find(kNames.begin(), kNames.end(), text);
  if (found == kNames.end()) {
    fail(Errc::kUsage, "unknown selection dtype `", text, "`; there are f32, bf16 and int8");
  }
  return static_cast<SelectDType>(found - kNames.begin());
}

CheapScorer::Reduced::Reduced(Context& ctx, const DerivedGraph& form,
                              const ParamStore& folded_params, std::int64_t batch)
    : params(ctx, form.graph.param_specs(), DType::kF32),
      derivation(form, folded_params, params),
      executor(ctx, form.graph, params, {.max_batch = batch}) {}

CheapScorer::Int8::Int8(const Graph& folded, Int8Graph of, ParamStore& params)
    : form(std::move(of)),
      value_of(folded.nodes().size(), kNoRange),
      ranges(form.values.size(), 0.0F) {
  for (const auto& s : form.scales) {
    scales.push_back(params.entry(params.find(s.param)).value.ptr<float>());
  }
  for (std::size_t i = 0; i < form.values.size(); ++i) {
    for (const std::string& node : form.values[i].nodes) {
      value_of[static_cast<std::size_t>(folded.find(node))] = i;
    }
  }
}

CheapScorer::CheapScorer(Context& ctx, const Graph& training, const ParamStore& params,
                         const CheapScorerOptions& options)
    : ctx_(ctx),
      params_(params),
      options_((check_options(ctx, options), options)),
      folded_(inference_form(training)),
      folded_params_(ctx, folded_.graph.param_specs(), DType::kF32),
      derivation_(folded_, params, folded_params_),
      executor_(ctx, scaled(folded_.graph, options.scale), folded_params_,
                {.max_batch = options.max_batch}) {
  const Graph& exact = executor_.graph();
  const auto reduce = [&](const DerivedGraph& form) {
    reduced_ = std::make_unique<Reduced>(ctx, form, folded_params_, options.max_batch);
  };
  if (options.dtype == SelectDType::kBF16) reduce(bf16_form(exact));
  if (options.dtype == SelectDType::kInt8) {
    Int8Graph form = int8_form(exact);
    reduce(form.derived);
    int8_ = std::make_unique<Int8>(exact, std::move(form), reduced_->params);
  }
  if (options.scale != 1) {
    const Shape& image = exact.node(exact.find("image")).shape;
    small_x_ = Tensor::allocate(ctx.memory(), image.with_batch(options.max_batch));
  }
}

const Graph& CheapScorer::graph() const {
  return reduced_ ? reduced_->executor.graph() : executor_.graph();
}

void CheapScorer::set_observer(Executor::Observer observer) {
  (reduced_ ? reduced_->executor : executor_).set_observer(std::move(observer));
}

void CheapScorer::follow_params() {
  if (version_ == params_.version()) return;
  derivation_.run(ctx_);
  if (reduced_) reduced_->derivation.run(ctx_);
  version_ = params_.version();
}

Tensor CheapScorer::small(const Tensor& x) {
  if (options_.scale == 1) return x;
  Tensor y = small_x_.rows(0, x.shape()[0]);
  kernels::avg_pool_fwd(ctx_, {.window = 2, .stride = 2}, x, y);
  return y;
}

void CheapScorer::run(Executor& executor, const Tensor& x, const Tensor& y, std::span<float> loss) {
  GRAFT_CHECK_EQ(static_cast<std::int64_t>(loss.size()), x.shape()[0], "cheap selection: losses");
  const Graph& graph = executor.graph();
  executor.bind(graph.find("image"), x);
  executor.bind(graph.find("label"), y);
  executor.forward(Phase::kEval);
  copy_to_host(ctx_, executor.value(graph.output("loss")), loss.data());
}

void CheapScorer::score(const Tensor& x, const Tensor& y, std::span<float> loss) {
  follow_params();
  const Tensor image = small(x);
  if (int8_) calibrate_if_due(image, y);
  run(reduced_ ? reduced_->executor : executor_, image, y, loss);
}

void CheapScorer::score_exactly(const Tensor& x, const Tensor& y, std::span<float> loss) {
  follow_params();
  if (options_.scale == 1) return run(executor_, x, y, loss);
  if (!whole_) {
    whole_ = std::make_unique<Executor>(ctx_, folded_.graph, folded_params_,
                                        ExecutorOptions{.max_batch = options_.max_batch});
  }
  run(*whole_, x, y, loss);
}

void CheapScorer::calibrate_if_due(const Tensor& x, const Tensor& y) {
  if (int8_->calls % options_.calibrate_every == 0) {
    calibrate(x, y);
    int8_->calls = 0;
  }
  ++int8_->calls;
  if (!int8_->ready) set_scales();
}

void CheapScorer::calibrate(const Tensor& x, const Tensor& y) {
  for (float& range : int8_->ranges) range *= kForget;
  const Graph& graph = executor_.graph();
  executor_.set_observer([this](ValueId node, bool, double) { see(node, executor_.value(node)); });
  executor_.bind(graph.find("image"), x);
  executor_.bind(graph.find("label"), y);
  see(graph.find("image"), x);
  executor_.forward(Phase::kEval);
  executor_.set_observer({});
  int8_->ready = false;
}

void CheapScorer::see(ValueId node, const Tensor& value) {
  const std::size_t i = int8_->value_of[static_cast<std::size_t>(node)];
  if (i != kNoRange) int8_->ranges[i] = std::max(int8_->ranges[i], largest(value));
}

void CheapScorer::set_scales() {
  const auto& form = int8_->form;
  for (std::size_t i = 0; i < form.scales.size(); ++i) {
    const std::size_t value = form.scales[i].value;
    const float range = int8_->ranges[value];
    *int8_->scales[i] = range > 0 ? range / form.values[value].levels : 1;
  }
  int8_->ready = true;
}

std::map<std::string, std::vector<float>> CheapScorer::state() const {
  if (!int8_) return {};
  return {{kRanges, int8_->ranges}, {kCalls, {static_cast<float>(int8_->calls)}}};
}

void CheapScorer::restore(const std::map<std::string, std::vector<float>>& state) {
  if (!int8_) {
    if (state.empty()) return;
    fail(Errc::kModel, "cheap selection: ranges saved, but ", name(options_.dtype), " needs none");
  }
  const auto ranges = state.find(kRanges), calls = state.find(kCalls);
  if (ranges == state.end() || calls == state.end() || calls->second.size() != 1 ||
      ranges->second.size() != int8_->ranges.size()) {
    fail(Errc::kModel, "cheap selection: the saved state does not fit a network with ",
         int8_->ranges.size(), " int8 values; was it saved with another model or dtype?");
  }
  int8_->ranges = ranges->second;
  int8_->calls = static_cast<std::int64_t>(calls->second[0]);
  int8_->ready = false;
}

}  // namespace graft::train

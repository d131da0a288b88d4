// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/check_backends.h"

#include <bit>
#include <cmath>
#include <limits>
#include <map>

#include "engine/core/rng.h"
#include "graph/exec/executor.h"
#include "graph/plan/fuse.h"
#include "kernels/api/pointwise.h"

namespace graft {
namespace {

using Values = std::vector<float>;

/// What one backend computed.
struct Run {
  std::map<ValueId, Values> outputs;        // by node
  std::map<std::string, Values> gradients;  // by parameter
};

Values fetched(Context& ctx, const Tensor& t) {
  const auto n = static_cast<std::size_t>(t.numel());
  Values out(n);
  if (t.dtype() == DType::kBF16) {
    std::vector<BFloat16> raw(n);
    copy_to_host(ctx, t, raw.data());
    for (std::size_t i = 0; i < n; ++i) {
      out[i] = std::bit_cast<float>(std::uint32_t{raw[i].bits} << 16);
    }
  } else {
    copy_to_host(ctx, t, out.data());
  }
  return out;
}

/// A tensor of `n` numbers of the stream (seed, stream), on the context's device.
Tensor drawn(Context& ctx, const CheckOptions& o, const Shape& shape, std::uint64_t stream) {
  Philox rng({.seed = o.seed, .purpose = RngPurpose::kSynthetic, .id = stream});
  Values host(static_cast<std::size_t>(shape.numel()));
  for (float& v : host) v = static_cast<float>(rng.normal());
  Tensor t = Tensor::allocate(ctx.memory(), shape);
  copy_from_host(ctx, host.data(), t);
  return t;
}

Tensor drawn_labels(Context& ctx, const CheckOptions& o) {
  Philox rng({.seed = o.seed, .purpose = RngPurpose::kSynthetic, .id = 1});
  std::vector<std::int32_t> host(static_cast<std::size_t>(o.batch));
  for (auto& v : host) {
    v = static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(o.context.classes)));
  }
  Tensor t = Tensor::allocate(ctx.memory(), {o.batch}, DType::kI32);
  copy_from_host(ctx, host.data(), t);
  return t;
}

Run run_on(Backend backend, const Graph& graph, const CheckOptions& o) {
  const DType dtype = backend == Backend::kCuda ? o.precision : DType::kF32;
  Context ctx(backend, o.threads);
  ParamStore params(ctx, graph.param_specs(), DType::kF32);
  params.initialise(ctx, o.seed);
  Executor executor(ctx, graph, params,
                    {.max_batch = o.batch, .dtype = dtype, .loss = graph.output("loss")});
  Tensor image = drawn(ctx, o, {o.batch, o.context.height, o.context.width, 3}, 0);
  if (dtype == DType::kBF16) {
    Tensor narrow = Tensor::allocate(ctx.memory(), image.shape(), dtype);
    kernels::cast(ctx, image, narrow);
    image = narrow;
  }
  const Tensor label = drawn_labels(ctx, o);
  executor.bind(graph.find("image"), image);
  executor.bind(graph.find("label"), label);
  Run run;
  executor.set_observer([&](ValueId node, bool backward, double) {
    if (!backward) run.outputs[node] = fetched(ctx, executor.value(node));
  });
  const std::vector<std::int64_t> examples(static_cast<std::size_t>(o.batch));
  const std::vector<std::uint32_t> epochs(static_cast<std::size_t>(o.batch));
  const RowIds rows{.seed = o.seed, .example = examples, .epoch = epochs};
  executor.forward(Phase::kTrain, rows);
  const Values ones(static_cast<std::size_t>(o.batch), 1.0f / static_cast<float>(o.batch));
  Tensor weight = Tensor::allocate(ctx.memory(), {o.batch});
  copy_from_host(ctx, ones.data(), weight);
  executor.backward(weight, rows);
  for (const auto& e : params.entries()) {
    if (!e.grad.empty()) run.gradients[e.name] = fetched(ctx, e.grad);
  }
  return run;
}

double difference(const Values& a, const Values& b) {
  double gap = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    gap += d * d;
    size += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  if (!std::isfinite(gap)) return std::numeric_limits<double>::quiet_NaN();
  return size > 0 ? std::sqrt(gap / size) : std::sqrt(gap);
}

}  // namespace

CheckReport check_backends(const CheckOptions& o) {
  const Graph graph = fuse(build_model(o.model, o.context));
  const Run a = run_on(o.a, graph, o), b = run_on(o.b, graph, o);
  CheckReport report;
  for (const auto& [id, values] : b.outputs) {
    const Node& node = graph.node(id);
    LayerAgreement layer{.name = node.name,
                         .kind = std::string(node.layer->kind()),
                         .forward = difference(a.outputs.at(id), values),
                         .backward = {}};
    for (const ParamSpec& spec : node.layer->params()) {
      const auto found = b.gradients.find(node.name + "." + spec.name);
      if (found == b.gradients.end()) continue;
      const double gap = difference(a.gradients.at(found->first), found->second);
      if (!layer.backward || !(gap <= *layer.backward)) layer.backward = gap;
    }
    report.layers.push_back(std::move(layer));
  }
  const auto bad = [&](double gap) { return !(gap <= o.tolerance); };
  // The first in the order of the run: down through the forwards, up through the backwards.
  for (auto l = report.layers.begin(); l != report.layers.end(); ++l) {
    if (bad(l->forward)) {
      report.first_disagreement = l->name + " forward";
      return report;
    }
  }
  for (auto l = report.layers.rbegin(); l != report.layers.rend(); ++l) {
    if (l->backward && bad(*l->backward)) {
      report.first_disagreement = l->name + " backward";
      return report;
    }
  }
  return report;
}

Json to_json(const CheckReport& report) {
  Json layers = Json::array();
  for (const LayerAgreement& l : report.layers) {
    layers.push_back({{"name", l.name},
                      {"kind", l.kind},
                      {"forward", l.forward},
                      {"backward", l.backward ? Json(*l.backward) : Json()}});
  }
  const bool agrees = report.first_disagreement.empty();
  return {{"agrees", agrees},
          {"first_disagreement", agrees ? Json() : Json(report.first_disagreement)},
          {"layers", std::move(layers)}};
}

}  // namespace graft

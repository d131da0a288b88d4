// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/profile.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "kernels/api/backend_info.h"
#include "kernels/api/gemm.h"
#include "kernels/api/int8.h"
#include "runtime/report/statistics.h"

namespace graft {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kWarmUp = 3;
constexpr double kMsPerSecond = 1000;

using report::median;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Least seconds of `run` over a few tries.
template <class F>
double fastest(const F& run) {
  constexpr int kTries = 5;
  double best = 0;
  for (int i = 0; i < kTries; ++i) {
    const auto start = Clock::now();
    run();
    const double seconds = seconds_since(start);
    if (i == 0 || seconds < best) best = seconds;
  }
  return best;
}

/// Images of zeros: what pixels are does not change how long they take.
Tensor grey_images(Context& ctx, const Model& model, std::int64_t batch) {
  const data::Preprocess& p = model.header().preprocess;
  Tensor x = Tensor::allocate(ctx.memory(), {batch, p.height, p.width, ImageU8::kChannels});
  fill_zero(ctx, x);
  return x;
}

std::int64_t bytes_of(const Graph& graph, const Node& node, ValueId id, std::int64_t batch) {
  const auto of_value = [&](ValueId v) {
    return graph.shape(v, batch).numel() * static_cast<std::int64_t>(size_of(graph.node(v).dtype));
  };
  std::int64_t bytes = of_value(id);
  for (const ValueId input : node.inputs) bytes += of_value(input);
  for (const ParamSpec& spec : node.layer->params()) {
    bytes += spec.shape.numel() * static_cast<std::int64_t>(size_of(spec.dtype));
  }
  return bytes;
}

LayerProfile describe(const Graph& graph, ValueId id, std::int64_t batch) {
  const Node& node = graph.node(id);
  std::vector<Shape> inputs;
  for (const ValueId input : node.inputs) inputs.push_back(graph.shape(input, batch));
  const std::string attributes = node.layer->attributes();
  return {.name = node.name,
          .op = std::string(node.layer->kind()) + (attributes.empty() ? "" : " " + attributes),
          .flops = node.layer->flops(inputs),
          .bytes = bytes_of(graph, node, id, batch),
          .reads = graph.node(node.inputs[0]).dtype};
}

double rate_of(const MachineRoof& roof, DType reads) {
  if (reads == DType::kBF16) return roof.bf16_flops_per_second;
  return size_of(reads) == 1 ? roof.int8_flops_per_second : roof.flops_per_second;
}

/// Time that the roof allows / time.
double roofline(const MachineRoof& roof, const LayerProfile& layer) {
  const double rate = rate_of(roof, layer.reads);
  const double seconds = std::max(static_cast<double>(layer.flops) / rate,
                                  static_cast<double>(layer.bytes) / roof.bytes_per_second);
  return layer.ms > 0 ? kMsPerSecond * seconds / layer.ms : 0;
}

}  // namespace

MachineRoof measure_roof(Context& ctx) {
  constexpr std::int64_t kSide = 1024, kCopied = std::int64_t{16} << 20;
  Tensor a = Tensor::allocate(ctx.memory(), {kSide, kSide});
  Tensor b = Tensor::allocate(ctx.memory(), {kSide, kSide});
  Tensor c = Tensor::allocate(ctx.memory(), {kSide, kSide});
  fill_zero(ctx, a);
  fill_zero(ctx, b);
  const double product = fastest([&] {
    kernels::linear_fwd(ctx, a, b, {}, 0, c);
    ctx.synchronize();
  });
  Tensor a_low = Tensor::allocate(ctx.memory(), {kSide, kSide}, DType::kBF16);
  Tensor b_low = Tensor::allocate(ctx.memory(), {kSide, kSide}, DType::kBF16);
  Tensor bytes = Tensor::allocate(ctx.memory(), {kSide, kSide}, DType::kU8);
  Tensor weights = Tensor::allocate(ctx.memory(), {kSide, kSide}, DType::kI8);
  Tensor zeros = Tensor::allocate(ctx.memory(), {kSide});
  for (Tensor* t : {&a_low, &b_low, &bytes, &weights, &zeros}) fill_zero(ctx, *t);
  // Weights of a version are packed once.
  constexpr auto kVersion = std::numeric_limits<std::uint64_t>::max();
  const bool has_bf16 = kernels::why_not_fast(DType::kBF16) == nullptr;
  const auto run_bf16 = [&] { kernels::linear_fwd(ctx, a_low, b_low, {}, kVersion, c); };
  const double bf16 = has_bf16 ? fastest(run_bf16) : product;
  const bool has_int8 = kernels::why_not_fast(DType::kI8) == nullptr;
  const auto run_int8 = [&] {
    kernels::linear_int8_fwd(ctx, {}, bytes, weights, zeros, zeros, kVersion, c);
  };
  const double int8 = has_int8 ? fastest(run_int8) : product;
  std::vector<float> host(kCopied);
  Tensor large = Tensor::allocate(ctx.memory(), {kCopied});
  const double copy = fastest([&] { copy_from_host(ctx, host.data(), large); });
  constexpr double kFlops = 2.0 * kSide * kSide * kSide;
  return {.flops_per_second = kFlops / product,
          .bf16_flops_per_second = kFlops / bf16,
          .int8_flops_per_second = kFlops / int8,
          .bytes_per_second = 2.0 * sizeof(float) * static_cast<double>(kCopied) / copy};
}

std::vector<double> time_model(Context& ctx, Model& model, std::int64_t batch, int runs) {
  const Tensor x = grey_images(ctx, model, batch);
  std::vector<double> ms;
  for (int i = 0; i < kWarmUp + runs; ++i) {
    const auto start = Clock::now();
    (void)model.run(x);
    if (i >= kWarmUp) ms.push_back(kMsPerSecond * seconds_since(start));
  }
  return ms;
}

ModelProfile profile_model(Context& ctx, Model& model, std::int64_t batch, int runs) {
  ModelProfile out;
  out.batch = batch;
  out.threads = ctx.threads();
  out.total_ms = median(time_model(ctx, model, batch, runs));
  const Graph& graph = model.inference_graph();
  std::vector<std::vector<double>> ms(graph.nodes().size());
  model.set_observer([&ms](ValueId node, bool, double seconds) {
    ms[static_cast<std::size_t>(node)].push_back(kMsPerSecond * seconds);
  });
  const Tensor x = grey_images(ctx, model, batch);
  for (int i = 0; i < runs; ++i) (void)model.run(x);
  model.set_observer({});
  for (std::size_t i = 0; i < ms.size(); ++i) {
    if (ms[i].empty()) continue;
    LayerProfile layer = describe(graph, static_cast<ValueId>(i), batch);
    layer.ms = median(ms[i]);
    out.layers.push_back(std::move(layer));
  }
  out.peak_bytes = model.planned_bytes() + x.bytes();
  out.roof = measure_roof(ctx);  // after the peak: its kernels keep memory too
  for (LayerProfile& layer : out.layers) layer.roofline = roofline(out.roof, layer);
  return out;
}

Json to_json(const ModelProfile& profile) {
  Json layers = Json::array();
  for (const LayerProfile& layer : profile.layers) {
    layers.push_back({{"name", layer.name},
                      {"op", layer.op},
                      {"ms", layer.ms},
                      {"flops", layer.flops},
                      {"bytes", layer.bytes},
                      {"roofline", layer.roofline}});
  }
  return {{"layers", layers},
          {"total_ms", profile.total_ms},
          {"peak_bytes", profile.peak_bytes},
          {"batch", profile.batch},
          {"threads", profile.threads},
          {"roof",
           {{"gflops_per_second", profile.roof.flops_per_second / 1e9},
            {"bf16_gflops_per_second", profile.roof.bf16_flops_per_second / 1e9},
            {"int8_gflops_per_second", profile.roof.int8_flops_per_second / 1e9},
            {"gbytes_per_second", profile.roof.bytes_per_second / 1e9}}}};
}

}  // namespace graft

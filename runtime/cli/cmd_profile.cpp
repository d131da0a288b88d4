// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iostream>
#include <numeric>

#include <fmt/format.h>

#include "engine/core/log.h"
#include "engine/core/text.h"
#include "engine/io/file.h"
#include "kernels/api/backend_info.h"
#include "runtime/cli/commands.h"
#include "runtime/model/bf16.h"
#include "runtime/model/profile.h"
#include "runtime/model/quantize.h"
#include "runtime/package/base_models.h"
#include "runtime/package/layer_costs.h"
#include "runtime/package/package_set.h"
#include "runtime/train/trainer.h"

namespace graft::cli {
namespace {

struct Args {
  std::string model, costs, base, dtype;
  std::int64_t batch = 1;
  int threads = 0, runs = 20;
  bool json = false;
};

void print(const ModelProfile& p) {
  std::cout << fmt::format("{:<28} {:<44} {:>9} {:>10} {:>10} {:>9}\n", "layer", "op", "ms",
                           "MFLOP", "KiB", "roofline");
  for (const LayerProfile& layer : p.layers) {
    std::cout << fmt::format("{:<28} {:<44} {:>9.4f} {:>10.3f} {:>10.1f} {:>7.0f} %\n", layer.name,
                             layer.op, layer.ms, static_cast<double>(layer.flops) / 1e6,
                             static_cast<double>(layer.bytes) / 1024, 100 * layer.roofline);
  }
  std::cout << fmt::format(
      "total {:.3f} ms, peak {:.1f} MiB, batch {}, {} threads; roof {:.0f} GFLOP/s f32, {:.0f} "
      "bf16, {:.0f} int8 (matrix product), {:.1f} GB/s (copy)\n",
      p.total_ms, static_cast<double>(p.peak_bytes) / (1024.0 * 1024.0), p.batch, p.threads,
      p.roof.flops_per_second / 1e9, p.roof.bf16_flops_per_second / 1e9,
      p.roof.int8_flops_per_second / 1e9, p.roof.bytes_per_second / 1e9);
}

/// Layers of a model, or of a package's network with its base.
std::vector<double> costs_of(Context& ctx, const Args& args) {
  if (!is_package_file(args.model)) {
    const Model model = Model::load(ctx, args.model);
    require_f32(model, args.model);
    return layer_costs(ctx, model.header().graph, model.params(), args.runs);
  }
  const Package package(args.model);
  BaseModels bases(args.base);
  const auto params = candidate_params(ctx, package, package.header().candidates.front().frozen,
                                       bases.get(ctx, package));
  return layer_costs(ctx, package.header().graph, *params, args.runs);
}

int run_costs(const Args& args) {
  if (args.batch != 1) fail(Errc::kUsage, "--costs are of one image; leave --batch out");
  const auto ctx = train::make_context("cpu", args.threads);
  const std::vector<double> layers = costs_of(*ctx, args);
  const double total = std::accumulate(layers.begin(), layers.end(), 0.0);
  const Json json = {{"unit", "ms"},
                     {"layers", layers},
                     {"total", total},
                     {"threads", ctx->threads()},
                     {"network", std::filesystem::path(args.model).filename().string()}};
  atomic_write(args.costs, json.dump() + "\n");
  std::cout << (args.json ? json.dump() + "\n"
                          : fmt::format("{}: {} layers, {:.3f} ms a frame, {} threads; a budget of "
                                        "1000 ms/s is all of them\n",
                                        args.costs, layers.size(), total, ctx->threads()));
  return 0;
}

int run_profile(const Args& args) {
  if (!args.costs.empty()) return run_costs(args);
  const auto ctx = train::make_context("cpu", args.threads);
  Model model = Model::load(*ctx, args.model);
  const ModelProfile profile = profile_model(*ctx, model, args.batch, args.runs);
  if (args.json) {
    std::cout << to_json(profile).dump() << "\n";
  } else {
    print(profile);
  }
  return 0;
}

/// The model in the arithmetic asked for. Throws Error(kUnsupported) where that cannot be had.
Model in_dtype(Context& ctx, Model model, const Args& args) {
  const DType has = model.header().arithmetic();
  if (args.dtype.empty() || args.dtype == arithmetic_name(has)) return model;
  if (has != DType::kF32) {
    fail(Errc::kUnsupported, "--dtype ", args.dtype, ": ", args.model, " is made for ",
         arithmetic_name(has), "; bench the f32 model that it was made of");
  }
  const char* missing = kernels::why_not_fast(args.dtype == "bf16" ? DType::kBF16 : DType::kI8);
  if (missing != nullptr) {
    fail(Errc::kUnsupported, "--dtype ", args.dtype, ": ", missing, "; use --dtype f32");
  }
  if (args.dtype == "bf16") return make_bf16(ctx, model);
  log::info("int8 by the ranges of drawn images: for timing only, `graft quantize` makes a model");
  return quantize_for_timing(ctx, model);
}

int run_bench(const Args& args) {
  const auto ctx = train::make_context("cpu", args.threads);
  Model model = in_dtype(*ctx, Model::load(*ctx, args.model), args);
  std::vector<double> ms = time_model(*ctx, model, args.batch, args.runs);
  std::sort(ms.begin(), ms.end());
  const double p50 = ms[ms.size() / 2];
  if (args.json) {
    const Json out = {
        {"ms_p50", p50}, {"ms_min", ms.front()}, {"ms_max", ms.back()}, {"runs", ms.size()}};
    std::cout << out.dump() << "\n";
  } else {
    std::cout << fmt::format("{:.3f} ms a batch of {} in the median of {} runs ({:.3f} - {:.3f})\n",
                             p50, args.batch, ms.size(), ms.front(), ms.back());
  }
  return 0;
}

void add_common(CLI::App& app, Args& args) {
  app.add_option("--model", args.model, "model file of graft import")->required();
  app.add_option("--batch", args.batch, "images at a time")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--threads", args.threads, "0: all cores")->check(CLI::Range(0, 1024));
  app.add_option("--runs", args.runs, "forwards that count")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_flag("--json", args.json, "machine-readable");
}

}  // namespace

std::vector<Command> add_profile(CLI::App& root) {
  auto args = std::make_shared<Args>();
  auto* profile = root.add_subcommand("profile", "Where a model's time goes, layer by layer");
  profile->footer(
      "Example:\n  graft profile --model m.graft --threads 1 --json > profile.json\n"
      "  graft profile --model cars.mpkg --threads 1 --costs costs.json");
  add_common(*profile, *args);
  profile->add_option("--costs", args->costs,
                      "write the cost file of graft schedule: milliseconds of each layer as a tree "
                      "runs it; --model may then be a package");
  profile->add_option("--base", args->base, "of a package: its base, or the folder that has it");
  auto* bench = root.add_subcommand("bench", "Measure");
  bench->require_subcommand(1);
  auto* inference = bench->add_subcommand("inference", "Latency of a model's forward");
  inference->footer("Example:\n  graft bench inference --model m.graft --batch 8 --threads 2");
  add_common(*inference, *args);
  inference
      ->add_option("--dtype", args->dtype,
                   "default: the model's; int8 of an f32 model takes ranges that serve timing only")
      ->check(CLI::IsMember({"f32", "bf16", "int8"}));
  return {{profile, [args] { return run_profile(*args); }},
          {inference, [args] { return run_bench(*args); }}};
}

}  // namespace graft::cli

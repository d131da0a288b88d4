// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/run_training.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "engine/core/log.h"
#include "runtime/adapt/adapt_schedule.h"
#include "runtime/report/report.h"

namespace graft::train {

namespace {

void check_precision(const TrainOptions& options, const Context& ctx) {
  if (options.precision == "f32") return;
  if (ctx.backend() != Backend::kCuda) {
    fail(Errc::kUsage, "--precision ", options.precision, ": the ", name(ctx.backend()),
         " backend trains in f32 only, it has no bf16 kernels; use --device cuda, or --precision "
         "f32");
  }
  if (options.probes != "none") {
    fail(Errc::kUsage, "--precision ", options.precision, " with --probes ", options.probes,
         ": probes read f32 values; use --probes none, or --precision f32");
  }
}

}  // namespace

std::vector<RunResult> run_training(const TrainOptions& options) {
  namespace fs = std::filesystem;
  // With a scoring thread of its own, selection gets the smaller half of the budget.
  const int budget = thread_budget(options.threads);
  const auto ctx =
      make_context(options.device, options.pipeline >= 0 ? std::max(1, (budget + 1) / 2) : budget);
  check_precision(options, *ctx);
  ctx->set_vendor_choice({.deterministic = options.deterministic, .autotune = options.autotune});
  std::vector<RunResult> results;
  for (int i = 0; i < options.seeds; ++i) {
    TrainOptions one = options;
    one.seed = options.seed + static_cast<std::uint64_t>(i);
    one.out = options.seeds == 1
                  ? options.out
                  : (fs::path(options.out) / ("seed-" + std::to_string(one.seed))).string();
    Trainer trainer(*ctx, one, one.out, adapt::make_adapt_schedule(one));
    results.push_back(trainer.run());
    if (results.back().end != RunResult::End::kNothingLeft) report::write_run_files(one.out);
    if (results.back().end == RunResult::End::kInterrupted) return results;
  }
  if (options.seeds > 1) {
    const std::array all = {fs::path(options.out)};
    report::write_report(all, fs::path(options.out) / "report.html");
  }
  return results;
}

}  // namespace graft::train

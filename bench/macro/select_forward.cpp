// SPDX-License-Identifier: Apache-2.0
// Times the forward of one slice: in training, in evaluation as the training graph does it, in the
// folded f32 form, in int8 and, where the processor has it, in bf16. They take turns. A pass counts
// as the sum of the best times that each of its nodes had in --runs: on a machine that others use,
// a whole pass is rarely undisturbed, a node is. One JSON line a network and thread count.
#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <map>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "engine/core/rng.h"
#include "engine/io/json.h"
#include "graph/plan/fuse.h"
#include "kernels/api/backend_info.h"
#include "models/spec/model_spec.h"
#include "runtime/train/cheap_scorer.h"
#include "runtime/train/network.h"

namespace {

using graft::Tensor;
using graft::train::CheapScorer;
using graft::train::SelectDType;
using Clock = std::chrono::steady_clock;

struct Options {
  std::vector<std::string> models = {"resnet8", "resnet20", "wrn-16-2", "mobilenet_v2"};
  std::vector<int> threads = {1, 2};
  std::int64_t batch = 128;
  int runs = 20;
  bool profile = false;
};

/// One way to run the forward, and the best times of its nodes.
struct Pass {
  std::string name;
  const graft::Graph* graph;
  std::function<void()> run;
  std::function<void(graft::Executor::Observer)> observe;
  std::map<graft::ValueId, double> best = {};

  void run_once() {
    observe([this](graft::ValueId id, bool, double seconds) {
      const auto [it, fresh] = best.emplace(id, seconds);
      if (!fresh) it->second = std::min(it->second, seconds);
    });
    run();
    observe({});
  }
  [[nodiscard]] double ms() const {
    double sum = 0;
    for (const auto& [id, seconds] : best) sum += seconds;
    return sum * 1e3;
  }
  void print_nodes(std::int64_t batch) const {
    std::cerr << name << "\n";
    for (const auto& [id, seconds] : best) {
      const graft::Node& n = graph->node(id);
      const double gop = static_cast<double>(n.layer->flops(graph->input_shapes(id, batch))) * 1e-9;
      std::cerr << fmt::format("{:32} {:16} {:44} {:8.3f} ms {:6.0f} GOP/s\n", n.name,
                               n.layer->kind(), n.layer->attributes(), seconds * 1e3,
                               gop / seconds);
    }
  }
};

/// One network with a fixed random batch and its scorers.
class Bench {
 public:
  Bench(const std::string& model, int threads, std::int64_t batch)
      : ctx_(graft::Backend::kCpu, threads),
        network_(ctx_, graft::fuse(graft::build_model(graft::parse_model_spec(model), {})),
                 {.max_batch = batch, .optimizer = {}, .seed = 1}),
        f32_(ctx_, network_.graph(), network_.params(), {.max_batch = batch}),
        int8_(ctx_, network_.graph(), network_.params(),
              {.dtype = SelectDType::kInt8, .max_batch = batch, .calibrate_every = 1 << 20}),
        bf16_(graft::kernels::why_not_fast(graft::DType::kBF16) != nullptr
                  ? nullptr
                  : std::make_unique<CheapScorer>(
                        ctx_, network_.graph(), network_.params(),
                        graft::train::CheapScorerOptions{.dtype = SelectDType::kBF16,
                                                         .max_batch = batch})),
        x_(Tensor::allocate(ctx_.memory(), {batch, 32, 32, 3})),
        y_(Tensor::allocate(ctx_.memory(), {batch}, graft::DType::kI32)),
        loss_(static_cast<std::size_t>(batch)),
        ids_(loss_.size()),
        epochs_(loss_.size()) {
    graft::Philox rng({.seed = 1});
    for (std::int64_t i = 0; i < x_.numel(); ++i) {
      x_.ptr<float>()[i] = static_cast<float>(rng.normal());
    }
    for (std::int64_t i = 0; i < batch; ++i) {
      y_.ptr<std::int32_t>()[i] = static_cast<std::int32_t>(rng.below(10));
    }
  }

  [[nodiscard]] std::vector<Pass> passes() {
    auto& executor = network_.executor();
    const auto training = [this, &executor](const char* name, graft::Phase phase) {
      return Pass{.name = name,
                  .graph = &network_.graph(),
                  .run = [this, phase] { forward(phase); },
                  .observe = [&executor](auto o) { executor.set_observer(std::move(o)); }};
    };
    const auto derived = [this](const char* name, CheapScorer& scorer) {
      return Pass{.name = name,
                  .graph = &scorer.graph(),
                  .run = [this, &scorer] { scorer.score(x_, y_, loss_); },
                  .observe = [&scorer](auto o) { scorer.set_observer(std::move(o)); }};
    };
    std::vector<Pass> all = {training("train_forward", graft::Phase::kTrain),
                             training("eval_forward", graft::Phase::kSelect),
                             derived("folded_f32", f32_), derived("int8", int8_)};
    if (bf16_) all.push_back(derived("bf16", *bf16_));
    return all;
  }

  /// Seconds that folding and quantising new parameters take, once an update.
  double follow_params() {
    network_.params().bump_version();
    const auto start = Clock::now();
    int8_.follow_params();
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

 private:
  void forward(graft::Phase phase) {
    auto& executor = network_.executor();
    executor.bind(network_.graph().find("image"), x_);
    executor.bind(network_.graph().find("label"), y_);
    executor.forward(phase, {.seed = 1, .example = ids_, .epoch = epochs_});
  }

  graft::Context ctx_;
  graft::train::Network network_;
  CheapScorer f32_, int8_;
  std::unique_ptr<CheapScorer> bf16_;
  Tensor x_, y_;
  std::vector<float> loss_;
  std::vector<std::int64_t> ids_;
  std::vector<std::uint32_t> epochs_;
};

void run(const std::string& model, int threads, const Options& o) {
  Bench bench(model, threads, o.batch);
  auto passes = bench.passes();
  for (Pass& pass : passes) pass.run();  // warm-up
  for (int r = 0; r < o.runs; ++r) {
    for (Pass& pass : passes) pass.run_once();
  }
  double refold = 1;
  for (int r = 0; r < o.runs; ++r) refold = std::min(refold, bench.follow_params());
  constexpr std::size_t kEval = 1;
  graft::Json line = {
      {"model", model}, {"batch", o.batch}, {"threads", threads}, {"refold_ms", refold * 1e3}};
  for (const Pass& pass : passes) {
    line[pass.name] = {{"ms", pass.ms()}, {"faster_than_eval", passes[kEval].ms() / pass.ms()}};
    if (o.profile) pass.print_nodes(o.batch);
  }
  std::cout << line.dump() << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Selection-forward benchmark");
  Options o;
  app.add_option("--models", o.models)->delimiter(',');
  app.add_option("--threads", o.threads)->delimiter(',');
  app.add_option("--batch", o.batch);
  app.add_option("--runs", o.runs);
  app.add_flag("--profile", o.profile, "every node of the derived graphs, on standard error");
  CLI11_PARSE(app, argc, argv);
  for (const auto& model : o.models) {
    for (const int threads : o.threads) run(model, threads, o);
  }
  return 0;
}

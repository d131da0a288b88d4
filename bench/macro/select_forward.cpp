// SPDX-License-Identifier: Apache-2.0
// Times the forward of one slice: in training, in evaluation as the training graph does it, in the
// folded f32 form and in int8. The four take turns, so that another user of the machine disturbs
// all; each has its best of --runs. One JSON line a network and thread count.
#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <map>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "engine/core/rng.h"
#include "engine/io/json.h"
#include "graph/plan/fuse.h"
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

  [[nodiscard]] std::vector<std::pair<std::string, std::function<void()>>> passes() {
    return {{"train_forward", [this] { forward(graft::Phase::kTrain); }},
            {"eval_forward", [this] { forward(graft::Phase::kSelect); }},
            {"folded_f32", [this] { f32_.score(x_, y_, loss_); }},
            {"int8", [this] { int8_.score(x_, y_, loss_); }}};
  }

  /// Prints every node of the two derived graphs with its best time.
  void profile(int runs) {
    for (CheapScorer* scorer : {&f32_, &int8_}) {
      std::map<graft::ValueId, double> best;
      scorer->set_observer([&](graft::ValueId id, bool, double seconds) {
        const auto [it, fresh] = best.emplace(id, seconds);
        if (!fresh) it->second = std::min(it->second, seconds);
      });
      for (int i = 0; i < runs; ++i) scorer->score(x_, y_, loss_);
      scorer->set_observer({});
      for (const auto& [id, seconds] : best) {
        const graft::Node& n = scorer->graph().node(id);
        const auto shapes = scorer->graph().input_shapes(id, x_.shape()[0]);
        std::cerr << fmt::format("{:32} {:16} {:44} {:8.3f} ms {:6.0f} GOP/s\n", n.name,
                                 n.layer->kind(), n.layer->attributes(), seconds * 1e3,
                                 static_cast<double>(n.layer->flops(shapes)) / seconds * 1e-9);
      }
    }
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
  Tensor x_, y_;
  std::vector<float> loss_;
  std::vector<std::int64_t> ids_;
  std::vector<std::uint32_t> epochs_;
};

void run(const std::string& model, int threads, const Options& o) {
  Bench bench(model, threads, o.batch);
  const auto passes = bench.passes();
  std::vector<double> best(passes.size(), 1e9);
  for (int r = -1; r < o.runs; ++r) {  // the first is warm-up
    for (std::size_t i = 0; i < passes.size(); ++i) {
      const auto start = Clock::now();
      passes[i].second();
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      if (r >= 0) best[i] = std::min(best[i], seconds);
    }
  }
  constexpr std::size_t kEval = 1;
  graft::Json line = {{"model", model}, {"batch", o.batch}, {"threads", threads}};
  for (std::size_t i = 0; i < passes.size(); ++i) {
    line[passes[i].first] = {{"ms_min", best[i] * 1e3}, {"faster_than_eval", best[kEval] / best[i]}};
  }
  std::cout << line.dump() << std::endl;
  if (o.profile) bench.profile(o.runs);
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

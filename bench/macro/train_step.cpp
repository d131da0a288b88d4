// SPDX-License-Identifier: Apache-2.0
// Times training steps of whole networks (forward, loss, backward, update; data in memory, no
// augmentation) and, with --profile, where the time of a step goes. One JSON line a network.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "engine/core/rng.h"
#include "graph/plan/fuse.h"
#include "models/spec/model_spec.h"
#include "runtime/train/network.h"

namespace {

using graft::Tensor;
using Clock = std::chrono::steady_clock;

struct Options {
  std::vector<std::string> models = {"resnet20", "wrn-16-2", "mobilenet_v2"};
  std::int64_t batch = 128;
  int threads = static_cast<int>(std::thread::hardware_concurrency());
  int runs = 7, steps = 3;
  bool profile = false;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// One network with a fixed random batch.
class Bench {
 public:
  Bench(const std::string& model, const Options& o)
      : ctx_(graft::Backend::kCpu, o.threads),
        network_(ctx_, graft::fuse(graft::build_model(graft::parse_model_spec(model), {})),
                 {.max_batch = o.batch, .optimizer = {}, .seed = 1}),
        weights_(static_cast<std::size_t>(o.batch), 1.0F / static_cast<float>(o.batch)),
        losses_(static_cast<std::size_t>(o.batch)) {
    rows_.x = Tensor::allocate(ctx_.memory(), {o.batch, 32, 32, 3});
    rows_.y = Tensor::allocate(ctx_.memory(), {o.batch}, graft::DType::kI32);
    graft::Philox rng({.seed = 1});
    for (std::int64_t i = 0; i < rows_.x.numel(); ++i) {
      rows_.x.ptr<float>()[i] = static_cast<float>(rng.normal());
    }
    for (std::int64_t i = 0; i < o.batch; ++i) {
      rows_.y.ptr<std::int32_t>()[i] = static_cast<std::int32_t>(rng.below(10));
      ids_.push_back(i);
    }
    epochs_.resize(ids_.size());
    rows_.ids = ids_;
    rows_.epochs = epochs_;
  }

  void step() {
    // A tiny rate: the timing must not depend on what the weights become.
    (void)network_.step(rows_, weights_, 1e-6, ++step_, {.losses = losses_}, time_);
  }

  /// Seconds by operator, forward and backward apart, of `steps` steps.
  std::map<std::string, double> profile(int steps) {
    std::map<std::string, double> by_kind;
    network_.executor().set_observer([&](graft::ValueId id, bool backward, double seconds) {
      by_kind[std::string(network_.graph().node(id).layer->kind()) +
              (backward ? " bwd" : " fwd")] += seconds / steps;
    });
    time_ = {};
    for (int i = 0; i < steps; ++i) step();
    by_kind["optimizer"] = time_.optimizer / steps;
    network_.executor().set_observer({});
    return by_kind;
  }

  [[nodiscard]] double training_gflop() const {
    return 3e-9 * static_cast<double>(network_.graph().flops());
  }

 private:
  graft::Context ctx_;
  graft::train::Network network_;
  graft::train::Network::Rows rows_;
  std::vector<float> weights_, losses_;
  std::vector<std::int64_t> ids_;
  std::vector<std::uint32_t> epochs_;
  graft::train::TimeSplit time_;
  std::int64_t step_ = 0;
};

void run(const std::string& model, const Options& o) {
  Bench bench(model, o);
  for (int i = 0; i < 3; ++i) bench.step();
  std::vector<double> rate;
  for (int r = 0; r < o.runs; ++r) {
    const auto start = Clock::now();
    for (int i = 0; i < o.steps; ++i) bench.step();
    rate.push_back(static_cast<double>(o.batch * o.steps) / seconds_since(start));
  }
  std::sort(rate.begin(), rate.end());
  const double median = rate[rate.size() / 2];
  graft::Json line = {
      {"peer", "graft"},      {"model", model},     {"batch", o.batch},
      {"threads", o.threads}, {"median", median},   {"min", rate.front()},
      {"max", rate.back()},   {"unit", "images/s"}, {"gflops", median * bench.training_gflop()}};
  if (o.profile)
    line["profile_ms"] = [&] {
      graft::Json p;
      for (const auto& [kind, seconds] : bench.profile(o.steps)) p[kind] = seconds * 1e3;
      return p;
    }();
  std::cout << line.dump() << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Training-step benchmark");
  Options o;
  app.add_option("--models", o.models)->delimiter(',');
  app.add_option("--batch", o.batch);
  app.add_option("--threads", o.threads);
  app.add_option("--runs", o.runs);
  app.add_option("--steps", o.steps, "steps of one run");
  app.add_flag("--profile", o.profile, "add milliseconds by operator");
  CLI11_PARSE(app, argc, argv);
  for (const auto& model : o.models) run(model, o);
  return 0;
}

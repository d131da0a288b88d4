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
  std::int64_t batch = 128, side = 32, classes = 10;
  int threads = static_cast<int>(std::thread::hardware_concurrency());
  int runs = 7, steps = 3;
  bool profile = false, split = false, call_by_call = false;
  std::string device = "cpu", precision = "f32";
  graft::VendorChoice choice;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// One network with a fixed random batch.
class Bench {
 public:
  Bench(const std::string& model, const Options& o)
      : ctx_(o.device == "cuda" ? graft::Backend::kCuda : graft::Backend::kCpu, o.threads),
        network_(ctx_,
                 graft::fuse(
                     graft::build_model(graft::parse_model_spec(model),
                                        {.classes = o.classes, .height = o.side, .width = o.side})),
                 {.max_batch = o.batch,
                  .optimizer = {},
                  .seed = 1,
                  .precision = o.precision == "bf16" ? graft::DType::kBF16 : graft::DType::kF32,
                  .record_steps = !o.call_by_call && !o.profile && !o.split}),
        weights_(static_cast<std::size_t>(o.batch), 1.0F / static_cast<float>(o.batch)),
        losses_(static_cast<std::size_t>(o.batch)) {
    ctx_.set_vendor_choice(o.choice);
    rows_.x = Tensor::allocate(ctx_.memory(), {o.batch, o.side, o.side, 3});
    rows_.y = Tensor::allocate(ctx_.memory(), {o.batch}, graft::DType::kI32);
    graft::Philox rng({.seed = 1});
    std::vector<float> x(static_cast<std::size_t>(rows_.x.numel()));
    for (float& v : x) v = static_cast<float>(rng.normal());
    std::vector<std::int32_t> y;
    for (std::int64_t i = 0; i < o.batch; ++i) {
      y.push_back(static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(o.classes))));
      ids_.push_back(i);
    }
    graft::copy_from_host(ctx_, x.data(), rows_.x);
    graft::copy_from_host(ctx_, y.data(), rows_.y);
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

  /// Milliseconds of the training forward, the backward and the forward without saving, median of
  /// `runs`; part of the layers' time that is convolution.
  graft::Json split(int runs) {
    std::vector<double> forward, backward, inference;
    for (int r = 0; r < runs; ++r) {
      time_ = {};
      step();
      forward.push_back(1e3 * time_.forward);
      backward.push_back(1e3 * time_.backward);
      const auto start = Clock::now();
      network_.score(rows_, graft::Phase::kEval, {.losses = losses_});
      inference.push_back(1e3 * seconds_since(start));
    }
    double convolution = 0, all = 0;
    for (const auto& [kind, seconds] : profile(1)) {
      all += kind == "optimizer" ? 0 : seconds;
      convolution += kind.rfind("Conv", 0) == 0 ? seconds : 0;
    }
    const double f = median(forward), b = median(backward), i = median(inference);
    return {{"forward_ms", f},
            {"backward_ms", b},
            {"inference_ms", i},
            {"backward_over_forward", b / f},
            {"inference_over_forward", i / f},
            {"convolution_share", convolution / all}};
  }

  /// Whether steps are one call each.
  [[nodiscard]] bool recorded() const { return network_.recorded_runs() > 0; }
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
  const double middle = median(rate);
  graft::Json line = {{"peer", "graft"},          {"model", model},
                      {"batch", o.batch},         {"device", o.device},
                      {"precision", o.precision}, {"recorded", bench.recorded()},
                      {"threads", o.threads},     {"median", middle},
                      {"min", rate.front()},      {"max", rate.back()},
                      {"unit", "images/s"},       {"gflops", middle * bench.training_gflop()}};
  if (o.profile)
    line["profile_ms"] = [&] {
      graft::Json p;
      for (const auto& [kind, seconds] : bench.profile(o.steps)) p[kind] = seconds * 1e3;
      return p;
    }();
  if (o.split) line.update(bench.split(o.runs));
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
  app.add_option("--side", o.side, "height and width of the images");
  app.add_option("--classes", o.classes);
  app.add_option("--device", o.device)->check(CLI::IsMember({"cpu", "cuda"}));
  app.add_option("--precision", o.precision)->check(CLI::IsMember({"f32", "bf16"}));
  app.add_flag("--autotune", o.choice.autotune);
  app.add_flag("--deterministic", o.choice.deterministic);
  app.add_flag("--call-by-call", o.call_by_call, "cuda: do not record the step as one CUDA graph");
  app.add_flag("--split", o.split, "add forward, backward and inference apart");
  CLI11_PARSE(app, argc, argv);
  for (const auto& model : o.models) run(model, o);
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Latency of a model's inference form, f32, bf16 or int8, for bench/peers/inference.py: a line with
// a number on standard input is answered by a JSON list with the milliseconds of as many forwards.
// int8 is calibrated on the random images that are timed: what a scale is changes no time.
#include "graph/plan/inference.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <iostream>
#include <map>
#include <memory>

#include <CLI/CLI.hpp>

#include "engine/core/rng.h"
#include "engine/io/json.h"
#include "graph/exec/param_derivation.h"
#include "graph/plan/bf16.h"
#include "graph/plan/int8.h"
#include "runtime/model/model.h"

namespace {

using graft::Executor;
using graft::Tensor;
using Clock = std::chrono::steady_clock;

float largest(const Tensor& t) {
  float most = 0;
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    most = std::max(most, std::fabs(t.ptr<const float>()[i]));
  }
  return most;
}

/// A graph that derives from another, with its parameters.
struct Form {
  Form(graft::Context& ctx, const graft::DerivedGraph& derived, const graft::ParamStore& from,
       std::int64_t batch)
      : params(ctx, derived.graph.param_specs(), graft::DType::kF32),
        executor(ctx, derived.graph, params, {.max_batch = batch}) {
    graft::ParamDerivation(derived, from, params).run(ctx);
  }
  void run(const Tensor& x) {
    executor.bind(executor.graph().find(graft::kImageInput), x);
    executor.forward(graft::Phase::kEval);
  }
  graft::ParamStore params;
  Executor executor;
};

class Bench {
 public:
  Bench(const std::string& file, std::int64_t batch, int threads, const std::string& dtype)
      : ctx_(graft::Backend::kCpu, threads), model_(graft::Model::load(ctx_, file)) {
    const graft::DerivedGraph folded = inference_form(model_.header().graph);
    const auto& p = model_.header().preprocess;
    x_ = Tensor::allocate(ctx_.memory(), {batch, p.height, p.width, graft::ImageU8::kChannels});
    graft::Philox rng({.seed = 1});
    for (std::int64_t i = 0; i < x_.numel(); ++i) {
      x_.ptr<float>()[i] = static_cast<float>(rng.normal());
    }
    form_ = std::make_unique<Form>(ctx_, folded, model_.params(), batch);
    if (dtype == "int8") quantise(folded, batch);
    if (dtype == "bf16") {
      form_ = std::make_unique<Form>(ctx_, bf16_form(folded.graph), form_->params, batch);
    }
  }

  [[nodiscard]] std::vector<double> run(int times) {
    constexpr double kMsPerSecond = 1000;
    std::vector<double> ms;
    for (int i = 0; i < times; ++i) {
      const auto start = Clock::now();
      form_->run(x_);
      ms.push_back(kMsPerSecond * std::chrono::duration<double>(Clock::now() - start).count());
    }
    return ms;
  }

 private:
  void quantise(const graft::DerivedGraph& folded, std::int64_t batch) {
    const graft::Int8Graph form = int8_form(folded.graph);
    auto int8 = std::make_unique<Form>(ctx_, form.derived, form_->params, batch);
    std::map<graft::ValueId, float> range;
    Executor& executor = form_->executor;
    range[folded.graph.find(graft::kImageInput)] = largest(x_);
    executor.set_observer(
        [&](graft::ValueId node, bool, double) { range[node] = largest(executor.value(node)); });
    form_->run(x_);
    for (const auto& s : form.scales) {
      const auto& value = form.values[s.value];
      float most = 0;
      for (const auto& node : value.nodes) most = std::max(most, range[folded.graph.find(node)]);
      auto scale = int8->params.entry(int8->params.find(s.param)).value;
      *scale.ptr<float>() = most > 0 ? most / value.levels : 1;
    }
    form_ = std::move(int8);
  }

  graft::Context ctx_;
  graft::Model model_;
  Tensor x_;
  std::unique_ptr<Form> form_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Inference latency");
  std::string file, dtype = "f32";
  std::int64_t batch = 1;
  int threads = 1;
  app.add_option("model", file, "model file")->required();
  app.add_option("--batch", batch);
  app.add_option("--threads", threads);
  app.add_option("--dtype", dtype)->check(CLI::IsMember({"f32", "bf16", "int8"}));
  CLI11_PARSE(app, argc, argv);
  try {
    Bench bench(file, batch, threads, dtype);
    for (int times = 0; std::cin >> times;) {
      std::cout << graft::Json(bench.run(times)).dump() << std::endl;
    }
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    return 1;
  }
  return 0;
}

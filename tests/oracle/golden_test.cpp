// SPDX-License-Identifier: Apache-2.0
// The engine against what PyTorch computed in f64 (gen/golden.py; contents and scales: README.md).
#include <cmath>
#include <filesystem>
#include <map>
#include <span>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/core/rng.h"
#include "engine/io/archive.h"
#include "graph/exec/executor.h"
#include "graph/plan/fuse.h"
#include "layers/optim/optimizer.h"
#include "models/spec/model_spec.h"

namespace graft {
namespace {

// Addresses and sizes, as in golden.py.
constexpr std::uint64_t kInputId = 1'000'000;
constexpr std::uint32_t kSampleEpoch = 1;
constexpr std::int64_t kFull = 64;

using Values = std::vector<double>;

/// A fixture, as numbers.
class Fixture {
 public:
  explicit Fixture(const std::string& name)
      : archive_(std::filesystem::path(GRAFT_ORACLE_DIR) / ("golden_" + name + ".safetensors")) {
    seed = std::stoull(metadata("seed"));
    batch = std::stoll(metadata("batch"));
    parameters = nlohmann::json::parse(metadata("parameters")).get<std::vector<std::string>>();
    constexpr std::string_view kRunning = "running.";
    for (const ArchiveInfo& t : archive_.tensors()) {
      if (t.name.starts_with(kRunning)) running.push_back(t.name.substr(kRunning.size()));
    }
  }

  [[nodiscard]] const std::string& metadata(const std::string& key) const {
    return archive_.metadata().at(key);
  }
  [[nodiscard]] Values operator[](const std::string& name) const {
    const ArchiveEntry e = archive_.read(name);
    const auto numbers = [&]<class T>(std::type_identity<T>) {
      const std::span all(reinterpret_cast<const T*>(e.bytes.data()), e.bytes.size() / sizeof(T));
      return Values(all.begin(), all.end());
    };
    return e.dtype == DType::kI32 ? numbers(std::type_identity<std::int32_t>{})
                                  : numbers(std::type_identity<float>{});
  }

  std::uint64_t seed = 0;
  std::int64_t batch = 0;
  std::vector<std::string> parameters, running;

 private:
  ArchiveReader archive_;
};

Philox stream(const Fixture& fixture, std::uint64_t id, std::uint32_t epoch = 0) {
  return Philox({.seed = fixture.seed, .purpose = RngPurpose::kTest, .epoch = epoch, .id = id});
}

double l2(const Values& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}

double largest(const Values& v) {
  double m = 0;
  for (const double x : v) m = std::max(m, std::abs(x));
  return m;
}

struct Target {
  Backend backend = Backend::kCpu;
  int threads = 1;
  DType dtype = DType::kF32;
  double tolerance = 1e-4;
};

/// A network in the fixture's state.
class GoldenNet {
 public:
  GoldenNet(const Fixture& fixture, const Target& target)
      : fixture_(fixture),
        target_(target),
        ctx_(target.backend, target.threads),
        graph_(fuse(build_model(parse_model_spec(fixture.metadata("model")), {}))),
        params_(ctx_, graph_.param_specs(), target.dtype),
        executor_(
            ctx_, graph_, params_,
            {.max_batch = fixture.batch, .dtype = target.dtype, .loss = graph_.output("loss")}) {
    EXPECT_EQ(std::to_string(params_.trainable_count()), fixture.metadata("parameter_count"));
    draw_parameters();
    bind_batch();
  }

  void check_forwards_and_gradients() {
    executor_.forward(Phase::kEval);
    expect_close("logits_eval", output("logits"));
    executor_.forward(Phase::kTrain);
    executor_.backward(weight_);
    expect_close("logits_train", output("logits"));
    expect_close("loss_each", output("loss"));
    note_mean_loss(0);
    check_gradients();
    for (std::size_t i = 0; i < fixture_.running.size(); ++i) {
      const std::string& name = fixture_.running[i];
      const Values got = archive_values(name, false);
      expect_close("running." + name, sampled(got, i));
      double sum = 0;
      for (const double v : got) sum += v;
      expect_close("running_stats." + name, {l2(got), sum});
    }
    executor_.forward(Phase::kEval);
    expect_close("logits_eval_updated", output("logits"));
  }

  /// From the state that check_forwards_and_gradients() leaves: gradients of step 0 are there.
  void check_ten_losses() {
    const auto sgd = nlohmann::json::parse(fixture_.metadata("sgd"));
    Optimizer optimizer(ctx_,
                        {.momentum = sgd.at("momentum"),
                         .nesterov = sgd.at("nesterov"),
                         .weight_decay = sgd.at("weight_decay")},
                        params_);
    const std::size_t steps = fixture_["losses"].size();
    EXPECT_EQ(steps, 10u);
    for (std::size_t step = 1; step < steps; ++step) {
      optimizer.step(ctx_, sgd.at("lr"), static_cast<std::int64_t>(step));
      executor_.forward(Phase::kTrain);
      executor_.backward(weight_);
      note_mean_loss(step);
    }
  }

  /// Worst relative error by kind of tensor.
  [[nodiscard]] const std::map<std::string, double>& worst() const { return worst_; }

 private:
  struct Distribution {
    double mean, stddev;
  };
  /// golden.py's draw_parameter().
  [[nodiscard]] Distribution distribution(const Shape& shape, const std::string& name) const {
    constexpr double kFilterGain = 2, kLinearGain = 0.25, kNoise = 0.1;
    if (shape.rank() > 1) {
      const double gain = shape.rank() == 4 ? kFilterGain : kLinearGain;
      return {0, std::sqrt(gain / static_cast<double>(shape.row_numel()))};
    }
    return {name.ends_with("weight") ? 1 : std::stod(fixture_.metadata("beta")), kNoise};
  }

  void draw_parameters() {
    for (std::size_t i = 0; i < fixture_.parameters.size(); ++i) {
      const std::string& name = fixture_.parameters[i];
      const ParamId id = params_.find(name);
      ASSERT_GE(id, 0) << name;
      const ParamSpec& spec = params_.entry(id).spec;
      const Shape shape = archive_shape(spec);
      const Distribution d = distribution(shape, name);
      Philox rng = stream(fixture_, i);
      std::vector<float> drawn(static_cast<std::size_t>(shape.numel()));
      for (float& v : drawn) v = static_cast<float>(d.mean + d.stddev * rng.normal());
      EXPECT_NEAR(drawn[0], fixture_["init_first"][i], 1e-6) << name;
      Tensor value = params_.entry(id).value;
      from_archive_order(ctx_, spec, drawn.data(), value);
    }
    for (const auto& e : params_.entries()) {
      if (e.spec.kind != ParamKind::kBuffer) continue;
      Tensor value = e.value;
      const std::vector<float> start(static_cast<std::size_t>(value.numel()),
                                     static_cast<float>(e.spec.init.value));
      from_archive_order(ctx_, e.spec, start.data(), value);
    }
    params_.bump_version();
  }

  void bind_batch() {
    const ValueId image = graph_.find("image"), label = graph_.find("label");
    image_ = Tensor::allocate(ctx_.memory(), graph_.shape(image, fixture_.batch), target_.dtype);
    Philox rng = stream(fixture_, kInputId);
    Values x(static_cast<std::size_t>(image_.numel()));
    for (double& v : x) v = static_cast<float>(rng.normal());
    const Values first = fixture_["x_first"];
    for (std::size_t i = 0; i < first.size(); ++i) EXPECT_NEAR(x[i], first[i], 1e-6);
    write(x, image_);
    label_ = Tensor::allocate(ctx_.memory(), {fixture_.batch}, DType::kI32);
    const Values labels = fixture_["labels"];
    const std::vector<std::int32_t> as_int(labels.begin(), labels.end());
    copy_from_host(ctx_, as_int.data(), label_);
    weight_ = Tensor::allocate(ctx_.memory(), {fixture_.batch}, target_.dtype);
    write(Values(labels.size(), 1.0 / static_cast<double>(fixture_.batch)), weight_);
    executor_.bind(image, image_);
    executor_.bind(label, label_);
  }

  void write(const Values& v, Tensor& to) {
    dispatch_float(to.dtype(), "golden", [&]<class T>(std::type_identity<T>) {
      const std::vector<T> as(v.begin(), v.end());
      copy_from_host(ctx_, as.data(), to);
    });
  }
  [[nodiscard]] Values output(const std::string& name) {
    const Tensor t = executor_.value(graph_.output(name));
    return dispatch_float(t.dtype(), "golden", [&]<class T>(std::type_identity<T>) {
      std::vector<T> host(static_cast<std::size_t>(t.numel()));
      copy_to_host(ctx_, t, host.data());
      return Values(host.begin(), host.end());
    });
  }
  /// A parameter's value or gradient in PyTorch's order.
  [[nodiscard]] Values archive_values(const std::string& name, bool gradient) {
    const auto& e = params_.entry(params_.find(name));
    Shape shape;
    const auto v = to_archive_order(ctx_, e.spec, gradient ? e.grad : e.value, shape);
    return {v.begin(), v.end()};
  }
  /// The elements of tensor `index` that the fixture holds.
  [[nodiscard]] Values sampled(const Values& all, std::uint64_t index) const {
    constexpr int kSamples = 32;
    if (static_cast<std::int64_t>(all.size()) <= kFull) return all;
    Philox rng = stream(fixture_, index, kSampleEpoch);
    Values out;
    for (int i = 0; i < kSamples; ++i) {
      out.push_back(all[rng.below(static_cast<std::uint32_t>(all.size()))]);
    }
    return out;
  }

  void note_mean_loss(std::size_t step) {
    const double want = fixture_["losses"][step];
    double mean = 0;
    for (const double v : output("loss")) mean += v / static_cast<double>(fixture_.batch);
    note("losses", std::abs(mean - want) / want);
  }

  void note(const std::string& kind, double error) {
    double& worst = worst_[kind];
    if (!(error <= worst)) worst = error;  // also NaN
  }

  /// Difference as a share of the largest element that is wanted.
  void expect_close(const std::string& name, const Values& got) {
    const Values want = fixture_[name];
    ASSERT_EQ(got.size(), want.size()) << name;
    double gap = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double g = std::abs(got[i] - want[i]);
      if (!(g <= gap)) gap = g;
    }
    note(name.substr(0, name.find('.')), gap / largest(want));
  }

  /// Small gradients are measured against the typical one of the network: they are differences of
  /// large numbers.
  void check_gradients() {
    double squares = 0, count = 0;
    for (const auto& name : fixture_.parameters) {
      squares += std::pow(fixture_["grad_stats." + name][0], 2);
      count += static_cast<double>(params_.entry(params_.find(name)).value.numel());
    }
    const double typical = std::sqrt(squares / count);
    for (std::size_t i = 0; i < fixture_.parameters.size(); ++i) {
      const std::string& name = fixture_.parameters[i];
      const Values got = archive_values(name, true), some = sampled(got, i);
      const Values want = fixture_["grad." + name], stats = fixture_["grad_stats." + name];
      const double root = std::sqrt(static_cast<double>(got.size()));
      ASSERT_EQ(some.size(), want.size()) << name;
      const double scale = std::max({largest(want), stats[0] / root, typical});
      for (std::size_t j = 0; j < want.size(); ++j)
        note("grad", std::abs(some[j] - want[j]) / scale);
      const double norm_scale = std::max(stats[0], typical * root);
      double sum = 0;
      for (const double v : got) sum += v;
      note("grad_l2", std::abs(l2(got) - stats[0]) / norm_scale);
      note("grad_sum", std::abs(sum - stats[1]) / (norm_scale * root));
    }
  }

  const Fixture& fixture_;
  Target target_;
  Context ctx_;
  Graph graph_;
  ParamStore params_;
  Executor executor_;
  Tensor image_, label_, weight_;
  std::map<std::string, double> worst_;
};

void expect_within(const GoldenNet& net, const Target& target) {
  EXPECT_GE(net.worst().size(), 9u);
  for (const auto& [kind, error] : net.worst()) {
    EXPECT_LE(error, target.tolerance)
        << kind << ", " << name(target.backend) << ", " << target.threads << " threads";
    ::testing::Test::RecordProperty(kind, std::to_string(error * 1e6) + "e-6");
  }
}

/// f32 on the CPU backend with one and two threads.
void check_cpu(const std::string& name_of_fixture) {
  const Fixture fixture(name_of_fixture);
  for (const int threads : {1, 2}) {
    const Target target{.threads = threads};
    GoldenNet net(fixture, target);
    net.check_forwards_and_gradients();
    net.check_ten_losses();
    expect_within(net, target);
  }
}

/// One step on the f64 reference; the fixture itself is rounded to f32.
void check_reference(const std::string& name_of_fixture) {
  const Fixture fixture(name_of_fixture);
  const Target target{.backend = Backend::kRef, .dtype = DType::kF64, .tolerance = 1e-6};
  GoldenNet net(fixture, target);
  net.check_forwards_and_gradients();
  expect_within(net, target);
}

TEST(Golden, ResNet20) { check_cpu("resnet20"); }
TEST(Golden, Wrn16x2) { check_cpu("wrn-16-2"); }
TEST(Golden, MobileNetV2) { check_cpu("mobilenet_v2"); }
TEST(Golden, DenseNetBc22x12) { check_cpu("densenet-bc-22-12"); }

TEST(GoldenReference, ResNet20) { check_reference("resnet20"); }
TEST(GoldenReference, DenseNetBc22x12) { check_reference("densenet-bc-22-12"); }

}  // namespace
}  // namespace graft

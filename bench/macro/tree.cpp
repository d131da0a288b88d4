// SPDX-License-Identifier: Apache-2.0
// Throughput of one to eight applications on a stream against what they share, the cost model's
// prediction and the limit, stem and branches measured alone. Everything takes turns: the cost of
// the layers is measured, a block of frames goes through the tree, then through each application
// alone, whose logits must have the same bits. All times are medians over the frames: on a machine
// that others use, a mean says how often a frame was interrupted. A frame is copied to where a
// runner would have preprocessed it before the clock starts. One JSON line a number of applications
// and place of the cuts.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "engine/core/rng.h"
#include "engine/io/json.h"
#include "runtime/package/layer_costs.h"
#include "runtime/package/package_set.h"
#include "runtime/report/statistics.h"
#include "runtime/tree/tree_runner.h"

namespace {

using graft::AppResult;
using graft::BaseModels;
using graft::Context;
using graft::CostModel;
using graft::NamedPackage;
using graft::PackagedCandidate;
using graft::Placement;
using graft::Tensor;
using graft::TreeApp;
using graft::TreeRunner;
using graft::report::median;
using Clock = std::chrono::steady_clock;

constexpr double kMsPerSecond = 1000;

struct Options {
  std::vector<std::string> packages;
  std::string base;
  std::vector<int> cuts;
  int threads = 1, apps = 8, blocks = 10, frames = 100;
  int trees = 0;
};

double ms_since(Clock::time_point start) {
  return kMsPerSecond * std::chrono::duration<double>(Clock::now() - start).count();
}

/// Frames of noise: what pixels are does not change how long they take.
std::vector<Tensor> draw_frames(Context& ctx, const TreeRunner& tree, int count) {
  const auto& p = tree.preprocess();
  std::vector<Tensor> frames;
  for (int f = 0; f < count; ++f) {
    Tensor x = Tensor::allocate(ctx.memory(), {1, p.height, p.width, 3});
    graft::Philox rng({.seed = static_cast<std::uint64_t>(f)});
    for (std::int64_t i = 0; i < x.numel(); ++i) x.ptr<float>()[i] = 2 * rng.uniform() - 1;
    frames.push_back(std::move(x));
  }
  return frames;
}

/// Busy time of the nodes of a tree since construction, in milliseconds.
class NodeTimes {
 public:
  explicit NodeTimes(const TreeRunner& tree) : tree_(tree), before_(tree.statistics()) {}

  /// Of the shared parts or of the branches.
  [[nodiscard]] double sum(bool shared) const {
    double ms = 0;
    for (std::size_t n = 0; n < before_.size(); ++n) {
      if (tree_.tree().nodes[n].shared == shared) ms += of(n);
    }
    return ms;
  }
  /// Of one node.
  [[nodiscard]] double of(std::size_t node) const {
    return tree_.statistics()[node].total_busy_ms - before_[node].total_busy_ms;
  }

 private:
  const TreeRunner& tree_;
  std::vector<graft::NodeStatistics> before_;
};

/// One application alone, and the milliseconds of each of its frames.
struct Alone {
  std::unique_ptr<TreeRunner> runner;
  std::vector<double> whole = {}, stem = {}, branch = {};

  std::span<const float> run(const Tensor& x) {
    const NodeTimes times(*runner);
    const auto start = Clock::now();
    const auto results = runner->run(x, std::vector<std::uint8_t>{1});
    whole.push_back(ms_since(start));
    stem.push_back(times.sum(true));
    branch.push_back(times.sum(false));
    return results.front().logits;
  }
};

class Bench {
 public:
  explicit Bench(const Options& options) : o_(options), ctx_(graft::Backend::kCpu, o_.threads) {
    std::vector<std::filesystem::path> paths(o_.packages.begin(), o_.packages.end());
    packages_ = graft::open_packages(paths);
    bases_ = std::make_unique<BaseModels>(o_.base);
  }

  /// `n` applications of the packages in turn, application i with the candidate of cut(i).
  template <class F>
  std::vector<TreeApp> apps(int n, const F& cut) const {
    std::vector<TreeApp> apps;
    for (int i = 0; i < n; ++i) {
      const auto& package = packages_[static_cast<std::size_t>(i) % packages_.size()].package;
      apps.push_back({.name = "app" + std::to_string(i),
                      .package = package,
                      .place = {package->header().candidate(cut(i)).frozen, 1}});
    }
    return apps;
  }

  /// Frozen layers that every package has a candidate for, ascending.
  std::vector<int> common_cuts() const {
    std::vector<int> cuts;
    for (const PackagedCandidate& c : packages_.front().package->header().candidates) {
      const bool common = std::all_of(packages_.begin(), packages_.end(), [&](const auto& p) {
        const auto& list = p.package->header().candidates;
        return std::any_of(list.begin(), list.end(), [&](const PackagedCandidate& other) {
          return other.frozen == c.frozen;
        });
      });
      if (common) cuts.push_back(c.frozen);
    }
    return cuts;
  }

  CostModel costs() {
    const auto& package = *packages_.front().package;
    const auto params = graft::candidate_params(
        ctx_, package, package.header().candidates.front().frozen, bases_->get(ctx_, package));
    constexpr int kRuns = 20;
    return CostModel(graft::layer_costs(ctx_, package.header().graph, *params, kRuns), "ms");
  }

  graft::Json throughput(const std::string& where, const std::vector<TreeApp>& apps) {
    TreeRunner tree(ctx_, apps, *bases_);
    std::vector<Alone> alone;
    std::vector<Placement> places;
    graft::Json depths = graft::Json::array();
    std::size_t deepest = 0;
    for (const TreeApp& app : apps) {
      alone.push_back({std::make_unique<TreeRunner>(ctx_, std::vector{app}, *bases_)});
      places.push_back(app.place);
      depths.push_back(app.place.frozen);
      if (app.place.frozen > apps[deepest].place.frozen) deepest = places.size() - 1;
    }
    const auto frames = draw_frames(ctx_, tree, o_.frames);
    std::vector<double> tree_ms, predicted;
    std::int64_t differing = 0;
    for (int b = 0; b < o_.blocks; ++b) {
      predicted.push_back(costs().cost(places));
      differing += one_block(tree, alone, frames, tree_ms);
    }
    double no_sharing = 0, limit = median(alone[deepest].stem);
    for (const Alone& a : alone) {
      no_sharing += median(a.whole);
      limit += median(a.branch);
    }
    const double ms = median(tree_ms);
    return {{"study", "throughput"},
            {"cuts", where},
            {"apps", apps.size()},
            {"threads", o_.threads},
            {"frozen", depths},
            {"frames", tree_ms.size()},
            {"differing_outputs", differing},
            {"fps", kMsPerSecond / ms},
            {"ms", ms},
            {"of_prediction", median(predicted) / ms},
            {"of_limit", limit / ms},
            {"no_sharing_fps", kMsPerSecond / no_sharing},
            {"faster_than_no_sharing", no_sharing / ms}};
  }

  /// Shared and task part of a frame of one application that is cut after `cut` layers.
  graft::Json latency(int cut) {
    Alone app{std::make_unique<TreeRunner>(ctx_, apps(1, [&](int) { return cut; }), *bases_)};
    const auto frames = draw_frames(ctx_, *app.runner, o_.frames);
    std::vector<double> shared, task;
    for (int b = 0; b < o_.blocks; ++b) {
      const CostModel model = costs();
      shared.push_back(model.prefix(cut));
      task.push_back(model.total() - model.prefix(cut));
      for (const Tensor& x : frames) static_cast<void>(app.run(staged(x)));
    }
    return {{"study", "latency"},
            {"frozen", cut},
            {"threads", o_.threads},
            {"whole_ms", median(app.whole)},
            {"shared_ms", median(app.stem)},
            {"task_ms", median(app.branch)},
            {"predicted_shared_ms", median(shared)},
            {"predicted_task_ms", median(task)}};
  }

  /// Busy time a second of a random tree at random rates, predicted and measured.
  graft::Json prediction(int number) {
    graft::Philox rng({.seed = static_cast<std::uint64_t>(number), .id = 1});
    const auto cuts = common_cuts();
    const int n = 1 + static_cast<int>(rng.below(static_cast<std::uint32_t>(o_.apps)));
    auto drawn =
        apps(n, [&](int) { return cuts[rng.below(static_cast<std::uint32_t>(cuts.size()))]; });
    std::vector<Placement> places;
    for (TreeApp& app : drawn) {
      constexpr std::uint32_t kMaxFps = 10;
      app.place.fps = 1 + rng.below(kMaxFps);
      places.push_back(app.place);
    }
    TreeRunner tree(ctx_, drawn, *bases_);
    const auto frames = draw_frames(ctx_, tree, o_.frames);
    const std::vector<std::uint8_t> all(drawn.size(), 1);
    std::vector<double> predicted;
    std::vector<std::vector<double>> node_ms(tree.statistics().size());
    for (int b = 0; b < o_.blocks; ++b) {
      predicted.push_back(costs().cost(places));
      for (const Tensor& x : frames) {
        const Tensor& image = staged(x);
        const NodeTimes times(tree);
        static_cast<void>(tree.run(image, all));
        for (std::size_t i = 0; i < node_ms.size(); ++i) node_ms[i].push_back(times.of(i));
      }
    }
    double busy = 0;
    for (std::size_t i = 0; i < node_ms.size(); ++i) {
      busy += median(node_ms[i]) * tree.tree().nodes[i].fps;
    }
    return {{"study", "prediction"},
            {"apps", n},
            {"ms_per_second", busy},
            {"error", median(predicted) / busy - 1}};
  }

 private:
  /// The frame in the one place where all are preprocessed.
  const Tensor& staged(const Tensor& frame) {
    if (staging_.empty()) staging_ = Tensor::allocate(ctx_.memory(), frame.shape());
    graft::copy_from_host(ctx_, frame.data(), staging_);
    return staging_;
  }

  /// Returns how many outputs differ between the tree and alone.
  std::int64_t one_block(TreeRunner& tree, std::vector<Alone>& alone,
                         const std::vector<Tensor>& frames, std::vector<double>& tree_ms) {
    const std::vector<std::uint8_t> all(alone.size(), 1);
    std::vector<std::vector<float>> shared;  // logits, application by application of each frame
    for (const Tensor& x : frames) {
      const Tensor& image = staged(x);
      const auto start = Clock::now();
      const auto results = tree.run(image, all);
      tree_ms.push_back(ms_since(start));
      for (const AppResult& r : results) shared.emplace_back(r.logits.begin(), r.logits.end());
    }
    std::int64_t differing = 0;
    for (std::size_t i = 0; i < alone.size(); ++i) {
      for (std::size_t f = 0; f < frames.size(); ++f) {
        const auto own = alone[i].run(staged(frames[f]));
        const auto& want = shared[f * alone.size() + i];
        differing += std::memcmp(own.data(), want.data(), own.size_bytes()) == 0 ? 0 : 1;
      }
    }
    return differing;
  }

  Options o_;
  Context ctx_;
  std::vector<NamedPackage> packages_;
  std::unique_ptr<BaseModels> bases_;
  Tensor staging_;
};

void run(const Options& o) {
  Bench bench(o);
  const auto cuts = bench.common_cuts();
  const auto print = [](const graft::Json& line) { std::cout << line.dump() << std::endl; };
  for (const int cut : o.cuts.empty() ? cuts : o.cuts) print(bench.latency(cut));
  for (int n = 1; n <= o.apps; ++n) {
    const auto mixed = [&](int i) {
      // From everything but the head to nothing, then around.
      return cuts[cuts.size() - 1 - static_cast<std::size_t>(3 * i) % cuts.size()];
    };
    print(bench.throughput("mixed", bench.apps(n, mixed)));
  }
  for (const int cut : o.cuts) {
    for (int n = 1; n <= o.apps; ++n) {
      print(bench.throughput(std::to_string(cut), bench.apps(n, [&](int) { return cut; })));
    }
  }
  for (int i = 0; i < o.trees; ++i) print(bench.prediction(i));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Tree execution benchmark");
  Options o;
  app.add_option("packages", o.packages, "of one base")->required();
  app.add_option("--base", o.base);
  app.add_option("--cuts", o.cuts, "frozen layers at which all applications are cut")
      ->delimiter(',');
  app.add_option("--threads", o.threads);
  app.add_option("--apps", o.apps, "up to so many");
  app.add_option("--blocks", o.blocks);
  app.add_option("--frames", o.frames, "of a block");
  app.add_option("--trees", o.trees, "random trees of the prediction study");
  CLI11_PARSE(app, argc, argv);
  try {
    run(o);
  } catch (const graft::Error& e) {
    std::cerr << e.what() << "\n";
    return graft::exit_code(e.code());
  }
  return 0;
}

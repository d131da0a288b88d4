// SPDX-License-Identifier: Apache-2.0
// Throughput of one to eight applications on a stream against what they share, the cost model's
// prediction and the limit, stem and branches measured alone. Everything takes turns: a block of
// frames through the tree, the same frames through each application alone (whose logits must have
// the same bits), then the cost of the layers anew. Ratios are of the medians of blocks. One JSON
// line a number of applications and place of the cuts.
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

/// What a block of frames took: milliseconds a frame.
struct Measured {
  std::vector<double> tree, no_sharing, predicted, limit;
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
    std::vector<std::unique_ptr<TreeRunner>> alone;
    for (const TreeApp& app : apps) {
      alone.push_back(std::make_unique<TreeRunner>(ctx_, std::vector{app}, *bases_));
    }
    const auto frames = draw_frames(ctx_, tree, o_.frames);
    std::int64_t differing = 0;
    Measured m;
    for (int b = 0; b < o_.blocks; ++b) differing += block(tree, alone, frames, m);
    const double ms = median(m.tree);
    graft::Json depths = graft::Json::array();
    for (const TreeApp& app : apps) depths.push_back(app.place.frozen);
    return {{"study", "throughput"},
            {"cuts", where},
            {"apps", apps.size()},
            {"threads", o_.threads},
            {"frozen", depths},
            {"frames", o_.frames * o_.blocks},
            {"differing_outputs", differing},
            {"fps", kMsPerSecond / ms},
            {"ms", ms},
            {"ms_min", *std::min_element(m.tree.begin(), m.tree.end())},
            {"ms_max", *std::max_element(m.tree.begin(), m.tree.end())},
            {"of_prediction", median(ratios(m.predicted, m.tree))},
            {"of_limit", median(ratios(m.limit, m.tree))},
            {"no_sharing_fps", kMsPerSecond / median(m.no_sharing)},
            {"faster_than_no_sharing", median(ratios(m.no_sharing, m.tree))}};
  }

  /// Shared and task part of one application's frame, cut at each branch point, and unsplit.
  graft::Json latency(int cut) {
    TreeRunner tree(ctx_, apps(1, [&](int) { return cut; }), *bases_);
    const auto frames = draw_frames(ctx_, tree, o_.frames);
    std::vector<double> shared, task, predicted;
    for (int b = 0; b < o_.blocks; ++b) {
      const CostModel model = costs();
      const auto before = tree.statistics();
      for (const Tensor& x : frames) static_cast<void>(tree.run(x, std::vector<std::uint8_t>{1}));
      double parts[2] = {0, 0};
      for (std::size_t n = 0; n < before.size(); ++n) {
        parts[tree.tree().nodes[n].shared ? 0 : 1] +=
            (tree.statistics()[n].total_busy_ms - before[n].total_busy_ms) / o_.frames;
      }
      shared.push_back(parts[0]);
      task.push_back(parts[1]);
      predicted.push_back(model.prefix(cut));
    }
    return {{"study", "latency"},      {"frozen", cut},
            {"threads", o_.threads},   {"shared_ms", median(shared)},
            {"task_ms", median(task)}, {"predicted_shared_ms", median(predicted)}};
  }

  /// Busy time a second of random trees at random rates, predicted and measured.
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
    std::vector<double> errors;
    for (int b = 0; b < o_.blocks; ++b) {
      const double predicted = costs().cost(places);
      const auto before = tree.statistics();
      for (const Tensor& x : frames) static_cast<void>(tree.run(x, all));
      double busy = 0;
      for (std::size_t i = 0; i < before.size(); ++i) {
        busy += (tree.statistics()[i].total_busy_ms - before[i].total_busy_ms) / o_.frames *
                tree.tree().nodes[i].fps;
      }
      errors.push_back(predicted / busy - 1);
    }
    return {{"study", "prediction"}, {"apps", n}, {"error", median(errors)}};
  }

 private:
  static std::vector<double> ratios(const std::vector<double>& a, const std::vector<double>& b) {
    std::vector<double> out;
    for (std::size_t i = 0; i < a.size(); ++i) out.push_back(a[i] / b[i]);
    return out;
  }

  /// Adds a block to `m`; returns how many outputs differ between the tree and alone.
  std::int64_t block(TreeRunner& tree, std::vector<std::unique_ptr<TreeRunner>>& alone,
                     const std::vector<Tensor>& frames, Measured& m) {
    const std::vector<std::uint8_t> all(alone.size(), 1), one = {1};
    std::vector<Placement> places;
    for (const TreeApp& app : tree.apps()) places.push_back(app.place);
    const CostModel model = costs();
    double tree_ms = 0, alone_ms = 0;
    std::int64_t differing = 0;
    std::vector<double> stem(alone.size(), 0), branch(alone.size(), 0);
    for (std::size_t i = 0; i < alone.size(); ++i) {
      stem[i] = -part_ms(*alone[i], true);
      branch[i] = -part_ms(*alone[i], false);
    }
    for (const Tensor& x : frames) {
      auto start = Clock::now();
      const auto results = tree.run(x, all);
      tree_ms += ms_since(start);
      for (std::size_t i = 0; i < alone.size(); ++i) {
        start = Clock::now();
        const auto own = alone[i]->run(x, one);
        alone_ms += ms_since(start);
        const auto &a = results[i].logits, &b = own.front().logits;
        differing += std::memcmp(a.data(), b.data(), a.size_bytes()) == 0 ? 0 : 1;
      }
    }
    std::size_t deepest = 0;
    double limit = 0;
    for (std::size_t i = 0; i < alone.size(); ++i) {
      stem[i] += part_ms(*alone[i], true);
      branch[i] += part_ms(*alone[i], false);
      limit += branch[i];
      if (places[i].frozen > places[deepest].frozen) deepest = i;
    }
    const auto count = static_cast<double>(frames.size());
    m.tree.push_back(tree_ms / count);
    m.no_sharing.push_back(alone_ms / count);
    m.predicted.push_back(model.cost(places));
    m.limit.push_back((limit + stem[deepest]) / count);
    return differing;
  }

  /// Busy time so far of the shared parts or of the branches.
  static double part_ms(const TreeRunner& tree, bool shared) {
    double sum = 0;
    for (std::size_t n = 0; n < tree.statistics().size(); ++n) {
      if (tree.tree().nodes[n].shared == shared) sum += tree.statistics()[n].total_busy_ms;
    }
    return sum;
  }

  Options o_;
  Context ctx_;
  std::vector<NamedPackage> packages_;
  std::unique_ptr<BaseModels> bases_;
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

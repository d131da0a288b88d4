// SPDX-License-Identifier: Apache-2.0
// A run on a synthetic video with small drawn packages.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "runtime/run/runner.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_package/drawn_family.h"

namespace graft::testing {

inline bool never() { return false; }

class RunTest : public ::testing::Test {
 protected:
  /// A package of the task; drawn once a process, for every test has the same.
  static std::filesystem::path package(const std::string& task, std::uint64_t base_seed = 1) {
    static const TempFolder folder;
    static std::map<std::string, std::filesystem::path> made;
    auto& path = made[task];
    if (path.empty()) {
      Context ctx(Backend::kCpu);
      path = draw_package(ctx, task, folder.path(),
                          {.side = kSide, .seed = made.size(), .base_seed = base_seed})
                 ->path();
    }
    return path;
  }

  [[nodiscard]] run::RunnerOptions options(const std::string& source,
                                           std::vector<std::filesystem::path> packages) const {
    run::RunnerOptions o;
    o.source = video::parse_source_uri(source);
    o.packages = std::move(packages);
    o.budget = 1e6;
    o.request.method = parse_method("maxsharing");  // or so much money would buy whole networks
    o.journal = folder_ / "events.jsonl";
    o.scores = folder_ / "scores.jsonl";
    o.snapshots = true;
    return o;
  }

  /// Runs to the end of the stream.
  static run::RunStatus run_all(const run::RunnerOptions& o) {
    run::Runner runner(o, never);
    wait(runner);
    runner.stop();
    return runner.status();
  }
  static void wait(const run::Runner& runner) {
    while (!runner.ended()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }

  static constexpr int kSide = 32;
  TempFolder folder_;
};

}  // namespace graft::testing

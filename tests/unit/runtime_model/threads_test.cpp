// SPDX-License-Identifier: Apache-2.0
// What the kernel sees of a process with several models: threads, and processor time.
#include <chrono>
#include <filesystem>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "engine/device/thread_budget.h"
#include "tests/unit/runtime_model/small_model.h"

namespace graft {
namespace {

using testing::drawn_model;

int threads_of_process() {
  int n = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    ++n;
  }
  return n;
}

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// A model with a context of its own.
struct Lodger {
  explicit Lodger(int threads)
      : ctx(Backend::kCpu, threads), model(drawn_model(ctx, "resnet8", 32, 10)) {
    x = Tensor::zeros(ctx.memory(), {8, 32, 32, 3});
  }
  Context ctx;
  Model model;
  Tensor x;
};

/// Puts the budget of the process back.
struct Budget {
  explicit Budget(int threads) : before(ThreadBudget::process().threads()) {
    ThreadBudget::process().set(threads);
  }
  ~Budget() { ThreadBudget::process().set(before); }
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;
  int before;
};

TEST(Threads, MoreModelsBringNoMoreThreads) {
  constexpr int kThreads = 2;
  const int before = threads_of_process();
  std::vector<std::unique_ptr<Lodger>> models;
  for (int i = 0; i < 4; ++i) {
    auto& m = *models.emplace_back(std::make_unique<Lodger>(kThreads));
    for (const auto& each : models) (void)each->model.run(each->x);
    (void)m.model.run(m.x);
    EXPECT_LE(threads_of_process(), before + kThreads - 1) << i + 1 << " models";
  }
}

TEST(Threads, CallersAtOnceTakeNoMoreProcessorsThanTheBudget) {
  constexpr int kCallers = 3, kRuns = 25;
  const Budget one(1);
  std::vector<std::unique_ptr<Lodger>> models;
  for (int i = 0; i < kCallers; ++i) {
    auto& m = *models.emplace_back(std::make_unique<Lodger>(1));
    (void)m.model.run(m.x);
  }
  const double before = processor_seconds();
  const auto start = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> callers;
    for (const auto& m : models) {
      callers.emplace_back([&m] {
        for (int i = 0; i < kRuns; ++i) (void)m->model.run(m->x);
      });
    }
  }
  const double wall =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double used = processor_seconds() - before;
  EXPECT_LE(used / wall, 1.15) << used << " s of processor time in " << wall << " s";
}

}  // namespace
}  // namespace graft

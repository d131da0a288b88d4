// SPDX-License-Identifier: Apache-2.0
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <sched.h>

#include "engine/core/error.h"
#include "runtime/dispatch/engine.h"

namespace graft::dispatch {
namespace {

/// The calling thread, and those it will start, run on these processors only.
void pin(const std::vector<int>& cores) {
  if (cores.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) {
    if (core < 0 || core >= CPU_SETSIZE) fail(Errc::kUnavailable, "no processor ", core);
    CPU_SET(static_cast<unsigned>(core), &set);
  }
  if (sched_setaffinity(0, sizeof set, &set) != 0) {
    fail(Errc::kUnavailable, "cannot run on the processors of this engine; this process may use ",
         std::thread::hardware_concurrency());
  }
}

class CpuEngine final : public Engine {
 public:
  CpuEngine(const Clock& clock, const CpuEngineOptions& options,
            std::function<Tensor(Context&, const Frame&)> run)
      : clock_(clock), options_(options), run_(std::move(run)), thread_([this] { work(); }) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ready_; });
    if (refused_.empty()) return;
    lock.unlock();
    thread_.join();
    fail(Errc::kUnavailable, options.name, ": ", refused_);
  }
  CpuEngine(const CpuEngine&) = delete;
  CpuEngine& operator=(const CpuEngine&) = delete;
  ~CpuEngine() override {
    {
      const std::scoped_lock lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  [[nodiscard]] std::string name() const override { return options_.name; }
  [[nodiscard]] Ticks expected_service() const override { return options_.expected_service; }

  void submit(Frame frame, Done done) override {
    {
      const std::scoped_lock lock(mutex_);
      GRAFT_CHECK(!job_, options_.name, " has a frame already");
      job_.emplace(Job{std::move(frame), std::move(done)});
    }
    changed_.notify_all();
  }

 private:
  struct Job {
    Frame frame;
    Done done;
  };

  void work() {
    std::optional<Context> context;
    try {
      pin(options_.cores);
      context.emplace(Backend::kCpu, options_.threads);
    } catch (const std::exception& error) {
      refused_ = error.what();
    }
    {
      const std::scoped_lock lock(mutex_);
      ready_ = true;
    }
    changed_.notify_all();
    while (context) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stop_ || job_; });
      if (!job_) return;
      const Job job = std::move(*job_);
      job_.reset();
      lock.unlock();
      job.done(run_one(*context, job.frame));
    }
  }

  Completion run_one(Context& context, const Frame& frame) {
    Completion completion{.started = clock_.now()};
    try {
      completion.output = run_(context, frame);
    } catch (const std::exception& error) {
      completion.error = error.what();
    }
    completion.finished = clock_.now();
    return completion;
  }

  const Clock& clock_;
  CpuEngineOptions options_;
  std::function<Tensor(Context&, const Frame&)> run_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Job> job_;
  std::string refused_;
  bool ready_ = false, stop_ = false;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Engine> make_cpu_engine(const Clock& clock, const CpuEngineOptions& options,
                                        std::function<Tensor(Context&, const Frame&)> run) {
  return std::make_unique<CpuEngine>(clock, options, std::move(run));
}

}  // namespace graft::dispatch

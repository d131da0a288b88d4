// SPDX-License-Identifier: Apache-2.0
#include "runtime/adapt/adapter.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "engine/io/file.h"
#include "runtime/adapt/command_line.h"
#include "runtime/data/open.h"
#include "runtime/report/run_record.h"
#include "runtime/train/run_dir.h"
#include "runtime/train/stop_signal.h"

namespace graft::adapt {
namespace {

namespace fs = std::filesystem;
using train::TrainOptions;

constexpr const char* kDescription = "adapt.json";
constexpr const char* kTrial = "trial.json";
constexpr const char* kTrials = "trials";
constexpr const char* kChildLog = "child.log";
constexpr std::int64_t kLastEvaluations = 3;  // whose mean is the objective

/// A tenth of the training set.
std::int64_t default_holdout(const TrainOptions& options) {
  constexpr std::int64_t kShare = 10;
  const auto spec = data::parse_data_spec(options.data);
  const std::int64_t all = data::open_dataset(spec, data::Split::kTrain)->size();
  return std::max<std::int64_t>(
      1, (options.train_limit > 0 ? std::min(options.train_limit, all) : all) / kShare);
}

TrainOptions options_of_trials(TrainOptions options, const AdaptOptions& adapt) {
  if (options.sampler == "traditional") options.sampler = "sb";
  if (options.beta || !options.priority.empty() || options.sampler_options.contains("beta") ||
      options.sampler_options.contains("priority")) {
    fail(Errc::kUsage, "adapt searches the priority function: leave --beta and --priority out");
  }
  if (options.stop_at_cost != 0 || !options.init_from.empty()) {
    fail(Errc::kUsage,
         "adapt sets its trials' --stop-at-cost and --init-from itself: use "
         "--trial-cost and --from");
  }
  if (options.seeds != 1) fail(Errc::kUsage, "--seeds ", options.seeds, ": a trial has one seed");
  options.init_from = adapt.from;
  if (options.holdout == 0) options.holdout = default_holdout(options);
  if (options.threads == 0) {
    const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    options.threads = std::max(1, cores / adapt.jobs);
  }
  options.check();
  return options;
}

}  // namespace

Adapter::Adapter(const TrainOptions& trial, const AdaptOptions& options, fs::path program)
    : options_(options), out_(trial.out), program_(std::move(program)) {
  search_ = make_search(options.search, options.search_options());
  trial_options_ = options_of_trials(trial, options);
  open_folder(trial.resume, trial.force);
  take_up();
}

fs::path Adapter::folder_of(std::int64_t id) const {
  return out_ / kTrials / fmt::format("{:04}", id);
}

void Adapter::open_folder(bool resume, bool force) {
  const fs::path description = out_ / kDescription;
  const Json fingerprint = {{"adapt", options_.fingerprint()},
                            {"train", trial_options_.fingerprint()}};
  make_folder(out_);
  lock_ = std::make_unique<FolderLock>(out_);
  if (fs::exists(description) && force) {
    std::error_code error;
    fs::remove_all(out_ / kTrials, error);
    for (const char* name : {"best.json", "trials.jsonl", kDescription}) {
      if (!error) fs::remove(out_ / name, error);
    }
    if (error) fail(Errc::kIo, "cannot remove ", out_.string(), ": ", error.message());
  }
  if (!fs::exists(description)) {
    atomic_write(description, Json{{"format", 1}, {"fingerprint", fingerprint}}.dump(2) + "\n");
  } else if (!resume) {
    fail(Errc::kConfig, out_.string(),
         " holds a search already; --resume goes on with it, --force replaces it");
  } else {
    const Json there = parse_json(read_file(description), description.string());
    for (const auto& [part, wanted] : fingerprint.items()) {
      train::check_same_settings(out_, there.value("fingerprint", Json()).value(part, Json()),
                                 wanted);
    }
  }
  journal_ = std::make_unique<TrialJournal>(out_ / "trials.jsonl");
}

void Adapter::take_up() {
  for (const FinishedTrial& f : journal_->finished()) {
    search_->adopt(f.trial);
    search_->observe(f.trial.id, f.trial.budget, f.objective);
  }
  if (!fs::exists(out_ / kTrials)) return;
  for (const auto& entry : fs::directory_iterator(out_ / kTrials)) {
    const fs::path file = entry.path() / kTrial;
    if (!fs::exists(file)) continue;  // killed before it was suggested for good
    const Json json = parse_json(read_file(file), file.string());
    const Trial trial{.id = json.at("id"),
                      .priority = Priority::parse(json.at("priority").get<std::string>()),
                      .budget = json.at("budget")};
    if (!journal_->contains(trial)) waiting_.push_back(trial);
  }
  std::sort(waiting_.begin(), waiting_.end(),
            [](const Trial& a, const Trial& b) { return a.id < b.id; });
  for (const Trial& trial : waiting_) search_->adopt(trial);
  if (search_->best()) write_best(false);
  if (!journal_->finished().empty() || !waiting_.empty()) {
    log::info("{}: {} trials are done, {} go on", out_.string(), journal_->finished().size(),
              waiting_.size());
  }
}

std::vector<std::string> Adapter::command_of(const Trial& trial) const {
  TrainOptions options = trial_options_;
  options.out = folder_of(trial.id).string();
  options.resume = true;
  options.force = false;
  options.stop_at_cost = trial.budget;
  options.priority = trial.priority.text();
  return train_command(options);
}

void Adapter::start_trials() {
  while (std::ssize(running_) < options_.jobs) {
    Trial trial;
    if (!waiting_.empty()) {
      trial = waiting_.front();
      waiting_.pop_front();
    } else if (const auto suggested = search_->suggest()) {
      trial = *suggested;
      make_folder(folder_of(trial.id));
      atomic_write(
          folder_of(trial.id) / kTrial,
          Json{{"id", trial.id}, {"priority", trial.priority.text()}, {"budget", trial.budget}}
                  .dump() +
              "\n");
    } else {
      return;
    }
    log::debug("trial {}: {} for {} cost units", trial.id, trial.priority.text(), trial.budget);
    running_.push_back(
        {trial, ChildProcess(program_, command_of(trial), folder_of(trial.id) / kChildLog)});
  }
}

bool Adapter::collect() {
  bool any = false;
  for (std::size_t i = 0; i < running_.size();) {
    const auto exit_code = running_[i].process.poll();
    if (!exit_code) {
      ++i;
      continue;
    }
    const Trial trial = running_[i].trial;
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
    finish(trial, *exit_code);
    any = true;
  }
  return any;
}

void Adapter::finish(const Trial& trial, int code) {
  const fs::path folder = folder_of(trial.id);
  const bool diverged = code == exit_code(Errc::kNumerical);
  if (code != 0 && !diverged) {
    constexpr int kLastDocumented = 11;
    fail(code <= kLastDocumented ? static_cast<Errc>(code) : Errc::kInternal, "trial ", trial.id,
         " failed with exit code ", code, ": ", last_line(folder / kChildLog),
         "\nAll it said is in ", (folder / kChildLog).string(),
         "; --resume goes on with the search");
  }
  FinishedTrial finished{.trial = trial};
  if (fs::exists(folder / "metrics.jsonl")) {
    const auto run = report::load_runs(folder).at(0);
    const auto n = std::min(std::ssize(run.epochs), kLastEvaluations);
    for (auto i = std::ssize(run.epochs) - n; i < std::ssize(run.epochs); ++i) {
      const double error = run.epochs[static_cast<std::size_t>(i)].test_error;
      finished.objective += (std::isfinite(error) ? 1 - error : 0) / static_cast<double>(n);
    }
    if (n > 0) {
      finished.cost_units = run.epochs.back().cost_units;
      finished.seconds = run.epochs.back().total_seconds();
    }
  }
  if (diverged) finished.objective = 0;
  if (!diverged && finished.cost_units < trial.budget) {
    log::warning("trial {}: its {} epochs end after {:.0f} of {:.0f} cost units; raise --epochs",
                 trial.id, trial_options_.epochs, finished.cost_units, trial.budget);
  }
  journal_->append(finished);
  search_->observe(trial.id, trial.budget, finished.objective);
  write_best(false);
  if (trial.budget == options_.trial_cost) {
    std::error_code ignored;  // only room on the disk; it will never go on
    fs::remove_all(folder / "ckpt", ignored);
  }
  const auto best = *search_->best();
  log::info("trial {}{}: accuracy {:.2f} %, best {:.2f} % (trial {})  {}", trial.id,
            diverged ? " diverged" : "", 100 * finished.objective, 100 * best.objective,
            best.trial.id, trial.priority.text());
}

void Adapter::write_best(bool finished) const {
  const auto best = *search_->best();
  double cost = 0;
  for (const FinishedTrial& f : journal_->finished()) {
    if (f.trial == best.trial) cost = f.cost_units;
  }
  const Json json = {{"priority", best.trial.priority.text()},
                     {"objective", best.objective},
                     {"trial", best.trial.id},
                     {"cost_units", cost},
                     {"search_cost_units", journal_->total_cost_units()},
                     {"trials", std::ssize(journal_->finished())},
                     {"finished", finished}};
  atomic_write(out_ / "best.json", json.dump(2) + "\n");
}

void Adapter::stop_trials() {
  for (Running& r : running_) r.process.send(SIGINT);
  // Each saves a checkpoint first; the second signal to this process ends them all at once.
  for (Running& r : running_) {
    while (!r.process.poll()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  running_.clear();
}

AdaptResult Adapter::result(bool interrupted) const {
  AdaptResult out{.interrupted = interrupted,
                  .best = {},
                  .finished = std::ssize(journal_->finished()),
                  .cost_units = journal_->total_cost_units()};
  if (const auto best = search_->best()) out.best = *best;
  return out;
}

AdaptResult Adapter::run() {
  const train::StopSignal signals;
  while (true) {
    start_trials();
    if (running_.empty()) break;
    if (train::StopSignal::requested()) {
      stop_trials();
      return result(true);
    }
    if (!collect()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  write_best(true);
  return result(false);
}

}  // namespace graft::adapt

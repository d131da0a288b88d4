// SPDX-License-Identifier: Apache-2.0
#include "runtime/adapt/adapt_schedule.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <string>
#include <system_error>
#include <thread>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "engine/core/text.h"
#include "engine/io/file.h"
#include "runtime/adapt/command_line.h"
#include "runtime/train/checkpoint.h"
#include "runtime/train/option_text.h"

namespace graft::adapt {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSnapshot = "snapshot";
constexpr const char* kLog = "search.log";

/// Copies run.json and the newest checkpoint of `run` to `to`, which appears whole or not at all.
void take_snapshot(const fs::path& run, const fs::path& to) {
  if (fs::exists(to)) return;
  const auto checkpoints = train::CheckpointManager(run / "ckpt").list();
  if (checkpoints.empty()) {
    fail(Errc::kModel, run.string(), " has no checkpoint for a search to begin from");
  }
  const fs::path unfinished = to.string() + ".tmp";
  std::error_code error;
  fs::remove_all(unfinished, error);
  make_folder(unfinished / "ckpt");
  fs::copy(checkpoints.front(), unfinished / "ckpt" / checkpoints.front().filename(), error);
  if (!error) fs::copy(run / "run.json", unfinished / "run.json", error);
  if (error) fail(Errc::kIo, "cannot copy ", checkpoints.front().string(), ": ", error.message());
  rename_path(unfinished, to);
}

}  // namespace

std::vector<double> parse_stages(std::string_view text) {
  std::vector<double> out;
  for (const std::string& piece : split(text, ',')) {
    const auto value = parse_double(piece);
    if (!value || *value < 0 || *value >= 1 || (!out.empty() && *value <= out.back())) {
      fail(Errc::kUsage, "stages '", text, "': expects ascending shares in [0, 1), got '", piece,
           "'");
    }
    out.push_back(*value);
  }
  return out;
}

AdaptSchedule::AdaptSchedule(const Options& options) : options_(options) {
  (void)options.search.search_options();
  for (std::size_t i = 0; i < options.at.size(); ++i) {
    if (options.at[i] >= 0 && options.at[i] < 1 && (i == 0 || options.at[i] > options.at[i - 1])) {
      continue;
    }
    fail(Errc::kUsage, "stages: expects ascending shares in [0, 1), got ", options.at[i]);
  }
}

fs::path AdaptSchedule::folder() const {
  return fs::path(options_.run.out) / "adapt" / ("stage-" + std::to_string(stage_));
}

std::optional<train::PrioritySwap> AdaptSchedule::before_epoch(int epoch, int epochs, double lr) {
  std::optional<train::PrioritySwap> swap;
  if (search_) {
    const auto code = search_->poll();
    if (!code) return std::nullopt;
    search_.reset();
    if (*code != 0) {
      constexpr int kLastDocumented = 11;
      fail(*code <= kLastDocumented ? static_cast<Errc>(*code) : Errc::kInternal, "the search in ",
           folder().string(), " failed with exit code ", *code, "; see its ", kLog);
    }
    swap = read_best(epoch);
    best_ = swap->priority.text();
    begun_ = false;
    ++stage_;
  }
  const auto stages = std::ssize(options_.at);
  if (stage_ < stages &&
      epoch >= options_.at[static_cast<std::size_t>(stage_)] * static_cast<double>(epochs)) {
    begin(epoch, lr);
  }
  return swap;
}

void AdaptSchedule::begin(int epoch, double lr) {
  begun_ = true;
  snapshot_epoch_ = epoch;
  lr_ = lr;
  make_folder(folder());
  if (epoch > 0) take_snapshot(options_.run.out, folder() / kSnapshot);
  start_search();
}

void AdaptSchedule::start_search() {
  AdaptOptions search = options_.search;
  train::TrainOptions trial = options_.run;
  trial.out = folder().string();
  trial.resume = true;  // a killed run may have begun it
  trial.force = false;
  trial.beta.reset();
  trial.priority.clear();
  trial.stop_at_cost = 0;
  trial.init_from.clear();
  trial.adapt_at.clear();
  trial.adapt_options.clear();
  if (snapshot_epoch_ > 0) {
    search.from = (folder() / kSnapshot).string();
    trial.lr = lr_;
    trial.lr_policy = "fixed";
  }
  if (!best_.empty()) search.first = best_ + (search.first.empty() ? "" : ";" + search.first);
  log::info("stage {}: searching the priority function from epoch {}", stage_, snapshot_epoch_);
  search_.emplace(options_.program, adapt_command(search, trial), folder() / kLog);
}

train::PrioritySwap AdaptSchedule::read_best(int epoch) const {
  const fs::path file = folder() / "best.json";
  const Json json = parse_json(read_file(file), file.string());
  return {.stage = stage_,
          .snapshot_epoch = snapshot_epoch_,
          .swap_epoch = epoch,
          .priority = Priority::parse(json.at("priority").get<std::string>()),
          .search_cost_units = json.at("search_cost_units")};
}

void AdaptSchedule::interrupt() {
  if (!search_) return;
  search_->send(SIGINT);
  while (!search_->poll()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  search_.reset();
}

Json AdaptSchedule::state() const {
  return {{"stage", stage_},
          {"begun", begun_},
          {"snapshot_epoch", snapshot_epoch_},
          {"lr", lr_},
          {"best", best_}};
}

void AdaptSchedule::restore(const Json& state) {
  try {
    stage_ = state.at("stage");
    begun_ = state.at("begun");
    snapshot_epoch_ = state.at("snapshot_epoch");
    lr_ = state.at("lr");
    best_ = state.at("best");
  } catch (const Json::exception& error) {
    fail(Errc::kModel, "checkpoint: the state of the adapt schedule is damaged: ", error.what());
  }
  if (begun_) start_search();
}

std::unique_ptr<train::PrioritySchedule> make_adapt_schedule(const train::TrainOptions& run) {
  if (run.adapt_at.empty()) {
    if (run.adapt_options.empty()) return nullptr;
    fail(Errc::kUsage, "adapt.", run.adapt_options.begin()->first, ": needs --adapt-at");
  }
  AdaptOptions search;
  for (const auto& [key, text] : run.adapt_options) {
    train::set_option(search, key, text, "--set adapt.");
  }
  return std::make_unique<AdaptSchedule>(AdaptSchedule::Options{
      .at = parse_stages(run.adapt_at), .search = search, .run = run, .program = "/proc/self/exe"});
}

}  // namespace graft::adapt

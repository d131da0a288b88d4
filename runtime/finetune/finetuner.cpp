// SPDX-License-Identifier: Apache-2.0
#include "runtime/finetune/finetuner.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#include "engine/core/log.h"
#include "engine/io/file.h"
#include "engine/io/hash.h"
#include "runtime/finetune/candidate_graph.h"
#include "runtime/finetune/family_report.h"
#include "runtime/train/option_text.h"
#include "runtime/train/run_dir.h"
#include "runtime/train/stop_signal.h"
#include "runtime/train/trainer.h"
#include "scheduler/model/json_field.h"

namespace graft::finetune {
namespace {

namespace fs = std::filesystem;
using train::StopSignal;

constexpr const char* kDescription = "finetune.json";
constexpr const char* kReport = "report.html";
constexpr const char* kStemSeconds = "stem_seconds";

}  // namespace

Finetuner::Finetuner(const FinetuneOptions& options, fs::path program)
    : options_(options),
      out_(options.out),
      program_(std::move(program)),
      ctx_(Backend::kCpu, train::thread_budget(options.threads)) {
  options_.check();
  const Model base = open_base(ctx_, options_.base, options_.seed);
  training_ = std::make_unique<FamilyTraining>(options_, ctx_, base);
  open_folder(base);
}

void Finetuner::open_folder(const Model& base) {
  const fs::path description = out_ / kDescription;
  make_folder(out_);
  lock_ = std::make_unique<adapt::FolderLock>(out_);
  const bool exists = fs::exists(description);
  if (exists && !options_.resume && !options_.force) {
    fail(Errc::kConfig, out_.string(),
         " holds a fine-tuning already; --resume goes on with it, --force replaces it");
  }
  if (exists && options_.force) {
    std::error_code error;
    for (const char* name :
         {"candidates", "cache", kFamilyFile, kReport, kBaseFile, kDescription}) {
      if (!error) fs::remove_all(out_ / name, error);
    }
    if (error) fail(Errc::kIo, "cannot remove ", out_.string(), ": ", error.message());
  }
  // Under another name until the settings are known to be the same.
  const fs::path saved = out_ / "base.new";
  base_sha256_ = base.save(saved);
  fs::remove(saved);

  Json fingerprint = options_.fingerprint();
  fingerprint["base"] = base_sha256_;
  fingerprint["images"] = training_->examples().images->fingerprint();
  description_ = {{"format", 1}, {"fingerprint", fingerprint}, {kStemSeconds, 0.0}};
  if (fs::exists(description)) {
    const Json there = parse_json(read_file(description), description.string());
    description_[kStemSeconds] = JsonField(there, description.string()).at(kStemSeconds).number(0);
    train::check_same_settings(out_, there.value("fingerprint", Json()), fingerprint);
  }
  write_description();
  static_cast<void>(base.save(out_ / kBaseFile));
}

void Finetuner::write_description() const {
  atomic_write(out_ / kDescription, description_.dump(2) + "\n");
}

std::vector<BranchPoint> Finetuner::unfinished() const {
  std::vector<BranchPoint> points = training_->points();
  std::reverse(points.begin(), points.end());
  std::erase_if(points,
                [this](const BranchPoint& p) { return fs::exists(out_ / record_file(p.frozen)); });
  return points;
}

bool Finetuner::fill_cache() {
  const auto filled = training_->fill_cache(unfinished());
  description_[kStemSeconds] = description_[kStemSeconds].get<double>() + filled.seconds;
  write_description();
  return filled.complete;
}

CandidateRecord Finetuner::read_record(int frozen) const {
  const fs::path file = out_ / record_file(frozen);
  return record_from_json(parse_json(read_file(file), file.string(), Errc::kModel), file.string(),
                          training_->family().labels.size());
}

void Finetuner::announce(int frozen) const {
  const Candidate c = candidate_of(read_record(frozen), "");
  log::info("frozen {}: accuracy {:.2f} % (95 % interval {:.2f} to {:.2f}), {} epochs, {:.0f} s",
            frozen, 100 * c.accuracy, 100 * c.accuracy_low, 100 * c.accuracy_high, c.epochs,
            c.seconds);
}

bool Finetuner::train_here() {
  for (const BranchPoint& point : unfinished()) {
    if (!training_->train(point)) return false;
    announce(point.frozen);
  }
  return true;
}

adapt::ChildProcess Finetuner::start(const BranchPoint& point) const {
  FinetuneOptions options = options_;
  options.threads = std::max(1, train::thread_budget(options_.threads) / options_.jobs);
  options.force = false;
  std::vector<std::string> arguments = {"--quiet", "finetune"};
  for (std::string& flag : train::to_flags(options)) arguments.push_back(std::move(flag));
  arguments.push_back("--candidate=" + std::to_string(point.frozen));
  const fs::path log = (out_ / record_file(point.frozen)).replace_extension(".log");
  make_folder(log.parent_path());
  return {program_, arguments, log};
}

bool Finetuner::collect() {
  bool any = false;
  for (std::size_t i = 0; i < running_.size();) {
    const auto code = running_[i].process.poll();
    if (!code) {
      ++i;
      continue;
    }
    const int frozen = running_[i].point.frozen;
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
    any = true;
    if (*code == 0) {
      announce(frozen);
      continue;
    }
    constexpr int kLastDocumented = 11;
    const fs::path log = (out_ / record_file(frozen)).replace_extension(".log");
    fail(*code <= kLastDocumented ? static_cast<Errc>(*code) : Errc::kInternal,
         "the candidate with ", frozen, " frozen layers failed with exit code ", *code, ": ",
         adapt::last_line(log), "\nAll it said is in ", log.string(), "; --resume goes on");
  }
  return any;
}

void Finetuner::stop_processes() {
  for (Running& r : running_) r.process.send(SIGINT);
  for (Running& r : running_) {
    while (!r.process.poll()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  running_.clear();
}

bool Finetuner::train_in_processes() {
  auto waiting = unfinished();
  std::reverse(waiting.begin(), waiting.end());  // taken from the back
  while (true) {
    while (!waiting.empty() && std::ssize(running_) < options_.jobs) {
      running_.push_back({waiting.back(), start(waiting.back())});
      waiting.pop_back();
    }
    if (running_.empty()) return true;
    if (StopSignal::requested()) {
      stop_processes();
      return false;
    }
    if (!collect()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

Family Finetuner::finish() const {
  Family family = training_->family();
  family.base.sha256 = base_sha256_;
  std::vector<CandidateRecord> records;
  family.prefix_seconds = description_[kStemSeconds].get<double>();
  family.total_seconds = family.prefix_seconds;
  for (const BranchPoint& p : training_->points()) {
    records.push_back(read_record(p.frozen));
    if (sha256_file(out_ / weights_file(p.frozen)) != records.back().sha256) {
      fail(Errc::kModel, (out_ / weights_file(p.frozen)).string(),
           ": not the weights that were trained; remove ", (out_ / record_file(p.frozen)).string(),
           " and --resume");
    }
    family.candidates.push_back(
        candidate_of(records.back(), p.frozen == 0 ? "" : family.graph.node(p.value).name));
    family.total_seconds += records.back().seconds;
  }
  mark_pareto(family.candidates);
  atomic_write(out_ / kReport, html_report(family, records, training_->examples()));
  write_family(family, out_);
  training_->remove_cache();
  return family;
}

std::optional<Family> Finetuner::run() {
  const StopSignal signals;
  const bool done = unfinished().empty() ||
                    (fill_cache() && (options_.jobs > 1 ? train_in_processes() : train_here()));
  if (!done) return std::nullopt;
  return finish();
}

bool train_in_child(const FinetuneOptions& options, int frozen) {
  options.check();
  Context ctx(Backend::kCpu, train::thread_budget(options.threads));
  const Model base = Model::load(ctx, fs::path(options.out) / kBaseFile);
  FamilyTraining training(options, ctx, base);
  const StopSignal signals;
  return training.train(branch_point(training.family().graph, frozen));
}

}  // namespace graft::finetune

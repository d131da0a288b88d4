// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/run_record.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "engine/core/error.h"
#include "engine/io/file.h"
#include "engine/io/records.h"
#include "runtime/report/markup.h"

namespace graft::report {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMetrics = "metrics.jsonl";
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Numbers that were not finite are null in the file.
double number(const Json& record, const char* key, double fallback = kNan) {
  const auto found = record.find(key);
  return found != record.end() && found->is_number() ? found->get<double>() : fallback;
}

EpochRecord read_epoch(const Json& record, const fs::path& file) {
  EpochRecord out;
  try {
    record.at("epoch").get_to(out.epoch);
    record.get_to(out.counters);
  } catch (const Json::exception& error) {
    fail(Errc::kConfig, file.string(), ": damaged epoch record: ", error.what());
  }
  out.cost_units = number(record, "cost_units");
  out.lr = number(record, "lr");
  out.train_loss = number(record, "train_loss");
  out.test_loss = number(record, "test_loss");
  out.test_error = number(record, "test_error");
  out.flip_rate = number(record, "flip_rate");
  if (const auto seconds = record.find("seconds"); seconds != record.end()) {
    for (std::size_t i = 0; i < kTimeShares.size(); ++i) {
      out.seconds[i] = number(*seconds, std::string(kTimeShares[i]).c_str(), 0);
    }
  }
  return out;
}

LossCdf read_cdf(const Json& record, const fs::path& file) {
  LossCdf out;
  try {
    record.at("epoch").get_to(out.epoch);
    record.at("quantiles").get_to(out.quantiles);
  } catch (const Json::exception& error) {
    fail(Errc::kConfig, file.string(), ": damaged loss_cdf record: ", error.what());
  }
  return out;
}

RunRecord read_run(const fs::path& path) {
  RunRecord run{.path = path,
                .settings = Json::object(),
                .sampler = Json::object(),
                .epochs = {},
                .loss_cdfs = {},
                .probes = {}};
  if (const fs::path file = path / "run.json"; fs::exists(file)) {
    const Json description = parse_json(read_file(file), file.string());
    if (description.is_object()) {
      const Json settings = description.value("fingerprint", Json());
      const Json sampler = description.value("sampler", Json());
      if (settings.is_object()) run.settings = settings;
      if (sampler.is_object()) run.sampler = sampler;
      run.examples = description.value("/data/train"_json_pointer, std::int64_t{0});
    }
  }
  const fs::path metrics = path / kMetrics;
  for (const Json& record : read_records(metrics)) {
    const std::string event = record.is_object() ? record.value("event", "") : "";
    if (event == "epoch") run.epochs.push_back(read_epoch(record, metrics));
    if (event == "loss_cdf") run.loss_cdfs.push_back(read_cdf(record, metrics));
    read_probe(record, event, metrics, run.probes);
  }
  return run;
}

}  // namespace

double EpochRecord::total_seconds() const {
  return std::accumulate(seconds.begin(), seconds.end(), 0.0);
}

double EpochRecord::training_seconds() const {
  double sum = 0;
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    if (i != kEvalShare && i != kOtherShare) sum += seconds[i];
  }
  return sum;
}

std::string RunRecord::setting(const std::string& key) const {
  const auto found = settings.find(key);
  if (found == settings.end() || found->is_null()) return "";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

double RunRecord::kept_fraction(std::size_t i) const {
  const Counters before = i == 0 ? Counters{} : epochs[i - 1].counters;
  const auto candidates = static_cast<double>(epochs[i].counters.candidates - before.candidates);
  const auto kept = static_cast<double>(epochs[i].counters.backprops - before.backprops);
  return candidates > 0 ? kept / candidates : kNan;
}

std::vector<RunRecord> load_runs(const fs::path& path) {
  if (fs::exists(path / kMetrics)) return {read_run(path)};
  std::vector<fs::path> folders;
  if (fs::is_directory(path)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
      if (fs::exists(entry.path() / kMetrics)) folders.push_back(entry.path());
    }
  }
  if (folders.empty()) {
    fail(Errc::kConfig, path.string(), " is not a run directory and holds none: no ", kMetrics,
         ". `graft train --out ", path.string(), "` makes one");
  }
  // seed-10 after seed-9: shorter names first.
  std::sort(folders.begin(), folders.end(), [](const fs::path& a, const fs::path& b) {
    const std::string x = a.string(), y = b.string();
    return x.size() != y.size() ? x.size() < y.size() : x < y;
  });
  std::vector<RunRecord> runs;
  for (const fs::path& folder : folders) runs.push_back(read_run(folder));
  return runs;
}

std::string summary_csv(const RunRecord& run) {
  std::string out =
      "epoch,candidates,forward_select,forward_train,backprops,updates,cost_units,lr,train_loss,"
      "test_loss,test_error,kept_fraction,seconds";
  for (const std::string_view share : kTimeShares) out += fmt::format(",seconds_{}", share);
  out += "\n";
  for (std::size_t i = 0; i < run.epochs.size(); ++i) {
    const EpochRecord& e = run.epochs[i];
    out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{}", e.epoch, e.counters.candidates,
                       e.counters.forward_select, e.counters.forward_train, e.counters.backprops,
                       e.counters.updates, e.cost_units, e.lr, e.train_loss, e.test_loss,
                       e.test_error, run.kept_fraction(i), e.total_seconds());
    for (const double seconds : e.seconds) out += fmt::format(",{}", seconds);
    out += "\n";
  }
  return out;
}

void write_summary_csv(const RunRecord& run) {
  atomic_write(run.path / "summary.csv", summary_csv(run));
}

}  // namespace graft::report

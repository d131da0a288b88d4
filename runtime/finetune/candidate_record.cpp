// SPDX-License-Identifier: Apache-2.0
#include "runtime/finetune/candidate_record.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "runtime/report/statistics.h"
#include "scheduler/model/json_field.h"

namespace graft::finetune {
namespace {

constexpr int kFormat = 1;
constexpr int kMost = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t kWorst = 12;

EpochResult read_epoch(const JsonField& f) {
  return {.lr = f.at("lr").number(0),
          .train_loss = f.at("train_loss").number(0),
          .validation_loss = f.at("validation_loss").number(0),
          .validation_accuracy = f.at("validation_accuracy").number(0, 1)};
}

WorstImage read_worst(const JsonField& f, int classes) {
  return {.id = f.at("id").integer(0, kMost),
          .name = f.at("image").text(),
          .label = f.at("label").integer(0, classes - 1),
          .guess = f.at("guess").integer(0, classes - 1),
          .loss = f.at("loss").number(0)};
}

}  // namespace

std::string record_file(int frozen) { return detail::cat("candidates/frozen-", frozen, ".json"); }

std::int64_t CandidateRecord::tested() const {
  std::int64_t n = 0;
  for (const auto& row : confusion) n = std::accumulate(row.begin(), row.end(), n);
  return n;
}

std::int64_t CandidateRecord::correct() const {
  std::int64_t n = 0;
  for (std::size_t c = 0; c < confusion.size(); ++c) n += confusion[c][c];
  return n;
}

Json to_json(const CandidateRecord& r) {
  Json history = Json::array(), worst = Json::array();
  for (const EpochResult& e : r.history) {
    history.push_back({{"lr", e.lr},
                       {"train_loss", e.train_loss},
                       {"validation_loss", e.validation_loss},
                       {"validation_accuracy", e.validation_accuracy}});
  }
  for (const WorstImage& w : r.worst) {
    worst.push_back({{"id", w.id},
                     {"image", w.name},
                     {"label", w.label},
                     {"guess", w.guess},
                     {"loss", w.loss}});
  }
  return {{"format", kFormat},          {"frozen", r.frozen},       {"start", r.start},
          {"sha256", r.sha256},         {"seconds", r.seconds},     {"history", std::move(history)},
          {"best_epoch", r.best_epoch}, {"confusion", r.confusion}, {"worst", std::move(worst)}};
}

CandidateRecord record_from_json(const Json& json, const std::string& source, std::size_t classes) {
  const JsonField f(json, source);
  static_cast<void>(f.at("format").integer(1, kFormat));
  CandidateRecord r;
  r.frozen = f.at("frozen").integer(0, kMost);
  r.start = f.at("start").integer(0, r.frozen);
  r.sha256 = f.at("sha256").text();
  r.seconds = f.at("seconds").number(0);
  for (const JsonField& e : f.at("history").elements(kMost)) r.history.push_back(read_epoch(e));
  r.best_epoch = f.at("best_epoch").integer(1, static_cast<int>(r.history.size()));
  for (const JsonField& row : f.at("confusion").elements(classes)) {
    auto& counts = r.confusion.emplace_back();
    for (const JsonField& n : row.elements(classes)) counts.push_back(n.integer(0, kMost));
    if (counts.size() != classes) row.reject(detail::cat("needs ", classes, " entries"));
  }
  if (r.confusion.size() != classes) {
    f.at("confusion").reject(detail::cat("needs ", classes, " rows"));
  }
  for (const JsonField& w : f.at("worst").elements(kWorst)) {
    r.worst.push_back(read_worst(w, static_cast<int>(classes)));
  }
  return r;
}

void judge(const CandidateTrainer::Scores& scores, const Examples& examples,
           CandidateRecord& record) {
  const std::size_t n = examples.test.size();
  const std::size_t classes = scores.logits.size() / n;
  record.confusion.assign(classes, std::vector<std::int64_t>(classes));
  std::vector<WorstImage> all;
  for (std::size_t i = 0; i < n; ++i) {
    const auto row = scores.logits.begin() + static_cast<std::ptrdiff_t>(i * classes);
    const auto guess = std::max_element(row, row + static_cast<std::ptrdiff_t>(classes)) - row;
    const std::int64_t id = examples.test[i];
    const int label = examples.images->label(id);
    ++record.confusion[static_cast<std::size_t>(label)][static_cast<std::size_t>(guess)];
    all.push_back({.id = id,
                   .name = {},
                   .label = label,
                   .guess = static_cast<int>(guess),
                   .loss = static_cast<double>(scores.losses[i])});
  }
  const std::size_t kept = std::min(kWorst, n);
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kept), all.end(),
                    [](const WorstImage& a, const WorstImage& b) {
                      return a.loss != b.loss ? a.loss > b.loss : a.id < b.id;
                    });
  all.resize(kept);
  for (WorstImage& w : all) w.name = examples.images->example_name(w.id);
  record.worst = std::move(all);
}

MacroRates macro_rates(const Confusion& confusion) {
  const std::size_t classes = confusion.size();
  std::int64_t all = 0;
  std::vector<std::int64_t> of_class(classes), guessed(classes);
  for (std::size_t c = 0; c < classes; ++c) {
    for (std::size_t g = 0; g < classes; ++g) {
      of_class[c] += confusion[c][g];
      guessed[g] += confusion[c][g];
      all += confusion[c][g];
    }
  }
  const auto ratio = [](std::int64_t a, std::int64_t b) {
    return static_cast<double>(a) / static_cast<double>(b);
  };
  MacroRates rates;
  int with_images = 0, with_others = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    const std::int64_t hits = confusion[c][c], others = all - of_class[c];
    if (of_class[c] > 0) rates.tpr += ratio(hits, of_class[c]), ++with_images;
    if (others > 0) rates.fpr += ratio(guessed[c] - hits, others), ++with_others;
  }
  rates.tpr /= std::max(with_images, 1);
  rates.fpr /= std::max(with_others, 1);
  return rates;
}

Candidate candidate_of(const CandidateRecord& r, const std::string& branch) {
  const auto interval = report::wilson_95(r.correct(), r.tested());
  const MacroRates rates = macro_rates(r.confusion);
  return {.frozen = r.frozen,
          .branch = branch,
          .weights = weights_file(r.frozen),
          .sha256 = r.sha256,
          .accuracy = static_cast<double>(r.correct()) / static_cast<double>(r.tested()),
          .accuracy_low = interval.low,
          .accuracy_high = interval.high,
          .tpr = rates.tpr,
          .fpr = rates.fpr,
          .pareto = false,
          .epochs = static_cast<int>(r.history.size()),
          .seconds = r.seconds};
}

void mark_pareto(std::span<Candidate> candidates) {
  double best = -1;
  for (auto c = candidates.rbegin(); c != candidates.rend(); ++c) {
    c->pareto = c->accuracy > best;
    best = std::max(best, c->accuracy);
  }
}

}  // namespace graft::finetune

// SPDX-License-Identifier: Apache-2.0
#include "runtime/finetune/candidate_record.h"

#include <functional>

#include <gtest/gtest.h>

#include "tests/support/fails_with.h"

namespace graft::finetune {
namespace {

using testing::fails_with;

/// Images without files: example i is of class i % 3.
class Numbers final : public data::Dataset {
 public:
  explicit Numbers(std::int64_t n) : n_(n) {}
  std::string name() const override { return "numbers"; }
  std::int64_t size() const override { return n_; }
  const std::vector<std::string>& class_names() const override { return names_; }
  data::ImageSize image_size() const override { return {1, 1}; }
  int label(std::int64_t id) const override { return static_cast<int>(id % 3); }
  void read(std::int64_t, std::span<std::uint8_t>) const override {}
  std::string fingerprint() const override { return "numbers"; }

 private:
  std::int64_t n_;
  std::vector<std::string> names_ = {"a", "b", "c"};
};

CandidateRecord sound_record() {
  CandidateRecord r;
  r.frozen = 9;
  r.start = 3;
  r.sha256 = std::string(64, '1');
  r.seconds = 2.5;
  r.history = {{.lr = 0.1, .train_loss = 2, .validation_loss = 1, .validation_accuracy = 0.5},
               {.lr = 0.1, .train_loss = 1, .validation_loss = 2, .validation_accuracy = 0.25}};
  r.best_epoch = 1;
  r.confusion = {{3, 1, 0}, {0, 4, 0}, {2, 0, 0}};
  r.worst = {{.id = 4, .name = "test/a/4.png", .label = 0, .guess = 1, .loss = 3.5}};
  return r;
}

TEST(Judge, CountsGuessesAndKeepsTheWorst) {
  Examples examples;
  examples.images = std::make_shared<Numbers>(20);
  CandidateTrainer::Scores scores;
  for (std::int64_t id = 2; id < 20; ++id) {
    examples.test.push_back(id);
    const bool right = id != 7;
    for (int c = 0; c < 3; ++c) {
      const bool wanted = right ? c == id % 3 : c == 0;
      scores.logits.push_back(wanted ? 1.0F : 0.0F);
    }
    scores.losses.push_back(id == 7 ? 9.0F : 0.5F);
  }
  CandidateRecord record;
  judge(scores, examples, record);
  EXPECT_EQ(record.tested(), 18);
  EXPECT_EQ(record.correct(), 17);
  EXPECT_EQ(record.confusion[1][0], 1);
  ASSERT_EQ(record.worst.size(), 12U);
  EXPECT_EQ(record.worst[0].id, 7);
  EXPECT_EQ(record.worst[0].label, 1);
  EXPECT_EQ(record.worst[0].guess, 0);
  EXPECT_EQ(record.worst[1].id, 2) << "equally bad ones by id";
}

TEST(MacroRates, AreMeansOfOneAgainstTheRest) {
  // True positives: 3/4, 4/4, 0/2. False positives: 2/6, 1/6, 0/8.
  const MacroRates rates = macro_rates({{3, 1, 0}, {0, 4, 0}, {2, 0, 0}});
  EXPECT_NEAR(rates.tpr, (0.75 + 1 + 0) / 3, 1e-15);
  EXPECT_NEAR(rates.fpr, (2.0 / 6 + 1.0 / 6 + 0) / 3, 1e-15);
  const MacroRates without = macro_rates({{2, 0, 0}, {0, 0, 0}, {0, 0, 2}});
  EXPECT_EQ(without.tpr, 1) << "a class without images has no rate";
  EXPECT_EQ(without.fpr, 0);
}

TEST(CandidateRecord, GivesTheCandidate) {
  const Candidate c = candidate_of(sound_record(), "cut");
  EXPECT_EQ(c.frozen, 9);
  EXPECT_EQ(c.branch, "cut");
  EXPECT_EQ(c.weights, "candidates/frozen-9.safetensors");
  EXPECT_DOUBLE_EQ(c.accuracy, 0.7);
  EXPECT_LT(c.accuracy_low, 0.45);
  EXPECT_GT(c.accuracy_high, 0.85);
  EXPECT_EQ(c.epochs, 2);
}

TEST(CandidateRecord, ComesBackAsItWasOrIsRefused) {
  const Json json = to_json(sound_record());
  EXPECT_EQ(to_json(record_from_json(json, "r.json", 3)).dump(), json.dump());
  const std::vector<std::pair<std::string, std::function<void(Json&)>>> cases = {
      {"start", [](Json& j) { j["start"] = 12; }},
      {"best_epoch", [](Json& j) { j["best_epoch"] = 3; }},
      {"history[0].lr", [](Json& j) { j["history"][0]["lr"] = "fast"; }},
      {"confusion", [](Json& j) { j["confusion"].erase(0); }},
      {"confusion[1]", [](Json& j) { j["confusion"][1].erase(0); }},
      {"confusion[0][0]", [](Json& j) { j["confusion"][0][0] = -1; }},
      {"worst[0].guess", [](Json& j) { j["worst"][0]["guess"] = 3; }},
  };
  for (const auto& [field, spoil] : cases) {
    Json bad = json;
    spoil(bad);
    EXPECT_TRUE(fails_with(Errc::kModel, {"r.json", field}, [&bad = bad] {
      static_cast<void>(record_from_json(bad, "r.json", 3));
    }));
  }
}

TEST(MarkPareto, LeavesOutWhatIsNoBetterThanMoreSharing) {
  std::vector<Candidate> candidates(5);
  const double accuracy[] = {0.9, 0.85, 0.9, 0.8, 0.8};
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    candidates[i].frozen = static_cast<int>(i);
    candidates[i].accuracy = accuracy[i];
  }
  mark_pareto(candidates);
  const bool want[] = {false, false, true, false, true};
  for (std::size_t i = 0; i < candidates.size(); ++i) EXPECT_EQ(candidates[i].pareto, want[i]) << i;
}

}  // namespace
}  // namespace graft::finetune

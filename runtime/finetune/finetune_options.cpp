// SPDX-License-Identifier: Apache-2.0
#include "runtime/finetune/finetune_options.h"

#include "engine/core/error.h"

namespace graft::finetune {
namespace {

template <class T>
void in_range(const char* flag, T value, T low, T high) {
  if (value >= low && value <= high) return;
  fail(Errc::kUsage, flag, " ", value, ": must be between ", low, " and ", high);
}

void given(const char* flag, const std::string& value) {
  if (value.empty()) fail(Errc::kUsage, "finetune: ", flag, " is required");
}

}  // namespace

void FinetuneOptions::check() const {
  constexpr int kMostEpochs = 100'000, kMostJobs = 1024;
  constexpr std::int64_t kMostUnits = 1 << 20, kMostImages = 65536;
  constexpr std::size_t kLongestName = 128;
  given("--base", base);
  given("--data", data);
  given("--task", task);
  given("--out", out);
  if (task.size() > kLongestName) {
    fail(Errc::kUsage, "--task: ", task.size(), " bytes, at most ", kLongestName);
  }
  in_range<std::int64_t>("--hidden", hidden, 0, kMostUnits);
  in_range("--epochs", epochs, 1, kMostEpochs);
  in_range("--patience", patience, 1, kMostEpochs);
  in_range<std::int64_t>("--batch", batch, 2, kMostImages);
  in_range("--jobs", jobs, 1, kMostJobs);
  in_range("--threads", threads, 0, kMostJobs);
  if (!(lr > 0 && lr <= 1)) fail(Errc::kUsage, "--lr ", lr, ": must be above 0 and at most 1");
  graft::check(parse_lr_spec(lr_policy, {.base_lr = lr, .epochs = static_cast<double>(epochs)}));
}

TrainSettings FinetuneOptions::settings() const {
  return {.epochs = epochs,
          .patience = patience,
          .batch = batch,
          .lr = lr,
          .lr_policy = lr_policy,
          .seed = seed};
}

Json FinetuneOptions::fingerprint() const {
  Json json = Json::object();
  // visit() is written once, for reading and writing; here it only reads.
  const_cast<FinetuneOptions&>(*this).visit(
      [&](const char* name, auto& field, Scope scope, const char*) {
        if (scope == Scope::kRun) json[name] = field;
      });
  return json;
}

}  // namespace graft::finetune

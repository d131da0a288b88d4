// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/checkpoint.h"

#include <cerrno>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "engine/io/file.h"
#include "runtime/train/weights.h"
#include "tests/support/fails_with.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_train/small_run.h"

namespace graft::train {
namespace {

namespace fs = std::filesystem;
using testing::fails_with;
using testing::small_network;
using testing::SmallRun;
using testing::state_of;

constexpr const char* kParts[] = {"model.safetensors", "optimizer.safetensors",
                                  "arrays.safetensors", "state.json", "MANIFEST.json"};

/// A folder with two checkpoints, at 10 and at 20 candidates, of one run.
class Checkpoints {
 public:
  explicit Checkpoints(const std::string& optimizer = "sgd")
      : run_({.optimizer = optimizer, .examples = 64}), manager_(folder_ / "ckpt") {
    run_.run_epoch(0);
    manager_.save(run_.network(), extra(10), 10);
    first_ = state_of(run_.network());
    run_.run_epoch(1);
    manager_.save(run_.network(), extra(20), 20);
    second_ = state_of(run_.network());
  }

  static CheckpointExtra extra(int n) {
    return {.state = {{"n", n}, {"third", 1.0 / 3}, {"text", "\u00e4"}},
            .arrays = {{"losses", {0.1F, static_cast<float>(n)}}, {"none", {}}}};
  }
  [[nodiscard]] fs::path path(int n) const {
    return folder_ / "ckpt" / (n == 10 ? "0000000010" : "0000000020");
  }
  /// The state of a new network that loaded the newest sound checkpoint, and what came with it.
  std::string load(CheckpointExtra& extra) {
    const auto net = small_network(run_.context(), "small_cnn", 99, optimizer());
    auto found = manager_.load_latest(*net);
    extra = found.value();
    return state_of(*net);
  }
  std::string load() {
    CheckpointExtra ignored;
    return load(ignored);
  }
  /// Inverts one bit in the middle of a file.
  static void flip_bit(const fs::path& file) {
    std::string bytes = read_file(file);
    bytes[bytes.size() / 2] ^= 1;
    atomic_write(file, bytes);
  }

  [[nodiscard]] std::string optimizer() { return run_.network().optimizer().options().name; }
  testing::TempFolder folder_;
  SmallRun run_;
  CheckpointManager manager_;
  std::string first_, second_;
};

TEST(Checkpoint, RoundTripIsBitwise) {
  for (const char* optimizer : {"sgd", "adam"}) {
    Checkpoints c(optimizer);
    ASSERT_FALSE(c.first_ == c.second_);
    CheckpointExtra extra;
    EXPECT_TRUE(c.load(extra) == c.second_) << optimizer;
    EXPECT_EQ(extra.state, Checkpoints::extra(20).state);
    EXPECT_EQ(extra.arrays, Checkpoints::extra(20).arrays);
    CheckpointManager(c.folder_ / "ckpt").load_weights(c.run_.network());
    EXPECT_TRUE(state_of(c.run_.network()) == c.second_);
  }
}

TEST(Checkpoint, NoneIsNoError) {
  const testing::TempFolder folder;
  SmallRun run({.examples = 32});
  CheckpointManager manager(folder / "ckpt");
  EXPECT_FALSE(manager.load_latest(run.network()).has_value());
  EXPECT_TRUE(
      fails_with(Errc::kModel, {"no checkpoint"}, [&] { manager.load_weights(run.network()); }));
}

TEST(Checkpoint, KeepsTheTwoNewest) {
  Checkpoints c;
  c.manager_.save(c.run_.network(), Checkpoints::extra(30), 30);
  const auto list = c.manager_.list();
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].filename(), "0000000030");
  EXPECT_EQ(list[1].filename(), "0000000020");
}

TEST(Checkpoint, SavingAtTheSamePlaceReplaces) {
  Checkpoints c;
  c.run_.run_epoch(2);
  c.manager_.save(c.run_.network(), Checkpoints::extra(21), 20);
  CheckpointExtra extra;
  EXPECT_TRUE(c.load(extra) == state_of(c.run_.network()));
  EXPECT_EQ(extra.state.at("n"), 21);
  EXPECT_EQ(c.manager_.list().size(), 2U);
}

TEST(Checkpoint, FlippedBitFallsBackToTheOneBefore) {
  for (const char* part : kParts) {
    Checkpoints c;
    Checkpoints::flip_bit(c.path(20) / part);
    ::testing::internal::CaptureStderr();
    EXPECT_TRUE(c.load() == c.first_) << part;
    const std::string warning = ::testing::internal::GetCapturedStderr();
    // In the manifest, the bit is in the middle of the others' hashes.
    const char* named = std::string(part) == "MANIFEST.json" ? "manifest" : part;
    EXPECT_NE(warning.find(named), std::string::npos) << warning;
    EXPECT_NE(warning.find("0000000020"), std::string::npos) << warning;
  }
}

TEST(Checkpoint, FlippedBitWithoutAnotherIsRefused) {
  for (const char* part : kParts) {
    Checkpoints c;
    fs::remove_all(c.path(10));
    Checkpoints::flip_bit(c.path(20) / part);
    EXPECT_TRUE(fails_with(Errc::kModel, {"no sound checkpoint", "0000000020"}, [&] { c.load(); }))
        << part;
  }
}

TEST(Checkpoint, MissingPartFallsBack) {
  for (const char* part : kParts) {
    Checkpoints c;
    fs::remove(c.path(20) / part);
    EXPECT_TRUE(c.load() == c.first_) << part;
  }
}

TEST(Checkpoint, NewerFormatIsRefused) {
  Checkpoints c;
  for (const int n : {10, 20}) {
    const fs::path file = c.path(n) / "MANIFEST.json";
    Json manifest = parse_json(read_file(file), file.string());
    manifest["format"] = kCheckpointFormat + 1;
    atomic_write(file, manifest.dump());
    EXPECT_TRUE(fails_with(Errc::kModel, {"format 2", "up to 1", "newer graft"},
                           [&] { CheckpointManager::verify(c.path(n)); }));
  }
  EXPECT_TRUE(fails_with(Errc::kModel, {"format 2"}, [&] { c.load(); }));
}

TEST(Checkpoint, ManifestOfAnotherShapeIsRefused) {
  Checkpoints c;
  for (const char* manifest :
       {"", "[]", "{}", R"({"format":"1","sha256":{}})", R"({"format":1,"sha256":[]})",
        R"({"format":1,"sha256":{"model.safetensors":1}})"}) {
    atomic_write(c.path(20) / "MANIFEST.json", manifest);
    EXPECT_TRUE(fails_with(Errc::kModel, {"0000000020"}, [&] {
      CheckpointManager::verify(c.path(20));
    })) << manifest;
  }
}

TEST(Checkpoint, RestOfAKilledSaveDoesNoHarm) {
  Checkpoints c;
  for (const char* rest : {".saving", ".replaced"}) {
    fs::copy(c.path(10), c.folder_ / "ckpt" / rest);
    fs::remove(c.folder_ / "ckpt" / rest / "MANIFEST.json");
  }
  EXPECT_TRUE(c.load() == c.second_);
  c.manager_.save(c.run_.network(), Checkpoints::extra(20), 20);
  EXPECT_TRUE(c.load() == c.second_);
  EXPECT_FALSE(fs::exists(c.folder_ / "ckpt" / ".saving"));
  EXPECT_FALSE(fs::exists(c.folder_ / "ckpt" / ".replaced"));
}

TEST(Checkpoint, FullDiskLeavesTheOneBefore) {
  Checkpoints c;
  c.run_.run_epoch(2);
  {
    const ScopedWriteFault fault({.after_bytes = 1000, .error_number = ENOSPC});
    EXPECT_TRUE(fails_with(Errc::kIo, {"No space left", "ckpt"},
                           [&] { c.manager_.save(c.run_.network(), Checkpoints::extra(30), 30); }));
    EXPECT_GT(ScopedWriteFault::hits(), 0);
  }
  EXPECT_TRUE(c.load() == c.second_);
  EXPECT_FALSE(fs::exists(c.folder_ / "ckpt" / ".saving"));
  // Space is back.
  c.manager_.save(c.run_.network(), Checkpoints::extra(30), 30);
  EXPECT_TRUE(c.load() == state_of(c.run_.network()));
}

TEST(Checkpoint, AnyFailingCallLeavesASoundOne) {
  Checkpoints c;
  c.run_.run_epoch(2);
  const std::string third = state_of(c.run_.network());
  int failed = 0;
  for (int calls = 0;; ++calls) {
    bool done = true;
    {
      const ScopedWriteFault fault({.after_calls = calls, .error_number = EIO});
      try {
        c.manager_.save(c.run_.network(), Checkpoints::extra(30), 30);
      } catch (const Error& e) {
        done = false;
        ++failed;
        ASSERT_EQ(e.code(), Errc::kIo) << e.what();
      }
    }
    const std::string loaded = c.load();
    // The last call makes a rename that has happened durable: the new one may be there then.
    ASSERT_TRUE(loaded == c.second_ || loaded == third) << "after " << calls << " calls";
    if (done) break;
  }
  EXPECT_GT(failed, 20);
  EXPECT_TRUE(c.load() == third);
}

TEST(Checkpoint, WeightsThatAreNotFiniteAreNeverSaved) {
  Checkpoints c;
  auto& params = c.run_.network().params();
  const auto& entry = params.entries().front();
  entry.value.ptr<float>()[0] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(fails_with(Errc::kNumerical, {entry.name, "inf"},
                         [&] { c.manager_.save(c.run_.network(), Checkpoints::extra(30), 30); }));
  EXPECT_TRUE(c.load() == c.second_);
}

TEST(Checkpoint, AnotherNetworkIsRefusedByName) {
  Checkpoints c;
  const auto other = small_network(c.run_.context(), "resnet8", 1);
  EXPECT_TRUE(fails_with(Errc::kModel, {"tensors do not fit this model", "--model"},
                         [&] { (void)c.manager_.load_latest(*other); }));
}

}  // namespace
}  // namespace graft::train

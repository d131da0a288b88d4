// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "engine/core/error.h"
#include "runtime/data/dataset.h"

namespace graft::testing {

/// `n` images of 8 x 6 whose pixels and label tell their id.
class FakeDataset final : public data::Dataset {
 public:
  explicit FakeDataset(std::int64_t n, int classes = 10) : n_(n) {
    for (int c = 0; c < classes; ++c) names_.push_back("class " + std::to_string(c));
  }
  std::string name() const override { return "fake"; }
  std::int64_t size() const override { return n_; }
  const std::vector<std::string>& class_names() const override { return names_; }
  data::ImageSize image_size() const override { return {8, 6}; }
  int label(std::int64_t id) const override { return static_cast<int>(id % classes()); }
  void read(std::int64_t id, std::span<std::uint8_t> hwc) const override {
    if (id == broken_id) fail(Errc::kData, "example ", id, " is broken");
    // Threads finish out of order, so that a loader that depends on it is found out.
    if (slow && id % 7 == 3) std::this_thread::sleep_for(std::chrono::microseconds(200));
    for (std::size_t i = 0; i < hwc.size(); ++i) {
      hwc[i] = static_cast<std::uint8_t>(id * 31 + static_cast<std::int64_t>(i));
    }
  }
  std::string fingerprint() const override { return "fake " + std::to_string(n_); }

  std::int64_t broken_id = -1;  ///< read() of this one throws
  bool slow = false;

 private:
  std::int64_t n_;
  std::vector<std::string> names_;
};

}  // namespace graft::testing

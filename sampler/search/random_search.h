// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sampler/search/search.h"

namespace graft {

/// Functions uniform over the unit cube of the space, independent of the objectives.
class RandomSearch final : public Search {
 public:
  explicit RandomSearch(const SearchOptions& options) : Search(options) {}
  [[nodiscard]] std::string_view name() const override { return "random"; }

 private:
  [[nodiscard]] std::optional<Trial> next() const override;
};

}  // namespace graft

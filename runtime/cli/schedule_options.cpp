// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/schedule_options.h"

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "scheduler/model/event_model.h"

namespace graft::cli {

double parse_bound(const char* flag, const std::string& text) {
  const auto value = parse_double(text);
  if (!value || *value < 0) {
    fail(Errc::kConfig, flag, " must be a finite number of at least 0, got '", text, "'");
  }
  return *value;
}

std::vector<double> parse_rates(const std::string& text) {
  std::vector<double> out;
  if (text.empty()) return out;
  for (const std::string& piece : split(text, ',')) {
    const auto rate = parse_double(piece);
    if (!rate || *rate <= 0) {
      fail(Errc::kConfig, "--rates expects numbers above 0 separated by commas, got '", piece, "'");
    }
    out.push_back(*rate);
  }
  return out;
}

std::vector<int> parse_voting(const std::string& text) {
  if (text == "off") return {};
  std::vector<int> all;
  for (int votes = 1; votes <= kMaxVotes; ++votes) all.push_back(votes);
  if (text == "auto") return all;
  const auto votes = parse_int(text);
  if (!votes || *votes < 1 || *votes > kMaxVotes) {
    fail(Errc::kConfig, "--voting expects off, auto or 1 to ", kMaxVotes, ", got '", text, "'");
  }
  return {static_cast<int>(*votes)};
}

}  // namespace graft::cli

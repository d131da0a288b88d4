// SPDX-License-Identifier: Apache-2.0
#include "runtime/adapt/command_line.h"

#include "runtime/train/option_text.h"

namespace graft::adapt {
namespace {

using train::TrainOptions;

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// Every option as an assignment: these win over file, environment and flags.
void add_assignments(const TrainOptions& options, std::vector<std::string>& out) {
  const Json all = options.to_json();
  for (const auto& [key, value] : all.items()) {
    if (value.is_null() || value.is_object()) continue;
    out.insert(out.end(), {"--set", key + "=" + text_of(value)});
  }
  for (const auto& [key, text] : options.sampler_options) {
    out.insert(out.end(), {"--set", "sampler." + key + "=" + text});
  }
}

}  // namespace

std::vector<std::string> train_command(const TrainOptions& options) {
  std::vector<std::string> out = {"--quiet", "train"};
  add_assignments(options, out);
  return out;
}

std::vector<std::string> adapt_command(const AdaptOptions& options, const TrainOptions& trial) {
  std::vector<std::string> out = {"adapt"};
  const auto flags = train::to_flags(options);
  out.insert(out.end(), flags.begin(), flags.end());
  add_assignments(trial, out);
  return out;
}

}  // namespace graft::adapt

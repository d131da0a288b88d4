// SPDX-License-Identifier: Apache-2.0
#include "runtime/adapt/command_line.h"

#include <algorithm>
#include <type_traits>

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
  // visit() is written once, for reading and writing; here it only reads.
  const_cast<AdaptOptions&>(options).visit([&](const char* name, auto& field, Scope, const char*) {
    std::string flag = name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    if constexpr (std::is_same_v<std::remove_reference_t<decltype(field)>, bool>) {
      out.push_back((field ? "--" : "--no-") + flag);
    } else if (const std::string text = text_of(field); !text.empty()) {
      // "--flag=" would take the argument behind it; what is empty is empty by default.
      out.push_back("--" + flag + "=" + text);
    }
  });
  add_assignments(trial, out);
  return out;
}

}  // namespace graft::adapt

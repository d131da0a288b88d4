// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/train_args.h"

#include <algorithm>
#include <string_view>

#include "engine/core/error.h"
#include "runtime/cli/args.h"

namespace graft::cli {
namespace {

using train::TrainOptions;

/// Value of `--config X` or `--config=X`: the file must be read before the flags, which win over
/// it.
std::string config_of(const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--config" && i + 1 < arguments.size()) return arguments[i + 1];
    if (arguments[i].rfind("--config=", 0) == 0) return arguments[i].substr(9);
  }
  return {};
}

/// Whether the subcommand, behind the flags of `graft` itself, is `name`.
bool chooses(const std::string& name, const std::vector<std::string>& arguments) {
  const auto first = std::find_if(arguments.begin(), arguments.end(),
                                  [](const std::string& a) { return a.rfind('-', 0) != 0; });
  return first != arguments.end() && *first == name;
}

void set_train_option(TrainOptions& options, const std::string& key, const std::string& text,
                      const std::string& where) {
  constexpr std::string_view kSampler = "sampler.", kAdapt = "adapt.";
  if (key.rfind(kSampler, 0) == 0) {
    options.sampler_options[key.substr(kSampler.size())] = text;
  } else if (key.rfind(kAdapt, 0) == 0) {
    options.adapt_options[key.substr(kAdapt.size())] = text;
  } else {
    set_option(options, key, text, where);
  }
}

}  // namespace

const TrainOptions& TrainArgs::resolve() {
  for (const std::string& a : set) {
    const auto equals = a.find('=');
    if (equals == std::string::npos) fail(Errc::kUsage, "--set ", a, ": expects key=value");
    set_train_option(options, a.substr(0, equals), a.substr(equals + 1), "--set");
  }
  if (options.out.empty()) fail(Errc::kUsage, "--out RUN_DIR is missing");
  return options;
}

void add_train_flags(CLI::App& app, TrainArgs& args, const std::vector<std::string>& arguments) {
  app.add_option("--config", args.config, "TOML file with options");
  app.add_option("--set", args.set,
                 "KEY=VALUE, any option; sampler.KEY=VALUE for the sampler's own");
  if (chooses(app.get_name(), arguments)) {
    if (const std::string path = config_of(arguments); !path.empty()) {
      for (const auto& [key, text] : read_toml(path)) {
        set_train_option(args.options, key, text, path);
      }
    }
    for (const auto& [key, text] : from_environment(args.options)) {
      set_train_option(args.options, key, text, environment_name(key));
    }
  }
  add_flags(app, args.options);
}

}  // namespace graft::cli

// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/registry.h"

#include <algorithm>
#include <array>
#include <string>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "sampler/select/options.h"
#include "sampler/select/random.h"
#include "sampler/select/selective_backprop.h"
#include "sampler/select/traditional.h"

namespace graft {
namespace {

/// "default" or "paper".
std::string read_preset(std::string_view owner, OptionReader& reader) {
  std::string preset = "default";
  reader("preset", preset);
  if (preset != "default" && preset != "paper") {
    fail(Errc::kUsage, owner, ": unknown preset '", preset, "', expects default or paper",
         did_you_mean(preset, std::vector<std::string>{"default", "paper"}));
  }
  return preset;
}

/// The options of a sampler with presets: the preset first, then what is given.
template <class Options>
Options read_options(std::string_view owner, const Json& json) {
  OptionReader reader(owner, json);
  const std::string preset = read_preset(owner, reader);
  Options options = preset == "paper" ? Options::paper() : Options::standard();
  options.visit(reader);
  reader.reject_unknown();
  return options;
}

std::unique_ptr<Sampler> make_traditional(const Json& json) {
  constexpr std::string_view kOwner = "sampler traditional";
  OptionReader reader(kOwner, json);
  (void)read_preset(kOwner, reader);  // one and the same in both
  reader.reject_unknown();
  return std::make_unique<Traditional>();
}

std::unique_ptr<Sampler> make_selective_backprop(const Json& json) {
  return std::make_unique<SelectiveBackprop>(
      read_options<SelectiveBackpropOptions>("sampler sb", json));
}

std::unique_ptr<Sampler> make_random(const Json& json) {
  return std::make_unique<RandomSelection>(read_options<PowerOptions>("sampler random", json));
}

struct Entry {
  std::string_view name;
  std::unique_ptr<Sampler> (*make)(const Json& options);
};

constexpr std::array kSamplers = {
    Entry{"traditional", make_traditional},
    Entry{"sb", make_selective_backprop},
    Entry{"random", make_random},
};

}  // namespace

std::unique_ptr<Sampler> make_sampler(std::string_view name, const Json& options) {
  const auto found = std::find_if(kSamplers.begin(), kSamplers.end(),
                                  [name](const Entry& entry) { return entry.name == name; });
  if (found == kSamplers.end()) {
    std::vector<std::string> known;
    for (const Entry& entry : kSamplers) known.emplace_back(entry.name);
    fail(Errc::kUsage, "unknown sampler '", name, "', expects one of ", join(known, ", "),
         did_you_mean(name, known));
  }
  return found->make(options);
}

std::vector<std::string_view> sampler_names() {
  std::vector<std::string_view> out;
  for (const Entry& entry : kSamplers) out.push_back(entry.name);
  return out;
}

}  // namespace graft

// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/registry.h"

#include <algorithm>
#include <utility>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "sampler/select/batch_percentile.h"
#include "sampler/select/info_batch.h"
#include "sampler/select/kakurenbo.h"
#include "sampler/select/kath18.h"
#include "sampler/select/options.h"
#include "sampler/select/predicted.h"
#include "sampler/select/random.h"
#include "sampler/select/rank_selection.h"
#include "sampler/select/rho.h"
#include "sampler/select/selective_backprop.h"
#include "sampler/select/stale.h"
#include "sampler/select/traditional.h"

namespace graft {
namespace {

constexpr const char* kPreset = "default";

/// "default" or "paper".
std::string read_preset(std::string_view owner, OptionReader& reader) {
  std::string preset = kPreset;
  reader("preset", preset);
  if (preset != kPreset && preset != "paper") {
    fail(Errc::kUsage, owner, ": unknown preset '", preset, "', expects default or paper",
         did_you_mean(preset, std::vector<std::string>{kPreset, "paper"}));
  }
  return preset;
}

/// The preset of an option struct; one without presets has the same values in both.
template <class Options>
Options preset_options(const std::string& preset) {
  if constexpr (requires { Options::paper(); })
    return preset == kPreset ? Options::standard() : Options::paper();
  else
    return {};
}

/// Options of a sampler: the preset first, then what is given.
template <class Options>
Options read_options(const char* name, const Json& json) {
  const std::string owner = std::string("sampler ") + name;
  OptionReader reader(owner, json);
  Options options = preset_options<Options>(read_preset(owner, reader));
  if constexpr (std::is_same_v<Options, Kath18Options>) {
    double beta = options.presample - 1;  // the thesis sets its pool by the selectivity of sb
    reader("beta", beta);
    options.presample = beta + 1;
  }
  options.visit(reader);
  reader.reject_unknown();
  return options;
}

struct Entry {
  std::string name;
  SamplerFactory make;
};

template <class S, class Options>
Entry entry(const char* name) {
  return {name, [name](const Json& json) {
            return std::make_unique<S>(read_options<Options>(name, json));
          }};
}

template <RankSelection::End end>
Entry rank_entry(const char* name) {
  return {name, [name](const Json& json) {
            return std::make_unique<RankSelection>(end, read_options<RankOptions>(name, json));
          }};
}

struct NoOptions {
  template <class V>
  void visit(V&&) {}
};

Entry traditional_entry() {
  return {"traditional", [](const Json& json) {
            (void)read_options<NoOptions>("traditional", json);
            return std::make_unique<Traditional>();
          }};
}

std::vector<Entry>& samplers() {
  static std::vector<Entry> list = {
      traditional_entry(),
      entry<SelectiveBackprop, SelectiveBackpropOptions>("sb"),
      entry<StaleSB, StaleOptions>("stale"),
      entry<Kath18, Kath18Options>("kath18"),
      entry<InfoBatch, InfoBatchOptions>("infobatch"),
      entry<Kakurenbo, KakurenboOptions>("kakurenbo"),
      entry<Rho, RhoOptions>("rho"),
      entry<BatchPercentile, BatchPercentileOptions>("batchsb"),
      entry<Predicted, PredictedOptions>("predicted"),
      rank_entry<RankSelection::End::kHighest>("topk"),
      rank_entry<RankSelection::End::kLowest>("lowk"),
      entry<RandomSelection, PowerOptions>("random"),
  };
  return list;
}

const Entry* find_entry(std::string_view name) {
  for (const Entry& entry : samplers()) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<Sampler> make_sampler(std::string_view name, const Json& options) {
  const Entry* found = find_entry(name);
  if (found == nullptr) {
    const std::vector<std::string> known = sampler_names();
    fail(Errc::kUsage, "unknown sampler '", name, "', expects one of ", join(known, ", "),
         did_you_mean(name, known));
  }
  return found->make(options);
}

std::vector<std::string> sampler_names() {
  std::vector<std::string> out;
  for (const Entry& entry : samplers()) out.push_back(entry.name);
  return out;
}

void register_sampler(std::string name, SamplerFactory factory) {
  if (find_entry(name) != nullptr) {
    fail(Errc::kUsage, "there is a sampler '", name, "' already");
  }
  samplers().push_back({std::move(name), std::move(factory)});
}

}  // namespace graft

// SPDX-License-Identifier: Apache-2.0
#include "models/spec/model_spec.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include <fmt/format.h>

#include "engine/core/text.h"
#include "models/zoo/zoo.h"

namespace graft {
namespace {

const std::vector<zoo::Family>& families() {
  static const std::vector<zoo::Family> all = {
      zoo::small_cnn(),    zoo::resnet_cifar(), zoo::resnet(),      zoo::wide_resnet(),
      zoo::mobilenet_v1(), zoo::mobilenet_v2(), zoo::densenet_bc(), zoo::densenet(),
      zoo::squeezenet(),   zoo::inception_v3()};
  return all;
}

/// Lower case, and the other common spellings of a prefix replaced.
std::string canonical_name(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kSpellings = {
      {{"mobilenetv", "mobilenet_v"},
       {"wideresnet-", "wrn-"},
       {"squeezenet1.1", "squeezenet1_1"},
       {"inceptionv", "inception_v"}}};
  std::string s(text);
  std::transform(s.begin(), s.end(), s.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const auto& [other, ours] : kSpellings) {
    if (s.starts_with(other)) s = std::string(ours) + s.substr(other.size());
  }
  return s;
}

/// The numbers that follow the family's prefix; nothing if the name is not of its form.
std::optional<std::vector<std::int64_t>> numbers_of(const zoo::Family& family,
                                                    std::string_view name) {
  if (!name.starts_with(family.prefix)) return std::nullopt;
  const std::string_view rest = name.substr(family.prefix.size());
  std::vector<std::int64_t> numbers;
  if (family.numbers == 0) return rest.empty() ? std::optional(numbers) : std::nullopt;
  for (const std::string& piece : split(rest, '-')) {
    const bool digits = !piece.empty() && std::all_of(piece.begin(), piece.end(),
                                                      [](char c) { return c >= '0' && c <= '9'; });
    const auto n = digits && piece[0] != '0' ? parse_int(piece) : std::nullopt;
    if (!n) return std::nullopt;
    numbers.push_back(*n);
  }
  if (static_cast<int>(numbers.size()) != family.numbers) return std::nullopt;
  return numbers;
}

[[noreturn]] void unknown_model(const std::string& name) {
  std::vector<std::string> published, patterns, rules;
  for (const auto& f : families()) {
    published.insert(published.end(), f.published.begin(), f.published.end());
    patterns.push_back(f.pattern);
    if (numbers_of(f, name)) rules.push_back(f.rule);
  }
  patterns.erase(std::unique(patterns.begin(), patterns.end()), patterns.end());
  const std::string why = rules.empty() ? "" : " (" + join(rules, ", or ") + ")";
  fail(Errc::kUsage, "unknown model '", name, "'", why, did_you_mean(name, published),
       "; models: ", join(patterns, ", "), "; `graft inspect models` describes them");
}

const zoo::Family& family_of(const ModelSpec& spec) {
  for (const auto& f : families()) {
    const auto numbers = numbers_of(f, spec.name);
    if (numbers && f.accepts(*numbers)) return f;
  }
  unknown_model(spec.name);
}

/// The option's value as print() writes it. Throws Error(kUsage).
std::string checked_value(const std::string& model, const zoo::OptionSpec& option,
                          const std::string& value) {
  if (!option.choices.empty()) {
    for (const auto& choice : option.choices) {
      if (canonical_name(choice) == canonical_name(value)) return choice;
    }
    fail(Errc::kUsage, model, ": ", option.name, " is '", value, "'; expected ",
         join(option.choices, " or "), did_you_mean(value, option.choices));
  }
  const auto number = parse_double(value);
  if (!number || *number < option.low || *number > option.high) {
    fail(Errc::kUsage, model, ": ", option.name, " is '", value, "'; expected a number from ",
         option.low, " to ", option.high);
  }
  return fmt::format("{}", *number);
}

using Options = std::vector<std::pair<std::string, std::string>>;

/// `key=value,...`, checked against the family and put into its order, without defaults.
Options parse_options(const std::string& model, const zoo::Family& family, std::string_view text) {
  std::vector<std::string> known;
  for (const auto& o : family.options) known.push_back(o.name);
  Options given;
  for (const std::string& piece : split(text, ',')) {
    const std::size_t equals = piece.find('=');
    const std::string key = piece.substr(0, equals);
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      fail(Errc::kUsage, model, ": unknown option '", key, "'", did_you_mean(key, known),
           known.empty() ? "; it has no options" : "; it has " + join(known, ", "));
    }
    if (equals == std::string::npos) {
      fail(Errc::kUsage, model, ": option '", key, "' needs a value: ", key, "=VALUE");
    }
    for (const auto& [other, unused] : given) {
      if (other == key) fail(Errc::kUsage, model, ": option '", key, "' is given twice");
    }
    given.emplace_back(key, piece.substr(equals + 1));
  }
  Options out;
  for (const auto& option : family.options) {
    for (const auto& [key, value] : given) {
      if (key != option.name) continue;
      const std::string v = checked_value(model, option, value);
      if (v != option.fallback) out.emplace_back(key, v);
    }
  }
  return out;
}

}  // namespace

const char* name(Norm norm) { return norm == Norm::kBatch ? "batch" : "group"; }

Norm parse_norm(std::string_view text) {
  if (text == "batch") return Norm::kBatch;
  if (text == "group") return Norm::kGroup;
  const std::vector<std::string> known = {"batch", "group"};
  fail(Errc::kUsage, "unknown norm '", text, "'", did_you_mean(text, known),
       "; expected batch or group");
}

std::string ModelSpec::text(std::string_view option, std::string_view fallback) const {
  for (const auto& [key, value] : options) {
    if (key == option) return value;
  }
  return std::string(fallback);
}

double ModelSpec::number(std::string_view option, double fallback) const {
  const std::string value = text(option, "");
  if (value.empty()) return fallback;
  const auto number = parse_double(value);
  GRAFT_CHECK(number.has_value(), name, ": ", option, " is '", value, "', not a number");
  return *number;
}

ModelSpec parse_model_spec(std::string_view text) {
  const std::size_t colon = text.find(':');
  ModelSpec spec;
  spec.name = canonical_name(text.substr(0, colon));
  const zoo::Family& family = family_of(spec);
  spec.numbers = *numbers_of(family, spec.name);
  if (colon != std::string_view::npos) {
    spec.options = parse_options(spec.name, family, text.substr(colon + 1));
  }
  return spec;
}

std::string print(const ModelSpec& spec) {
  std::string s = spec.name;
  for (std::size_t i = 0; i < spec.options.size(); ++i) {
    s += (i == 0 ? ":" : ",") + spec.options[i].first + "=" + spec.options[i].second;
  }
  return s;
}

std::vector<ModelInfo> models() {
  std::vector<ModelInfo> out;
  for (const auto& f : families()) {
    ModelInfo info{.pattern = f.pattern,
                   .description = f.description,
                   .options = "",
                   .published = f.published};
    if (!f.rule.empty()) info.description += "; " + f.rule;
    for (const auto& o : f.options) {
      info.options += (info.options.empty() ? "" : ", ") + o.name + "=" +
                      (o.choices.empty() ? o.fallback : join(o.choices, "|"));
    }
    out.push_back(std::move(info));
  }
  return out;
}

Graph build_model(const ModelSpec& spec, const ModelContext& context) {
  GRAFT_CHECK(context.classes >= 2 && context.height >= 1 && context.width >= 1,
              "build_model: ", context.classes, " classes, images of ", context.height, "x",
              context.width);
  try {
    zoo::NetBuilder net(context);
    const ValueId logits = family_of(spec).build(net, spec);
    return std::move(net).finish(logits);
  } catch (const Error& e) {
    if (e.code() != Errc::kInvalidArgument) throw;
    fail(Errc::kUsage, print(spec), " does not fit images of ", context.height, "x", context.width,
         " with ", context.classes, " classes: ", e.what());
  }
}

namespace zoo {

OptionSpec stem_option() {
  return {.name = "stem", .fallback = "auto", .choices = {"cifar", "imagenet"}};
}

bool cifar_stem(const NetBuilder& net, const ModelSpec& spec) {
  constexpr std::int64_t kLargestCifar = 64;
  const ModelContext& c = net.context();
  const char* fallback = std::max(c.height, c.width) <= kLargestCifar ? "cifar" : "imagenet";
  return spec.text("stem", fallback) == "cifar";
}

}  // namespace zoo
}  // namespace graft

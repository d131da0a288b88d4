// SPDX-License-Identifier: Apache-2.0
// The two text forms of a learning-rate policy.
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "layers/optim/lr_policy.h"

namespace graft {
namespace {

struct ShapeName {
  std::string_view text;
  LrShape shape;
  std::string_view keys;  ///< parameters besides k0, one letter each: 1 = k1, g = gamma, p, l
  bool decays;            ///< has the forms NAME2 and NAMEEXP
};

constexpr std::array kShapeNames = {
    ShapeName{"FIX", LrShape::kFix, "", false},
    ShapeName{"STEP", LrShape::kStep, "gl", false},
    ShapeName{"NSTEP", LrShape::kNstep, "gl", false},
    ShapeName{"EXP", LrShape::kExp, "g", false},
    ShapeName{"INV", LrShape::kInv, "gp", false},
    ShapeName{"POLY", LrShape::kPoly, "1pl", false},
    ShapeName{"SIG", LrShape::kSig, "gl", false},
    ShapeName{"TRI", LrShape::kTri, "1l", true},
    ShapeName{"DTRI", LrShape::kDtri, "1l", true},
    ShapeName{"SIN", LrShape::kSin, "1l", true},
    ShapeName{"DSIN", LrShape::kDsin, "1l", true},
    ShapeName{"COS", LrShape::kCos, "1l", true},
    ShapeName{"UPCOS", LrShape::kUpcos, "1l", true},
    ShapeName{"RSW", LrShape::kRsw, "1l", true},
    ShapeName{"SINRSW", LrShape::kSinrsw, "1l", true},
    ShapeName{"COSRSW", LrShape::kCosrsw, "1l", true},
};

constexpr std::array<std::pair<std::string_view, LrDecay>, 3> kDecayNames = {
    std::pair{std::string_view{""}, LrDecay::kNone},
    std::pair{std::string_view{"2"}, LrDecay::kHalve},
    std::pair{std::string_view{"EXP"}, LrDecay::kExp}};

constexpr std::string_view kAt = "-AT-";
constexpr std::string_view kCompat = "-COMPAT-lrbench";
constexpr std::string_view kEpochSuffix = "ep";

const ShapeName& entry(LrShape shape) {
  return *std::find_if(kShapeNames.begin(), kShapeNames.end(),
                       [shape](const ShapeName& s) { return s.shape == shape; });
}

double parse_number(std::string_view text, std::string_view what) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    fail(Errc::kUsage, "learning-rate policy: ", what, " expects a number, got '", text, "'");
  }
  return value;
}

LrSpan parse_span(std::string_view text, std::string_view what) {
  const bool in_epochs = text.ends_with(kEpochSuffix);
  if (in_epochs) text.remove_suffix(kEpochSuffix.size());
  return {parse_number(text, what), in_epochs};
}

/// Splits at `separator`, but not at the sign of an exponent (1e-05).
std::vector<std::string_view> split_list(std::string_view text, char separator) {
  const auto digit = [&](std::size_t i) {
    return i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])) != 0;
  };
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != separator) continue;
    const bool exponent =
        i >= 2 && text[i - 1] == 'e' && digit(i + 1) && (digit(i - 2) || text[i - 2] == '.');
    if (exponent) continue;
    parts.push_back(text.substr(begin, i - begin));
    begin = i + 1;
  }
  parts.push_back(text.substr(begin));
  return parts;
}

std::pair<const ShapeName*, LrDecay> parse_function_name(std::string_view text) {
  for (const ShapeName& s : kShapeNames) {
    for (const auto& [suffix, decay] : kDecayNames) {
      if ((decay == LrDecay::kNone || s.decays) && text.starts_with(s.text) &&
          text.substr(s.text.size()) == suffix) {
        return {&s, decay};
      }
    }
  }
  std::vector<std::string> known;
  for (const ShapeName& s : kShapeNames) {
    for (const auto& decay : kDecayNames) {
      if (s.decays || decay.second == LrDecay::kNone) {
        known.push_back(fmt::format("{}{}", s.text, decay.first));
      }
    }
  }
  fail(Errc::kUsage, "unknown learning-rate function '", text, "', expects one of ",
       join(known, ", "), did_you_mean(text, known));
}

void require(const std::map<std::string_view, std::vector<std::string_view>>& given,
             std::string_view key, std::string_view function) {
  if (!given.contains(key)) {
    fail(Errc::kUsage, "learning-rate policy: ", function, " needs ", key, "_VALUE");
  }
}

/// `k1_0.006+k0_0.001+lrPolicy_UPCOS+l_2000`, `lrPolicy_NSTEP+k0_0.05+gamma_0.1+l_150+180`.
LrFunction parse_function(std::string_view text) {
  std::map<std::string_view, std::vector<std::string_view>> given;
  std::string_view key;
  for (std::string_view part : split_list(text, '+')) {
    const std::size_t underscore = part.find('_');
    if (underscore == std::string_view::npos) {
      if (key != "l") {
        fail(Errc::kUsage, "learning-rate policy: expects KEY_VALUE, got '", part, "'");
      }
    } else {
      key = part.substr(0, underscore);
      part = part.substr(underscore + 1);
      if (given.contains(key)) fail(Errc::kUsage, "learning-rate policy: ", key, " given twice");
    }
    if (part != "None") given[key].push_back(part);
  }
  require(given, "lrPolicy", "each segment");
  const std::string_view function = given.extract("lrPolicy").mapped()[0];
  const auto [named, decay] = parse_function_name(function);
  LrFunction f{.shape = named->shape, .decay = decay, .l = {}};
  std::string keys(named->keys);
  keys += '0';
  if (decay == LrDecay::kExp) keys += 'g';
  const std::array<std::tuple<char, std::string_view, double*>, 4> numbers = {
      {{'0', "k0", &f.k0}, {'1', "k1", &f.k1}, {'g', "gamma", &f.gamma}, {'p', "p", &f.p}}};
  for (const auto& [letter, number_key, target] : numbers) {
    if (keys.find(letter) == std::string::npos) continue;
    require(given, number_key, function);
    *target = parse_number(given.extract(number_key).mapped()[0], number_key);
  }
  if (keys.find('l') != std::string::npos) {
    require(given, "l", function);
    const auto spans = given.extract("l");
    for (const std::string_view part : spans.mapped()) f.l.push_back(parse_span(part, "l"));
  }
  if (!given.empty()) {
    fail(Errc::kUsage, "learning-rate policy: ", function, " takes no '", given.begin()->first,
         "'");
  }
  return f;
}

LrSpec parse_long(std::string_view text) {
  LrSpec spec;
  if (text.ends_with(kCompat)) {
    spec.lrbench_compat = true;
    text.remove_suffix(kCompat.size());
  }
  if (const std::size_t at = text.find(kAt); at != std::string_view::npos) {
    for (const std::string_view part : split_list(text.substr(at + kAt.size()), '+')) {
      spec.boundaries.push_back(parse_span(part, "a boundary after -AT-"));
    }
    text = text.substr(0, at);
  }
  for (const std::string_view part : split_list(text, '-')) {
    spec.segments.push_back(parse_function(part));
  }
  return spec;
}

/// Reads `key=value,...` of a short form and remembers which keys were asked for.
class ShortForm {
 public:
  explicit ShortForm(std::string_view text) {
    const std::size_t colon = text.find(':');
    name_ = text.substr(0, colon);
    if (colon == std::string_view::npos) return;
    for (const std::string_view part : split_list(text.substr(colon + 1), ',')) {
      const std::size_t equals = part.find('=');
      if (equals == std::string_view::npos) {
        fail(Errc::kUsage, "learning-rate policy ", name_, ": expects key=value, got '", part, "'");
      }
      values_[part.substr(0, equals)] = part.substr(equals + 1);
    }
  }

  [[nodiscard]] std::string_view name() const { return name_; }
  [[nodiscard]] bool has(std::string_view key) const { return values_.contains(key); }

  double number(std::string_view key, double fallback) {
    known_.insert(key);
    return has(key) ? parse_number(values_[key], key) : fallback;
  }

  std::vector<double> list(std::string_view key) {
    known_.insert(key);
    std::vector<double> out;
    if (!has(key)) return out;
    for (const std::string_view part : split_list(values_[key], '/')) {
      out.push_back(parse_number(part, key));
    }
    return out;
  }

  void reject_unknown() const {
    for (const auto& [key, value] : values_) {
      if (known_.contains(key)) continue;
      const std::vector<std::string> known(known_.begin(), known_.end());
      fail(Errc::kUsage, "learning-rate policy ", name_, ": unknown key '", key, "', expects ",
           join(known, ", "), did_you_mean(key, known));
    }
  }

 private:
  std::string_view name_;
  std::map<std::string_view, std::string_view> values_;
  std::set<std::string_view> known_;
};

/// The part after the warm-up; times are in epochs, `left` of them.
LrFunction short_function(ShortForm& form, const LrDefaults& d, double warmup, double left) {
  const LrFunction peak{.k0 = d.base_lr, .l = {}};
  LrFunction f = peak;
  if (form.name() == "fixed") return f;
  if (form.name() == "step") {
    f.gamma = form.number("gamma", 0.1);
    const double every = form.number("every", 0);
    const std::vector<double> at = form.list("at");
    if (at.empty() == (every == 0)) {
      fail(Errc::kUsage, "learning-rate policy step: give either at=30/60 or every=30 (epochs)");
    }
    f.shape = at.empty() ? LrShape::kStep : LrShape::kNstep;
    if (at.empty()) f.l = {{every, true}};
    for (const double epoch : at) f.l.push_back({epoch - warmup, true});
    return f;
  }
  if (form.name() == "cosine" || form.name() == "poly") {
    f.shape = form.name() == "poly" ? LrShape::kPoly : LrShape::kCos;
    if (f.shape == LrShape::kPoly) f.p = form.number("p", 1);
    f.k1 = d.base_lr;
    f.k0 = d.base_lr * form.number("end", 0);
    f.l = {{left, true}};
    return f;
  }
  fail(Errc::kUsage, "unknown learning-rate policy '", form.name(),
       "', expects fixed, step, cosine, poly, or the long form with lrPolicy_NAME",
       did_you_mean(form.name(), std::vector<std::string>{"fixed", "step", "cosine", "poly"}));
}

LrSpec parse_short(std::string_view text, const LrDefaults& defaults) {
  ShortForm form(text);
  const double warmup = form.number("warmup", 0);
  const double from = form.number("from", 0.05);
  if (!(warmup >= 0 && warmup < defaults.epochs)) {
    fail(Errc::kUsage, "learning-rate policy: warmup=", warmup, " must be in [0, ", defaults.epochs,
         "), the epochs of the run");
  }
  LrSpec spec;
  if (warmup > 0) {
    spec.segments.push_back({.shape = LrShape::kTri,
                             .k0 = from * defaults.base_lr,
                             .k1 = defaults.base_lr,
                             .l = {{warmup, true}}});
    spec.boundaries.push_back({warmup, true});
  }
  spec.segments.push_back(short_function(form, defaults, warmup, defaults.epochs - warmup));
  form.reject_unknown();
  return spec;
}

std::string print(const std::vector<LrSpan>& spans) {
  std::string out;
  for (const LrSpan& span : spans) {
    out += fmt::format("{}{}{}", out.empty() ? "" : "+", span.value,
                       span.in_epochs ? kEpochSuffix : "");
  }
  return out;
}

std::string print(const LrFunction& f) {
  const ShapeName& named = entry(f.shape);
  const auto suffix = kDecayNames[static_cast<std::size_t>(f.decay)].first;
  const auto has = [&](char key) { return named.keys.find(key) != std::string_view::npos; };
  std::string out;
  if (has('1')) out += fmt::format("k1_{}+", f.k1);
  out += fmt::format("k0_{}+lrPolicy_{}{}", f.k0, named.text, suffix);
  if (has('l')) out.append("+l_").append(print(f.l));
  if (has('g') || f.decay == LrDecay::kExp) out += fmt::format("+gamma_{}", f.gamma);
  if (has('p')) out += fmt::format("+p_{}", f.p);
  return out;
}

}  // namespace

LrSpec parse_lr_spec(std::string_view text, const LrDefaults& defaults) {
  LrSpec spec = text.find("lrPolicy_") == std::string_view::npos ? parse_short(text, defaults)
                                                                 : parse_long(text);
  check(spec);
  return spec;
}

std::string print(const LrSpec& spec) {
  std::string out;
  for (const LrFunction& f : spec.segments) {
    if (!out.empty()) out += '-';
    out += print(f);
  }
  if (!spec.boundaries.empty()) out.append(kAt).append(print(spec.boundaries));
  if (spec.lrbench_compat) out += kCompat;
  return out;
}

}  // namespace graft

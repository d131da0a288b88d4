// SPDX-License-Identifier: Apache-2.0
#include "runtime/compare/arms.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>
#include <string_view>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "engine/core/text.h"
#include "runtime/train/option_text.h"
#include "runtime/train/trainer.h"
#include "sampler/select/registry.h"

namespace graft::compare {
namespace {

using train::TrainOptions;

/// Options that belong to the comparison as a whole.
constexpr std::array<std::string_view, 6> kShared = {"sampler", "seed",   "seeds",
                                                     "out",     "resume", "force"};

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

/// The nearest option of training, for a key that neither training nor the sampler knows.
std::string hint(const std::string& message, const std::string& key,
                 const std::vector<std::string>& known) {
  if (message.find("did you mean") != std::string::npos) return {};
  if (message.find(key) == std::string::npos) return {};
  return did_you_mean(key, known);
}

void set_pair(TrainOptions& options, const std::string& word, std::string& foreign_key) {
  const auto equals = word.find('=');
  if (equals == std::string::npos || equals == 0) {
    fail(Errc::kUsage, "'", word, "': expects key=value");
  }
  std::string key = word.substr(0, equals);
  const std::string value = word.substr(equals + 1);
  std::replace(key.begin(), key.end(), '-', '_');
  if (std::find(kShared.begin(), kShared.end(), key) != kShared.end()) {
    fail(Errc::kUsage, "option '", key, "' is that of the whole comparison, not of one arm");
  }
  const auto known = train::option_names(options);
  if (std::find(known.begin(), known.end(), key) != known.end()) {
    train::set_option(options, key, value, "option");
  } else {
    options.sampler_options[key] = value;
    foreign_key = key;
  }
}

/// Of the sampler options given for all arms, keeps those that the arm's own sampler has: "--beta
/// 2" says nothing about the arm "traditional".
void drop_foreign(TrainOptions& options) {
  const auto sampler = make_sampler(options.sampler, {{"preset", options.sampler_preset}});
  const Json own = sampler->describe();
  if (!own.contains("beta")) options.beta.reset();
  if (!sampler->has_priority()) options.priority.clear();
  if (!own.contains("staleness")) options.staleness.reset();
  if (!own.contains("unbiased")) options.unbiased = false;
  std::erase_if(options.sampler_options,
                [&own](const auto& option) { return !own.contains(option.first); });
}

/// Batch norm couples the rows of a batch, so that reuse has to say how it is approximated; a
/// comparison takes the recommended way (spec 4.2: B2) where nothing is said.
void choose_cache_norm(const std::string& arm, TrainOptions& options) {
  if (options.cache != "reuse" || options.norm != "batch" || options.cache_bn != "refuse") return;
  options.cache_bn = "b2";
  log::info("arm '{}': batch norm over reused rows is approximated by b2 (cache-bn=)", arm);
}

Arm parse_arm(const std::string& text, const TrainOptions& base) {
  const auto words = words_of(text);
  Arm arm{.text = join(words, " "), .slug = {}, .options = base};
  if (words.empty())
    fail(Errc::kUsage, "--arms: an empty arm; expects SAMPLER [KEY=VALUE]... ;...");
  arm.slug = arm_slug(arm.text);
  arm.options.sampler = words[0];
  std::string foreign_key;
  try {
    drop_foreign(arm.options);
    for (std::size_t i = 1; i < words.size(); ++i) set_pair(arm.options, words[i], foreign_key);
    choose_cache_norm(arm.text, arm.options);
    train::validate(arm.options);
  } catch (const Error& e) {
    const std::string message = e.what();
    const std::string more =
        foreign_key.empty() ? "" : hint(message, foreign_key, train::option_names(arm.options));
    fail(e.code(), "arm '", arm.text, "': ", message, more);
  }
  return arm;
}

}  // namespace

std::string arm_slug(const std::string& text) {
  std::string slug;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_';
    if (plain) {
      slug += c;
    } else if (!slug.empty() && slug.back() != '-') {
      slug += '-';
    }
  }
  return slug;
}

std::vector<Arm> parse_arms(const std::string& text, const TrainOptions& base) {
  std::vector<Arm> arms;
  for (const std::string& piece : split(text, ';')) {
    Arm arm = parse_arm(piece, base);
    for (const Arm& other : arms) {
      if (other.slug == arm.slug) {
        fail(Errc::kUsage, "arms '", other.text, "' and '", arm.text, "' would share the folder ",
             arm.slug, "; give one of them another text");
      }
    }
    arms.push_back(std::move(arm));
  }
  return arms;
}

}  // namespace graft::compare

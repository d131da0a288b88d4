// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/tuned_choices.h"

#include <cctype>
#include <cstdlib>
#include <utility>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "engine/io/file.h"
#include "engine/io/json.h"

namespace graft::kernels::cuda {
namespace {

constexpr std::uint64_t kMaxBytes = std::uint64_t{8} << 20;

}  // namespace

TunedChoices::TunedChoices(std::filesystem::path file, std::string device)
    : file_(std::move(file)), device_(std::move(device)) {
  if (file_.empty() || !std::filesystem::exists(file_)) return;
  try {
    read();
  } catch (const std::exception& e) {  // of reading, parsing, or a member of another type
    choices_.clear();
    log::warning("{}: not used, convolutions are measured again: {}", file_.string(), e.what());
  }
}

void TunedChoices::read() {
  const Json json = parse_json(read_file(file_, kMaxBytes), file_.string());
  if (json.at("device") != device_) return;
  for (const Json& entry : json.at("choices")) {
    choices_[entry.at("problem").get<std::vector<std::int64_t>>()] = {
        .candidate = entry.at("candidate").get<std::int64_t>(), .ms = entry.at("ms").get<double>()};
  }
}

std::optional<TunedChoices::Choice> TunedChoices::find(
    std::span<const std::int64_t> problem) const {
  const auto found = choices_.find({problem.begin(), problem.end()});
  if (found == choices_.end()) return {};
  return found->second;
}

void TunedChoices::put(std::span<const std::int64_t> problem, const Choice& choice) {
  choices_[{problem.begin(), problem.end()}] = choice;
  if (file_.empty()) return;
  try {
    write();
  } catch (const std::exception& e) {
    log::warning("{}: not written, the next run measures again: {}", file_.string(), e.what());
    file_.clear();
  }
}

void TunedChoices::write() const {
  Json list = Json::array();
  for (const auto& [problem, choice] : choices_) {
    list.push_back({{"problem", problem}, {"candidate", choice.candidate}, {"ms", choice.ms}});
  }
  make_folder(file_.parent_path());
  atomic_write(file_, Json{{"device", device_}, {"choices", list}}.dump() + "\n");
}

std::filesystem::path tuned_choices_file(const std::string& device) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  std::filesystem::path folder;
  if (cache != nullptr && *cache != '\0') {
    folder = cache;
  } else if (home != nullptr && *home != '\0') {
    folder = std::filesystem::path(home) / ".cache";
  } else {
    return {};
  }
  std::string name;
  for (const char c : device) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.';
    name += plain ? c : '-';
  }
  return folder / "graft" / ("tuned-" + name + ".json");
}

}  // namespace graft::kernels::cuda

// SPDX-License-Identifier: Apache-2.0
#include "runtime/events/recorded_scores.h"

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "engine/io/file.h"

namespace graft::events {
namespace {

constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 30;

RecordedScore read_score(const Json& json, double stream_fps) {
  RecordedScore out{.frame = {.index = json.at("frame")}, .score = json.at("score")};
  out.frame.pts_s = json.value("pts", static_cast<double>(out.frame.index) / stream_fps);
  out.frame.captured_at = json.value("captured_at", out.frame.pts_s);
  if (const auto answer = json.find("positive"); answer != json.end()) {
    out.positive = answer->get<bool>();
  }
  if (out.frame.index < 0 || out.score < 0 || out.score > 1) {
    fail(Errc::kData, "frame ", out.frame.index, " with score ", out.score, ", not in [0, 1]");
  }
  return out;
}

}  // namespace

std::vector<RecordedScore> read_scores(const std::filesystem::path& path, const std::string& app,
                                       double stream_fps) {
  std::vector<RecordedScore> scores;
  std::size_t number = 0;
  for (const std::string& line : split(read_file(path, kMaxBytes), '\n')) {
    const std::string source = detail::cat(path.string(), " line ", ++number);
    if (line.empty()) continue;
    const Json json = parse_json(line, source, Errc::kData);
    try {
      if (json.at("app") != app) continue;
      scores.push_back(read_score(json, stream_fps));
    } catch (const std::exception& error) {
      fail(Errc::kData, source, ": not the score of a frame: ", error.what());
    }
    const std::size_t n = scores.size();
    if (n > 1 && scores[n - 1].frame.index <= scores[n - 2].frame.index) {
      fail(Errc::kData, source, ": frame ", scores[n - 1].frame.index, " after frame ",
           scores[n - 2].frame.index);
    }
  }
  return scores;
}

}  // namespace graft::events

// SPDX-License-Identifier: Apache-2.0
#include "runtime/events/journal_file.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/core/error.h"
#include "engine/core/text.h"

namespace graft::events {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kBlock = 64 << 10;
constexpr std::uint64_t kMaxLine = 16 << 20;  // a header names every open event
constexpr const char* kHeaderType = "journal";

JournalHeader parse_header(const Json& json, const std::string& source) {
  try {
    if (json.at("type") != kHeaderType) fail(Errc::kData, "its type is ", json.at("type").dump());
    const int schema = json.at("schema");
    if (schema > kEventSchema) {
      fail(Errc::kData, "it has schema ", schema, ", this version reads up to ", kEventSchema,
           "; use a newer graft");
    }
    JournalHeader header{
        .journal = json.at("journal"), .next_seq = json.at("next_seq"), .open = {}};
    for (const Json& record : json.at("open")) header.open.push_back(parse_record(record, source));
    if (header.next_seq < 1) fail(Errc::kData, "next_seq ", header.next_seq, " is below 1");
    return header;
  } catch (const std::exception& error) {
    fail(Errc::kData, source, ": not the first line of an event journal: ", error.what());
  }
}

}  // namespace

Json to_json(const JournalHeader& header) {
  Json open = Json::array();
  for (const EventRecord& record : header.open) open.push_back(to_json(record));
  return {{"schema", kEventSchema},
          {"type", kHeaderType},
          {"journal", header.journal},
          {"next_seq", header.next_seq},
          {"open", std::move(open)}};
}

JournalFile::JournalFile(const fs::path& path) : path_(path), file_(path) {
  const auto first = next_line();
  if (!first) fail(Errc::kData, path.string(), ": not an event journal: it has no finished line");
  header_ = parse_header(*first, source());
}

std::string JournalFile::source() const { return fmt::format("{} line {}", path_.string(), line_); }

std::optional<EventRecord> JournalFile::next() {
  const auto json = next_line();
  if (!json) return std::nullopt;
  return parse_record(*json, source());
}

std::optional<Json> JournalFile::next_line() {
  if (used_ == lines_.size()) {
    lines_.clear();
    used_ = 0;
    // An unfinished line is not kept: its writer may cut it off and write another.
    for (std::uint64_t want = kBlock; lines_.empty(); want *= 2) {
      const std::uint64_t there = file_.current_size();
      if (there <= offset_) return std::nullopt;
      std::string block(std::min(want, there - offset_), '\0');
      file_.read_at(offset_, block.data(), block.size());
      block.resize(block.rfind('\n') + 1);  // npos + 1 is 0
      lines_ = std::move(block);
      if (!lines_.empty() || want >= there - offset_) break;
      if (want >= kMaxLine) {
        fail(Errc::kData, path_.string(), " line ", line_ + 1, ": longer than ", kMaxLine,
             " bytes");
      }
    }
    if (lines_.empty()) return std::nullopt;
    offset_ += lines_.size();
  }
  ++line_;
  const auto end = lines_.find('\n', used_);
  const auto line = std::string_view(lines_).substr(used_, end - used_);
  used_ = end + 1;
  return parse_json(line, source(), Errc::kData);
}

fs::path aside_path(const fs::path& path, std::int64_t first_seq) {
  return path.string() + fmt::format(".{:012}", first_seq);
}

std::vector<AsideFile> files_set_aside(const fs::path& path) {
  std::vector<AsideFile> files;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const std::string prefix = path.filename().string() + ".";
  std::error_code none;  // no folder: no files
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    const std::string file = entry.path().filename().string();
    if (file.compare(0, prefix.size(), prefix) != 0) continue;
    const auto seq = parse_int(std::string_view(file).substr(prefix.size()));
    if (seq && *seq > 0) files.push_back({entry.path(), *seq});
  }
  std::sort(files.begin(), files.end(),
            [](const AsideFile& a, const AsideFile& b) { return a.first_seq < b.first_seq; });
  return files;
}

}  // namespace graft::events

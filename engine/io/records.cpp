// SPDX-License-Identifier: Apache-2.0
#include "engine/io/records.h"

#include <algorithm>
#include <string>

namespace graft {
namespace {

/// Length of the file up to and including its last newline.
std::uint64_t terminated_bytes(const std::filesystem::path& path) {
  constexpr std::uint64_t kBlock = 4096;
  const FileReader file(path);
  std::string block;
  for (std::uint64_t end = file.size(); end > 0;) {
    const std::uint64_t begin = end > kBlock ? end - kBlock : 0;
    block.resize(end - begin);
    file.read_at(begin, block.data(), block.size());
    const auto at = block.rfind('\n');
    if (at != std::string::npos) return begin + at + 1;
    end = begin;
  }
  return 0;
}

}  // namespace

RecordWriter::RecordWriter(const std::filesystem::path& path) : path_(path), file_(path) {
  const std::uint64_t whole = terminated_bytes(path);
  if (whole < file_.size()) file_.truncate(whole);
}

void RecordWriter::write(const Json& record) {
  file_.append(record.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n');
}

void RecordWriter::truncate_to(std::uint64_t position) {
  if (position > file_.size()) {
    fail(Errc::kConfig, path_.string(), " has ", file_.size(),
         " bytes, the checkpoint was made at ", position,
         ": lines are missing; use another run directory");
  }
  if (position < file_.size()) file_.truncate(position);  // a finished run stays untouched
}

std::vector<Json> read_records(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  std::vector<Json> records;
  std::size_t begin = 0, line = 1;
  for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin), ++line) {
    const std::string source = detail::cat(path.string(), " line ", line);
    records.push_back(parse_json(std::string_view(text).substr(begin, end - begin), source));
    begin = end + 1;
  }
  return records;
}

}  // namespace graft

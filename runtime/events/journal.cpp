// SPDX-License-Identifier: Apache-2.0
#include "runtime/events/journal.h"

#include <cerrno>
#include <random>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "runtime/events/journal_file.h"

namespace graft::events {
namespace {

namespace fs = std::filesystem;

FileHandle lock(const fs::path& path) {
  const fs::path lock_path = path.string() + ".lock";
  constexpr mode_t kMode = 0644;
  FileHandle handle(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kMode));
  const auto reason = [] { return std::generic_category().message(errno); };
  if (handle.fd() == -1) fail(Errc::kIo, "cannot open ", lock_path.string(), ": ", reason());
  if (::flock(handle.fd(), LOCK_EX | LOCK_NB) != 0) {
    fail(Errc::kConfig, path.string(),
         " is being written by another process; stop it or give another journal");
  }
  return handle;
}

/// Tells this journal from another that is made later at the same path.
std::string random_name() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}", device(), device());
}

bool has_lines(const fs::path& path) {
  std::error_code none;
  return fs::exists(path, none) && fs::file_size(path, none) > 0;
}

}  // namespace

Journal::Journal(const fs::path& path, const JournalOptions& options)
    : path_(path), options_(options), lock_(lock(path)) {
  take_up();
  for (const EventRecord& left : open_events()) {
    append({EventType::kEnd, left.change.state, EndReason::kRestart});
  }
}

std::vector<EventRecord> Journal::open_events() const {
  std::vector<EventRecord> records;
  records.reserve(open_.size());
  for (const auto& [key, record] : open_) records.push_back(record);
  return records;
}

/// Brings the object to what the files say, also after a write that failed.
void Journal::take_up() {
  if (has_lines(path_)) writer_.emplace(path_);  // cuts off an unfinished line
  fs::path last = path_;
  if (!has_lines(path_)) {
    // A first start, or a death between setting a file aside and starting the next.
    const auto aside = files_set_aside(path_);
    if (aside.empty()) {
      name_ = random_name();
      next_seq_ = 1;
      open_.clear();
      return start_file();
    }
    last = aside.back().path;
  }
  JournalFile file(last);
  name_ = file.header().journal;
  first_seq_ = next_seq_ = file.header().next_seq;
  open_.clear();
  for (const EventRecord& r : file.header().open) {
    open_[{r.change.state.stream, r.change.state.app}] = r;
  }
  while (const auto record = file.next()) apply(*record, file.source());
  if (last != path_) start_file();
}

void Journal::apply(const EventRecord& record, const std::string& source) {
  const EventState& state = record.change.state;
  if (record.seq != next_seq_) {
    fail(Errc::kData, source, ": seq ", record.seq, " where ", next_seq_, " follows");
  }
  const Key key{state.stream, state.app};
  const bool open = open_.contains(key);
  if (open == (record.change.type == EventType::kNew)) {
    fail(Errc::kData, source, ": '", name(record.change.type), "' of ", state.stream, "/",
         state.app, ", which has ", open ? "an" : "no", " open event");
  }
  ++next_seq_;
  if (record.change.type == EventType::kEnd) {
    open_.erase(key);
  } else {
    open_[key] = record;
  }
}

void Journal::start_file() {
  const Json header =
      to_json(JournalHeader{.journal = name_, .next_seq = next_seq_, .open = open_events()});
  atomic_write(path_, header.dump() + "\n");
  writer_.emplace(path_);
  first_seq_ = next_seq_;
}

void Journal::set_aside() {
  writer_.reset();
  rename_path(path_, aside_path(path_, first_seq_));
  start_file();
  drop_oldest();
}

void Journal::drop_oldest() {
  const auto files = files_set_aside(path_);
  std::uint64_t total = 0;
  std::error_code none;
  for (const AsideFile& file : files) total += fs::file_size(file.path, none);
  for (std::size_t i = 0; i < files.size() && total > options_.total_bytes; ++i) {
    total -= fs::file_size(files[i].path, none);
    fs::remove(files[i].path, none);
    log::warning("{}: removed, the journal is larger than {} bytes", files[i].path.string(),
                 options_.total_bytes);
  }
}

EventRecord Journal::append(const EventChange& change) {
  if (!writer_) take_up();
  if (writer_->position() >= options_.segment_bytes && next_seq_ > first_seq_) set_aside();
  EventRecord record{.seq = next_seq_, .id = {}, .change = change};
  const auto open = open_.find({change.state.stream, change.state.app});
  GRAFT_CHECK((open == open_.end()) == (change.type == EventType::kNew), "'", name(change.type),
              "' of ", change.state.stream, "/", change.state.app);
  // Like Frigate's: when it opened, and a number that tells events of one moment apart.
  record.id = open != open_.end()
                  ? open->second.id
                  : fmt::format("{:.3f}-{}", change.state.opened.captured_at, record.seq);
  const std::uint64_t before = writer_->position();
  try {
    writer_->write(to_json(record));
    if (options_.fsync == Fsync::kAlways) writer_->sync();
  } catch (const Error&) {
    try {
      writer_->truncate_to(before);  // written, perhaps, but not known to be on the disk
    } catch (const Error& second) {
      log::error("{}", second.what());
    }
    writer_.reset();
    throw;
  }
  apply(record, path_.string());
  return record;
}

JournalReader::JournalReader(fs::path path, JournalPosition after)
    : path_(std::move(path)), position_(std::move(after)) {}
JournalReader::JournalReader(JournalReader&&) noexcept = default;
JournalReader::~JournalReader() = default;

std::optional<EventRecord> JournalReader::next() {
  while (true) {
    auto record = file_ ? file_->next() : std::nullopt;
    if (!record) {
      if (!open_next_file()) return std::nullopt;
      continue;
    }
    if (record->seq <= position_.seq) continue;
    missed_ += record->seq - position_.seq - 1;
    position_.seq = record->seq;
    return record;
  }
}

/// Goes to the file that has, or will have, the next record; false if that is the one at hand.
bool JournalReader::open_next_file() {
  // The current file first: if it is set aside in between, it is in the list as well.
  std::unique_ptr<JournalFile> chosen;
  if (has_lines(path_)) {
    try {
      chosen = std::make_unique<JournalFile>(path_);
    } catch (const Error& error) {
      if (error.code() != Errc::kIo) throw;  // renamed between the look and the opening
    }
  }
  if (chosen && position_.journal.empty()) position_.journal = chosen->header().journal;
  if (chosen && chosen->header().journal != position_.journal) {
    log::warning("{} is another journal than before; it is read from its beginning",
                 path_.string());
    position_ = {chosen->header().journal, 0};
    file_.reset();
  }
  const auto aside = files_set_aside(path_);
  const AsideFile* best = nullptr;
  for (const AsideFile& f : aside) {
    if (best == nullptr || f.first_seq <= position_.seq + 1) best = &f;
  }
  const bool in_current =
      chosen && (best == nullptr || chosen->header().next_seq <= position_.seq + 1);
  if (!in_current && best != nullptr) {
    if (file_ && file_->header().next_seq == best->first_seq) return false;
    chosen = std::make_unique<JournalFile>(best->path);
  }
  if (!chosen || (file_ && file_->header().next_seq == chosen->header().next_seq)) return false;
  file_ = std::move(chosen);
  return true;
}

std::vector<EventRecord> read_journal(const fs::path& path) {
  if (!has_lines(path) && files_set_aside(path).empty()) {
    const JournalFile says_what_is_wrong(path);
  }
  std::vector<EventRecord> records;
  JournalReader reader(path);
  while (auto record = reader.next()) records.push_back(std::move(*record));
  return records;
}

}  // namespace graft::events

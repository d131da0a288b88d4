// SPDX-License-Identifier: Apache-2.0
#include "runtime/events/evaluate.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "engine/io/file.h"

namespace graft::events {
namespace {

constexpr std::uint64_t kMaxLabelBytes = std::uint64_t{256} << 20;
constexpr std::int64_t kMaxFrame = 100'000'000;  // 38 days at 30 a second

/// Indexes of the columns "frame" and the labels.
struct Columns {
  std::size_t frame = 0, label = 0;
};

std::size_t find_column(const std::vector<std::string>& names, const std::string& name,
                        const std::string& source) {
  const auto at = std::find(names.begin(), names.end(), name);
  if (at == names.end()) {
    fail(Errc::kData, source, ": no column '", name, "'; it has ", join(names, ", "));
  }
  return static_cast<std::size_t>(at - names.begin());
}

Columns find_columns(const std::vector<std::string>& names, const std::string& column,
                     const std::string& source) {
  Columns out{.frame = find_column(names, "frame", source), .label = 0};
  if (column.empty() && names.size() == 2) {
    out.label = 1 - out.frame;
  } else {
    out.label = find_column(names, column.empty() ? "label" : column, source);
  }
  return out;
}

std::string_view without_return(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

bool overlap(const FrameSpan& a, const FrameSpan& b) {
  return a.first <= b.last && b.first <= a.last;
}

/// What the known frames of a detected event are.
struct Covered {
  std::int64_t positives = 0, negatives = 0;
  std::int64_t stretches = 0;  ///< of negative frames in a row, as long as a true event
};

/// `true_frames` / `n_events` is the mean length of a true event.
Covered covered_by(const FrameSpan& span, std::span<const FrameLabel> labels,
                   std::int64_t true_frames, std::int64_t n_events) {
  Covered out;
  std::int64_t in_row = 0;
  const auto end_row = [&] {
    // floor(in_row / mean length), in whole numbers.
    if (true_frames > 0) out.stretches += in_row * n_events / true_frames;
    in_row = 0;
  };
  const auto last = std::min(span.last, static_cast<std::int64_t>(labels.size()) - 1);
  for (std::int64_t i = std::max<std::int64_t>(span.first, 0); i <= last; ++i) {
    const FrameLabel label = labels[static_cast<std::size_t>(i)];
    if (label == FrameLabel::kNegative) {
      ++out.negatives;
      ++in_row;
      continue;
    }
    if (label == FrameLabel::kPositive) ++out.positives;
    end_row();
  }
  end_row();
  return out;
}

/// Frames from the beginning of a true event to its first announcement; none if it was not found.
std::optional<std::int64_t> delay_of(const FrameSpan& event,
                                     std::span<const DetectedEvent> detected) {
  std::optional<std::int64_t> delay;
  for (const DetectedEvent& d : detected) {
    if (!overlap(d.span, event)) continue;
    const std::int64_t late = std::max<std::int64_t>(0, d.opened - event.first);
    delay = std::min(delay.value_or(late), late);
  }
  return delay;
}

}  // namespace

std::vector<FrameLabel> read_frame_labels(const std::filesystem::path& path,
                                          const std::string& column) {
  const std::string text = read_file(path, kMaxLabelBytes);
  std::vector<FrameLabel> labels;
  std::optional<Columns> columns;
  std::size_t number = 0;
  for (const std::string& raw : split(text, '\n')) {
    const std::string source = detail::cat(path.string(), " line ", ++number);
    const auto line = without_return(raw);
    if (line.empty()) continue;
    const auto fields = split(line, ',');
    if (!columns) {
      columns = find_columns(fields, column, source);
      continue;
    }
    if (fields.size() <= std::max(columns->frame, columns->label)) {
      fail(Errc::kData, source, ": ", fields.size(), " fields");
    }
    const auto frame = parse_int(fields[columns->frame]);
    if (!frame || *frame < 1 || *frame > kMaxFrame) {
      fail(Errc::kData, source, ": frame '", fields[columns->frame], "' is not 1 to ", kMaxFrame);
    }
    const auto index = static_cast<std::size_t>(*frame - 1);
    if (index >= labels.size()) labels.resize(index + 1, FrameLabel::kUnknown);
    const std::string& field = fields[columns->label];
    if (field.empty()) continue;
    const auto value = parse_double(field);
    if (!value) fail(Errc::kData, source, ": label '", field, "' is not a number");
    labels[index] = *value == 0 ? FrameLabel::kNegative : FrameLabel::kPositive;
  }
  if (!columns) fail(Errc::kData, path.string(), ": it has no first line with the columns' names");
  return labels;
}

std::vector<FrameSpan> true_events(std::span<const FrameLabel> labels) {
  std::vector<FrameSpan> events;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] != FrameLabel::kPositive) continue;
    const auto index = static_cast<std::int64_t>(i);
    if (i > 0 && labels[i - 1] == FrameLabel::kPositive) {
      events.back().last = index;
    } else {
      events.push_back({index, index});
    }
  }
  return events;
}

std::vector<DetectedEvent> detected_events(std::span<const EventRecord> records,
                                           const std::string& app, const std::string& stream) {
  std::map<std::string, DetectedEvent> by_id;
  for (const EventRecord& r : records) {
    const EventState& s = r.change.state;
    if (s.app != app || (!stream.empty() && s.stream != stream)) continue;
    by_id[r.id] = {.span = {s.first.index, s.last.index}, .opened = s.opened.index};
  }
  std::vector<DetectedEvent> events;
  for (const auto& [id, event] : by_id) events.push_back(event);
  std::sort(events.begin(), events.end(), [](const DetectedEvent& a, const DetectedEvent& b) {
    return a.span.first < b.span.first;
  });
  return events;
}

EventScore score_events(std::span<const DetectedEvent> detected,
                        std::span<const FrameLabel> labels) {
  EventScore score;
  const auto events = true_events(labels);
  score.true_events = static_cast<std::int64_t>(events.size());
  std::int64_t delays = 0, true_frames = 0;
  for (const FrameSpan& event : events) {
    true_frames += event.last - event.first + 1;
    const auto delay = delay_of(event, detected);
    if (!delay) continue;
    ++score.found;
    delays += *delay;
  }
  for (const DetectedEvent& d : detected) {
    const Covered covered = covered_by(d.span, labels, true_frames, score.true_events);
    if (covered.positives + covered.negatives == 0) continue;
    ++score.detected;
    score.false_alarms += std::max<std::int64_t>(covered.stretches, covered.positives == 0 ? 1 : 0);
  }
  if (score.found + score.false_alarms > 0) {
    score.precision =
        static_cast<double>(score.found) / static_cast<double>(score.found + score.false_alarms);
  }
  if (score.true_events > 0) {
    const double recall = static_cast<double>(score.found) / static_cast<double>(score.true_events);
    score.recall = recall;
    score.f1 = score.found == 0 ? 0 : 2 * recall * score.precision / (recall + score.precision);
  }
  if (score.found > 0) {
    score.delay_frames = static_cast<double>(delays) / static_cast<double>(score.found);
  }
  return score;
}

}  // namespace graft::events

// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "engine/core/text.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/sink_credentials.h"
#include "runtime/events/evaluate.h"
#include "runtime/events/event_detector.h"
#include "runtime/events/publisher.h"
#include "runtime/events/recorded_scores.h"
#include "runtime/train/stop_signal.h"

namespace graft::cli {
namespace {

using events::EventRecord;
using std::chrono::milliseconds;

constexpr milliseconds kPoll{50};

struct EvalArgs {
  std::string journal, labels, app, column, stream;
  bool json = false;
};

/// Says so if the journal has nothing of the application: its name may be misspelt.
void warn_if_absent(const std::vector<EventRecord>& records, const EvalArgs& args) {
  std::set<std::string> apps;
  for (const EventRecord& r : records) apps.insert(r.change.state.app);
  if (apps.contains(args.app)) return;
  const std::vector<std::string> names(apps.begin(), apps.end());
  log::warning("{} has no event of '{}'{}", args.journal, args.app,
               names.empty() ? std::string("; it is empty") : ", only of " + join(names, ", "));
}

std::string percent(const std::optional<double>& share) {
  return share ? fmt::format("{:.1f} %", *share * 100) : "-";
}

int run_eval(const EvalArgs& args) {
  const auto labels = events::read_frame_labels(args.labels, args.column);
  const auto records = events::read_journal(args.journal);
  warn_if_absent(records, args);
  const auto score =
      events::score_events(events::detected_events(records, args.app, args.stream), labels);
  const auto number = [](const std::optional<double>& v) { return v ? Json(*v) : Json(nullptr); };
  if (args.json) {
    const Json json = {{"event_recall", number(score.recall)},
                       {"event_precision", score.precision},
                       {"event_f1", number(score.f1)},
                       {"detection_delay_frames", number(score.delay_frames)},
                       {"true_events", score.true_events},
                       {"found_events", score.found},
                       {"detected_events", score.detected},
                       {"false_alarms", score.false_alarms}};
    std::cout << json.dump() << "\n";
    return 0;
  }
  std::cout << fmt::format("events     {} true, {} found; {} detected, {} false alarms\n",
                           score.true_events, score.found, score.detected, score.false_alarms)
            << fmt::format("recall     {}\nprecision  {}\nF1         {}\n", percent(score.recall),
                           percent(score.precision), percent(score.f1))
            << "delay      "
            << (score.delay_frames ? fmt::format("{:.1f} frames", *score.delay_frames) : "-")
            << "\n";
  return 0;
}

/// A journal that is not there yet is waited for only by --follow.
void check_exists(const std::string& journal) {
  if (std::filesystem::exists(journal)) return;
  fail(Errc::kIo, "cannot open ", journal, ": there is no such journal");
}

struct TailArgs {
  std::string journal;
  std::int64_t after = 0;
  bool follow = false;
};

int run_tail(const TailArgs& args) {
  if (!args.follow) check_exists(args.journal);
  const train::StopSignal stop;
  events::JournalReader reader(args.journal, {.journal = {}, .seq = args.after});
  while (!train::StopSignal::requested()) {
    if (const auto record = reader.next()) {
      std::cout << to_json(*record).dump() << std::endl;
    } else if (args.follow) {
      std::this_thread::sleep_for(kPoll);
    } else {
      break;
    }
  }
  return 0;
}

struct ReplayArgs {
  std::string journal, sink, cursor;
  double timeout_s = 60;
  bool follow = false;
};

int run_replay(const ReplayArgs& args) {
  auto sink = events::make_sink(args.sink, sink_credentials());
  if (!args.follow) check_exists(args.journal);
  const std::string name = sink->name();
  const auto cursor = args.cursor.empty() ? events::cursor_path(args.journal, *sink)
                                          : std::filesystem::path(args.cursor);
  const train::StopSignal stop;
  events::Publisher publisher(args.journal, std::move(sink), cursor);
  while (args.follow && !train::StopSignal::requested()) std::this_thread::sleep_for(kPoll);
  const bool all = publisher.stop(milliseconds(static_cast<std::int64_t>(args.timeout_s * 1000)));
  const auto counts = publisher.counts();
  log::info("{}: {} events delivered, up to seq {}", name, counts.delivered, counts.cursor);
  if (counts.missed > 0) log::warning("{} events had left the journal before", counts.missed);
  if (all) return 0;
  fail(Errc::kIo, name, " did not take all events within ", args.timeout_s,
       " s; run again to go on behind seq ", counts.cursor);
}

struct DetectArgs {
  std::string scores, journal, app, stream = "recorded";
  std::optional<double> threshold;
  double fps = 30;
  events::DetectorOptions detector{};
};

int run_detect(const DetectArgs& args) {
  const auto scores = events::read_scores(args.scores, args.app, args.fps);
  if (scores.empty()) fail(Errc::kData, args.scores, " has no score of '", args.app, "'");
  events::EventDetector detector(args.stream, args.app, "", args.detector);
  events::Journal journal(args.journal);
  std::int64_t opened = 0;
  const auto take = [&](const std::optional<events::EventChange>& change) {
    if (!change) return;
    journal.append(*change);
    if (change->type == events::EventType::kNew) ++opened;
  };
  constexpr double kEven = 0.5;
  for (const auto& s : scores) {
    const bool recorded = s.positive.value_or(s.score >= kEven);
    const bool positive = args.threshold ? s.score >= *args.threshold : recorded;
    take(detector.observe(s.frame, positive, s.score));
  }
  take(detector.close(events::EndReason::kSourceEnd));
  log::info("{} frames, {} events of {}", scores.size(), opened, args.app);
  return 0;
}

Command add_eval_events(CLI::App& events) {
  auto a = std::make_shared<EvalArgs>();
  auto* app = events.add_subcommand("eval", "Events of a journal against labels of the frames");
  app->add_option("--journal", a->journal, "events.jsonl")->required();
  app->add_option("--labels", a->labels,
                  "CSV with a column frame (from 1) and one of labels: 0, 1 or empty (unknown)")
      ->required();
  app->add_option("--app", a->app, "whose events")->required();
  app->add_option("--column", a->column, "of the labels; without it, `label` or the only one");
  app->add_option("--stream", a->stream, "of this stream only");
  app->add_flag("--json", a->json, "machine-readable");
  return {app, [a] { return run_eval(*a); }};
}

Command add_tail(CLI::App& events) {
  auto a = std::make_shared<TailArgs>();
  auto* app = events.add_subcommand("tail", "Print the records of a journal, one JSON line each");
  app->add_option("--journal", a->journal, "events.jsonl")->required();
  app->add_option("--after", a->after, "begin behind this seq")->capture_default_str();
  app->add_flag("--follow", a->follow, "wait for more, until a signal");
  return {app, [a] { return run_tail(*a); }};
}

Command add_replay(CLI::App& events) {
  auto a = std::make_shared<ReplayArgs>();
  auto* app =
      events.add_subcommand("replay", "Deliver a journal to a sink, from where it was left");
  app->add_option("--journal", a->journal, "events.jsonl")->required();
  app->add_option("--sink", a->sink, "stdout, mqtt://HOST[:PORT][/PREFIX], http[s]://HOST/PATH")
      ->required();
  app->add_option("--cursor", a->cursor, "file that says how far; JOURNAL.cursor-SINK without it");
  app->add_option("--timeout", a->timeout_s, "seconds to deliver what is there")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  app->add_flag("--follow", a->follow, "deliver what comes, until a signal");
  return {app, [a] { return run_replay(*a); }};
}

Command add_detect(CLI::App& events) {
  auto a = std::make_shared<DetectArgs>();
  auto* app = events.add_subcommand("detect", "Vote on recorded scores: events of other settings");
  app->add_option("--scores", a->scores,
                  "JSONL of {\"frame\", \"app\", \"score\"}, as graft run --scores writes it")
      ->required();
  app->add_option("--journal", a->journal, "events are appended to it")->required();
  app->add_option("--app", a->app, "whose scores")->required();
  app->add_option("--stream", a->stream, "name in the events")->capture_default_str();
  app->add_option("--threshold", a->threshold,
                  "a score from here on is positive; without it, as recorded, else from 0.5 on")
      ->check(CLI::Range(0.0, 1.0));
  app->add_option("--fps", a->fps, "of the stream, where scores have no \"pts\"")
      ->check(CLI::Range(1e-3, 1e4))
      ->capture_default_str();
  app->add_option("--votes", a->detector.votes, "positive frames in a row that open an event")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app->add_option("--closing-votes", a->detector.closing_votes,
                  "negative frames in a row that end it; 0: as many as --votes")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  app->add_option("--update-every", a->detector.update_every_s,
                  "seconds between updates of an open event; 0: none")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  return {app, [a] { return run_detect(*a); }};
}

}  // namespace

std::vector<Command> add_events(CLI::App& root) {
  auto* events =
      root.add_subcommand("events", "Journals of events: check, print, deliver, re-vote");
  events->require_subcommand(1);
  events->footer(
      "Examples:\n  graft events eval --journal events.jsonl --labels labels.csv --app cars "
      "--json\n"
      "  graft events replay --journal events.jsonl --sink mqtt://localhost/home --follow\n"
      "Sinks log in with GRAFT_MQTT_USER, GRAFT_MQTT_PASSWORD and GRAFT_WEBHOOK_TOKEN, or with "
      "files\n"
      "named by these and _FILE.");
  return {add_eval_events(*events), add_tail(*events), add_replay(*events), add_detect(*events)};
}

}  // namespace graft::cli

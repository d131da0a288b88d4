// SPDX-License-Identifier: Apache-2.0
#include "runtime/run/top_view.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace graft::run {
namespace {

enum class Ink { kPlain, kBold, kSoft, kGood, kBad };

/// Lines cut to the terminal's width; colours take no room.
class Screen {
 public:
  explicit Screen(const TopOptions& options) : options_(options) {}

  Screen& put(std::string_view text, Ink ink = Ink::kPlain) {
    std::string kept;
    for (std::size_t i = 0; i < text.size();) {
      std::size_t next = i + 1;
      while (next < text.size() && (static_cast<unsigned char>(text[next]) & 0xc0U) == 0x80U)
        ++next;
      if (column_ >= options_.width) break;
      // Names come from packages: nothing that would move the cursor.
      const bool control = static_cast<unsigned char>(text[i]) < 0x20U || text[i] == 0x7f;
      kept += control ? "?" : std::string(text.substr(i, next - i));
      ++column_;
      i = next;
    }
    static constexpr const char* kCodes[] = {"", "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m"};
    const bool plain = !options_.colour || ink == Ink::kPlain;
    line_ += plain ? kept : kCodes[static_cast<int>(ink)] + kept + "\x1b[0m";
    return *this;
  }
  void end() {
    if (rows_++ < options_.height) text_ += line_ + "\n";
    line_.clear();
    column_ = 0;
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  TopOptions options_;
  std::string text_, line_;
  int column_ = 0, rows_ = 0;
};

std::string thousands(std::int64_t n) {
  std::string digits = std::to_string(n);
  for (auto at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), ",");
  }
  return digits;
}

std::string clock(double seconds) {
  const auto s = static_cast<std::int64_t>(seconds);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

std::string bar(double share) {
  constexpr int kCells = 10;
  const int full = std::clamp(static_cast<int>(std::lround(share * kCells)), 0, kCells);
  std::string out;
  for (int i = 0; i < kCells; ++i) out += i < full ? "█" : "░";
  return out;
}

std::string padded(std::string text, std::size_t width) {
  std::size_t shown = 0;
  for (const char c : text) shown += (static_cast<unsigned char>(c) & 0xc0U) != 0x80U ? 1 : 0;
  if (shown < width) text.append(width - shown, ' ');
  return text;
}

void head(Screen& screen, const Json& s) {
  const Json& video = s.at("video");
  screen.put(s.at("stream").get<std::string>(), Ink::kBold).put("  ");
  if (s.at("ready").get<bool>()) {
    screen.put("ready", Ink::kGood);
  } else {
    screen.put(s.at("why_not_ready").get<std::string>(), Ink::kBad);
  }
  screen.put(fmt::format("  {}  {}x{} at {:g} fps, {}, up {}", s.at("source").get<std::string>(),
                         video.at("width").get<int>(), video.at("height").get<int>(),
                         video.at("fps").get<double>(), s.at("mode").get<std::string>(),
                         clock(s.at("uptime_s").get<double>())));
  screen.end();
  const Json& frames = s.at("frames");
  std::string drops;
  std::int64_t dropped = 0;
  for (const auto& [reason, n] : frames.at("dropped").items()) {
    dropped += n.get<std::int64_t>();
    if (n != 0) {
      drops += fmt::format("{}{} {}", drops.empty() ? "" : ", ", thousands(n), reason);
    }
  }
  screen.put(fmt::format("frames {} = {} processed + {} dropped{}",
                         thousands(frames.at("captured")), thousands(frames.at("processed")),
                         thousands(dropped), drops.empty() ? "" : " (" + drops + ")"));
  screen.end();
  double busy = 0;
  for (const Json& n : s.at("nodes")) busy += n.at("busy_share").get<double>();
  screen.put(fmt::format(
      "busy {:.0f} %  cost {:.1f} of {:.1f} {}  mean F1 {}  {} MiB  {} threads  "
      "tree {}",
      100 * busy, s.at("cost").get<double>(), s.at("budget").get<double>(),
      s.at("cost_unit").get<std::string>(),
      s.at("mean_f1").is_null() ? "-" : fmt::format("{:.3f}", s.at("mean_f1").get<double>()),
      s.at("memory_bytes").get<std::int64_t>() >> 20, s.at("threads").get<int>(),
      s.at("tree").get<std::int64_t>()));
  screen.end();
}

/// Rows of the tree, depth first, with the lines that join them.
void add_branch(Screen& screen, const Json& nodes, int parent, const std::string& indent) {
  std::vector<int> children;
  for (int i = 0; i < static_cast<int>(nodes.size()); ++i) {
    if (nodes[static_cast<std::size_t>(i)].at("parent") == parent) children.push_back(i);
  }
  for (const int i : children) {
    const Json& n = nodes[static_cast<std::size_t>(i)];
    const bool last = i == children.back();
    const std::string joint = parent < 0 ? "" : last ? "└ " : "├ ";
    const bool shared = n.at("shared").get<bool>();
    screen.put(padded(indent + joint + n.at("name").get<std::string>(), 30),
               shared ? Ink::kBold : Ink::kPlain);
    const double share = n.at("busy_share").get<double>();
    screen.put(fmt::format(" {:>6g} {:>10} {:>10} {:>10} {:>8.2f} {:>8.2f}  ",
                           n.at("fps").get<double>(), thousands(n.at("in")), thousands(n.at("run")),
                           thousands(n.at("dropped")), n.at("p50_ms").get<double>(),
                           n.at("p99_ms").get<double>()));
    screen.put(bar(share), shared ? Ink::kGood : Ink::kPlain);
    screen.put(fmt::format(" {:>3.0f} %", 100 * share));
    screen.end();
    add_branch(screen, nodes, i, indent + (parent < 0 ? "" : last ? "  " : "│ "));
  }
}

void add_apps(Screen& screen, const Json& s) {
  screen.put(fmt::format("{:<24} {:>7} {:>6} {:>6} {:>3} {:>6} {:>10} {:>9} {:>7} {:>8} {:>8}  {}",
                         "application", "stem", "frozen", "fps", "x", "F1", "analysed", "positive",
                         "events", "age p50", "age p99", "now"),
             Ink::kSoft);
  screen.end();
  for (const Json& a : s.at("apps")) {
    screen.put(padded(a.at("name").get<std::string>(), 24));
    screen.put(fmt::format(
        " {:>7} {:>6} {:>6g} {:>3} {:>6.3f} {:>10} {:>9} {:>7} {:>8.1f} {:>8.1f}  ",
        a.at("sharing").get<std::string>(), a.at("frozen").get<int>(), a.at("fps").get<double>(),
        a.at("x").get<int>(), a.at("f1").get<double>(), thousands(a.at("analysed")),
        thousands(a.at("positives")), thousands(a.at("events")), a.at("age_p50_ms").get<double>(),
        a.at("age_p99_ms").get<double>()));
    const bool open = a.at("event_open").get<bool>();
    screen.put(open ? "EVENT " : "", Ink::kBad);
    screen.put(
        fmt::format("{} {:.2f}", a.at("label").get<std::string>(), a.at("score").get<double>()));
    screen.end();
  }
}

}  // namespace

std::string top_view(const Json& status, const TopOptions& options) {
  Screen screen(options);
  head(screen, status);
  screen.end();
  screen.put(fmt::format("{:<30} {:>6} {:>10} {:>10} {:>10} {:>8} {:>8}  {}", "part", "fps", "in",
                         "run", "dropped", "p50 ms", "p99 ms", "busy"),
             Ink::kSoft);
  screen.end();
  add_branch(screen, status.at("nodes"), -1, "");
  screen.end();
  add_apps(screen, status);
  return screen.take();
}

}  // namespace graft::run

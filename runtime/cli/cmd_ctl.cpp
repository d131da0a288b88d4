// SPDX-License-Identifier: Apache-2.0
// `graft ctl` and `graft top`: a running graft from a terminal.
#include <chrono>
#include <iostream>
#include <optional>

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "engine/core/error.h"
#include "runtime/cli/args.h"
#include "runtime/cli/commands.h"
#include "runtime/run/client.h"
#include "runtime/run/top_view.h"
#include "runtime/train/stop_signal.h"

namespace graft::cli {
namespace {

struct CtlArgs {
  std::string listen, token_file, app, package;
  bool json = false, once = false;
  double every_s = 1;
};

run::Client client_of(const CtlArgs& args) {
  return {run::parse_listen_address(args.listen), run::read_token(args.token_file)};
}

int run_status(const CtlArgs& args) {
  const Json status = client_of(args).status();
  std::cout << (args.json ? status.dump(2) + "\n"
                          : run::top_view(status, {.width = 1000, .height = 100000}));
  return 0;
}

/// The terminal shows another screen and gives single keys while this lives.
class FullScreen {
 public:
  FullScreen() {
    ::tcgetattr(STDIN_FILENO, &before_);
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    std::cout << "\x1b[?1049h\x1b[?25l" << std::flush;
  }
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;
  ~FullScreen() {
    std::cout << "\x1b[?25h\x1b[?1049l" << std::flush;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }

 private:
  termios before_{};
};

run::TopOptions terminal() {
  run::TopOptions out;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    out.width = size.ws_col;
    out.height = size.ws_row - 1;
  }
  out.colour = ::isatty(STDOUT_FILENO) != 0 && !environment("NO_COLOR");
  return out;
}

/// A key that was pressed within `patience`, or 0.
char key(std::chrono::milliseconds patience) {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  char pressed = 0;
  if (::poll(&input, 1, static_cast<int>(patience.count())) == 1 &&
      ::read(STDIN_FILENO, &pressed, 1) == 1) {
    return pressed;
  }
  return 0;
}

int run_top(const CtlArgs& args) {
  const run::Client client = client_of(args);
  Json status = client.status();  // an error before the screen changes
  if (args.once || ::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0) {
    std::cout << run::top_view(status, {.width = 1000, .height = 100000});
    return 0;
  }
  const train::StopSignal signal;
  const FullScreen screen;
  const std::chrono::milliseconds patience(static_cast<int>(1000 * args.every_s));
  while (!train::StopSignal::requested()) {
    std::string text = run::top_view(status, terminal());
    // Lines are rewritten in place and the rest of each is cleared: no flicker.
    std::string drawn = "\x1b[H";
    for (const char c : text) drawn += c == '\n' ? std::string("\x1b[K\n") : std::string(1, c);
    std::cout << drawn << "\x1b[J"
              << "q quits" << std::flush;
    if (key(patience) == 'q') break;
    if (!train::StopSignal::requested()) status = client.status();
  }
  return 0;
}

CLI::App* add_change(CLI::App& ctl, const char* name, const char* help) {
  return ctl.add_subcommand(name, help);
}

}  // namespace

std::vector<Command> add_ctl(CLI::App& root) {
  auto args = std::make_shared<CtlArgs>();
  const auto with_address = [&args](CLI::App* app) {
    app->add_option("--listen", args->listen, "address of the runner, HOST:PORT")->required();
    app->add_option("--token-file", args->token_file, "file with its token (or GRAFT_TOKEN)");
    return app;
  };
  auto* ctl = with_address(root.add_subcommand("ctl", "Change a run, or ask how it does"));
  ctl->require_subcommand(1);
  ctl->footer(
      "Examples:\n  graft ctl --listen 127.0.0.1:8080 add bus.mpkg\n"
      "  graft ctl --listen 127.0.0.1:8080 status --json");
  auto* add = add_change(*ctl, "add", "One application more");
  add->add_option("package", args->package, "package")->required();
  auto* remove = add_change(*ctl, "remove", "One application fewer");
  remove->add_option("app", args->app, "its name")->required();
  auto* replace = add_change(*ctl, "replace", "Another application in the place of one");
  replace->add_option("app", args->app, "the name of the one")->required();
  replace->add_option("package", args->package, "package of the other")->required();
  auto* status = add_change(*ctl, "status", "How the run does");
  status->add_flag("--json", args->json, "machine-readable");
  auto* top = with_address(root.add_subcommand("top", "Watch a run in the terminal"));
  top->footer("Example:\n  graft top --listen 127.0.0.1:8080");
  top->add_flag("--once", args->once, "print once");
  top->add_option("--every", args->every_s, "seconds between looks")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  const auto say = [](const std::string& name, const char* what) {
    std::cout << name << " " << what << "\n";
    return 0;
  };
  return {{add, [args, say] { return say(client_of(*args).add(args->package), "added"); }},
          {remove, [args, say] { return say(client_of(*args).remove(args->app), "removed"); }},
          {replace,
           [args, say] {
             return say(client_of(*args).replace(args->app, args->package), "takes its place");
           }},
          {status, [args] { return run_status(*args); }},
          {top, [args] { return run_top(*args); }}};
}

}  // namespace graft::cli

// SPDX-License-Identifier: Apache-2.0
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include <stdlib.h>
#include <unistd.h>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "engine/core/text.h"
#include "runtime/cli/args.h"
#include "runtime/cli/commands.h"

namespace graft::cli {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 ok, 1 internal, 2 usage, 3 config or fingerprint, 4 data, 5 model rejected,\n"
    "6 device unavailable, 7 out of memory, 8 numerical, 9 I/O, 10 interrupted (resumable), 11 "
    "gate\n";

/// Names that may stand where `app` expects a flag or a subcommand.
std::vector<std::string> known_words(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::Option* o : app.get_options()) {
    for (const auto& n : o->get_lnames()) words.push_back("--" + n);
  }
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    words.push_back(sub->get_name());
  }
  return words;
}

/// The deepest subcommand that was chosen.
const CLI::App* chosen(const CLI::App& root) {
  const CLI::App* app = &root;
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return app;
}

/// The words before the name of the deepest chosen subcommand, e.g. "graft inspect".
std::string words_before_chosen(const CLI::App& root) {
  std::string words;
  for (const CLI::App* app = &root; !app->get_subcommands().empty();
       app = app->get_subcommands().front()) {
    words += (words.empty() ? "" : " ") + app->get_name();
  }
  return words;
}

int usage_error(const CLI::App& root, const CLI::ParseError& error) {
  const CLI::App* app = chosen(root);
  std::string message = error.what();
  // A misspelt subcommand or flag is also why a required one is missing: name it first.
  const bool misses = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr ||
                      dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  if (const auto extras = app->remaining(true); misses && !extras.empty()) {
    message = "unknown argument '" + extras.front() + "'" +
              did_you_mean(extras.front(), known_words(*app));
  }
  const std::string before = words_before_chosen(root);
  log::error("{}\n`{} --help` lists what there is", message,
             before.empty() ? app->get_name() : before + " " + app->get_name());
  return exit_code(Errc::kUsage);
}

/// Idle OpenMP threads spin for some ten microseconds, then sleep: spinning for long, as libgomp
/// does by default, makes two threads slower than one as soon as another process runs. libgomp
/// reads its settings when the process starts, so the program starts itself again, once, unless the
/// user has chosen.
void set_wait_policy(char** argv) {
  constexpr const char* kSpins = "GOMP_SPINCOUNT";
  if (environment("OMP_WAIT_POLICY") || environment(kSpins)) return;
  if (setenv(kSpins, "20000", 1) == 0) execv("/proc/self/exe", argv);  // goes on here if that fails
}

int run(int argc, char** argv) {
  CLI::App root("graft: trains image classifiers, and trains only on the examples worth it",
                "graft");
  root.require_subcommand(1);
  root.fallthrough(false);
  root.footer(kFooter);
  bool quiet = false, verbose = false;
  root.add_flag("-q,--quiet", quiet, "only warnings and errors");
  root.add_flag("-v,--verbose", verbose, "more on stderr");
  std::vector<Command> commands;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto add = [&commands](std::vector<Command> more) {
    commands.insert(commands.end(), more.begin(), more.end());
  };
  add(add_train(root, arguments));
  add(add_compare(root, arguments));
  add(add_adapt(root, arguments));
  add(add_finetune(root));
  add(add_eval(root));
  add(add_report(root));
  add(add_import(root));
  add(add_export(root));
  add(add_classify(root));
  add(add_package(root));
  add(add_profile(root));
  add(add_quantize(root));
  add(add_data(root));
  add(add_inspect(root));
  add(add_schedule(root));
  add(add_run(root));
  add(add_ctl(root));
  add(add_events(root));
  add(add_dispatch(root));
  add(add_check(root));
  add(add_doctor(root));
  add(add_version(root));
  try {
    root.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << chosen(root)->help(words_before_chosen(root));
    return 0;
  } catch (const CLI::ParseError& e) {
    return usage_error(root, e);
  }
  if (quiet) log::set_level(log::Level::kWarning);
  if (verbose) log::set_level(log::Level::kDebug);
  for (const Command& c : commands) {
    if (c.app->parsed()) return c.run();
  }
  return exit_code(Errc::kInternal);
}

}  // namespace
}  // namespace graft::cli

int main(int argc, char** argv) {
  graft::cli::set_wait_policy(argv);
  try {
    return graft::cli::run(argc, argv);
  } catch (const graft::Error& e) {
    graft::log::error("{}", e.what());
    return graft::exit_code(e.code());
  } catch (const std::bad_alloc&) {
    graft::log::error("out of memory; use a smaller batch or model");
    return graft::exit_code(graft::Errc::kOutOfMemory);
  } catch (const std::exception& e) {
    graft::log::error("internal: {}", e.what());
    return graft::exit_code(graft::Errc::kInternal);
  }
}

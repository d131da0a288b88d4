// SPDX-License-Identifier: Apache-2.0
// The subcommands of `graft`, one file each.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace graft::cli {

/// What runs if the command was chosen; returns the exit code.
using Action = std::function<int()>;

/// A subcommand that has been added to the application.
struct Command {
  CLI::App* app = nullptr;
  Action run;
};

/// Each adds its subcommands to `root`; `arguments` is the whole command line.
std::vector<Command> add_train(CLI::App& root, const std::vector<std::string>& arguments);
std::vector<Command> add_compare(CLI::App& root, const std::vector<std::string>& arguments);
std::vector<Command> add_adapt(CLI::App& root, const std::vector<std::string>& arguments);
std::vector<Command> add_finetune(CLI::App& root);
std::vector<Command> add_eval(CLI::App& root);
std::vector<Command> add_report(CLI::App& root);
std::vector<Command> add_import(CLI::App& root);
std::vector<Command> add_export(CLI::App& root);
std::vector<Command> add_classify(CLI::App& root);
std::vector<Command> add_package(CLI::App& root);
std::vector<Command> add_profile(CLI::App& root);
std::vector<Command> add_quantize(CLI::App& root);
std::vector<Command> add_data(CLI::App& root);
/// `graft data mislabels`, below the command `data`.
Command add_mislabels(CLI::App& data);
std::vector<Command> add_inspect(CLI::App& root);
std::vector<Command> add_events(CLI::App& root);
std::vector<Command> add_schedule(CLI::App& root);
std::vector<Command> add_run(CLI::App& root);
/// `graft ctl` and `graft top`.
std::vector<Command> add_ctl(CLI::App& root);
std::vector<Command> add_dispatch(CLI::App& root);
std::vector<Command> add_check(CLI::App& root);
std::vector<Command> add_doctor(CLI::App& root);
std::vector<Command> add_version(CLI::App& root);

}  // namespace graft::cli

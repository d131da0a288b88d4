// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "runtime/build_info.h"
#include "runtime/cli/commands.h"

namespace graft::cli {

std::vector<Command> add_version(CLI::App& root) {
  auto* app =
      root.add_subcommand("version", "Print the version, what it was built with, and formats");
  auto json = std::make_shared<bool>(false);
  app->add_flag("--json", *json, "machine-readable");
  return {{app, [json] {
             const Json info = build_info();
             if (*json) {
               std::cout << info.dump(2) << "\n";
             } else {
               std::cout << "graft " << info.at("version").get<std::string>() << "\n";
               for (const auto& [key, value] : info.items()) {
                 if (key != "version") std::cout << "  " << key << ": " << value.dump() << "\n";
               }
             }
             return 0;
           }}};
}

}  // namespace graft::cli

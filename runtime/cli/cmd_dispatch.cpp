// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "engine/io/file.h"
#include "runtime/cli/commands.h"
#include "runtime/dispatch/simulate.h"

namespace graft::cli {
namespace {

struct SimulateArgs {
  std::string cases;
  bool json = false;
};

int run_simulate(const SimulateArgs& args) {
  constexpr std::uint64_t kMaxBytes = 64 << 20;
  const Json file = parse_json(read_file(args.cases, kMaxBytes), args.cases, Errc::kData);
  const auto cases = dispatch::parse_cases(file, args.cases);
  if (!args.json) {
    std::cout << fmt::format("{:<34} {:>8} {:>9} {:>8} {:>10} {:>11}\n", "case", "frames",
                             "processed", "dropped", "frames/s", "latency s");
  }
  for (const auto& c : cases) {
    const auto result = dispatch::simulate(c);
    const Json json = to_json(result, c.seconds);
    if (args.json) {
      std::cout << Json{{"id", c.id}, {"result", json}}.dump() << "\n";
    } else {
      std::cout << fmt::format(
          "{:<34} {:>8} {:>9} {:>8} {:>10.3f} {:>11.3f}\n", c.id, result.frames, result.processed,
          result.dropped, result.sigma_fps(c.seconds), json.at("mean_latency_s").get<double>());
    }
  }
  return 0;
}

}  // namespace

std::vector<Command> add_dispatch(CLI::App& root) {
  auto* dispatch = root.add_subcommand("dispatch", "Several engines on one stream of frames");
  dispatch->require_subcommand(1);
  auto a = std::make_shared<SimulateArgs>();
  auto* app = dispatch->add_subcommand("simulate", "Run cases in exact virtual time");
  app->footer("Example:\n  graft dispatch simulate --cases cases.json --json");
  app->add_option("--cases", a->cases,
                  "{\"cases\": [{\"id\", \"mu\", \"lam\", \"T\", \"policy\", \"cap\", \"drop\"}]}")
      ->required();
  app->add_flag("--json", a->json, "one line {\"id\", \"result\"} a case");
  return {{app, [a] { return run_simulate(*a); }}};
}

}  // namespace graft::cli

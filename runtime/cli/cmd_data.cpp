// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include <fmt/format.h>

#include "engine/core/error.h"
#include "engine/io/json.h"
#include "runtime/cli/commands.h"
#include "runtime/data/open.h"

namespace graft::cli {
namespace {

struct CheckArgs {
  std::string data;
  bool json = false;
};

/// Reads every example once.
Json check_split(const data::DatasetPtr& dataset) {
  std::vector<std::uint8_t> pixels(dataset->image_size().bytes());
  std::vector<std::int64_t> per_class(dataset->class_names().size());
  for (std::int64_t i = 0; i < dataset->size(); ++i) {
    dataset->read(i, pixels);
    ++per_class[static_cast<std::size_t>(dataset->label(i))];
  }
  Json classes = Json::object();
  for (std::size_t c = 0; c < per_class.size(); ++c) {
    classes[dataset->class_names()[c]] = per_class[c];
  }
  Json bad = Json::array();
  for (const auto& b : dataset->bad_files())
    bad.push_back({{"path", b.path}, {"reason", b.reason}});
  const auto norm = data::normalization_of(*dataset);
  return {{"examples", dataset->size()},
          {"size", {dataset->image_size().height, dataset->image_size().width}},
          {"classes", classes},
          {"mean", norm.mean},
          {"stddev", norm.stddev},
          {"sha256", dataset->fingerprint()},
          {"bad_files", bad}};
}

void print_split(const char* split, const Json& j) {
  std::cout << fmt::format("{}: {} examples of {}x{}, {} classes, sha256 {}\n", split,
                           j.at("examples").dump(), j.at("size")[0].dump(), j.at("size")[1].dump(),
                           j.at("classes").size(), j.at("sha256").get<std::string>());
  for (const auto& [name, count] : j.at("classes").items()) {
    std::cout << fmt::format("  {:<20} {}\n", name, count.dump());
  }
  for (const auto& b : j.at("bad_files")) {
    std::cout << fmt::format("  unusable: {}: {}\n", b.at("path").get<std::string>(),
                             b.at("reason").get<std::string>());
  }
}

int run(const CheckArgs& args) {
  const auto pair = data::open_datasets(data::parse_data_spec(args.data));
  const Json train = check_split(pair.train), test = check_split(pair.test);
  if (args.json) {
    std::cout << Json{{"train", train}, {"test", test}}.dump(2) << "\n";
  } else {
    print_split("train", train);
    print_split("test", test);
  }
  return 0;
}

}  // namespace

std::vector<Command> add_data(CLI::App& root) {
  auto* app = root.add_subcommand("data", "Look at data sets");
  app->require_subcommand(1);
  auto args = std::make_shared<CheckArgs>();
  auto* check =
      app->add_subcommand("check", "Read every example: counts, statistics, unusable files");
  check->footer(data::data_spec_help());
  check->add_option("--data,data", args->data, "data set")->required();
  check->add_flag("--json", args->json, "machine-readable");
  return {{check, [args] { return run(*args); }}, add_mislabels(*app)};
}

}  // namespace graft::cli

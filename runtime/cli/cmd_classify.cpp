// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>

#include <fmt/format.h>

#include "engine/core/log.h"
#include "engine/io/json.h"
#include "runtime/cli/commands.h"
#include "runtime/data/folder.h"
#include "runtime/model/model.h"
#include "runtime/train/trainer.h"

namespace graft::cli {
namespace {

namespace fs = std::filesystem;

struct ClassifyArgs {
  std::vector<std::string> images;
  std::string model, device = "cpu";
  int top = 5, threads = 0;
  bool json = false, logits = false;
};

/// The files named, and those in the folders named, by name.
std::vector<std::string> image_files(const std::vector<std::string>& arguments) {
  std::vector<std::string> files;
  for (const std::string& argument : arguments) {
    if (!fs::is_directory(argument)) {
      files.push_back(argument);
      continue;
    }
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(argument)) {
      if (entry.is_regular_file() && data::is_image_file(entry.path())) {
        found.push_back(entry.path().string());
      }
    }
    if (found.empty()) fail(Errc::kData, argument, ": no images in this folder");
    std::sort(found.begin(), found.end());
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

Json json_of(const std::vector<Prediction>& top) {
  Json list = Json::array();
  for (const Prediction& p : top) {
    list.push_back({{"index", p.index}, {"label", p.label}, {"probability", p.probability}});
  }
  return list;
}

void print_text(const std::string& file, const std::vector<Prediction>& top, double ms) {
  std::cout << fmt::format("{}  {:.2f} ms\n", file, ms);
  for (const Prediction& p : top) {
    std::cout << fmt::format("  {:7.3f} %  {:4}  {}\n", 100 * p.probability, p.index, p.label);
  }
}

void classify(Model& model, const ClassifyArgs& args, const std::string& file) {
  using Clock = std::chrono::steady_clock;
  const ImageU8 image = decode_image_file(file);
  const auto start = Clock::now();
  const auto logits = model.run(std::span(&image, 1));
  const auto top = model.best(logits, args.top);
  const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  if (!args.json) {
    print_text(file, top, ms);
    return;
  }
  Json line = {{"image", file}, {"top", json_of(top)}, {"ms", ms}};
  if (args.logits) line["logits"] = std::vector<float>(logits.begin(), logits.end());
  std::cout << line.dump() << "\n";
}

int run(const ClassifyArgs& args) {
  if (args.logits && !args.json) fail(Errc::kUsage, "--logits needs --json");
  const auto files = image_files(args.images);
  const auto ctx = train::make_context(args.device, args.threads);
  Model model = Model::load(*ctx, args.model);
  std::size_t bad = 0;
  for (const std::string& file : files) {
    try {
      classify(model, args, file);
    } catch (const Error& e) {
      // One damaged image does not cost the others their answers.
      if (e.code() != Errc::kData && e.code() != Errc::kIo) throw;
      log::error("{}", e.what());
      ++bad;
    }
  }
  if (bad > 0) fail(Errc::kData, bad, " of ", files.size(), " images could not be classified");
  return 0;
}

}  // namespace

std::vector<Command> add_classify(CLI::App& root) {
  auto args = std::make_shared<ClassifyArgs>();
  auto* app = root.add_subcommand("classify", "Name what is in images");
  app->footer(
      "Examples:\n  graft classify cat.jpg --model m.graft\n"
      "  graft classify photos/ --model m.graft --top 1 --json\n"
      "ms: preprocessing and network, without decoding; the first image also pays for the plans.");
  app->add_option("images", args->images, "image files, or folders of them")->required();
  app->add_option("--model", args->model, "model file of graft import")->required();
  app->add_option("--top", args->top, "classes an image")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app->add_option("--threads", args->threads, "0: all cores")->check(CLI::Range(0, 1024));
  app->add_option("--device", args->device)
      ->check(CLI::IsMember({"cpu", "cuda", "auto"}))
      ->capture_default_str();
  app->add_flag("--json", args->json, "one JSON object a line and image");
  app->add_flag("--logits", args->logits, "all logits as well; with --json");
  return {{app, [args] { return run(*args); }}};
}

}  // namespace graft::cli

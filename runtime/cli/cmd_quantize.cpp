// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <iostream>

#include <fmt/format.h>

#include "engine/core/text.h"
#include "runtime/cli/commands.h"
#include "runtime/data/open.h"
#include "runtime/model/profile.h"
#include "runtime/model/quantize.h"
#include "runtime/train/trainer.h"

namespace graft::cli {
namespace {

struct QuantizeArgs {
  std::string model, calibrate, validate, out, methods = "minmax,percentile,entropy";
  double gate = 1;
  std::int64_t calibrate_limit = 256, validate_limit = 0;
  int threads = 0;
  bool json = false;
};

/// Latency and file size of the two forms.
struct Costs {
  double f32_ms = 0, int8_ms = 0;
  std::uintmax_t f32_bytes = 0, int8_bytes = 0;
};

double median_ms(Context& ctx, Model& model) {
  constexpr int kRuns = 20;
  std::vector<double> ms = time_model(ctx, model, 1, kRuns);
  std::sort(ms.begin(), ms.end());
  return ms[ms.size() / 2];
}

void print_row(const char* what, double f32, double int8, int digits) {
  std::cerr << fmt::format("{:<22} {:>12.{}f} {:>12.{}f} {:>+12.{}f}\n", what, f32, digits, int8,
                           digits, int8 - f32, digits);
}

void print_table(const QuantizeReport& r, const Costs& costs) {
  std::cerr << fmt::format("{:<22} {:>12} {:>12} {:>12}\n", "", "f32", "int8", "difference");
  if (r.f32.top1) {
    print_row("top-1 %", *r.f32.top1, *r.int8.top1, 2);
    print_row("top-5 %", *r.f32.top5, *r.int8.top5, 2);
  }
  print_row("same first class %", r.f32.agreement, r.int8.agreement, 2);
  print_row("ms an image", costs.f32_ms, costs.int8_ms, 3);
  if (costs.int8_bytes > 0) {
    print_row("file, KiB", static_cast<double>(costs.f32_bytes) / 1024,
              static_cast<double>(costs.int8_bytes) / 1024, 1);
  }
  std::string floating;
  for (const LayerReport& layer : r.layers) {
    if (layer.floating) floating += fmt::format(" {} ({:.1f} dB)", layer.name, layer.sqnr_db);
  }
  std::cerr << fmt::format(
      "{} images, calibrated on {} by {}; in f32:{}\n", r.images, r.calibration_images,
      name(r.method),
      floating.empty() ? " none of " + std::to_string(r.layers.size()) + " layers" : floating);
}

std::vector<CalibrationMethod> parse_methods(const std::string& text) {
  std::vector<CalibrationMethod> methods;
  for (const std::string& piece : split(text, ',')) {
    methods.push_back(parse_calibration_method(piece));
  }
  return methods;
}

void check_gate(const QuantizeArgs& args, const QuantizeReport& r) {
  const double lost = points_lost(r.int8, r.f32);
  if (lost <= args.gate) return;
  if (r.f32.top1) {
    fail(Errc::kGate, "int8 loses ", fmt::format("{:.2f}", lost), " points of top-1, at most ",
         args.gate,
         " may be lost; nothing is written. Calibrate on more or other images, or "
         "raise --gate");
  }
  fail(Errc::kGate, "int8 changes the first class of ", fmt::format("{:.2f}", lost),
       " % of the images, and without labels each counts as lost, at most ", args.gate,
       " may be; nothing is written. Measure with --validate folder:DIR, whose class folders are "
       "named as the model's labels, or raise --gate");
}

int run(const QuantizeArgs& args) {
  const auto methods = parse_methods(args.methods);
  const auto ctx = train::make_context("cpu", args.threads);
  Model model = Model::load(*ctx, args.model);
  const ModelHeader& header = model.header();
  const ImageSet calibration =
      read_image_set(args.calibrate, data::Split::kTrain, header, args.calibrate_limit);
  const ImageSet validation =
      args.validate.empty()
          ? calibration
          : read_labelled_set(args.validate, data::Split::kTest, header, args.validate_limit);
  QuantizeReport report;
  Model int8 = quantize(*ctx, model, calibration, validation,
                        {.methods = methods, .gate = args.gate}, report);
  Costs costs{.f32_ms = median_ms(*ctx, model), .int8_ms = median_ms(*ctx, int8)};
  const bool passed = points_lost(report.int8, report.f32) <= args.gate;
  Json json = to_json(report);
  if (passed) {
    json["sha256"] = int8.save(args.out);
    json["out"] = args.out;
    costs.f32_bytes = std::filesystem::file_size(args.model);
    costs.int8_bytes = std::filesystem::file_size(args.out);
  }
  json["ms"] = {{"f32", costs.f32_ms}, {"int8", costs.int8_ms}};
  json["bytes"] = {{"f32", costs.f32_bytes}, {"int8", costs.int8_bytes}};
  json["gate"] = {{"points", args.gate}, {"passed", passed}};
  print_table(report, costs);
  if (args.json) std::cout << json.dump() << "\n";
  check_gate(args, report);
  return 0;
}

}  // namespace

std::vector<Command> add_quantize(CLI::App& root) {
  auto args = std::make_shared<QuantizeArgs>();
  auto* app = root.add_subcommand("quantize", "Make an int8 model of an f32 model");
  app->footer(
      std::string("Examples:\n"
                  "  graft quantize m.graft --calibrate folder:photos --validate folder:labelled "
                  "--out m8.graft\n"
                  "  graft quantize m.graft --calibrate cifar10:DIR --validate cifar10:DIR --out "
                  "m8.graft --json\n"
                  "Without --validate the calibration images measure: by their labels if all their "
                  "classes are the model's,\nelse by how often the first class stays. Data:\n") +
      data::data_spec_help());
  app->add_option("model", args->model, "model file of graft import")->required();
  app->add_option("--calibrate", args->calibrate, "images that set the ranges; no labels needed")
      ->required();
  app->add_option("--validate", args->validate,
                  "labelled images that choose method and layers and hold the gate");
  app->add_option("--out", args->out, "model file to write")->required();
  app->add_option("--methods", args->methods, "calibration methods to choose from")
      ->capture_default_str();
  app->add_option("--gate", args->gate,
                  "percentage points of top-1 that may be lost; more: exit 11, nothing written")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  app->add_option("--calibrate-limit", args->calibrate_limit, "images to calibrate on; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app->add_option("--validate-limit", args->validate_limit, "images to measure on; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app->add_option("--threads", args->threads, "0: all cores")->check(CLI::Range(0, 1024));
  app->add_flag("--json", args->json, "the report as one JSON object on stdout");
  return {{app, [args] { return run(*args); }}};
}

}  // namespace graft::cli

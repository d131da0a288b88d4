// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <iostream>

#include <fmt/format.h>

#include "engine/core/text.h"
#include "runtime/cli/commands.h"
#include "runtime/data/open.h"
#include "runtime/model/bf16.h"
#include "runtime/model/profile.h"
#include "runtime/model/quantize.h"
#include "runtime/train/trainer.h"

namespace graft::cli {
namespace {

constexpr const char *kInt8 = "int8", *kBf16 = "bf16";

struct QuantizeArgs {
  std::string model, to = kInt8, calibrate, validate, out, methods = "minmax,percentile,entropy";
  double gate = 1;
  std::int64_t calibrate_limit = 256, validate_limit = 0;
  int threads = 0;
  bool json = false;
};

/// The f32 model and the one made of it.
struct Forms {
  std::string to;  ///< "int8" or "bf16"
  Score f32, low;
  double f32_ms = 0, low_ms = 0;
  std::uintmax_t f32_bytes = 0, low_bytes = 0;  ///< of the files; 0: not written
};

double median_ms(Context& ctx, Model& model) {
  constexpr int kRuns = 20;
  std::vector<double> ms = time_model(ctx, model, 1, kRuns);
  std::sort(ms.begin(), ms.end());
  return ms[ms.size() / 2];
}

void print_row(const char* what, double f32, double low, int digits) {
  std::cerr << fmt::format("{:<22} {:>12.{}f} {:>12.{}f} {:>+12.{}f}\n", what, f32, digits, low,
                           digits, low - f32, digits);
}

void print_table(const Forms& forms) {
  std::cerr << fmt::format("{:<22} {:>12} {:>12} {:>12}\n", "", "f32", forms.to, "difference");
  if (forms.f32.top1) {
    print_row("top-1 %", *forms.f32.top1, *forms.low.top1, 2);
    print_row("top-5 %", *forms.f32.top5, *forms.low.top5, 2);
  }
  print_row("same first class %", forms.f32.agreement, forms.low.agreement, 2);
  print_row("ms an image", forms.f32_ms, forms.low_ms, 3);
  if (forms.low_bytes > 0) {
    print_row("file, KiB", static_cast<double>(forms.f32_bytes) / 1024,
              static_cast<double>(forms.low_bytes) / 1024, 1);
  }
}

void print_calibration(const QuantizeReport& r) {
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

void check_gate(const QuantizeArgs& args, const Forms& forms) {
  const double lost = points_lost(forms.low, forms.f32);
  if (lost <= args.gate) return;
  if (forms.f32.top1) {
    fail(Errc::kGate, forms.to, " loses ", fmt::format("{:.2f}", lost),
         " points of top-1, at most ", args.gate, " may be lost; nothing is written. ",
         forms.to == kInt8 ? "Calibrate on more or other images, or raise" : "Raise", " --gate");
  }
  fail(Errc::kGate, forms.to, " changes the first class of ", fmt::format("{:.2f}", lost),
       " % of the images, and without labels each counts as lost, at most ", args.gate,
       " may be; nothing is written. Measure with --validate folder:DIR, whose class folders are "
       "named as the model's labels, or raise --gate");
}

ImageSet validation_of(const QuantizeArgs& args, const ModelHeader& header) {
  return read_labelled_set(args.validate, data::Split::kTest, header, args.validate_limit);
}

/// Times both forms, saves `low` if the gate holds, and says all that; `report` is what is known.
int finish(Context& ctx, const QuantizeArgs& args, Model& model, Model& low, Forms forms,
           Json report) {
  forms.f32_ms = median_ms(ctx, model);
  forms.low_ms = median_ms(ctx, low);
  const bool passed = points_lost(forms.low, forms.f32) <= args.gate;
  if (passed) {
    report["sha256"] = low.save(args.out);
    report["out"] = args.out;
    forms.f32_bytes = std::filesystem::file_size(args.model);
    forms.low_bytes = std::filesystem::file_size(args.out);
  }
  report["ms"] = {{"f32", forms.f32_ms}, {args.to, forms.low_ms}};
  report["bytes"] = {{"f32", forms.f32_bytes}, {args.to, forms.low_bytes}};
  report["gate"] = {{"points", args.gate}, {"passed", passed}};
  print_table(forms);
  if (args.json) std::cout << report.dump() << "\n";
  check_gate(args, forms);
  return 0;
}

int run_int8(const QuantizeArgs& args) {
  if (args.calibrate.empty()) {
    fail(Errc::kUsage, "--calibrate is missing: int8 takes its ranges from images");
  }
  const auto methods = parse_methods(args.methods);
  const auto ctx = train::make_context("cpu", args.threads);
  Model model = Model::load(*ctx, args.model);
  const ImageSet calibration =
      read_image_set(args.calibrate, data::Split::kTrain, model.header(), args.calibrate_limit);
  const ImageSet validation =
      args.validate.empty() ? calibration : validation_of(args, model.header());
  QuantizeReport report;
  Model low = quantize(*ctx, model, calibration, validation,
                       {.methods = methods, .gate = args.gate}, report);
  print_calibration(report);
  return finish(*ctx, args, model, low, {.to = args.to, .f32 = report.f32, .low = report.int8},
                to_json(report));
}

int run_bf16(const QuantizeArgs& args) {
  if (!args.calibrate.empty()) {
    fail(Errc::kUsage, "--calibrate: bf16 has no ranges to take from images; leave it out");
  }
  if (args.validate.empty()) {
    fail(Errc::kUsage, "--validate is missing: labelled images that hold the gate");
  }
  const auto ctx = train::make_context("cpu", args.threads);
  Model model = Model::load(*ctx, args.model);
  Bf16Report report;
  Model low = convert_to_bf16(*ctx, model, validation_of(args, model.header()), report);
  return finish(*ctx, args, model, low, {.to = args.to, .f32 = report.f32, .low = report.bf16},
                to_json(report));
}

int run(const QuantizeArgs& args) { return args.to == kInt8 ? run_int8(args) : run_bf16(args); }

}  // namespace

std::vector<Command> add_quantize(CLI::App& root) {
  auto args = std::make_shared<QuantizeArgs>();
  auto* app = root.add_subcommand("quantize", "Make an int8 or bf16 model of an f32 model");
  app->footer(
      std::string("Examples:\n"
                  "  graft quantize m.graft --calibrate folder:photos --validate folder:labelled "
                  "--out m8.graft\n"
                  "  graft quantize m.graft --calibrate cifar10:DIR --validate cifar10:DIR --out "
                  "m8.graft --json\n"
                  "  graft quantize m.graft --to bf16 --validate folder:labelled --out m16.graft\n"
                  "Without --validate the calibration images measure: by their labels if all their "
                  "classes are the model's,\nelse by how often the first class stays. Data:\n") +
      data::data_spec_help());
  app->add_option("model", args->model, "model file of graft import")->required();
  app->add_option("--to", args->to, "arithmetic: int8, or bf16 where the processor has it")
      ->check(CLI::IsMember({kInt8, kBf16}))
      ->capture_default_str();
  app->add_option("--calibrate", args->calibrate,
                  "int8: images that set the ranges; no labels needed");
  app->add_option("--validate", args->validate,
                  "labelled images that choose method and layers (int8) and hold the gate");
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

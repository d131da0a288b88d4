// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include <fmt/format.h>

#include "engine/core/error.h"
#include "engine/core/log.h"
#include "runtime/cli/commands.h"
#include "runtime/model/check_backends.h"

namespace graft::cli {
namespace {

struct Args {
  std::string backends = "cpu,ref", model, precision = "f32";
  std::int64_t batch = 8, image = 32, classes = 10;
  std::uint64_t seed = 1;
  int threads = 1;
  double tolerance = 0;
  bool json = false;
};

Backend parse_backend(const std::string& text) {
  for (const Backend b : {Backend::kRef, Backend::kCpu, Backend::kCuda}) {
    if (text == name(b)) return b;
  }
  fail(Errc::kUsage, "--backends: '", text, "' is none of ref, cpu, cuda");
}

CheckOptions options_of(const Args& args) {
  const auto comma = args.backends.find(',');
  if (comma == std::string::npos || args.backends.find(',', comma + 1) != std::string::npos) {
    fail(Errc::kUsage, "--backends ", args.backends, ": expects two, e.g. cuda,ref");
  }
  CheckOptions o;
  o.a = parse_backend(args.backends.substr(0, comma));
  o.b = parse_backend(args.backends.substr(comma + 1));
  if (o.a == o.b) fail(Errc::kUsage, "--backends ", args.backends, ": expects different ones");
  o.threads = args.threads;
  o.model = parse_model_spec(args.model);
  o.context = {.classes = args.classes, .height = args.image, .width = args.image};
  o.batch = args.batch;
  o.seed = args.seed;
  const bool bf16 = args.precision == "bf16";
  if (bf16 && o.a != Backend::kCuda && o.b != Backend::kCuda) {
    fail(Errc::kUsage, "--precision bf16: only cuda trains in bf16");
  }
  o.precision = bf16 ? DType::kBF16 : DType::kF32;
  constexpr double kF32 = 1e-3, kBf16 = 0.1;  // what a few dozen layers make of one rounding
  o.tolerance = args.tolerance > 0 ? args.tolerance : bf16 ? kBf16 : kF32;
  return o;
}

void print(const CheckReport& report) {
  std::cout << fmt::format("{:<32} {:<16} {:>10} {:>10}\n", "layer", "kind", "forward", "backward");
  for (const LayerAgreement& l : report.layers) {
    std::cout << fmt::format("{:<32} {:<16} {:>10.2e} {:>10}\n", l.name, l.kind, l.forward,
                             l.backward ? fmt::format("{:.2e}", *l.backward) : "-");
  }
}

int run(const Args& args) {
  const CheckOptions options = options_of(args);
  const CheckReport report = check_backends(options);
  if (args.json) {
    std::cout << to_json(report).dump(2) << "\n";
  } else {
    print(report);
  }
  if (report.first_disagreement.empty()) return 0;
  log::error("{} and {} disagree by more than {:g} first in {}", name(options.a), name(options.b),
             options.tolerance, report.first_disagreement);
  return exit_code(Errc::kGate);
}

}  // namespace

std::vector<Command> add_check(CLI::App& root) {
  auto args = std::make_shared<Args>();
  auto* app = root.add_subcommand(
      "check", "Run one training step on two backends and compare them layer by layer");
  app->footer("Example:\n  graft check --backends cuda,ref --model resnet18");
  app->add_option("--backends", args->backends, "two of ref, cpu, cuda; the second is the oracle")
      ->capture_default_str();
  app->add_option("--model", args->model, "network, e.g. resnet20; `graft inspect models`")
      ->required();
  app->add_option("--batch", args->batch)->check(CLI::Range(1, 4096))->capture_default_str();
  app->add_option("--image", args->image, "height and width")
      ->check(CLI::Range(8, 1024))
      ->capture_default_str();
  app->add_option("--classes", args->classes)->check(CLI::Range(2, 100000))->capture_default_str();
  app->add_option("--seed", args->seed, "of weights and batch")->capture_default_str();
  app->add_option("--threads", args->threads)->check(CLI::Range(1, 1024))->capture_default_str();
  app->add_option("--precision", args->precision, "of activations on cuda")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  app->add_option("--tolerance", args->tolerance, "relative rms difference; 0: 1e-3, with bf16 0.1")
      ->check(CLI::Range(0.0, 10.0));
  app->add_flag("--json", args->json, "machine-readable");
  return {{app, [args] { return run(*args); }}};
}

}  // namespace graft::cli

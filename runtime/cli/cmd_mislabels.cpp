// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <sstream>

#include <fmt/format.h>

#include "engine/io/file.h"
#include "runtime/cli/commands.h"
#include "runtime/train/find_mislabels.h"
#include "runtime/train/trainer.h"

namespace graft::cli {
namespace {

struct MislabelsArgs {
  std::string run_dir, data, out;
  double threshold = 0.8;
  int threads = 0;
  bool json = false;
};

const char* verdict_name(LabelVerdict verdict) {
  switch (verdict) {
    case LabelVerdict::kPlain:
      return "plain";
    case LabelVerdict::kMislabel:
      return "mislabel";
    case LabelVerdict::kRare:
      return "rare";
  }
  return "?";
}

std::string table(const train::MislabelReport& report) {
  std::string csv = "id,label,nearest,verdict,mean_loss,margin,posterior\n";
  for (std::size_t i = 0; i < report.opinions.size(); ++i) {
    const LabelOpinion& o = report.opinions[i];
    csv += fmt::format("{},{},{},{},{:.6g},{:.6g},{:.6g}\n", i, report.labels[i], o.nearest,
                       verdict_name(o.verdict), report.mean_losses[i], o.margin, o.posterior);
  }
  return csv;
}

Json summary(const train::MislabelReport& report) {
  Json json = {{"examples", report.opinions.size()},
               {"mislabels", report.flagged.size()},
               {"rare", report.rare},
               {"precision", nullptr},
               {"recall", nullptr}};
  if (report.quality) {
    json["precision"] = report.quality->precision;
    json["recall"] = report.quality->recall;
  }
  return json;
}

int run(const MislabelsArgs& args) {
  const auto ctx = train::make_context("cpu", args.threads);
  train::TrainedRun trained(*ctx, args.run_dir, args.data, 128);
  const auto report = train::find_mislabels(*ctx, trained, args.run_dir, args.threshold);
  if (!args.out.empty()) atomic_write(args.out, table(report));
  if (args.json) {
    std::cout << summary(report).dump() << "\n";
    return 0;
  }
  std::cout << fmt::format("{} of {} labels look wrong, {} examples look rare\n",
                           report.flagged.size(), report.opinions.size(), report.rare);
  if (report.quality) {
    std::cout << fmt::format("against the injected noise: precision {:.3f}, recall {:.3f}\n",
                             report.quality->precision, report.quality->recall);
  }
  return 0;
}

}  // namespace

Command add_mislabels(CLI::App& data) {
  auto args = std::make_shared<MislabelsArgs>();
  auto* app = data.add_subcommand(
      "mislabels", "Which training labels of a run look wrong, and which examples merely rare");
  app->footer(
      "Example:\n  graft train --data cifar10:DIR --model resnet20 --ledger --out runs/a\n"
      "  graft data mislabels runs/a --out suspects.csv");
  app->add_option("run_dir", args->run_dir, "run directory, trained with --ledger")->required();
  app->add_option("--data", args->data, "where the run's data are now; default: as then");
  app->add_option("--out", args->out, "CSV with the opinion on every example");
  app->add_option("--threshold", args->threshold, "posterior from which a label is called wrong")
      ->check(CLI::Range(0.0, 1.0));
  app->add_option("--threads", args->threads, "0: all cores")->check(CLI::Range(0, 1024));
  app->add_flag("--json", args->json, "machine-readable");
  return {app, [args] { return run(*args); }};
}

}  // namespace graft::cli

// SPDX-License-Identifier: Apache-2.0
// A sampler of one's own, with the public headers only: self-paced learning, which trains the
// examples of lowest loss first and takes in harder ones as the run goes on. It needs a name, its
// options and three hooks; whatever it does not override trains everything. The program is then
// `graft train` with one more sampler.
#include <algorithm>
#include <cstdint>
#include <iostream>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "engine/core/error.h"
#include "runtime/train/run_training.h"
#include "sampler/select/options.h"
#include "sampler/select/registry.h"

namespace {

struct SelfPacedOptions {
  double start = 0.3;  ///< share of each slice that is trained at first; all at the end

  template <class V>
  void visit(V&& v) {
    v("start", start);
  }
};

class SelfPaced final : public graft::Sampler {
 public:
  explicit SelfPaced(const SelfPacedOptions& options) : options_(options) {
    if (!(options.start > 0 && options.start <= 1)) {
      graft::fail(graft::Errc::kUsage, "sampler selfpaced: start must be in (0, 1], got ",
                  options.start);
    }
  }

  [[nodiscard]] std::string_view name() const override { return "selfpaced"; }
  [[nodiscard]] graft::Json describe() const override {
    return graft::describe_options(name(), options_);
  }

  graft::EpochPlan before_epoch(const graft::EpochInfo& info) override {
    const double done = static_cast<double>(info.epoch) /
                        static_cast<double>(std::max<std::int64_t>(1, info.epochs - 1));
    share_ = options_.start + (1 - options_.start) * done;
    return {};  // every example is a candidate once
  }

  void needs_selection_forward(const graft::Candidates&,
                               std::span<std::uint8_t> out) const override {
    std::fill(out.begin(), out.end(), share_ < 1 ? std::uint8_t{1} : std::uint8_t{0});
  }

  graft::Selection select(const graft::Candidates& candidates) override {
    if (share_ >= 1) return Sampler::select(candidates);
    graft::require_finite_losses(candidates);
    graft::Selection out;
    out.rows.resize(candidates.ids.size());
    std::iota(out.rows.begin(), out.rows.end(), 0);
    const auto loss = [&](std::int32_t row) {
      return candidates.losses[static_cast<std::size_t>(row)];
    };
    std::stable_sort(out.rows.begin(), out.rows.end(),
                     [&](std::int32_t a, std::int32_t b) { return loss(a) < loss(b); });
    out.rows.resize(static_cast<std::size_t>(share_ * static_cast<double>(out.rows.size())));
    std::sort(out.rows.begin(), out.rows.end());
    out.weights.assign(out.rows.size(), 1.0F);
    return out;
  }

  // What a resume needs: an epoch that was begun is not begun again.
  [[nodiscard]] graft::SamplerState state() const override {
    graft::SamplerState out = Sampler::state();
    out.meta["share"] = share_;
    return out;
  }
  void restore(const graft::SamplerState& state) override {
    Sampler::restore(state);
    share_ = state.number("share");
  }

 private:
  SelfPacedOptions options_;
  double share_ = 1;
};

std::unique_ptr<graft::Sampler> make_self_paced(const graft::Json& json) {
  graft::OptionReader reader("sampler selfpaced", json);
  std::string preset;  // of --sampler-preset; there is only one
  SelfPacedOptions options;
  reader("preset", preset);
  options.visit(reader);
  reader.reject_unknown();
  return std::make_unique<SelfPaced>(options);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: custom_sampler OUT\n";
    return 2;
  }
  try {
    graft::register_sampler("selfpaced", make_self_paced);
    graft::train::TrainOptions options;
    options.data = "synthetic:train=128,test=32";
    options.sampler = "selfpaced";
    options.sampler_options = {{"start", "0.5"}};
    options.epochs = 3;
    options.batch = 32;
    options.device = "cpu";
    options.threads = 1;
    options.out = argv[1];
    const auto counters = graft::train::run_training(options).front().counters;
    std::cout << "backprops " << counters.backprops << " of " << counters.candidates << "\n";
  } catch (const graft::Error& error) {
    std::cerr << error.what() << "\n";
    return graft::exit_code(error.code());
  }
  return 0;
}

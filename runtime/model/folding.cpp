// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/folding.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/core/log.h"
#include "runtime/model/drawn_images.h"

namespace graft {
namespace {

std::vector<float> outputs_on(Model& model, const std::vector<ImageU8>& images, bool folds) {
  model.set_folds(folds);
  const auto y = model.run(images);
  return {y.begin(), y.end()};
}

}  // namespace

double folding_difference(Model& model) {
  constexpr int kImages = 2;
  const data::Preprocess& p = model.header().preprocess;
  const auto images = drawn_images(p.height, p.width, kImages);
  const bool folds = model.header().folds;
  const auto written = outputs_on(model, images, false);
  const auto folded = outputs_on(model, images, true);
  model.set_folds(folds);
  double largest = 0, worst = 0;
  for (std::size_t i = 0; i < written.size(); ++i) {
    const auto a = static_cast<double>(written[i]), b = static_cast<double>(folded[i]);
    if (std::isfinite(a) != std::isfinite(b)) return std::numeric_limits<double>::infinity();
    if (!std::isfinite(a)) continue;  // the network's own fault, reported when it is used
    largest = std::max(largest, std::fabs(a));
    worst = std::max(worst, std::fabs(a - b));
  }
  return largest > 0 ? worst / largest : worst;
}

void check_folding(Model& model, double tolerance) {
  const double difference = folding_difference(model);
  model.set_folds(difference <= tolerance);
  if (model.header().folds) return;
  log::warning(
      "folding the batch norms moves an output by {:.2g} of the largest, more than {:.0e}: the "
      "model runs as written, slower; a running variance near 0 is the usual cause",
      difference, tolerance);
}

}  // namespace graft

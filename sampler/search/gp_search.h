// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sampler/search/gaussian_process.h"
#include "sampler/search/search.h"

namespace graft {

/// Bayesian optimisation: dims + 1 random functions, then the one with the largest expected
/// improvement under a Gaussian process on the coordinates of the observed ones, with one length a
/// dimension by marginal likelihood. Running trials count as observed with the mean objective
/// (constant liar). Source: thesis section 4.2 (Sherpa's defaults); Ginsbourger, Le Riche and
/// Carraro, "Kriging is well-suited to parallelize optimization", 2010 (liar).
class GpSearch final : public Search {
 public:
  explicit GpSearch(const SearchOptions& options);
  [[nodiscard]] std::string_view name() const override { return "gp"; }

 private:
  /// Coordinates and objectives: the observed ones first, then the running ones with the lie.
  struct Evidence {
    std::vector<Point> points;
    std::vector<double> objectives;
    std::size_t observed = 0;
  };

  [[nodiscard]] std::optional<Trial> next() const override;
  [[nodiscard]] Evidence evidence() const;
  /// What the acquisition is maximised over: the grid, or random points and some around `centre`.
  [[nodiscard]] std::vector<Point> candidates(std::int64_t id, const Point& centre) const;

  std::vector<Point> grid_;
};

}  // namespace graft

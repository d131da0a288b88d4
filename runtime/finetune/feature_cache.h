// SPDX-License-Identifier: Apache-2.0
// Activations of the frozen base at the branch points, computed once an image and kept in files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "engine/device/context.h"
#include "engine/io/file.h"
#include "graph/ir/branch_points.h"
#include "layers/core/param.h"
#include "runtime/data/batch.h"
#include "runtime/data/preprocess.h"
#include "runtime/finetune/examples.h"

namespace graft::finetune {

/// Inputs of a candidate's training graph, by example id.
class InputRows {
 public:
  InputRows() = default;
  InputRows(const InputRows&) = delete;
  InputRows& operator=(const InputRows&) = delete;
  virtual ~InputRows() = default;
  /// (ids, ...) f32, valid until the next call. At most the batch that it was made for.
  [[nodiscard]] virtual Tensor read(std::span<const std::int64_t> ids) = 0;
};

/// One file a branch point, rows of f32 in the order of the ids. They are read like any file, so
/// the system's page cache keeps them in memory as far as there is room, for all processes at once.
class FeatureCache {
 public:
  /// The branch points of `wanted` whose files fit into `max_bytes` together, deepest first: those
  /// that save the most work a byte. 0 among them, the image, is never cached.
  [[nodiscard]] static std::vector<BranchPoint> choose(std::span<const BranchPoint> wanted,
                                                       std::int64_t examples,
                                                       std::uint64_t max_bytes);
  /// Where the training of a candidate starts: the deepest of `cached` that is not behind it, or
  /// the image.
  [[nodiscard]] static BranchPoint start_of(const BranchPoint& candidate,
                                            std::span<const BranchPoint> cached);

  explicit FeatureCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

  struct Stem {
    const Graph& graph;        ///< of the candidates, not fused
    const ParamStore& params;  ///< of `graph`, as the base has them
    const data::Preprocess& preprocess;
  };
  struct Filled {
    double seconds = 0;
    bool complete = true;  ///< false: interrupted by a signal; the next call goes on
  };
  /// Runs the stem on every image whose rows are not there yet, in evaluation, and appends them.
  /// Throws Error(kIo) if the disk is full, Error(kData) for bad images.
  [[nodiscard]] Filled fill(Context& ctx, const Stem& stem, const Examples& examples,
                            std::span<const BranchPoint> cuts, std::int64_t batch);

  /// Rows of a filled branch point.
  [[nodiscard]] std::unique_ptr<InputRows> rows(const BranchPoint& cut, const Shape& shape,
                                                std::int64_t max_batch) const;
  /// Removes all files.
  void remove() const;

 private:
  [[nodiscard]] std::filesystem::path file_of(const BranchPoint& cut) const;

  std::filesystem::path folder_;
};

/// The images themselves, normalised as the base's input.
[[nodiscard]] std::unique_ptr<InputRows> image_rows(const Examples& examples,
                                                    const data::Preprocess& preprocess,
                                                    std::int64_t max_batch);

}  // namespace graft::finetune

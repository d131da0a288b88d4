// SPDX-License-Identifier: Apache-2.0
// The plug-in interface of sample selection. A policy sees example ids, losses and uniforms.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/json.h"
#include "sampler/score/priority.h"
#include "sampler/select/train_queue.h"

namespace graft {

struct EpochInfo {
  std::int64_t epoch = 0;     ///< from 0
  std::int64_t epochs = 1;    ///< of the run
  std::int64_t examples = 0;  ///< in the training set
  /// One uniform in [0, 1) per example, keyed by (seed, epoch, example); empty where none are at
  /// hand, which only policies that draw an epoch's examples mind.
  std::span<const float> u = {};
};

/// Which examples an epoch draws its candidates from; the trainer shuffles.
struct EpochPlan {
  bool all = true;                    ///< every example once; ids and weights are empty
  std::vector<std::int64_t> ids;      ///< otherwise these
  std::vector<float> weights;         ///< of their losses; empty: 1
  double lr_scale = 1;                ///< multiplies the learning rate of this epoch
  std::vector<std::int64_t> refresh;  ///< forwarded, not trained, behind the epoch: on_refresh
};

/// A slice of candidates, all lists of one length unless stated. The uniforms are in [0, 1), the
/// caller draws them from a stream keyed by the example, so that a decision depends on nothing
/// else.
struct Candidates {
  std::span<const std::int64_t> ids = {};
  std::span<const float> losses = {};    ///< NaN where no selection forward was asked for; may be
                                         ///< empty if none was
  std::span<const float> u_select = {};  ///< decides
  std::span<const float> u_score = {};   ///< scores, where a policy scores at random
  /// ||softmax - onehot||_2 where there is a loss, for a policy with needs_softmax_scores().
  std::span<const float> gradient_norms = {};
};

/// What a forward showed of some examples; lists of one length, or empty where nobody asked.
struct ExampleScores {
  std::span<const float> losses = {};
  std::span<const std::uint8_t> correct = {};  ///< 1: the label was the first guess
  std::span<const float> confidences = {};     ///< largest softmax probability
  std::span<const float> gradient_norms = {};  ///< ||softmax - onehot||_2
};

struct Selection {
  std::vector<std::int32_t> rows;   ///< of the slice, ascending; a policy that draws with
                                    ///< replacement may name a row more than once
  std::vector<float> weights;       ///< of the losses of `rows`
  std::vector<double> probability;  ///< of each candidate; empty if the policy takes all
  bool hold = false;  ///< no batch is trained with this slice, unless it ends the epoch
};

/// What a checkpoint keeps of a policy.
struct SamplerState {
  Json meta;
  std::map<std::string, std::vector<float>> arrays;

  /// What a restore needs. Throw Error(kModel) naming the key if it is not there or of another
  /// type.
  [[nodiscard]] const std::vector<float>& array(const std::string& key) const;
  [[nodiscard]] std::int64_t integer(const std::string& key) const;
  [[nodiscard]] double number(const std::string& key) const;
};

/// Throws Error(kNumerical) that names the first candidate whose loss is not finite.
void require_finite_losses(const Candidates& candidates);

/// Decides which candidates are backpropagated; as it is, all of them without a selection forward.
/// One object lives through a run; calls come from one thread. Options are checked at construction.
class Sampler {
 public:
  Sampler() = default;
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;
  virtual ~Sampler() = default;

  /// Its name on the command line.
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// The options in force, for run.json.
  [[nodiscard]] virtual Json describe() const = 0;
  /// How the trainer queues what is selected.
  [[nodiscard]] virtual QueueOptions queue_options() const { return {}; }
  /// Candidates of one slice, for updates of `batch` examples, where the user names no number.
  [[nodiscard]] virtual std::int64_t slice_size(std::int64_t batch) const { return batch; }
  /// Whether it reads confidences and gradient norms, which cost a pass over the logits.
  [[nodiscard]] virtual bool needs_softmax_scores() const { return false; }
  /// Whether what needs_selection_forward() says of a slice still holds once the slices before it
  /// have been trained: what scoring ahead rests on.
  [[nodiscard]] virtual bool scores_ahead() const { return true; }

  virtual EpochPlan before_epoch(const EpochInfo& info);
  /// Sets out[i] to 1 where select() needs the loss of candidate i, else to 0. The candidates have
  /// ids and uniforms, no losses.
  virtual void needs_selection_forward(const Candidates& candidates,
                                       std::span<std::uint8_t> out) const;
  /// Throws Error(kNumerical) that names the example if a loss that it needs is not finite.
  virtual Selection select(const Candidates& candidates);
  /// Scores of the training forward (training mode), where they cost nothing.
  virtual void on_training_scores(std::span<const std::int64_t> ids, const ExampleScores& scores);
  /// Scores of the examples of EpochPlan::refresh, in evaluation mode, before end_of_epoch().
  virtual void on_refresh_scores(std::span<const std::int64_t> ids, const ExampleScores& scores);
  virtual void end_of_epoch(const EpochInfo& info);

  /// Whether the policy draws by a priority function F.
  [[nodiscard]] virtual bool has_priority() const { return false; }
  /// Exchanges F from the next slice on. Throws Error(kUsage) unless has_priority().
  virtual void set_priority(const Priority& priority);

  /// Epochs for which to train, before a run of `epochs`, a model on examples that the run leaves
  /// out: the policy compares losses with that model's. 0: it needs none, or has them.
  [[nodiscard]] virtual std::int64_t irreducible_epochs(std::int64_t epochs) const;
  /// One value an example of the training set, before the first epoch; NaN where the example is
  /// not to be trained on.
  virtual void set_irreducible_losses(std::span<const float> by_id);

  [[nodiscard]] virtual SamplerState state() const;
  /// Inverse of state(). Throws Error(kModel) if it belongs to another policy or is damaged.
  virtual void restore(const SamplerState& state);
};

}  // namespace graft

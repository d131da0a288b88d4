// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/train_options.h"

#include <type_traits>

#include "engine/core/error.h"
#include "runtime/train/probe_options.h"

namespace graft::train {
namespace {

template <class T>
Json value_of(const T& field) {
  return field;
}
Json value_of(const std::optional<double>& field) { return field ? Json(*field) : Json(nullptr); }

template <class T>
void read_value(const Json& json, T& field) {
  json.get_to(field);
}
void read_value(const Json& json, std::optional<double>& field) {
  if (!json.is_null()) field = json.get<double>();
}

Json collect(const TrainOptions& options, bool local) {
  Json json = Json::object();
  // visit() is written once, for reading and writing; here it only reads.
  const_cast<TrainOptions&>(options).visit(
      [&](const char* name, auto& field, Scope scope, const char*) {
        if (local || scope == Scope::kRun) json[name] = value_of(field);
      });
  json["sampler_options"] = options.sampler_options;
  json["adapt_options"] = options.adapt_options;
  return json;
}

template <class T>
void in_range(const char* option, T value, T low, T high) {
  if (value >= low && value <= high) return;
  fail(Errc::kUsage, "--", option, " ", value, ": must be between ", low, " and ", high);
}

void one_of(const char* option, const std::string& value,
            std::initializer_list<const char*> known) {
  std::string list;
  for (const char* k : known) {
    if (value == k) return;
    list += (list.empty() ? "" : ", ") + std::string(k);
  }
  fail(Errc::kUsage, "--", option, " ", value, ": must be one of ", list);
}

}  // namespace

Json TrainOptions::fingerprint() const { return collect(*this, false); }

Json TrainOptions::to_json() const { return collect(*this, true); }

TrainOptions TrainOptions::from_json(const Json& json) {
  TrainOptions options;
  options.visit([&](const char* name, auto& field, Scope, const char*) {
    const auto found = json.find(name);
    if (found == json.end()) return;
    try {
      read_value(*found, field);
    } catch (const Json::exception&) {
      fail(Errc::kConfig, "run.json: option ", name, " is ", found->dump());
    }
  });
  if (const auto own = json.find("sampler_options"); own != json.end()) {
    options.sampler_options = *own;
  }
  if (const auto own = json.find("adapt_options"); own != json.end()) options.adapt_options = *own;
  return options;
}

void TrainOptions::check() const {
  one_of("norm", norm, {"batch", "group"});
  one_of("cache", cache, {"recompute", "reuse", "masked"});
  one_of("cache-bn", cache_bn, {"refuse", "b1p", "b2", "b2prime"});
  one_of("sampler-preset", sampler_preset, {"paper", "default"});
  one_of("label-noise-kind", label_noise_kind, {"uniform_flip", "permute_prefix"});
  one_of("device", device, {"cpu", "cuda", "auto"});
  one_of("precision", precision, {"f32", "bf16"});
  one_of("optimizer", optimizer, {"sgd", "adam", "adamw"});
  in_range("epochs", epochs, 1, 1'000'000);
  in_range<std::int64_t>("batch", batch, 1, 65'536);
  in_range<std::int64_t>("select-batch", select_batch, 0, 65'536);
  in_range("lr", lr, 0.0, 1e30);
  in_range("momentum", momentum, 0.0, 0.9999);
  in_range("weight-decay", weight_decay, 0.0, 10.0);
  in_range("label-smoothing", label_smoothing, 0.0, 0.99);
  in_range("label-noise", label_noise, 0.0, 1.0);
  in_range("crop-pad", crop_pad, -1, 1024);
  in_range("cutout", cutout, 0, 1024);
  in_range("stop-at-error", stop_at_error, 0.0, 100.0);
  in_range("stop-at-cost", stop_at_cost, 0.0, 1e18);
  in_range<std::int64_t>("holdout", holdout, 0, INT64_MAX);
  one_of("select-dtype", select_dtype, {"f32", "bf16", "int8"});
  in_range("flip-limit", flip_limit, 0.0, 1.0);
  in_range("pipeline", pipeline, -1, 64);
  in_range<std::int64_t>("pipeline-sync", pipeline_sync, 1, 1'000'000);
  if (select_scale != 1 && select_scale != 0.5) {
    fail(Errc::kUsage, "--select-scale ", select_scale, ": must be 1 or 0.5");
  }
  in_range("seeds", seeds, 1, 1000);
  in_range("threads", threads, 0, 1024);
  in_range<std::int64_t>("train-limit", train_limit, 0, INT64_MAX);
  in_range<std::int64_t>("test-limit", test_limit, 0, INT64_MAX);
  in_range<std::int64_t>("checkpoint-every", checkpoint_every, 0, INT64_MAX);
  in_range("checkpoint-seconds", checkpoint_seconds, 0.0, 1e9);
  in_range<std::int64_t>("loader-mib", loader_mib, 1, 1 << 20);
  (void)parse_probes(probes);
  if (beta) in_range("beta", *beta, 0.0, 100.0);
}

}  // namespace graft::train

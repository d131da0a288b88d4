// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/quantize.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "engine/core/log.h"
#include "graph/exec/param_derivation.h"
#include "runtime/model/drawn_images.h"

namespace graft {
namespace {

void check_model(Model& model) {
  check_reducible(model, "int8");
  check_classifies(model, "int8");
  if (int8_layers(model.inference_graph()).empty()) {
    fail(Errc::kUnsupported,
         "the model has no layer with an 8-bit form: a dense convolution, or a depthwise one of "
         "3x3 with a multiple of 16 channels, of stride 1 or 2");
  }
}

Calibration calibrate(Context& ctx, Model& model, const ImageSet& set) {
  constexpr std::int64_t kBatch = 8;
  Calibration calibration;
  for (std::int64_t begin = 0; begin < set.size(); begin += kBatch) {
    const std::int64_t n = std::min(kBatch, set.size() - begin);
    calibration.see(model, input_of(ctx, model.header(), set, begin, n));
  }
  return calibration;
}

/// A few images from all over the set.
ImageSet probes_of(const ImageSet& set) {
  constexpr std::int64_t kProbes = 16;
  const std::int64_t count = std::min(kProbes, set.size());
  ImageSet probes{.source = set.source, .images = {}, .labels = {}};
  for (std::int64_t i = 0; i < count; ++i) {
    probes.images.push_back(set.images[static_cast<std::size_t>(i * set.size() / count)]);
  }
  return probes;
}

/// One run of quantize().
class Quantizer {
 public:
  Quantizer(Context& ctx, Model& model, const ImageSet& calibration, const ImageSet& validation,
            const QuantizeOptions& options, QuantizeReport& report)
      : ctx_(ctx),
        model_(model),
        set_(validation),
        options_(options),
        report_(report),
        calibration_(calibrate(ctx, model, calibration)),
        reference_(outputs_on(ctx, model, validation, validation.size())) {
    report_ = {};
    report_.calibration_images = calibration.size();
    report_.images = validation.size();
    report_.f32 = score_of(reference_, reference_, validation.labels);
  }

  Model run() {
    choose_method();
    rank_layers();
    give_back_layers();
    Model best = make_int8(ctx_, model_, calibration_, report_.method, floating_);
    for (LayerReport& layer : report_.layers) {
      layer.floating = std::find(floating_.begin(), floating_.end(), layer.name) != floating_.end();
    }
    return best;
  }

 private:
  [[nodiscard]] Score measure(CalibrationMethod method, const std::vector<std::string>& floating) {
    Model candidate = make_int8(ctx_, model_, calibration_, method, floating);
    return score_of(outputs_on(ctx_, candidate, set_, set_.size()), reference_, set_.labels);
  }

  [[nodiscard]] double lost(const Score& score) const { return points_lost(score, report_.f32); }
  /// Points that may be lost on other images: a gain is chance, and where many first classes
  /// change, a small loss may be too, so one standard error is added to it.
  [[nodiscard]] double feared(const Score& score) const {
    constexpr double kAll = 100;
    return std::max(lost(score), 0.0) +
           std::sqrt((kAll - score.agreement) * kAll / static_cast<double>(report_.images));
  }
  /// Less is feared; of equals, the outputs are nearer.
  [[nodiscard]] bool better(const Score& a, const Score& b) const {
    return feared(a) != feared(b) ? feared(a) < feared(b) : a.sqnr_db > b.sqnr_db;
  }

  void choose_method() {
    for (const CalibrationMethod method : options_.methods) {
      const Score score = measure(method, {});
      log::info("{}: {:.2f} points lost, {:.1f} dB", name(method), lost(score), score.sqnr_db);
      if (report_.methods.empty() || better(score, report_.int8)) {
        report_.method = method;
        report_.int8 = score;
      }
      report_.methods.push_back({method, score});
    }
  }

  /// Fills report_.layers: each layer alone in 8 bits.
  void rank_layers() {
    const std::vector<std::string> all = int8_layers(model_.inference_graph());
    const ImageSet probes = probes_of(set_);
    const Outputs reference = outputs_on(ctx_, model_, probes, probes.size());
    for (const std::string& layer : all) {
      std::vector<std::string> others = all;
      others.erase(std::find(others.begin(), others.end(), layer));
      Model alone = make_int8(ctx_, model_, calibration_, report_.method, std::move(others));
      const Outputs outputs = outputs_on(ctx_, alone, probes, probes.size());
      report_.layers.push_back({layer, score_of(outputs, reference, {}).sqnr_db, false});
    }
  }

  /// While too much is feared: 1, 2, 4 ... of the layers that cost most go back to f32.
  void give_back_layers() {
    std::vector<LayerReport> order = report_.layers;
    std::sort(order.begin(), order.end(), [](const LayerReport& a, const LayerReport& b) {
      return a.sqnr_db != b.sqnr_db ? a.sqnr_db < b.sqnr_db : a.name < b.name;
    });
    const std::size_t most = order.size() / 2;
    for (std::size_t count = 1; count <= most && feared(report_.int8) > options_.gate / 2;
         count *= 2) {
      std::vector<std::string> floating;
      for (std::size_t i = 0; i < count; ++i) floating.push_back(order[i].name);
      const Score score = measure(report_.method, floating);
      log::info("{} layers in f32: {:.2f} points lost, {:.1f} dB", count, lost(score),
                score.sqnr_db);
      if (!better(score, report_.int8)) continue;
      report_.int8 = score;
      floating_ = std::move(floating);
    }
  }

  Context& ctx_;
  Model& model_;
  const ImageSet& set_;
  const QuantizeOptions& options_;
  QuantizeReport& report_;
  Calibration calibration_;
  Outputs reference_;
  std::vector<std::string> floating_;
};

}  // namespace

void check_reducible(const Model& model, std::string_view to) {
  const DType arithmetic = model.header().arithmetic();
  if (arithmetic != DType::kF32) {
    fail(Errc::kUsage, "the model is ", arithmetic_name(arithmetic),
         " already; quantize the f32 model that it was made of");
  }
  if (!model.header().folds) {
    fail(Errc::kUnsupported,
         "the model runs as written, since folding its batch norms moved its outputs too far; ", to,
         " needs them folded");
  }
}

void check_classifies(const Model& model, std::string_view to) {
  if (model.header().classifies()) return;
  fail(Errc::kUnsupported, "the model is a feature extractor; what ", to,
       " costs is measured on the classes of a classifier");
}

double points_lost(const Score& score, const Score& f32) {
  constexpr double kAll = 100;
  return score.top1 && f32.top1 ? *f32.top1 - *score.top1 : kAll - score.agreement;
}

Model make_int8(Context& ctx, Model& model, const Calibration& calibration,
                CalibrationMethod method, std::vector<std::string> floating) {
  const auto scale_of = [&](const Int8Graph::Value& value) {
    float range = 0;
    for (const std::string& node : value.nodes) {
      range = std::max(range, calibration.of(node).range(method, static_cast<int>(value.levels)));
    }
    return range > 0 ? range / value.levels : 1;
  };
  return make_int8(ctx, model,
                   {.method = std::string(name(method)),
                    .floating = std::move(floating),
                    .calibration = std::to_string(calibration.images()) + " images"},
                   scale_of);
}

Model make_int8(Context& ctx, Model& model, Quantization quantization,
                const std::function<float(const Int8Graph::Value&)>& scale_of) {
  const Int8Graph form = int8_form(model.inference_graph(), quantization.floating);
  ModelHeader header = model.header();
  header.quantization = std::move(quantization);
  Model out(ctx, std::move(header));
  ParamDerivation(form.derived, model.inference_net().params(), out.params()).run(ctx);
  for (const auto& e : out.params().entries()) {
    // Those of values that are f32 or not there are never read, but a scale is not 0.
    const bool of_value = e.name.ends_with("_scale") && !e.name.ends_with(".w_scale");
    if (of_value) *e.value.ptr<float>() = 1;
  }
  for (const Int8Graph::Scale& scale : form.scales) {
    const ParamId id = out.params().find(scale.param);
    *out.params().entry(id).value.ptr<float>() = scale_of(form.values[scale.value]);
  }
  out.params().bump_version();
  return out;
}

Model quantize(Context& ctx, Model& model, const ImageSet& calibration, const ImageSet& validation,
               const QuantizeOptions& options, QuantizeReport& report) {
  GRAFT_CHECK(!options.methods.empty() && options.gate >= 0, "quantize: methods and gate");
  check_model(model);
  for (const ImageSet* set : {&calibration, &validation}) {
    if (set->images.empty()) fail(Errc::kData, set->source, ": no images");
  }
  return Quantizer(ctx, model, calibration, validation, options, report).run();
}

Model quantize_for_timing(Context& ctx, Model& model) {
  constexpr int kImages = 2;
  check_model(model);
  const data::Preprocess& p = model.header().preprocess;
  const ImageSet set{
      .source = "drawn images", .images = drawn_images(p.height, p.width, kImages), .labels = {}};
  return make_int8(ctx, model, calibrate(ctx, model, set), CalibrationMethod::kMinMax, {});
}

Json to_json(const QuantizeReport& report) {
  Json methods = Json::array(), layers = Json::array();
  for (const MethodReport& m : report.methods) {
    Json json = to_json(m.score);
    json["method"] = name(m.method);
    methods.push_back(std::move(json));
  }
  for (const LayerReport& layer : report.layers) {
    layers.push_back({{"name", layer.name},
                      {"sqnr_db", std::isfinite(layer.sqnr_db) ? Json(layer.sqnr_db) : Json()},
                      {"dtype", layer.floating ? "f32" : "int8"}});
  }
  return {{"calibration_images", report.calibration_images},
          {"images", report.images},
          {"f32", to_json(report.f32)},
          {"int8", to_json(report.int8)},
          {"points_lost", points_lost(report.int8, report.f32)},
          {"method", name(report.method)},
          {"methods", methods},
          {"layers", layers}};
}

}  // namespace graft

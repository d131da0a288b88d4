// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/bf16.h"

#include <utility>

#include "graph/exec/param_derivation.h"
#include "graph/plan/bf16.h"
#include "runtime/model/quantize.h"

namespace graft {

Model make_bf16(Context& ctx, Model& model) {
  check_reducible(model, "bf16");
  const DerivedGraph form = bf16_form(model.inference_graph());
  ModelHeader header = model.header();
  header.bf16 = true;
  Model out(ctx, std::move(header));
  model.inference_net().follow();
  ParamDerivation(form, model.inference_net().params(), out.params()).run(ctx);
  return out;
}

Model convert_to_bf16(Context& ctx, Model& model, const ImageSet& validation, Bf16Report& report) {
  check_classifies(model, "bf16");
  if (validation.images.empty()) fail(Errc::kData, validation.source, ": no images");
  Model out = make_bf16(ctx, model);
  const Outputs reference = outputs_on(ctx, model, validation, validation.size());
  const Outputs outputs = outputs_on(ctx, out, validation, validation.size());
  report = {.images = validation.size(),
            .f32 = score_of(reference, reference, validation.labels),
            .bf16 = score_of(outputs, reference, validation.labels)};
  return out;
}

Json to_json(const Bf16Report& report) {
  return {{"images", report.images},
          {"f32", to_json(report.f32)},
          {"bf16", to_json(report.bf16)},
          {"points_lost", points_lost(report.bf16, report.f32)}};
}

}  // namespace graft

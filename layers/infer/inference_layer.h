// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "layers/core/layer.h"

namespace graft {

/// A layer of a derived graph: it has no backward, and its parameters are all derived.
class InferenceLayer : public Layer {
 public:
  void backward(const BackwardArgs&) const final {
    fail(Errc::kUnsupported, kind(), " is an inference form and has no backward");
  }

 protected:
  [[nodiscard]] static ParamSpec derived(std::string name, const Shape& shape,
                                         DType dtype = DType::kF32) {
    return {.name = std::move(name),
            .shape = shape,
            .init = Init::constant(0),
            .kind = ParamKind::kBuffer,
            .order = ParamOrder::kPlain,
            .dtype = dtype};
  }
};

}  // namespace graft

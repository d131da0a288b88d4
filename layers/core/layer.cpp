// SPDX-License-Identifier: Apache-2.0
#include "layers/core/layer.h"

#include "kernels/api/pointwise.h"

namespace graft {

void Layer::derive_params(Context& ctx, std::span<const ParamSource> from,
                          std::span<Tensor> to) const {
  for (std::size_t i = 0; i < to.size(); ++i) kernels::copy(ctx, from[0].params[i], to[i]);
}

}  // namespace graft

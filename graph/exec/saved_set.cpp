// SPDX-License-Identifier: Apache-2.0
#include "graph/exec/saved_set.h"

#include "kernels/api/rows.h"

namespace graft {

void SavedSet::gather(Context& ctx, std::uint64_t version_now, std::uint64_t run_now,
                      std::span<const std::int32_t> row, Tensor& out) const {
  if (param_version != version_now) {
    fail(Errc::kInternal, "kept activations belong to parameter version ", param_version,
         ", the parameters are at ", version_now, "; run the selection forward again");
  }
  if (run != run_now) {
    fail(Errc::kInternal, "kept activations belong to run ", run, ", the executor is at ", run_now,
         "; consume them before the next forward");
  }
  kernels::gather_rows(ctx, value, row, out);
}

}  // namespace graft

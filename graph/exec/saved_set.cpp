// SPDX-License-Identifier: Apache-2.0
#include "graph/exec/saved_set.h"

#include "kernels/api/rows.h"

namespace graft {

void ForwardStamp::require(const ForwardStamp& now, std::string_view what) const {
  if (param_version != now.param_version) {
    fail(Errc::kInternal, what, " belongs to parameter version ", param_version,
         ", the parameters are at ", now.param_version, "; run the forward again");
  }
  if (run != now.run) {
    fail(Errc::kInternal, what, " belongs to run ", run, ", the executor is at ", now.run,
         "; consume it before the next forward");
  }
}

void SavedSet::gather(Context& ctx, const ForwardStamp& now, std::span<const std::int32_t> row,
                      Tensor& out) const {
  stamp.require(now, "a kept value");
  kernels::gather_rows(ctx, value, row, out);
}

}  // namespace graft

// SPDX-License-Identifier: Apache-2.0
#include "sampler/select/traditional.h"

namespace graft {

Json Traditional::describe() const { return {{"name", name()}}; }

}  // namespace graft

// SPDX-License-Identifier: Apache-2.0
#include "kernels/api/backend_info.h"

#include <cublasLt.h>
#include <cudnn_graph.h>

namespace graft::kernels {

CudaBackendInfo cuda_backend_info() {
  return {.cudnn = static_cast<int>(cudnnGetVersion()),
          .cublaslt = static_cast<int>(cublasLtGetVersion())};
}

}  // namespace graft::kernels

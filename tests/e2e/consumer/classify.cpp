// SPDX-License-Identifier: Apache-2.0
// The whole of a program that names what is in an image: classify MODEL.graft IMAGE
#include <iostream>

#include "runtime/model/model.h"

int main(int, char** argv) {
  graft::Context ctx(graft::Backend::kCpu, /*threads=*/2);
  graft::Model model = graft::Model::load(ctx, argv[1]);
  for (const auto& guess : model.classify(graft::decode_image_file(argv[2]), /*top=*/3)) {
    std::cout << guess.probability << ' ' << guess.label << '\n';
  }
}

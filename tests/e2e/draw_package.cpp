// SPDX-License-Identifier: Apache-2.0
// draw_package FOLDER TASK...: packages FOLDER/TASK.mpkg of one base with drawn weights, for tests
// and benches of what runs them.
#include <iostream>

#include "tests/unit/runtime_package/drawn_family.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: draw_package FOLDER TASK...\n";
    return 2;
  }
  try {
    graft::Context ctx(graft::Backend::kCpu);
    for (int i = 2; i < argc; ++i) {
      graft::testing::draw_package(ctx, argv[i], argv[1], {.seed = static_cast<std::uint64_t>(i)});
    }
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    return 1;
  }
  return 0;
}

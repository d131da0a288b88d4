// SPDX-License-Identifier: Apache-2.0
// A base of random weights and a folder of small pictures to fine-tune it on.
#pragma once

#include <string>

#include "engine/core/rng.h"
#include "engine/io/file.h"
#include "engine/io/image.h"
#include "runtime/finetune/finetune_options.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/runtime_model/small_model.h"

namespace graft::testing {

inline constexpr int kTinySide = 16;

/// Noise around a colour of the class.
inline void write_pictures(const std::filesystem::path& folder, int red, int count,
                           std::uint64_t seed) {
  make_folder(folder);
  Philox rng({.seed = seed, .purpose = RngPurpose::kTest});
  for (int i = 0; i < count; ++i) {
    ImageU8 image(kTinySide, kTinySide);
    for (std::size_t p = 0; p < image.pixels.size(); ++p) {
      const int level = (p % 3 == 0 ? red : 100) + static_cast<int>(rng.below(80));
      image.pixels[p] = static_cast<std::uint8_t>(level);
    }
    atomic_write(folder / ("p" + std::to_string(100 + i) + ".png"), encode_png(image));
  }
}

/// data/{train,test}/{ant,bee,cat}, base.graft (resnet8, 16 x 16) and options that train in no
/// time.
struct TinyTask {
  TinyTask() {
    int red = 20;
    for (const char* name : {"ant", "bee", "cat"}) {
      const auto seed = static_cast<std::uint64_t>(red);
      write_pictures(folder / "data/train" / name, red, 12, seed);
      write_pictures(folder / "data/test" / name, red, 4, seed + 1);
      red += 70;
    }
    Context ctx(Backend::kCpu);
    static_cast<void>(drawn_model(ctx, "resnet8", kTinySide, 10).save(folder / "base.graft"));
    options.base = (folder / "base.graft").string();
    options.data = "folder:" + (folder / "data").string();
    options.task = "insects";
    options.out = (folder / "out").string();
    options.epochs = 2;
    options.batch = 8;
    options.threads = 1;
  }
  TempFolder folder;
  finetune::FinetuneOptions options;
};

}  // namespace graft::testing

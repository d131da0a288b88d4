// SPDX-License-Identifier: Apache-2.0
// The part of the picture that an application looks at.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "engine/io/image.h"

namespace graft::run {

/// A rectangle in shares of the picture, so that it stays where it is when a camera changes its
/// resolution. The default is the whole picture.
struct View {
  double left = 0, top = 0, width = 1, height = 1;

  [[nodiscard]] bool whole() const { return *this == View{}; }
  bool operator==(const View&) const = default;
};

/// APP=LEFT,TOP,WIDTH,HEIGHT. Throws Error(kUsage) for numbers that are no part of a picture.
[[nodiscard]] std::pair<std::string, View> parse_view(std::string_view text);

/// The pixels of a view, at least one each way.
[[nodiscard]] ImageU8 cut(const View& view, const ImageU8& image);

}  // namespace graft::run

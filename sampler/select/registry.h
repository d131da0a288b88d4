// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "engine/io/json.h"
#include "sampler/select/sampler.h"

namespace graft {

/// Makes the sampler called `name` with `options`, a JSON object: "preset" ("default" or "paper")
/// chooses the values that other keys, those of the sampler's option struct, then replace.
/// Throws Error(kUsage) for a name, preset, option or value that it does not know.
[[nodiscard]] std::unique_ptr<Sampler> make_sampler(std::string_view name,
                                                    const Json& options = {});

/// In the order in which help shows them.
[[nodiscard]] std::vector<std::string_view> sampler_names();

}  // namespace graft

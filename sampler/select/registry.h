// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
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
[[nodiscard]] std::vector<std::string> sampler_names();

/// Makes a sampler of the options in a JSON object, which include "preset".
using SamplerFactory = std::function<std::unique_ptr<Sampler>(const Json& options)>;

/// Adds a sampler that make_sampler(), and so `--sampler`, knows from now on. Call it before
/// threads are started. Throws Error(kUsage) if the name is taken.
void register_sampler(std::string name, SamplerFactory factory);

}  // namespace graft

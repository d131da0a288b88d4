// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/probe_options.h"

#include <string>
#include <vector>

#include "engine/core/error.h"
#include "engine/core/text.h"

namespace graft::train {

ProbeOptions parse_probes(std::string_view text) {
  ProbeOptions out;
  if (text == "none") return out;
  for (const std::string& word : split(text, ',')) {
    bool found = false;
    std::vector<std::string> known = {"all", "none"};
    out.visit([&](const char* name, bool& field) {
      known.emplace_back(name);
      if (word != name && word != "all") return;
      field = found = true;
    });
    if (!found) {
      fail(Errc::kUsage, "--probes ", text, ": unknown probe '", word, "', expects ",
           join(known, ", "), did_you_mean(word, known));
    }
  }
  return out;
}

}  // namespace graft::train

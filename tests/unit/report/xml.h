// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace graft::testing {

/// The first reason why `text` is not balanced markup (tags, quotes, attributes), or "".
inline std::string markup_error(std::string_view text) {
  std::vector<std::string> open;
  std::size_t at = 0;
  while ((at = text.find('<', at)) != std::string_view::npos) {
    const std::size_t begin = at;
    bool quoted = false;
    for (++at; at < text.size() && (quoted || text[at] != '>'); ++at) {
      if (text[at] == '"') quoted = !quoted;
      if (text[at] == '<') return "'<' inside a tag: " + std::string(text.substr(begin, 80));
    }
    if (at == text.size()) return "unfinished tag: " + std::string(text.substr(begin, 80));
    const std::string tag(text.substr(begin + 1, at - begin - 1));
    if (tag.starts_with('!')) continue;
    const std::string name = tag.substr(0, tag.find_first_of(" /\n", 1));
    if (tag.starts_with('/')) {
      if (open.empty() || "/" + open.back() != tag) return "unexpected <" + tag + ">";
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : "<" + open.back() + "> is not closed";
}

}  // namespace graft::testing

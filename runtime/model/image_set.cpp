// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/image_set.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include "engine/core/text.h"
#include "runtime/data/folder.h"
#include "runtime/data/open.h"

namespace graft {
namespace {

namespace fs = std::filesystem;

/// The name of a class as it is compared.
std::string plain(std::string_view label) {
  std::string out;
  for (const char c : label) {
    if (c == ' ' || c == '_' || c == '-') continue;
    out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

/// The model's class for each class of the data, or none.
std::vector<std::optional<int>> classes_of(const std::vector<std::string>& names,
                                           const ModelHeader& header) {
  std::map<std::string, int> index;
  for (std::size_t i = 0; i < header.labels.size(); ++i) {
    index.emplace(plain(header.labels[i]), static_cast<int>(i));
  }
  std::vector<std::optional<int>> classes;
  for (const std::string& name : names) {
    const auto found = index.find(plain(name));
    const auto number = parse_int(name);
    const bool is_class =
        number && *number >= 0 && *number < static_cast<std::int64_t>(header.labels.size());
    classes.push_back(found != index.end() ? std::optional(found->second)
                      : is_class           ? std::optional(static_cast<int>(*number))
                                           : std::nullopt);
  }
  return classes;
}

std::vector<fs::path> images_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && data::is_image_file(entry.path())) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

void check_memory(const std::string& data, std::int64_t images, const data::Preprocess& p) {
  constexpr std::int64_t kMostBytes = std::int64_t{4} << 30;
  const std::int64_t bytes = images * p.height * p.width * ImageU8::kChannels;
  if (bytes > kMostBytes) {
    fail(Errc::kOutOfMemory, data, ": ", images, " images take ", bytes >> 20,
         " MiB in memory, at most ", kMostBytes >> 20, " are taken; set a limit");
  }
}

/// A folder of images without classes.
ImageSet read_files(const std::string& data, std::vector<fs::path> files, const ModelHeader& header,
                    std::int64_t limit) {
  const auto count = static_cast<std::int64_t>(files.size());
  const std::int64_t wanted = limit > 0 ? std::min(limit, count) : count;
  check_memory(data, wanted, header.preprocess);
  std::vector<std::int64_t> order = data::epoch_order(count, 0, 0);
  order.resize(static_cast<std::size_t>(wanted));
  std::sort(order.begin(), order.end());
  ImageSet set{.source = data, .images = {}, .labels = {}};
  for (const std::int64_t i : order) {
    set.images.push_back(
        data::fit(header.preprocess, decode_image_file(files[static_cast<std::size_t>(i)])));
  }
  return set;
}

data::DatasetPtr open_source(data::DataSpec spec, data::Split split, std::int64_t limit) {
  if (spec.kind == "folder" && !fs::is_directory(fs::path(spec.folder) / "train")) {
    spec.options.emplace("whole", "1");
  }
  data::DatasetPtr source = data::open_dataset(spec, split);
  return limit > 0 ? data::limit_examples(std::move(source), limit) : source;
}

ImageSet read_source(const std::string& data, const data::Dataset& source,
                     const ModelHeader& header) {
  check_memory(data, source.size(), header.preprocess);
  const auto classes = classes_of(source.class_names(), header);
  const bool labelled =
      header.classifies() &&
      std::all_of(classes.begin(), classes.end(), [](const auto& c) { return c.has_value(); });
  ImageSet set{.source = data, .images = {}, .labels = {}};
  for (std::int64_t id = 0; id < source.size(); ++id) {
    set.images.push_back(data::fit(header.preprocess, source.original(id)));
    if (labelled) set.labels.push_back(*classes[static_cast<std::size_t>(source.label(id))]);
  }
  return set;
}

void check_classes(const std::string& data, const std::vector<std::string>& names,
                   const ModelHeader& header) {
  constexpr std::size_t kMostNamed = 5;
  const auto classes = classes_of(names, header);
  std::vector<std::string> strangers;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!classes[i]) strangers.push_back("'" + names[i] + "'");
  }
  if (strangers.empty()) return;
  const std::size_t count = strangers.size();
  strangers.resize(std::min(count, kMostNamed));
  fail(Errc::kData, data, ": ", count, " of ", names.size(),
       " classes are no labels of the model: ", join(strangers, ", "),
       count > kMostNamed ? ", ..." : "", "; its labels are '", header.labels.front(), "' to '",
       header.labels.back(), "'. Name the folders so, or by the number of the class from 0 to ",
       header.labels.size() - 1);
}

}  // namespace

ImageSet read_image_set(const std::string& data, data::Split split, const ModelHeader& header,
                        std::int64_t limit) {
  const data::DataSpec spec = data::parse_data_spec(data);
  if (spec.kind == "folder" && fs::is_directory(spec.folder)) {
    auto files = images_in(spec.folder);
    if (!files.empty()) return read_files(data, std::move(files), header, limit);
  }
  return read_source(data, *open_source(spec, split, limit), header);
}

ImageSet read_labelled_set(const std::string& data, data::Split split, const ModelHeader& header,
                           std::int64_t limit) {
  const data::DatasetPtr source = open_source(data::parse_data_spec(data), split, limit);
  check_classes(data, source->class_names(), header);
  return read_source(data, *source, header);
}

Tensor input_of(Context& ctx, const ModelHeader& header, const ImageSet& set, std::int64_t begin,
                std::int64_t count) {
  const data::Preprocess& p = header.preprocess;
  Tensor x = Tensor::allocate(ctx.memory(), {count, p.height, p.width, ImageU8::kChannels});
  std::vector<float> values(static_cast<std::size_t>(x.shape().row_numel()));
  for (std::int64_t i = 0; i < count; ++i) {
    data::to_values(p, set.images[static_cast<std::size_t>(begin + i)], values);
    Tensor row = x.rows(i, 1);
    copy_from_host(ctx, values.data(), row);
  }
  return x;
}

}  // namespace graft

// SPDX-License-Identifier: Apache-2.0
#include "runtime/capi/graft.h"

#include <algorithm>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string>

#include "runtime/model/model.h"

struct graft_model {
  explicit graft_model(int threads) : ctx(graft::Backend::kCpu, threads) {}
  graft::Context ctx;
  std::unique_ptr<graft::Model> model;
};

namespace {

thread_local std::string last_error;

graft_status failed(graft_status status, const char* message) noexcept {
  try {
    last_error = message;
  } catch (...) {
    last_error.clear();
  }
  return status;
}

/// Runs `call`; what it throws becomes a status and a message.
template <class F>
graft_status guarded(F&& call) noexcept {
  try {
    call();
    return GRAFT_OK;
  } catch (const graft::Error& e) {
    const bool blames_caller = e.code() == graft::Errc::kInvalidArgument;
    return failed(
        blames_caller ? GRAFT_USAGE : static_cast<graft_status>(graft::exit_code(e.code())),
        e.what());
  } catch (const std::bad_alloc&) {
    return failed(GRAFT_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& e) {
    return failed(GRAFT_INTERNAL, e.what());
  } catch (...) {
    return failed(GRAFT_INTERNAL, "unknown exception");
  }
}

void require(bool condition, const char* what) {
  if (!condition) graft::fail(graft::Errc::kUsage, what);
}

void classify(graft_model* model, const graft::ImageU8& image, graft_prediction* predictions,
              size_t capacity, size_t* count) {
  const auto logits = model->model->run(std::span(&image, 1));
  const auto best =
      model->model->best(logits, static_cast<int>(std::min<size_t>(capacity, 1 << 20)));
  const auto& labels = model->model->header().labels;
  for (size_t i = 0; i < best.size(); ++i) {
    predictions[i].index = best[i].index;
    predictions[i].probability = best[i].probability;
    predictions[i].label = labels[static_cast<size_t>(best[i].index)].c_str();
  }
  *count = best.size();
}

void check_outputs(const graft_model* model, const graft_prediction* predictions, size_t capacity,
                   const size_t* count) {
  require(model != nullptr && predictions != nullptr && count != nullptr && capacity >= 1,
          "graft_classify: model, predictions and count must be given, capacity at least 1");
  require(predictions->struct_size == sizeof(graft_prediction),
          "graft_classify: predictions[0].struct_size is not that of this library");
}

}  // namespace

const char* graft_version(void) { return GRAFT_VERSION; }

const char* graft_last_error(void) { return last_error.c_str(); }

graft_status graft_model_load(const char* path, const graft_model_options* options,
                              graft_model** model) {
  return guarded([&] {
    require(path != nullptr && model != nullptr, "graft_model_load: path and model must be given");
    require(options == nullptr || options->struct_size == sizeof(graft_model_options),
            "graft_model_load: options->struct_size is not that of this library");
    const int threads = options == nullptr ? 1 : options->threads;
    require(threads >= 1, "graft_model_load: threads must be at least 1");
    auto made = std::make_unique<graft_model>(threads);
    made->model = std::make_unique<graft::Model>(graft::Model::load(made->ctx, path));
    *model = made.release();
  });
}

void graft_model_free(graft_model* model) { delete model; }

size_t graft_model_classes(const graft_model* model) {
  return model == nullptr ? 0 : static_cast<size_t>(model->model->classes());
}

graft_status graft_classify_rgb(graft_model* model, const uint8_t* pixels, int32_t height,
                                int32_t width, graft_prediction* predictions, size_t capacity,
                                size_t* count) {
  return guarded([&] {
    constexpr int32_t kLargestSide = 16384;
    check_outputs(model, predictions, capacity, count);
    require(pixels != nullptr && height >= 1 && width >= 1 && height <= kLargestSide &&
                width <= kLargestSide,
            "graft_classify_rgb: pixels must be given, sides from 1 to 16384");
    graft::ImageU8 image(height, width);
    std::copy_n(pixels, image.pixels.size(), image.pixels.data());
    classify(model, image, predictions, capacity, count);
  });
}

graft_status graft_classify_file(graft_model* model, const char* path,
                                 graft_prediction* predictions, size_t capacity, size_t* count) {
  return guarded([&] {
    check_outputs(model, predictions, capacity, count);
    require(path != nullptr, "graft_classify_file: path must be given");
    classify(model, graft::decode_image_file(path), predictions, capacity, count);
  });
}

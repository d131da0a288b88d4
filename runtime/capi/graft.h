/* SPDX-License-Identifier: Apache-2.0 */
/* graft from C: load a model file, classify images.
 *
 * Every call returns a status; on failure graft_last_error() has the message and outputs are
 * unchanged. No exception and no abort crosses this interface. Structs carry their size, so that a
 * newer library serves an older caller. A model is used by one thread at a time; different models
 * may be used by different threads. */
#ifndef GRAFT_CAPI_GRAFT_H
#define GRAFT_CAPI_GRAFT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Values are those of the exit codes of the `graft` binary. */
typedef enum graft_status {
  GRAFT_OK = 0,
  GRAFT_INTERNAL = 1,
  GRAFT_USAGE = 2, /* an argument of the call: null, negative, a struct of unknown size */
  GRAFT_CONFIG = 3,
  GRAFT_DATA = 4,  /* an image that cannot be decoded */
  GRAFT_MODEL = 5, /* a model file that is refused, or no classifier */
  GRAFT_UNAVAILABLE = 6,
  GRAFT_OUT_OF_MEMORY = 7,
  GRAFT_NUMERICAL = 8,
  GRAFT_IO = 9
} graft_status;

typedef struct graft_model graft_model;

typedef struct graft_model_options {
  size_t struct_size; /* sizeof(graft_model_options) */
  int32_t threads;    /* compute threads of this model, >= 1 */
} graft_model_options;

typedef struct graft_prediction {
  size_t struct_size; /* sizeof(graft_prediction), set by the caller in the first element */
  int32_t index;      /* of the class */
  double probability; /* softmax of the logits */
  const char* label;  /* UTF-8; lives as long as the model */
} graft_prediction;

/* E.g. "0.1.0". */
const char* graft_version(void);

/* Message of the last call of this thread that failed; "" if none has. Lives until the next call.
 */
const char* graft_last_error(void);

/* Loads `path`. `options`: null for one thread. */
graft_status graft_model_load(const char* path, const graft_model_options* options,
                              graft_model** model);
/* Null is fine. */
void graft_model_free(graft_model* model);

/* Number of classes; 0 for a feature extractor. */
size_t graft_model_classes(const graft_model* model);

/* The `capacity` most probable classes, best first; `*count` gets how many there are.
 * pixels: height rows of width RGB triples, no gaps. */
graft_status graft_classify_rgb(graft_model* model, const uint8_t* pixels, int32_t height,
                                int32_t width, graft_prediction* predictions, size_t capacity,
                                size_t* count);
/* As above, from an image file. */
graft_status graft_classify_file(graft_model* model, const char* path,
                                 graft_prediction* predictions, size_t capacity, size_t* count);

#ifdef __cplusplus
}
#endif

#endif

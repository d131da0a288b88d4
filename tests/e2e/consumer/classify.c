/* SPDX-License-Identifier: Apache-2.0 */
/* The C interface, used as C: classify_c MODEL.graft IMAGE. Also checks how it fails. */
#include <stdio.h>
#include <string.h>

#include "runtime/capi/graft.h"

static int complain(const char* what) {
  fprintf(stderr, "%s: %s\n", what, graft_last_error());
  return 1;
}

/* Calls that must fail, with a message and without harm. */
static int check_failures(const char* image, graft_model* model) {
  graft_model* none = NULL;
  graft_model_options odd = {1, 1};
  graft_prediction wrong_size = {1, 0, 0, NULL};
  size_t count = 77;
  if (graft_model_load(image, NULL, &none) != GRAFT_MODEL || none != NULL)
    return complain("no model");
  if (graft_model_load("/nowhere", NULL, &none) != GRAFT_IO) return complain("no file");
  if (graft_model_load(image, &odd, &none) != GRAFT_USAGE) return complain("odd options");
  if (graft_model_load(NULL, NULL, &none) != GRAFT_USAGE) return complain("no path");
  if (graft_classify_file(model, image, &wrong_size, 1, &count) != GRAFT_USAGE || count != 77) {
    return complain("odd prediction");
  }
  if (strstr(graft_last_error(), "struct_size") == NULL) return complain("no message");
  graft_model_free(NULL);
  return 0;
}

int main(int argc, char** argv) {
  graft_model_options options = {sizeof(graft_model_options), 1};
  graft_prediction best[3];
  graft_model* model = NULL;
  size_t count = 0, i;
  if (argc != 3) return 2;
  if (graft_model_load(argv[1], &options, &model) != GRAFT_OK) return complain(argv[1]);
  best[0].struct_size = sizeof(graft_prediction);
  if (graft_classify_file(model, argv[2], best, 3, &count) != GRAFT_OK) return complain(argv[2]);
  for (i = 0; i < count; ++i) printf("%g %s\n", best[i].probability, best[i].label);
  i = (size_t)check_failures(argv[2], model);
  graft_model_free(model);
  return (int)i;
}

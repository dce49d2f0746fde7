/* A program in plain C that links libsaha_runtime and nothing else of saha.
 *   program BUNDLE run IN OUT     the bytes of IN are the first input; the first output goes to OUT, from memory that was bound to it
 *   program BUNDLE wrong          what a caller can do wrong: each sentence on a line
 *   program BUNDLE open [LEVEL]   opens it; the sentence where that fails */
#include <saha/c_api.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char* where) {
  fprintf(stderr, "%s: %s\n", where, saha_last_error());
  return 1;
}
static void* read_file(const char* path, size_t* size) {
  FILE* f = fopen(path, "rb");
  if (!f) return NULL;
  fseek(f, 0, SEEK_END);
  *size = (size_t)ftell(f);
  rewind(f);
  void* bytes = malloc(*size ? *size : 1);
  if (bytes && fread(bytes, 1, *size, f) != *size) *size = 0;
  fclose(f);
  return bytes;
}
static size_t elements(const saha_value_info* v) {
  size_t n = 1;
  for (int64_t i = 0; i < v->rank; ++i) n *= (size_t)v->dims[i];
  return n;
}

static int run(saha_session* s, const char* in, const char* out) {
  saha_value_info x, y;
  saha_context* c = NULL;
  size_t size = 0;
  void* bytes = read_file(in, &size);
  if (!bytes) return fprintf(stderr, "cannot read %s\n", in), 1;
  if (saha_input_info(s, 0, &x) || saha_output_info(s, 0, &y) || saha_context_create(s, &c)) return fail("context");
  if (y.dtype != SAHA_FLOAT32 || y.rank < 0) return fprintf(stderr, "the output is %s\n", y.text), 1;
  const size_t room = elements(&y) * sizeof(float);
  float *first = calloc(1, room), *second = calloc(1, room);
  if (saha_set_input(c, x.name, bytes, size) || saha_set_output(c, y.name, first, room) || saha_run(c)) return fail("run");
  if (saha_set_output(c, y.name, NULL, 0) || saha_run(c) || saha_copy_output(c, y.name, second, room)) return fail("second run");
  if (memcmp(first, second, room) != 0) return fprintf(stderr, "two runs differ\n"), 1;
  FILE* f = fopen(out, "wb");
  if (!f || fwrite(first, 1, room, f) != room || fclose(f) != 0) return fprintf(stderr, "cannot write %s\n", out), 1;
  free(first), free(second), free(bytes);
  saha_context_free(c);
  printf("saha %s: %s -> %s\n", saha_version(), x.text, y.text);
  return 0;
}

static int expect(saha_status got, saha_status want) {
  printf("%s: %s\n", saha_status_name(got), saha_last_error());
  return got != want;
}
static int wrong(saha_session* s) {
  float few[3] = {0}, *many = NULL;
  const int64_t dims[] = {2, 3, 9, 9};
  saha_value_info x, y;
  saha_context* c = NULL;
  int bad = 0;
  if (saha_input_info(s, 0, &x) || saha_output_info(s, 0, &y) || saha_context_create(s, &c)) return fail("context");
  bad |= expect(saha_run(c), SAHA_INVALID_ARGUMENT);                                        /* no input */
  bad |= expect(saha_set_input(c, "picture", few, sizeof few), SAHA_INVALID_ARGUMENT);      /* no such one */
  bad |= expect(saha_set_input(c, x.name, few, sizeof few), SAHA_INVALID_ARGUMENT);         /* too short */
  many = calloc(2 * 3 * 9 * 9, sizeof *many);
  bad |= expect(saha_set_input_shaped(c, x.name, many, 2 * 3 * 9 * 9 * sizeof *many, dims, 4), SAHA_INVALID_ARGUMENT);
  bad |= expect(saha_set_output(c, "scores", few, sizeof few), SAHA_INVALID_ARGUMENT);      /* no such one */
  if (saha_set_input(c, x.name, many, 3 * 9 * 9 * sizeof *many) || saha_set_output(c, y.name, few, sizeof few)) return fail("set");
  bad |= expect(saha_run(c), SAHA_INVALID_ARGUMENT);                                        /* bound memory of another size */
  bad |= expect(saha_output_info(s, 7, &y), SAHA_INVALID_ARGUMENT);
  bad |= expect(saha_set_input(NULL, x.name, few, sizeof few), SAHA_INVALID_ARGUMENT);
  saha_context_free(c);
  free(many);
  return bad;
}

int main(int argc, char** argv) {
  saha_session* s = NULL;
  saha_session_options options = {0};
  if (argc < 3) return 2;
  if (strcmp(argv[2], "open") == 0 && argc > 3) options.level = argv[3];
  if (saha_session_open(argv[1], &options, &s)) {
    printf("%s: %s\n", saha_status_name(saha_session_open(argv[1], &options, &s)), saha_last_error());
    return 1;
  }
  const int code = strcmp(argv[2], "run") == 0 && argc > 4 ? run(s, argv[3], argv[4]) : strcmp(argv[2], "wrong") == 0 ? wrong(s) : 0;
  saha_session_free(s);
  return code;
}

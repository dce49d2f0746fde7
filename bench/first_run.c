/* A process that does nothing but run a bundle once through libsaha_runtime: what a start costs. Prints the largest memory of the process, how much of it are pages of the bundle (weights,
 * as they lie in the file), and the time from main() on.
 *   first_run BUNDLE.saha [LEVEL]     N starts: bench/cold_start.py N first_run BUNDLE.saha */
#define _POSIX_C_SOURCE 200809L
#include <saha/c_api.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}
/* KiB behind `key` in /proc/self/status. */
static long status_kib(const char* key) {
  char line[256];
  long kib = 0;
  FILE* f = fopen("/proc/self/status", "r");
  while (f && fgets(line, sizeof line, f))
    if (strncmp(line, key, strlen(key)) == 0) kib = atol(line + strlen(key));
  if (f) fclose(f);
  return kib;
}
/* KiB of the mappings of a file that are in memory. */
static long mapped_kib(const char* path) {
  char line[4352];
  long kib = 0;
  int inside = 0;
  const char* name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
  FILE* f = fopen("/proc/self/smaps", "r");
  while (f && fgets(line, sizeof line, f)) {
    if (line[0] >= 'A' && line[0] <= 'Z') {
      if (inside && strncmp(line, "Rss:", 4) == 0) kib += atol(line + 4);
    } else {
      const char* slash = strrchr(line, '/');
      inside = slash && strncmp(slash + 1, name, strlen(name)) == 0 && slash[1 + strlen(name)] == '\n';
    }
  }
  if (f) fclose(f);
  return kib;
}
static size_t bytes_of(saha_dtype t) {
  switch (t) {
    case SAHA_FLOAT64: case SAHA_INT64: case SAHA_UINT64: return 8;
    case SAHA_FLOAT32: case SAHA_INT32: case SAHA_UINT32: return 4;
    case SAHA_FLOAT16: case SAHA_BFLOAT16: case SAHA_INT16: case SAHA_UINT16: return 2;
    default: return 1;
  }
}

int main(int argc, char** argv) {
  const double start = now_ms();
  saha_session_options options = {0};
  saha_session* session = NULL;
  saha_context* context = NULL;
  if (argc < 2) return fprintf(stderr, "first_run BUNDLE.saha [LEVEL]\n"), 2;
  if (argc > 2) options.level = argv[2];
  saha_status s = saha_session_open(argv[1], &options, &session);
  if (!s) s = saha_context_create(session, &context);
  for (size_t i = 0; !s && i < saha_num_inputs(session); ++i) {
    saha_value_info v;
    int64_t dims[16];
    size_t n = 1;
    if ((s = saha_input_info(session, i, &v)) != SAHA_OK) break;
    for (int64_t k = 0; k < v.rank && k < 16; ++k) dims[k] = v.dims[k] < 0 ? 1 : v.dims[k], n *= (size_t)dims[k];
    void* data = calloc(n ? n : 1, bytes_of(v.dtype));   /* held until the process ends */
    s = saha_set_input_shaped(context, v.name, data, n * bytes_of(v.dtype), dims, (size_t)v.rank);
  }
  if (!s) s = saha_run(context);
  if (s) return fprintf(stderr, "error: %s\n", saha_last_error()), 1;
  const double ms = now_ms() - start;
  const double peak = (double)status_kib("VmHWM:") / 1024, weights = (double)mapped_kib(argv[1]) / 1024;
  printf("main to first result %.1f ms; peak %.1f MiB, pages of the bundle %.1f MiB, all else %.1f MiB\n", ms, peak, weights, peak - weights);
  return 0;
}

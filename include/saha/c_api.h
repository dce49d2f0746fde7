#ifndef SAHA_C_API_H
#define SAHA_C_API_H
/* saha in C: the same as session.h. Every call gives a status; what went wrong is a sentence in saha_last_error().
 * A session may be used from several threads at once, a context from one at a time. Strings are UTF-8 and end with 0.
 *
 * Two libraries have these functions; a program links one of them. libsaha reads models of every format. libsaha_runtime, a tenth of its size, runs bundles by the plans that
 * `saha convert MODEL -o OUT.saha` stores in them.
 *
 * Example:
 *   #include <saha/c_api.h>
 *   #include <stdio.h>
 *
 *   // Writes n scores. Handles are freed by saha_*_free, which take NULL.
 *   int classify(const char* model, const float* pixels, size_t pixel_bytes, float* score, size_t score_bytes) {
 *     saha_session* session = NULL;
 *     saha_context* context = NULL;
 *     saha_status s = saha_session_open(model, NULL, &session);                     // NULL: default options
 *     if (!s) s = saha_context_create(session, &context);
 *     if (!s) s = saha_set_input(context, "image", pixels, pixel_bytes);
 *     if (!s) s = saha_run(context);
 *     if (!s) s = saha_copy_output(context, "score", score, score_bytes);
 *     if (s) fprintf(stderr, "error: %s\n", saha_last_error());                     // per thread, until its next call
 *     saha_context_free(context);
 *     saha_session_free(session);
 *     return s;
 *   }
 * End of example.
 */
#include <stddef.h>
#include <stdint.h>

#include <saha/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum saha_status {
  SAHA_OK = 0,
  SAHA_INVALID_MODEL = 1,
  SAHA_INVALID_ARGUMENT = 2,
  SAHA_INVALID_FILE = 3,
  SAHA_INVALID_DATA = 4,
  SAHA_UNSUPPORTED = 5,
  SAHA_IO = 6,
  SAHA_OUT_OF_MEMORY = 7,
  SAHA_CANCELLED = 8,
  SAHA_INTERNAL = 9
} saha_status;

/* Element types, with ONNX's numbers. */
typedef enum saha_dtype {
  SAHA_NONE = 0, SAHA_FLOAT32 = 1, SAHA_UINT8 = 2, SAHA_INT8 = 3, SAHA_UINT16 = 4, SAHA_INT16 = 5, SAHA_INT32 = 6, SAHA_INT64 = 7,
  SAHA_STRING = 8, SAHA_BOOL = 9, SAHA_FLOAT16 = 10, SAHA_FLOAT64 = 11, SAHA_UINT32 = 12, SAHA_UINT64 = 13, SAHA_COMPLEX64 = 14,
  SAHA_COMPLEX128 = 15, SAHA_BFLOAT16 = 16, SAHA_FLOAT8E4M3FN = 17, SAHA_FLOAT8E4M3FNUZ = 18, SAHA_FLOAT8E5M2 = 19,
  SAHA_FLOAT8E5M2FNUZ = 20, SAHA_UINT4 = 21, SAHA_INT4 = 22, SAHA_FLOAT4E2M1 = 23, SAHA_FLOAT8E8M0 = 24, SAHA_UINT2 = 25, SAHA_INT2 = 26,
  SAHA_FLOAT6E2M3 = 27, SAHA_FLOAT6E3M2 = 28
} saha_dtype;

typedef struct saha_session saha_session;
typedef struct saha_context saha_context;

/* Zero in a field means its default, so {0} is the default. */
typedef struct saha_session_options {
  int threads;       /* that one run uses; 0: 1 */
  int no_simplify;   /* not 0: the graph is run as it stands; says nothing of a bundle */
  int pin;           /* not 0: each thread that the session makes stays on a core of its own; callers are left where they are */
  const char* precision;  /* "float32" is strict; "bfloat16": products in bfloat16, sums in float32, on processors with AVX512-BF16 or AMX (x86) or BF16 (AArch64) only; NULL: "float32" */
  const char* level;      /* of the kernels: "generic", "avx2", "avx512", "avx512vnni", "avx512amx", "neon", "neon_dot", "neon_i8mm"; NULL: the highest that this processor runs */
} saha_session_options;

/* An input or output; what it points to holds as long as the session. */
typedef struct saha_value_info {
  const char* name;
  saha_dtype dtype;       /* SAHA_NONE: not a tensor, or not known */
  int64_t rank;           /* -1: not known */
  const int64_t* dims;    /* -1 where free */
  const char* text;       /* "float32[N, 3, 224, 224]" */
} saha_value_info;

SAHA_API const char* saha_version(void);
/* "invalid-argument"; never NULL. */
SAHA_API const char* saha_status_name(saha_status status);
/* What this thread's last call that gives a status found wrong: one sentence, "" where it was right; holds until the next such call. Never
 * NULL. */
SAHA_API const char* saha_last_error(void);
/* What to do about it; may be "". Never NULL. */
SAHA_API const char* saha_last_help(void);

/* Opens a file: with libsaha a bundle (*.saha) or a model in any format that saha reads, with libsaha_runtime a bundle with a plan for this processor, made by the same version
 * of saha. The file is mapped and must not change while the session lives. `options` may be NULL; nothing in it is kept. *session is NULL on failure: SAHA_IO, SAHA_INVALID_MODEL
 * (damaged), SAHA_UNSUPPORTED (a newer format, an operator, no plan), SAHA_INVALID_ARGUMENT, SAHA_OUT_OF_MEMORY. */
SAHA_API saha_status saha_session_open(const char* path, const saha_session_options* options, saha_session** session);
/* The same from memory, which may be freed afterwards. */
SAHA_API saha_status saha_session_from_bytes(const void* bytes, size_t size, const saha_session_options* options, saha_session** session);
SAHA_API void saha_session_free(saha_session* session);
/* 0 where session is NULL. */
SAHA_API size_t saha_num_inputs(const saha_session* session);
SAHA_API size_t saha_num_outputs(const saha_session* session);
SAHA_API saha_status saha_input_info(const saha_session* session, size_t index, saha_value_info* info);
SAHA_API saha_status saha_output_info(const saha_session* session, size_t index, saha_value_info* info);

/* What one thread needs for its runs. The session may be freed before it. */
SAHA_API saha_status saha_context_create(const saha_session* session, saha_context** context);
SAHA_API void saha_context_free(saha_context* context);

/* Gives an input by view: `data` must hold until the results of the run have been read. The size is checked; one free dim follows from it. */
SAHA_API saha_status saha_set_input(saha_context* context, const char* name, const void* data, size_t bytes);
/* The same with all dims given. */
SAHA_API saha_status saha_set_input_shaped(saha_context* context, const char* name, const void* data, size_t bytes, const int64_t* dims, size_t rank);
/* Gives an output memory of the caller's, to which the end of each run copies it; its size must then be `bytes`. `data` must hold as long as the context, or until another is
 * given; NULL takes it back. */
SAHA_API saha_status saha_set_output(saha_context* context, const char* name, void* data, size_t bytes);
/* Runs once. Inputs and outputs that were given stay given. Fails (SAHA_INVALID_ARGUMENT) where an input was not given, or where an output does not have the size of its memory. */
SAHA_API saha_status saha_run(saha_context* context);

/* An output of the last run: its rank and dims (at most `capacity` are written), its bytes where they lie until the next run, or a copy of
 * exactly `bytes` bytes. */
SAHA_API saha_status saha_output_dims(const saha_context* context, const char* name, int64_t* dims, size_t capacity, size_t* rank);
SAHA_API saha_status saha_get_output(const saha_context* context, const char* name, const void** data, size_t* bytes);
SAHA_API saha_status saha_copy_output(const saha_context* context, const char* name, void* data, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif

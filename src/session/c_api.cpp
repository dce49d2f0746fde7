// The C functions over session.h. Nothing throws across them: what is left to throw is a lack of memory.
#include <saha/c_api.h>
#include <saha/session.h>

#include <cstring>
#include <new>
#include <vector>

#include "session/open.hpp"

struct saha_session {
  saha::Session session;
};
struct saha_context {
  saha::Session session;
  saha::Context context;
  struct Bound {
    std::string name;
    void* data;
    std::size_t bytes;
  };
  std::vector<Bound> outputs;   // that have memory of the caller's
};

namespace {
using saha::Error;
using saha::ErrorCode;
using saha::Result;

thread_local std::string last_error, last_help;

saha_status failed(const Error& e) {
  last_error = e.message;
  last_help = e.help;
  switch (e.code) {
    case ErrorCode::invalid_model: return SAHA_INVALID_MODEL;
    case ErrorCode::invalid_argument: return SAHA_INVALID_ARGUMENT;
    case ErrorCode::invalid_file: return SAHA_INVALID_FILE;
    case ErrorCode::invalid_data: return SAHA_INVALID_DATA;
    case ErrorCode::unsupported: return SAHA_UNSUPPORTED;
    case ErrorCode::io: return SAHA_IO;
    case ErrorCode::out_of_memory: return SAHA_OUT_OF_MEMORY;
    case ErrorCode::cancelled: return SAHA_CANCELLED;
    case ErrorCode::internal: return SAHA_INTERNAL;
  }
  return SAHA_INTERNAL;
}

/// Calls fn, which gives a Result<>, and turns it into a status.
template <class Fn> saha_status call(Fn&& fn) noexcept {
  try {
    last_error.clear();
    last_help.clear();
    Result<> r = fn();
    return r ? SAHA_OK : failed(r.error());
  } catch (...) {
    last_error.assign("no memory");  // short enough to need none
    return SAHA_OUT_OF_MEMORY;
  }
}

Error null(const char* argument) { return {ErrorCode::invalid_argument, std::string(argument) + " is NULL"}; }

saha::SessionOptions options_of(const saha_session_options* o) {
  saha::SessionOptions r;
  if (o && o->threads != 0) r.threads = o->threads;
  if (o && o->no_simplify) r.simplify = false;
  if (o && o->pin) r.pin = true;
  if (o && o->precision) r.precision = o->precision;
  if (o && o->level) r.level = o->level;
  return r;
}

Result<> value_info(std::span<const saha::ValueInfo> values, size_t index, saha_value_info* info, const char* kind) {
  if (!info) return null("info");
  if (index >= values.size())
    return Error{ErrorCode::invalid_argument, "the model has " + std::to_string(values.size()) + " " + kind + "s, number " + std::to_string(index) + " was asked for"};
  const saha::ValueInfo& v = values[index];
  *info = {v.name.c_str(), saha_dtype(v.dtype), v.ranked ? int64_t(v.dims.size()) : -1, v.dims.data(), v.str.c_str()};
  return {};
}
/// An output of the last run, to memory of just its size.
Result<> copied(const saha::Context& context, std::string_view name, void* data, size_t bytes) {
  SAHA_TRY(auto all, context.output_bytes(name));
  if (all.size() != bytes)
    return Error{ErrorCode::invalid_argument, "output '" + std::string(name) + "' has " + std::to_string(all.size()) + " bytes, there is room for " + std::to_string(bytes)};
  if (bytes) std::memcpy(data, all.data(), bytes);
  return {};
}
}  // namespace

extern "C" {

const char* saha_version(void) { return saha::version(); }
const char* saha_last_error(void) { return last_error.c_str(); }
const char* saha_last_help(void) { return last_help.c_str(); }
const char* saha_status_name(saha_status status) {
  switch (status) {
    case SAHA_OK: return "ok";
    case SAHA_INVALID_MODEL: return "invalid-model";
    case SAHA_INVALID_ARGUMENT: return "invalid-argument";
    case SAHA_INVALID_FILE: return "invalid-file";
    case SAHA_INVALID_DATA: return "invalid-data";
    case SAHA_UNSUPPORTED: return "unsupported";
    case SAHA_IO: return "io";
    case SAHA_OUT_OF_MEMORY: return "out-of-memory";
    case SAHA_CANCELLED: return "cancelled";
    case SAHA_INTERNAL: return "internal";
  }
  return "internal";
}

saha_status saha_session_open(const char* path, const saha_session_options* options, saha_session** session) {
  return call([&]() -> Result<> {
    if (!session) return null("session");
    *session = nullptr;
    if (!path) return null("path");
    SAHA_TRY(saha::Session s, saha::Session::open(path, options_of(options)));
    *session = new saha_session{std::move(s)};
    return {};
  });
}
saha_status saha_session_from_bytes(const void* bytes, size_t size, const saha_session_options* options, saha_session** session) {
  return call([&]() -> Result<> {
    if (!session) return null("session");
    *session = nullptr;
    if (!bytes) return null("bytes");
    SAHA_TRY(saha::Session s, saha::Session::from_bytes({static_cast<const std::byte*>(bytes), size}, options_of(options)));
    *session = new saha_session{std::move(s)};
    return {};
  });
}
void saha_session_free(saha_session* session) { delete session; }

size_t saha_num_inputs(const saha_session* session) { return session ? session->session.inputs().size() : 0; }
size_t saha_num_outputs(const saha_session* session) { return session ? session->session.outputs().size() : 0; }
saha_status saha_input_info(const saha_session* session, size_t index, saha_value_info* info) {
  return call([&]() -> Result<> { return session ? value_info(session->session.inputs(), index, info, "input") : null("session"); });
}
saha_status saha_output_info(const saha_session* session, size_t index, saha_value_info* info) {
  return call([&]() -> Result<> { return session ? value_info(session->session.outputs(), index, info, "output") : null("session"); });
}

saha_status saha_context_create(const saha_session* session, saha_context** context) {
  return call([&]() -> Result<> {
    if (!context) return null("context");
    *context = nullptr;
    if (!session) return null("session");
    SAHA_TRY(saha::Context c, session->session.make_context());
    *context = new saha_context{session->session, std::move(c), {}};
    return {};
  });
}
void saha_context_free(saha_context* context) { delete context; }

saha_status saha_set_input(saha_context* context, const char* name, const void* data, size_t bytes) {
  return call([&]() -> Result<> {
    if (!context) return null("context");
    if (!name) return null("name");
    if (!data && bytes) return null("data");
    return context->context.set_input_bytes(name, {static_cast<const std::byte*>(data), bytes});
  });
}
saha_status saha_set_input_shaped(saha_context* context, const char* name, const void* data, size_t bytes, const int64_t* dims, size_t rank) {
  return call([&]() -> Result<> {
    if (!context) return null("context");
    if (!name) return null("name");
    if (!data && bytes) return null("data");
    if (!dims && rank) return null("dims");
    return context->context.set_input_bytes(name, {static_cast<const std::byte*>(data), bytes}, {dims, rank});
  });
}
saha_status saha_set_output(saha_context* context, const char* name, void* data, size_t bytes) {
  return call([&]() -> Result<> {
    if (!context) return null("context");
    if (!name) return null("name");
    SAHA_DO(saha::session::find(context->session.outputs(), name, "output"));
    std::erase_if(context->outputs, [&](const auto& o) { return o.name == name; });
    if (data) context->outputs.push_back({name, data, bytes});
    return {};
  });
}
saha_status saha_run(saha_context* context) {
  return call([&]() -> Result<> {
    if (!context) return null("context");
    SAHA_DO(context->context.run());
    for (const auto& o : context->outputs) SAHA_DO(copied(context->context, o.name, o.data, o.bytes));
    return std::monostate();
  });
}

saha_status saha_output_dims(const saha_context* context, const char* name, int64_t* dims, size_t capacity, size_t* rank) {
  return call([&]() -> Result<> {
    if (!context) return null("context");
    if (!name) return null("name");
    if (!dims && capacity) return null("dims");
    SAHA_TRY(auto all, context->context.output_dims(name));
    for (size_t i = 0; i < all.size() && i < capacity; ++i) dims[i] = all[i];
    if (rank) *rank = all.size();
    return {};
  });
}
saha_status saha_get_output(const saha_context* context, const char* name, const void** data, size_t* bytes) {
  return call([&]() -> Result<> {
    if (!context) return null("context");
    if (!name) return null("name");
    SAHA_TRY(auto all, context->context.output_bytes(name));
    if (data) *data = all.data();
    if (bytes) *bytes = all.size();
    return {};
  });
}
saha_status saha_copy_output(const saha_context* context, const char* name, void* data, size_t bytes) {
  return call([&]() -> Result<> {
    if (!context) return null("context");
    if (!name) return null("name");
    if (bytes && !data) return null("data");
    return copied(context->context, name, data, bytes);
  });
}

}  // extern "C"

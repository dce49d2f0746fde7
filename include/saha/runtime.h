#pragma once
// The functions of c_api.h as C++ values. Header only: no type of the C++ library crosses the border, so that a program may be of another compiler than libsaha_runtime (or libsaha).
//
// Example:
//   #include <saha/runtime.h>
//   #include <cstdio>
//
//   // Writes the scores; false, with a sentence on stderr, where something is wrong.
//   bool score(const char* bundle, std::span<const float> pixels, std::span<float> scores) {
//     const saha::c::Session session = saha::c::Session::open(bundle);   // default options
//     saha::c::Context context = session.make_context();
//     if (context && context.set_input<float>("image", pixels) && context.set_output<float>("score", scores) && context.run()) return true;
//     std::fprintf(stderr, "error: %s\n", saha_last_error());
//     return false;
//   }
// End of example.
#include <memory>
#include <span>

#include <saha/c_api.h>

namespace saha::c {

/// One thread's runs of a session, which it keeps alive. What returns a bool gives false where it fails; saha_last_error() then says why, as it does where a Context is empty.
/// Members of an empty one fail.
class Context {
 public:
  Context() = default;
  explicit Context(saha_context* c) : context_(c) {}
  explicit operator bool() const { return context_ != nullptr; }
  saha_context* get() const { return context_.get(); }

  /// A view: `data` must hold until the results of the run have been read; it stays given for later runs.
  template <class T> bool set_input(const char* name, std::span<const T> data) { return saha_set_input(get(), name, data.data(), data.size_bytes()) == SAHA_OK; }
  template <class T> bool set_input(const char* name, std::span<const T> data, std::span<const std::int64_t> dims) {
    return saha_set_input_shaped(get(), name, data.data(), data.size_bytes(), dims.data(), dims.size()) == SAHA_OK;
  }
  /// Memory to which the end of each run copies the output, of its size; it must hold as long as the context.
  template <class T> bool set_output(const char* name, std::span<T> data) { return saha_set_output(get(), name, data.data(), data.size_bytes()) == SAHA_OK; }
  bool run() { return saha_run(get()) == SAHA_OK; }
  /// The output of the last run where it lies, until the next one; empty where there is none. That its elements are Ts is the caller's to know.
  template <class T> std::span<const T> output(const char* name) const {
    const void* data = nullptr;
    std::size_t bytes = 0;
    if (saha_get_output(get(), name, &data, &bytes) != SAHA_OK) return {};
    return {static_cast<const T*>(data), bytes / sizeof(T)};
  }

 private:
  struct Free {
    void operator()(saha_context* c) const { saha_context_free(c); }
  };
  std::unique_ptr<saha_context, Free> context_;
};

/// A model ready to run. Its members may be called from several threads at once. Empty where it could not be opened: saha_last_error() says why.
class Session {
 public:
  Session() = default;
  static Session open(const char* path, const saha_session_options& options = {}) {
    Session s;
    saha_session* made = nullptr;
    saha_session_open(path, &options, &made);
    s.session_.reset(made);
    return s;
  }
  /// The bytes are copied.
  static Session from_bytes(std::span<const std::byte> bytes, const saha_session_options& options = {}) {
    Session s;
    saha_session* made = nullptr;
    saha_session_from_bytes(bytes.data(), bytes.size(), &options, &made);
    s.session_.reset(made);
    return s;
  }
  explicit operator bool() const { return session_ != nullptr; }
  saha_session* get() const { return session_.get(); }

  std::size_t num_inputs() const { return saha_num_inputs(get()); }
  std::size_t num_outputs() const { return saha_num_outputs(get()); }
  /// What they are; what it points to holds as long as the session. All zero where there is no such input.
  saha_value_info input(std::size_t index) const {
    saha_value_info info{};
    saha_input_info(get(), index, &info);
    return info;
  }
  saha_value_info output(std::size_t index) const {
    saha_value_info info{};
    saha_output_info(get(), index, &info);
    return info;
  }
  /// Of an empty session an empty context, and the session's own error stays the last one.
  Context make_context() const {
    saha_context* made = nullptr;
    if (session_) saha_context_create(get(), &made);
    return Context(made);
  }

 private:
  struct Free {
    void operator()(saha_session* s) const { saha_session_free(s); }
  };
  std::unique_ptr<saha_session, Free> session_;
};

}  // namespace saha::c

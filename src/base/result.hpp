#pragma once
// Errors are values: what can fail for a reason outside the program returns Result<T>.
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace saha {

enum class ErrorCode : std::uint8_t {
  invalid_model,     ///< the model contradicts itself or its format
  invalid_argument,  ///< an input, option or value that does not fit
  invalid_file,      ///< a hand-written file (saha.yaml, *.req.yaml) or the command line: exit 2
  invalid_data,      ///< damaged or missing data
  unsupported,       ///< an operator, dtype or option that saha does not have
  io,
  out_of_memory,     ///< also: larger than a stated limit
  cancelled,
  internal,
};

/// The code as it appears in JSON, e.g. "invalid-model".
std::string_view name(ErrorCode code);

struct Error {
  ErrorCode code;
  std::string message;      ///< one sentence that names the file, node or value and the numbers that disagree; no final stop
  std::string help = {};    ///< what to type or change next; may be empty; at most two lines
  std::string file = {};    ///< where the fault stands, if in a text: file, 1-based line and column (0: none)
  int line = 0, column = 0;

  /// Adds the caller's view in front: "while importing a.onnx: node 'conv1': ...".
  Error within(std::string_view context) && {
    message.insert(0, std::string(context) + ": ");
    return std::move(*this);
  }
};

/// A T or an Error. Same members as C++23's std::expected, which replaces it when the toolchains allow.
template <class T = std::monostate>
class [[nodiscard]] Result {
 public:
  Result() requires std::is_same_v<T, std::monostate> = default;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }
  T& operator*() & noexcept { return *std::get_if<0>(&state_); }
  const T& operator*() const& noexcept { return *std::get_if<0>(&state_); }
  T&& operator*() && noexcept { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() noexcept { return std::get_if<0>(&state_); }
  const T* operator->() const noexcept { return std::get_if<0>(&state_); }
  Error& error() noexcept { return *std::get_if<1>(&state_); }
  const Error& error() const noexcept { return *std::get_if<1>(&state_); }
  T value_or(T other) && { return has_value() ? std::move(**this) : std::move(other); }

 private:
  std::variant<T, Error> state_;
};

/// Stops the program where an invariant of saha itself is broken; never for bad input.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace saha

#define SAHA_ASSERT(condition) \
  (static_cast<bool>(condition) ? void(0) : ::saha::assertion_failed(#condition, __FILE__, __LINE__))

/// SAHA_TRY(auto g, import_onnx(path)): g on success, else returns the error.   SAHA_DO(save(g, path)): the same, no value.
/// The only control-flow macros of the product.
#define SAHA_CAT2(a, b) a##b
#define SAHA_CAT(a, b) SAHA_CAT2(a, b)
#define SAHA_DO(expr)                                        \
  do {                                                       \
    if (auto saha_done = (expr); !saha_done) return std::move(saha_done.error()); \
  } while (false)
#define SAHA_TRY_AS(decl, expr, tmp)        \
  auto tmp = (expr);                        \
  if (!tmp) return std::move(tmp.error());  \
  decl = std::move(*tmp)
#define SAHA_TRY(decl, expr) SAHA_TRY_AS(decl, expr, SAHA_CAT(saha_try_, __LINE__))

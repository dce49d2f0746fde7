// The sessions of libsaha.so: files of every format.
#include "backends/native/network.hpp"
#include "session/open.hpp"

namespace saha::session {
namespace {
template <class Open> Result<std::shared_ptr<const runtime::Plans>> with(const SessionOptions& options, Open open) {
  SAHA_TRY(const kernels::Isa level, level_of(options));
  SAHA_TRY(const native::Precision precision, native::precision_of(options.precision.empty() ? "default" : options.precision, level));
  SAHA_TRY(auto network, open(level, precision));
  return std::shared_ptr<const runtime::Plans>(std::move(network));
}
}  // namespace

Result<std::shared_ptr<const runtime::Plans>> open_file(const std::string& path, const SessionOptions& options) {
  return with(options, [&](kernels::Isa level, native::Precision precision) { return native::open_file(path, level, options.simplify, precision); });
}
Result<std::shared_ptr<const runtime::Plans>> open_bytes(std::span<const std::byte> bytes, const SessionOptions& options) {
  return with(options, [&](kernels::Isa level, native::Precision precision) { return native::open_bytes(bytes, level, options.simplify, precision); });
}

}  // namespace saha::session

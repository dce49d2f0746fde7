// The sessions of libsaha_runtime.so: bundles, each by its plans of the highest level that it has any of.
#include "runtime/stored_network.hpp"
#include "session/open.hpp"

namespace saha::session {
namespace {
Result<std::shared_ptr<const runtime::Plans>> stored(std::shared_ptr<const bundle::Bundle> b, const SessionOptions& options) {
  SAHA_TRY(const kernels::Isa highest, level_of(options));
  if (options.precision != "" && options.precision != "float32" && options.precision != "default")
    return b->named({ErrorCode::unsupported, "the plans of bundles compute in float32, not in " + options.precision});
  SAHA_TRY(const auto level, runtime::best_level(*b, highest));
  if (!level)
    return b->named({ErrorCode::unsupported, "there is no plan of level " + std::string(kernels::name(highest)) + " or below for this build of saha, and this library runs plans only", "saha convert, of the same version, makes the bundle anew: --levels names the levels"});
  SAHA_TRY(auto network, runtime::StoredNetwork::make(std::move(b), *level));
  return std::shared_ptr<const runtime::Plans>(std::move(network));
}
}  // namespace

Result<std::shared_ptr<const runtime::Plans>> open_file(const std::string& path, const SessionOptions& options) {
  SAHA_TRY(auto b, bundle::Bundle::open(path));
  return stored(std::move(b), options);
}
Result<std::shared_ptr<const runtime::Plans>> open_bytes(std::span<const std::byte> bytes, const SessionOptions& options) {
  SAHA_TRY(auto b, bundle::Bundle::from_bytes(bytes));
  return stored(std::move(b), options);
}

}  // namespace saha::session

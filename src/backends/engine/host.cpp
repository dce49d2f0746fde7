// Source of the calls: dlopen(3) through dynamic_library.hpp.
#include "backends/engine/host.hpp"

#include "backends/engine/dynamic_library.hpp"

namespace saha::engine {

const char* build() { return SAHA_VERSION " interface 2, " __VERSION__; }

Result<> check_build(const Host& host) {
  if (host.build != nullptr && std::string_view(host.build) == build()) return {};
  return Error{ErrorCode::io, "the engine's module is of saha " + std::string(build()) + ", the program of saha " + (host.build ? host.build : "(unknown)"),
               "build both together"};
}

OpenResult open_module(const std::string& engine, const std::string& variant, const Host& host) {
  const std::string file = "libsaha_backend_" + engine + ".so";
  const auto folder = module_folder(file);
  if (folder.empty())
    return Error{ErrorCode::io, "backend '" + variant + "': " + file + " is neither beside " + own_folder().string() + " nor in lib/saha above it",
                 "build the target saha_backend_" + engine + ", or set SAHA_MODULES to the folder that holds it"};
  auto library = DynamicLibrary::open((folder / file).string());
  if (!library) return std::move(library.error()).within("backend '" + variant + "'");
  auto* open = library->function<OpenFunction>("saha_backend_open");
  if (open == nullptr) return Error{ErrorCode::io, "backend '" + variant + "': " + (folder / file).string() + " has no function saha_backend_open"};
  OpenResult out = Error{ErrorCode::internal, "backend '" + variant + "': its module gave no answer"};
  open(&host, variant.c_str(), &out);
  return out;
}

}  // namespace saha::engine

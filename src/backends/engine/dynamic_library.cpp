// Source: dlopen(3), dladdr(3).
#include "backends/engine/dynamic_library.hpp"

#include <dlfcn.h>

#include <cstdlib>

namespace saha::engine {
namespace fs = std::filesystem;

Result<DynamicLibrary> DynamicLibrary::open(const std::string& file) {
  void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = ::dlerror();
    return Error{ErrorCode::io, why ? why : file + ": cannot be loaded"};
  }
  return DynamicLibrary(handle, file);
}

void* DynamicLibrary::symbol(const char* name) const { return ::dlsym(handle_, name); }

fs::path own_folder() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<void*>(&own_folder), &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code ignored;
  fs::path file = fs::canonical(info.dli_fname, ignored);
  if (file.empty()) file = fs::read_symlink("/proc/self/exe", ignored);  // a name that was looked up in PATH
  return file.parent_path();
}

fs::path module_folder(const std::string& file) {
  std::error_code ignored;
  if (const char* set = std::getenv("SAHA_MODULES"); set && *set) return fs::exists(fs::path(set) / file, ignored) ? fs::path(set) : fs::path();
  for (fs::path folder = own_folder(); !folder.empty(); folder = folder.parent_path()) {
    if (fs::exists(folder / file, ignored)) return folder;
    if (fs::exists(folder / "lib" / "saha" / file, ignored)) return folder / "lib" / "saha";
    if (folder == folder.root_path()) break;
  }
  return {};
}

}  // namespace saha::engine

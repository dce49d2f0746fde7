#pragma once
// A shared object loaded at run time, and where this program itself stands on disk.
#include <filesystem>
#include <string>

#include "base/result.hpp"

namespace saha::engine {

/// Loaded with all its symbols resolved and kept to itself. It is never unloaded: engines leave threads and exit handlers behind.
class DynamicLibrary {
 public:
  /// `file` with a slash is that file; without one, the loader looks for it. Fails (io) with the loader's reason.
  static Result<DynamicLibrary> open(const std::string& file);
  /// Null where it has no such symbol.
  void* symbol(const char* name) const;
  template <class Function> Function* function(const char* name) const { return reinterpret_cast<Function*>(symbol(name)); }
  const std::string& file() const { return file_; }

 private:
  DynamicLibrary(void* handle, std::string file) : handle_(handle), file_(std::move(file)) {}
  void* handle_;
  std::string file_;
};

/// Folder of the executable or shared object that holds this code.
std::filesystem::path own_folder();
/// The folder that holds saha's modules and its worker: $SAHA_MODULES, or beside this code, or lib/saha in a folder above it. Empty: none.
std::filesystem::path module_folder(const std::string& file);

}  // namespace saha::engine

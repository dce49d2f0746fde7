// No interpreter is started: a Python prefix is known by its lib/python3*/{site,dist}-packages (Python's `site` module, Debian's layout).
#include "backends/engine/locate.hpp"

#include <algorithm>
#include <cstdlib>

#include "system/file.hpp"

namespace saha::engine {
namespace fs = std::filesystem;
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::vector<std::string> names_in(const fs::path& folder, std::string_view prefix) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) return {};
  auto names = system::list_folder(folder, 100'000);
  if (!names) return {};
  std::erase_if(*names, [&](const std::string& n) { return !n.starts_with(prefix); });
  return std::move(*names);
}

struct Folders {
  std::vector<fs::path> found;
  void add(const fs::path& folder) {
    std::error_code ignored;
    fs::path real = fs::canonical(folder, ignored);
    if (!real.empty() && std::find(found.begin(), found.end(), real) == found.end()) found.push_back(std::move(real));
  }
  void add_prefix(const fs::path& prefix) {
    for (const char* lib : {"lib", "local/lib", "lib64"})
      for (const auto& python : names_in(prefix / lib, "python3"))
        for (const char* packages : {"site-packages", "dist-packages"}) add(prefix / lib / python / packages);
  }
};

fs::path in_path(const char* program) {
  std::string path = variable("PATH");
  for (std::size_t at = 0; at <= path.size();) {
    std::size_t end = std::min(path.find(':', at), path.size());
    fs::path file = fs::path(path.substr(at, end - at)) / program;
    std::error_code ignored;
    if (end > at && fs::is_regular_file(file, ignored)) return file;
    at = end + 1;
  }
  return {};
}

// The first regular file of the folder whose name begins so, else empty.
fs::path library_in(const fs::path& folder, const std::string& prefix) {
  std::error_code ignored;
  for (const auto& name : names_in(folder, prefix))
    if (fs::is_regular_file(folder / name, ignored)) return folder / name;
  return {};
}

}  // namespace

std::vector<fs::path> python_packages() {
  Folders folders;
  std::error_code ignored;
  if (auto venv = variable("VIRTUAL_ENV"); !venv.empty()) folders.add_prefix(venv);
  for (fs::path folder = own_folder(); !folder.empty(); folder = folder.parent_path()) {
    if (folder.filename() == "site-packages" || folder.filename() == "dist-packages") folders.add(folder);
    if (folder == folder.root_path()) break;
    for (const auto& name : names_in(folder, ".venv")) folders.add_prefix(folder / name);
    folders.add_prefix(folder / "venv");
  }
  if (fs::path python = in_path("python3"); !python.empty()) {
    folders.add_prefix(python.parent_path().parent_path());  // a virtual environment's own, before the interpreter that it links to
    if (fs::path real = fs::canonical(python, ignored); !real.empty()) folders.add_prefix(real.parent_path().parent_path());
  }
  if (auto home = variable("HOME"); !home.empty()) folders.add_prefix(fs::path(home) / ".local");
  return folders.found;
}

Result<DynamicLibrary> open_engine(const EngineFiles& files) {
  const std::string help = files.install + ", or set " + files.variable + " to the path of " + files.prefix;
  if (const std::string set = variable(files.variable.c_str()); !set.empty()) {
    std::error_code ignored;
    fs::path file = fs::is_directory(set, ignored) ? library_in(set, files.prefix) : fs::path(set);
    if (file.empty()) return Error{ErrorCode::io, files.engine + ": " + files.variable + " is the folder " + set + ", which holds no " + files.prefix, help};
    auto library = DynamicLibrary::open(fs::absolute(file, ignored).string());
    if (!library) return Error{ErrorCode::io, files.engine + ": " + files.variable + " is " + set + ", which cannot be loaded: " + library.error().message, help};
    return library;
  }
  std::string failures;
  const auto packages = python_packages();
  for (const auto& folder : packages) {
    fs::path file = library_in(folder / files.package, files.prefix);
    if (file.empty()) continue;
    auto library = DynamicLibrary::open(file.string());
    if (library) return library;
    failures += "; " + library.error().message;
  }
  for (const auto& name : files.names) {
    auto library = DynamicLibrary::open(name);
    if (library) return library;
  }
  std::string looked;
  for (const auto& folder : packages) looked += (looked.empty() ? "" : ", ") + folder.string();
  return Error{ErrorCode::io,
               files.engine + ": " + files.prefix + " was not found; looked at " + files.variable + " (not set), " + files.package.string() + " in " +
                   (looked.empty() ? "no Python packages" : looked) + ", and the loader's path" + failures,
               help};
}

}  // namespace saha::engine

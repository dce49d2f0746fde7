// Any bytes as saha.yaml: a configuration, or diagnostics that say why not. What it names beside itself is in an empty folder.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "lifecycle/config.hpp"

namespace {
struct Folder {
  std::filesystem::path path;
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "saha_fuzz_config.XXXXXX").string();
    if (!::mkdtemp(name.data())) std::abort();
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const Folder folder;
  const std::filesystem::path file = folder.path / "saha.yaml";
  std::ofstream(file, std::ios::binary).write(reinterpret_cast<const char*>(bytes), std::streamsize(size));
  saha::yaml::Diagnostics diagnostics;
  auto config = saha::lifecycle::read_config({file.string()}, {}, diagnostics);
  if (config.has_value() != diagnostics.ok()) std::abort();  // nothing, and no word why; or a fault that is let pass
  (void)diagnostics.render();
  (void)diagnostics.json();
  return 0;
}

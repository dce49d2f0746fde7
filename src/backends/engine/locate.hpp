#pragma once
// Where a foreign engine's library lies: a variable, else the Python packages that stand near this program, else the loader's path.
#include <filesystem>
#include <string>
#include <vector>

#include "backends/engine/dynamic_library.hpp"

namespace saha::engine {

struct EngineFiles {
  std::string engine;                   ///< "onnxruntime", for messages
  std::string variable;                 ///< "SAHA_ONNXRUNTIME": the library's path, or a folder that holds it
  std::filesystem::path package;        ///< the folder inside site-packages: "onnxruntime/capi"
  std::string prefix;                   ///< how the file's name begins: "libonnxruntime.so"
  std::vector<std::string> names;       ///< what the loader is asked for last: "libonnxruntime.so.1"
  std::string install;                  ///< "pip install onnxruntime"
};

/// Loads it. If the variable is set, nothing else is tried. The error says what was looked at, its help how to get the engine.
Result<DynamicLibrary> open_engine(const EngineFiles& files);

/// Folders of Python packages, nearest first: $VIRTUAL_ENV, .venv* and venv beside this program or above it, python3's of PATH, the user's own.
std::vector<std::filesystem::path> python_packages();

}  // namespace saha::engine

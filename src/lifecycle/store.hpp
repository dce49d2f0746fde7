#pragma once
// Store: the results of stages by the content they were made from. A result is a folder that appears whole or not at all, so a run that
// was killed goes on from what it had finished; equal inputs are never computed twice.
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/result.hpp"

namespace saha::lifecycle {

using Json = nlohmann::ordered_json;

/// What a stage's result depends on. Its key is the SHA-256 of this, printed canonically.
struct StageKey {
  std::string stage;          ///< "simplify", "measure/float32/server"
  int version = 1;            ///< of the stage's own code: raised when its results would change
  Json inputs;                ///< resolved options, content hashes, seed and, for measurements, the machine
  std::string hash() const;
};

struct Stored {
  std::filesystem::path folder;   ///< the stage's files
  Json result;                    ///< what it found
  double seconds = 0;             ///< how long it took when it was made
  std::string key;
  bool cached = false;
};

class Store {
 public:
  /// `folder` (".saha") is made where missing.
  static Result<Store> open(std::filesystem::path folder);
  /// Only to look: nothing is made or touched, whether the folder is there or not.
  static Store look(std::filesystem::path folder) { return Store(std::move(folder), true); }

  /// The result of `key`, made by `make` where it is not there yet. `make` writes its files into the folder it is given and returns the
  /// result; on failure nothing is kept but the error. `force` makes it anew.
  Result<Stored> stage(const StageKey& key, bool force, const std::function<Result<Json>(const std::filesystem::path& folder)>& make);
  std::optional<Stored> find(const StageKey& key) const;
  /// Why a key has no result: the first thing in which it differs from the stage's last one, in words.
  std::string why(const StageKey& key) const;
  /// How long the stage took when it was last made, whatever from.
  std::optional<double> last_seconds(const std::string& stage) const;
  /// Number of this run, counted up in the folder.
  Result<int> next_run();
  /// Removes results that no run of the last `seconds` used. Returns how many bytes.
  Result<std::uint64_t> clean(double seconds);
  const std::filesystem::path& folder() const { return folder_; }

 private:
  explicit Store(std::filesystem::path folder, bool looks = false) : folder_(std::move(folder)), looks_(looks) {}
  Result<> remember(const StageKey& key, double seconds);
  std::filesystem::path folder_;
  bool looks_;
};

}  // namespace saha::lifecycle

#include "lifecycle/store.hpp"

#include <unistd.h>

#include <chrono>

#include "system/file.hpp"
#include "system/hash.hpp"
#include "system/machine.hpp"

namespace saha::lifecycle {
namespace fs = std::filesystem;
namespace {
Result<Json> read_json(const fs::path& path) {
  SAHA_TRY(std::string text, system::read_text(path, std::uint64_t{1} << 30));
  Json j = Json::parse(text, nullptr, false);
  if (j.is_discarded()) return Error{ErrorCode::invalid_data, path.string() + " is not JSON, or it is damaged"};
  return j;
}
std::string print(const Json& j) { return j.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"; }
std::string plain_name(std::string s) {
  for (char& c : s) if (c == '/') c = '.';
  return s;
}
/// First path in which two values differ, with both values.
std::string difference(const Json& was, const Json& is, const std::string& path) {
  if (was == is) return {};
  if (was.is_object() && is.is_object()) {
    for (auto& [k, v] : is.items()) {
      std::string inner = path.empty() ? k : path + "." + k;
      if (!was.contains(k)) return inner + " is new";
      if (auto d = difference(was[k], v, inner); !d.empty()) return d;
    }
    for (auto& [k, v] : was.items()) if (!is.contains(k)) return (path.empty() ? k : path + "." + k) + " is gone";
    return {};
  }
  auto is_hash = [](const Json& j) { return j.is_string() && j.get_ref<const std::string&>().size() == 64 && j.get_ref<const std::string&>().find_first_not_of("0123456789abcdef") == std::string::npos; };
  if (is_hash(was) && is_hash(is)) return "the content of " + path + " changed (" + was.get<std::string>().substr(0, 8) + " -> " + is.get<std::string>().substr(0, 8) + ")";
  auto brief = [](const Json& j) { std::string s = j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); return s.size() > 60 ? s.substr(0, 57) + ".." : s; };
  return path + " was " + brief(was) + ", is " + brief(is);
}
}  // namespace

std::string StageKey::hash() const {
  // nlohmann::json sorts keys, so the order in which options were written does not count.
  nlohmann::json canonical = {{"stage", stage}, {"version", version}, {"inputs", nlohmann::json(inputs)}};
  return system::sha256_hex(canonical.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

Result<Store> Store::open(fs::path folder) {
  SAHA_DO(system::make_folders(folder / "stages"));
  SAHA_DO(system::make_folders(folder / "last"));
  SAHA_DO(system::make_folders(folder / "tmp"));
  return Store(std::move(folder));
}

std::optional<Stored> Store::find(const StageKey& key) const {
  std::string hash = key.hash();
  fs::path place = folder_ / "stages" / hash;
  auto j = read_json(place / "stage.json");
  if (!j || !j->contains("result") || !j->contains("seconds")) return {};
  std::error_code ignored;
  if (!looks_) fs::last_write_time(place / "stage.json", fs::file_time_type::clock::now(), ignored);  // used now: clean() counts from here
  return Stored{place / "files", (*j)["result"], (*j)["seconds"].get<double>(), hash, true};
}

Result<Stored> Store::stage(const StageKey& key, bool force, const std::function<Result<Json>(const fs::path&)>& make) {
  if (!force)
    if (auto found = find(key)) {
      SAHA_DO(remember(key, found->seconds));
      return std::move(*found);
    }
  std::string hash = key.hash();
  fs::path tmp = folder_ / "tmp" / (hash.substr(0, 16) + "." + std::to_string(getpid())), place = folder_ / "stages" / hash;
  SAHA_DO(system::remove_path(tmp));
  SAHA_DO(system::make_folders(tmp / "files"));
  auto start = system::monotonic_ns();
  auto result = make(tmp / "files");
  double seconds = double(system::monotonic_ns() - start) * 1e-9;
  if (!result) {
    (void)system::remove_path(tmp);
    return std::move(result.error());
  }
  SAHA_DO(system::write_file(tmp / "stage.json", print({{"stage", key.stage}, {"version", key.version}, {"inputs", key.inputs}, {"seconds", seconds}, {"result", *result}})));
  SAHA_DO(system::remove_path(place));
  std::error_code failed;
  fs::rename(tmp, place, failed);
  if (failed) return Error{ErrorCode::io, "the result of stage '" + key.stage + "' could not be kept in " + place.string() + ": " + failed.message()};
  SAHA_DO(remember(key, seconds));
  return Stored{place / "files", std::move(*result), seconds, hash, false};
}

/// What the stage was last made from, for why().
Result<> Store::remember(const StageKey& key, double seconds) {
  return system::write_file(folder_ / "last" / (plain_name(key.stage) + ".json"), print({{"version", key.version}, {"seconds", seconds}, {"inputs", key.inputs}}));
}

std::string Store::why(const StageKey& key) const {
  auto last = read_json(folder_ / "last" / (plain_name(key.stage) + ".json"));
  if (!last || !last->contains("inputs") || !last->contains("version")) return "it was not made here yet";
  if ((*last)["version"] != key.version) return "this saha makes it another way than the one that made it last";
  auto differs = difference((*last)["inputs"], key.inputs, "");
  return differs.empty() ? "its result is no longer kept" : differs;
}

std::optional<double> Store::last_seconds(const std::string& stage) const {
  auto last = read_json(folder_ / "last" / (plain_name(stage) + ".json"));
  if (!last || !last->contains("seconds") || !(*last)["seconds"].is_number()) return {};
  return (*last)["seconds"].get<double>();
}

Result<int> Store::next_run() {
  fs::path path = folder_ / "runs";
  int n = 0;
  if (auto text = system::read_text(path)) n = std::atoi(text->c_str());
  SAHA_DO(system::write_file(path, std::to_string(n + 1) + "\n"));
  return n + 1;
}

Result<std::uint64_t> Store::clean(double seconds) {
  std::uint64_t freed = 0;
  auto oldest = fs::file_time_type::clock::now() - std::chrono::duration_cast<fs::file_time_type::duration>(std::chrono::duration<double>(seconds));
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder_ / "stages", failed)) {
    std::error_code e;
    if (fs::last_write_time(entry.path() / "stage.json", e) > oldest && !e) continue;
    for (const auto& f : fs::recursive_directory_iterator(entry.path(), e))
      if (!f.is_symlink(e) && f.is_regular_file(e)) freed += f.file_size(e);
    SAHA_DO(system::remove_path(entry.path()));
  }
  SAHA_DO(system::remove_path(folder_ / "tmp"));
  SAHA_DO(system::make_folders(folder_ / "tmp"));
  return freed;
}

}  // namespace saha::lifecycle

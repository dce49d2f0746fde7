// {"schema": "saha.tune/1", "processors": {KEY: {LAYER: {"kernel": NAME, "blocks": N}}}}
#include <cstdlib>

#include "backends/native/tune.hpp"
#include "bundle/bundle.hpp"
#include "kernels/contract.hpp"
#include "system/file.hpp"
#include "system/lock.hpp"
#include "system/machine.hpp"

namespace saha::native {
namespace {
using bundle::Json;
constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20;
}  // namespace

std::filesystem::path TuneCache::usual_file() {
  const auto folder = [](const char* variable, const char* below) -> std::filesystem::path {
    const char* v = std::getenv(variable);
    return v && *v == '/' ? std::filesystem::path(v) / below : std::filesystem::path();
  };
  auto cache = folder("XDG_CACHE_HOME", "saha");
  if (cache.empty()) cache = folder("HOME", ".cache/saha");
  return cache.empty() ? cache : cache / "tune.json";
}

std::string TuneCache::key(kernels::Isa isa, int threads) {
  return system::cpu().model + ", " + std::string(kernels::name(isa)) + ", " + std::to_string(threads) + (threads == 1 ? " thread" : " threads") + ", kernels " + std::string(kernels::fingerprint());
}

Result<TuneCache> TuneCache::open(std::filesystem::path file) {
  TuneCache cache;
  cache.file_ = std::move(file);
  std::error_code error;
  if (!std::filesystem::exists(cache.file_, error)) return cache;
  SAHA_TRY(const std::string text, system::read_text(cache.file_, kMostBytes));
  const auto wrong = [&](const std::string& what) { return Error{ErrorCode::invalid_file, cache.file_.string() + " keeps no choices of 'saha tune': " + what, "remove it, or name another file with --cache"}; };
  const Json j = Json::parse(text, nullptr, false);
  if (j.is_discarded()) return wrong("it is no JSON");
  if (!j.is_object() || bundle::text_of(j, "schema") != "saha.tune/1") return wrong("its \"schema\" is not \"saha.tune/1\"");
  const auto processors = j.find("processors");
  if (processors == j.end() || !processors->is_object()) return wrong("it has no object \"processors\"");
  for (const auto& [key, layers] : processors->items()) {
    if (!layers.is_object()) return wrong("'" + bundle::text_of(Json(key)) + "' is no object");
    for (const auto& [layer, way] : layers.items()) {
      const std::string kernel = way.is_object() ? bundle::text_of(way, "kernel") : std::string();
      const auto blocks = way.is_object() ? way.find("blocks") : way.end();
      if (kernel.empty() || blocks == way.end() || !blocks->is_number_unsigned() || blocks->get<std::uint64_t>() >= kernels::kNumBlocks) return wrong("layer '" + bundle::text_of(Json(layer)) + "' names no kernel and its blocks");
      cache.all_[key][layer] = {kernel, blocks->get<std::uint32_t>()};
    }
  }
  return cache;
}

Choices TuneCache::choices(const std::string& key) const {
  Choices c;
  if (const auto it = all_.find(key); it != all_.end())
    for (const auto& [layer, way] : it->second) c.set(layer, way);
  return c;
}

Result<> TuneCache::add(const std::string& key, const Choices& choices) {
  const auto folder = file_.parent_path().empty() ? std::filesystem::path(".") : file_.parent_path();
  SAHA_TRY([[maybe_unused]] const auto lock, system::FolderLock::acquire(folder));
  SAHA_TRY(TuneCache fresh, open(file_));   // another process may have written since
  for (const auto& [layer, way] : choices.all()) fresh.all_[key][layer] = way;
  all_ = std::move(fresh.all_);
  Json j{{"schema", "saha.tune/1"}, {"processors", Json::object()}};
  for (const auto& [processor, layers] : all_)
    for (const auto& [layer, way] : layers) j["processors"][processor][layer] = {{"kernel", way.kernel}, {"blocks", way.blocks}};
  return system::write_file(file_, j.dump(1) + "\n");
}

}  // namespace saha::native

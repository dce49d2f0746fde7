#pragma once
// Bundle: the file that ships, *.saha. A header, a manifest in JSON that says everything but the bytes, and sections: plans, their weights, the model (docs/bundle.md).
// A bundle is mapped; a section is checked against its checksum the first time it is asked for.
#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "system/file.hpp"

namespace saha::bundle {

using Json = nlohmann::ordered_json;

inline constexpr std::uint32_t kVersion = 1;               ///< of what is written
inline constexpr std::uint64_t kMostManifestBytes = std::uint64_t{1} << 24;
inline constexpr std::size_t kMostSections = 4096;

/// By the first bytes.
bool is_bundle(std::span<const std::byte> bytes);
/// False where the file cannot be read, too.
bool is_bundle_file(const std::string& path);

/// A text that is fit to be shown: no control characters. Empty: the value is none.
std::string text_of(const Json& value);
/// The same of a key; empty, too, where there is none.
std::string text_of(const Json& object, const char* key);

/// Sections of this name's kind have a meaning here.
bool is_known(std::string_view section);

struct Section {
  std::string name;                  ///< its kind is what stands before a '/': "model", "plan", "weights"
  std::uint64_t offset = 0, bytes = 0;
  std::uint32_t checksum = 0;        ///< CRC-32C
  bool required = false;             ///< a reader that does not know the kind must refuse the file
};

/// Immutable; may be used from several threads. Keeps its file mapped.
class Bundle {
 public:
  /// Fails (io) where the file cannot be read, (invalid_model) where it is damaged or cut short, (unsupported) where it asks for a newer reader.
  static Result<std::shared_ptr<const Bundle>> open(const std::string& path);
  /// From memory, which is copied.
  static Result<std::shared_ptr<const Bundle>> from_bytes(std::span<const std::byte> bytes);

  const Json& manifest() const { return manifest_; }
  /// In the order of the file.
  std::span<const Section> sections() const { return sections_; }
  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::uint64_t size_bytes() const { return file_.size; }
  /// The error of something in it, with the file's name in front where it has one.
  Error named(Error e) const { return path_.empty() ? e : std::move(e).within(path_); }
  /// Its bytes, found to be sound. Fails (invalid_model) where they are not, or where there is no such section.
  Result<std::span<const std::byte>> section(std::string_view name) const;
  /// `bytes` and `slack` behind them of a section that was found to be sound; keeps the file mapped. Null: they are not inside of it, or not so aligned.
  std::shared_ptr<std::byte[]> memory(const Section& section, std::uint64_t offset, std::uint64_t bytes, std::uint64_t align, std::uint64_t slack) const;
  const Section* find(std::string_view name) const;
  /// Checks every section.
  Result<> verify() const;

 private:
  Bundle() = default;
  static Result<std::shared_ptr<const Bundle>> make(system::MappedFile file, std::string path);
  Result<> read_header();
  Result<> read_sections();
  system::MappedFile file_;
  std::string path_;
  Json manifest_;
  std::vector<Section> sections_;
  std::unique_ptr<std::atomic<bool>[]> sound_;   // by section
};

/// A section to be written.
struct Part {
  std::string name;
  std::vector<std::byte> bytes;
  std::uint64_t align = 64;          ///< a power of two of at most 4096
  bool required = false;
};
/// The whole file; the same parts give the same bytes. "sections" is added to the manifest.
std::vector<std::byte> write(Json manifest, std::span<const Part> parts);

}  // namespace saha::bundle

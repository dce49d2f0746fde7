#pragma once
// Files: read whole or mapped, written whole or not at all, and names that cannot lead out of a folder.
// Every error names the path and the system's reason. Nothing here throws.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace saha::system {

using Bytes = std::span<const std::byte>;
inline Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
inline std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// Reads a whole file (or pipe). Fails (out_of_memory) where it is longer than `limit`, (io) where it cannot be read.
Result<std::vector<std::byte>> read_bytes(const std::filesystem::path& path, std::uint64_t limit = std::uint64_t{1} << 32);
Result<std::string> read_text(const std::filesystem::path& path, std::uint64_t limit = std::uint64_t{1} << 26);

/// A regular file mapped read-only; writing to it is a fault. `data` is never null and may be handed to a Tensor, which keeps the map
/// alive; part(offset) is the same for a piece of it. The file must not be cut short by others while it is in use.
struct MappedFile {
  std::shared_ptr<std::byte[]> data;
  std::uint64_t size = 0;
  Bytes bytes() const { return {data.get(), std::size_t(size)}; }
  std::shared_ptr<std::byte[]> part(std::uint64_t offset) const { return {data, data.get() + offset}; }
};
Result<MappedFile> map_file(const std::filesystem::path& path);

/// Writes a file that appears whole or not at all: a temporary name in the same folder, fsync, rename. Without commit() (an error, an
/// exception, an early return) the destructor removes the temporary. A killed process can leave a name that ends in ".saha-tmp".
class FileWriter {
 public:
  static Result<FileWriter> open(const std::filesystem::path& path);
  FileWriter(FileWriter&& other) noexcept;
  FileWriter& operator=(FileWriter&&) = delete;
  ~FileWriter();

  Result<> write(Bytes bytes);
  Result<> write(std::string_view text) { return write(bytes_of(text)); }
  std::uint64_t size_bytes() const { return written_ + buffer_.size(); }  ///< so far
  Result<> commit();

 private:
  FileWriter() = default;
  Result<> flush();
  Error failure(const char* what, int code) const;
  std::filesystem::path path_, temporary_;
  std::vector<std::byte> buffer_;
  std::uint64_t written_ = 0;
  int fd_ = -1;
};
Result<> write_file(const std::filesystem::path& path, Bytes bytes);
Result<> write_file(const std::filesystem::path& path, std::string_view text);

/// `relative` inside `folder`. Refused (invalid_data): absolute names, `..`, NUL bytes, and links that lead out of the folder.
/// The file itself need not exist.
Result<std::filesystem::path> resolve_inside(const std::filesystem::path& folder, std::string_view relative);

/// Names in a folder (without `.` and `..`), sorted by byte value. Fails where there are more than `limit`.
Result<std::vector<std::string>> list_folder(const std::filesystem::path& folder, std::size_t limit = 10'000'000);
/// Makes the folder and those above it; no error where it exists.
Result<> make_folders(const std::filesystem::path& folder);
/// Removes a file or a whole folder; no error where it does not exist.
Result<> remove_path(const std::filesystem::path& path);

/// A fresh folder, removed with everything in it when the object dies.
class TempFolder {
 public:
  /// In `parent`, by default $TMPDIR or /tmp.
  static Result<TempFolder> make(const std::filesystem::path& parent = {});
  TempFolder(TempFolder&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  TempFolder& operator=(TempFolder&&) = delete;
  ~TempFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TempFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace saha::system

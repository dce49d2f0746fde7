// Files on POSIX. The durable write is open(O_EXCL), write, fsync, rename, fsync of the folder.
#include "system/file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <system_error>

namespace saha::system {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 16;

std::string reason(int code) { return std::generic_category().message(code); }
Error io_error(std::string what, const fs::path& path, int code) {
  return {ErrorCode::io, std::move(what) + " '" + path.string() + "': " + reason(code)};
}
Error too_long(const fs::path& path, const std::string& size, std::uint64_t limit) {
  return {ErrorCode::out_of_memory, "'" + path.string() + "' has " + size + " bytes, the limit is " + std::to_string(limit)};
}

// Closes a descriptor at the end of a scope.
struct Descriptor {
  int fd;
  ~Descriptor() { if (fd >= 0) ::close(fd); }
};

Error is_folder(const fs::path& path) { return {ErrorCode::io, "'" + path.string() + "' is a folder, a file is wanted"}; }

template <class Buffer> Result<Buffer> read_whole(const fs::path& path, std::uint64_t limit) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return io_error("cannot open", path, errno);
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) return io_error("cannot look at", path, errno);
  if (S_ISDIR(info.st_mode)) return is_folder(path);
  const bool regular = S_ISREG(info.st_mode);
  if (regular && std::uint64_t(info.st_size) > limit) return too_long(path, std::to_string(info.st_size), limit);
  try {
    Buffer all;
    std::size_t filled = 0;
    all.resize(regular ? std::size_t(info.st_size) + 1 : kBuffer);  // one more: a file that grew is noticed
    for (;;) {
      if (filled == all.size()) {
        if (filled > limit) return too_long(path, "more than " + std::to_string(limit), limit);
        all.resize(all.size() * 2);
      }
      const ssize_t n = ::read(file.fd, reinterpret_cast<char*>(all.data()) + filled, all.size() - filled);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return io_error("cannot read", path, errno);
      if (n == 0) break;
      filled += std::size_t(n);
    }
    if (filled > limit) return too_long(path, std::to_string(filled), limit);
    all.resize(filled);
    return all;
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::out_of_memory, "no memory to read '" + path.string() + "'"};
  }
}

}  // namespace

Result<std::vector<std::byte>> read_bytes(const fs::path& path, std::uint64_t limit) { return read_whole<std::vector<std::byte>>(path, limit); }
Result<std::string> read_text(const fs::path& path, std::uint64_t limit) { return read_whole<std::string>(path, limit); }

Result<MappedFile> map_file(const fs::path& path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return io_error("cannot open", path, errno);
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) return io_error("cannot look at", path, errno);
  if (S_ISDIR(info.st_mode)) return is_folder(path);
  if (!S_ISREG(info.st_mode)) return Error{ErrorCode::io, "cannot map '" + path.string() + "': not a regular file"};
  const auto size = std::size_t(info.st_size);
  if (size == 0) return MappedFile{std::shared_ptr<std::byte[]>(new std::byte[1]{}), 0};
  void* start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (start == MAP_FAILED) return io_error("cannot map", path, errno);
  return MappedFile{std::shared_ptr<std::byte[]>(static_cast<std::byte*>(start), [size](std::byte* p) { ::munmap(p, size); }), size};
}

Result<FileWriter> FileWriter::open(const fs::path& path) {
  static std::atomic<unsigned> serial{0};  // distinct names within the process; the process id tells processes apart
  FileWriter writer;
  writer.path_ = path;
  if (path.filename().empty()) return Error{ErrorCode::io, "cannot write '" + path.string() + "': not a file name"};
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return Error{ErrorCode::io, "cannot write '" + path.string() + "': it is a folder"};
  for (int attempt = 0; attempt < 100; ++attempt) {
    // 180 bytes of the name leave room for the rest below the usual limit of 255.
    fs::path name = "." + path.filename().string().substr(0, 180) + "." + std::to_string(::getpid()) + "-" + std::to_string(serial++) + ".saha-tmp";
    writer.temporary_ = path.parent_path() / name;
    writer.fd_ = ::open(writer.temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (writer.fd_ >= 0) return writer;
    if (errno != EEXIST) break;
  }
  const int code = errno;
  writer.temporary_.clear();
  return io_error("cannot write", path, code);
}
FileWriter::FileWriter(FileWriter&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::move(other.temporary_)), buffer_(std::move(other.buffer_)), written_(other.written_), fd_(other.fd_) {
  other.fd_ = -1;
  other.temporary_.clear();
}
FileWriter::~FileWriter() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}
Error FileWriter::failure(const char* what, int code) const {
  Error error = io_error(what, path_, code);
  struct statvfs space {};
  if ((code == ENOSPC || code == EDQUOT) && ::fstatvfs(fd_, &space) == 0)
    error.message += "; " + std::to_string(size_bytes()) + " bytes wanted so far, " + std::to_string(std::uint64_t(space.f_bavail) * space.f_frsize + written_) +
                     " were free; nothing was written";
  return error;
}
Result<> FileWriter::flush() {
  for (std::size_t done = 0; done < buffer_.size();) {
    const ssize_t n = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure("cannot write", errno);
    done += std::size_t(n);
    written_ += std::uint64_t(n);
  }
  buffer_.clear();
  return {};
}
Result<> FileWriter::write(Bytes bytes) {
  SAHA_ASSERT(fd_ >= 0);
  try {
    for (; !bytes.empty();) {
      const std::size_t n = std::min(bytes.size(), kBuffer);
      buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + std::ptrdiff_t(n));
      bytes = bytes.subspan(n);
      if (buffer_.size() < kBuffer) continue;
      SAHA_DO(flush());
    }
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::out_of_memory, "no memory to write '" + path_.string() + "'"};
  }
  return {};
}
Result<> FileWriter::commit() {
  SAHA_ASSERT(fd_ >= 0);
  SAHA_DO(flush());
  // Network and compressed file systems report a full disk only here or at close.
  if (::fsync(fd_) != 0 && errno != EINVAL && errno != EROFS) return failure("cannot write", errno);
  struct stat old {};
  if (::stat(path_.c_str(), &old) == 0) { if (::fchmod(fd_, old.st_mode & 07777) != 0) { /* another owner's file: ours keeps the default mode */ } }
  const int closed = ::close(fd_);
  fd_ = -1;
  if (closed != 0 && errno != EINTR) return io_error("cannot write", path_, errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return io_error("cannot write", path_, errno);
  temporary_.clear();
  const fs::path folder = path_.has_parent_path() ? path_.parent_path() : fs::path(".");
  Descriptor dir{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (dir.fd >= 0) ::fsync(dir.fd);  // the name itself; some file systems refuse, the content is safe by then
  return {};
}

Result<> write_file(const fs::path& path, Bytes bytes) {
  SAHA_TRY(auto writer, FileWriter::open(path));
  SAHA_DO(writer.write(bytes));
  return writer.commit();
}
Result<> write_file(const fs::path& path, std::string_view text) { return write_file(path, bytes_of(text)); }

Result<fs::path> resolve_inside(const fs::path& folder, std::string_view relative) {
  const std::string shown = "'" + std::string(relative.substr(0, 200)) + "'";
  if (relative.empty()) return Error{ErrorCode::invalid_data, "a file name is empty"};
  if (relative.find('\0') != std::string_view::npos) return Error{ErrorCode::invalid_data, "file name " + shown + " contains a zero byte"};
  const fs::path name{relative};
  if (name.is_absolute()) return Error{ErrorCode::invalid_data, "file name " + shown + " is absolute; it must lie inside '" + folder.string() + "'"};
  for (const fs::path& part : name)
    if (part == "..") return Error{ErrorCode::invalid_data, "file name " + shown + " contains '..'; it must lie inside '" + folder.string() + "'"};
  const fs::path base = folder.empty() ? fs::path(".") : folder;
  std::error_code code;
  const fs::path root = fs::canonical(base, code);
  if (code) return io_error("cannot open folder", base, code.value());
  const fs::path real = fs::weakly_canonical(root / name, code);
  if (code) return io_error("cannot open", base / name, code.value());
  // What does not exist yet keeps its name; a dangling link keeps its own too, so look at it once more.
  if (fs::is_symlink(fs::symlink_status(real, code))) return Error{ErrorCode::invalid_data, "file name " + shown + " is a link that leads nowhere"};
  const auto [end, rest] = std::mismatch(root.begin(), root.end(), real.begin(), real.end());
  (void)rest;
  if (end != root.end()) return Error{ErrorCode::invalid_data, "file name " + shown + " is a link that leads out of '" + folder.string() + "'"};
  return base / name;
}

Result<std::vector<std::string>> list_folder(const fs::path& folder, std::size_t limit) {
  DIR* dir = ::opendir(folder.c_str());
  if (!dir) return io_error("cannot list folder", folder, errno);
  std::unique_ptr<DIR, int (*)(DIR*)> closer(dir, ::closedir);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir);
    if (!entry && errno != 0) return io_error("cannot list folder", folder, errno);
    if (!entry) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (names.size() == limit) return Error{ErrorCode::out_of_memory, "folder '" + folder.string() + "' holds more than " + std::to_string(limit) + " names"};
    names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());  // std::string compares as unsigned bytes
  return names;
}
Result<> make_folders(const fs::path& folder) {
  std::error_code code;
  fs::create_directories(folder, code);
  if (!code && !fs::is_directory(folder, code) && !folder.empty()) code = std::make_error_code(std::errc::not_a_directory);
  if (code) return io_error("cannot make folder", folder, code.value());
  return {};
}
Result<> remove_path(const fs::path& path) {
  std::error_code code;
  fs::remove_all(path, code);
  if (code) return io_error("cannot remove", path, code.value());
  return {};
}

Result<TempFolder> TempFolder::make(const fs::path& parent) {
  const char* variable = std::getenv("TMPDIR");
  const fs::path base = !parent.empty() ? parent : fs::path(variable && *variable ? variable : "/tmp");
  std::string name = (base / "saha-XXXXXX").string();
  if (!::mkdtemp(name.data())) return io_error("cannot make a folder in", base, errno);
  return TempFolder(fs::path(name));
}
TempFolder::~TempFolder() {
  if (path_.empty()) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace saha::system

#pragma once
// SHA-256 (FIPS 180-4) of bytes, files and streams: the identity of models, samples and stage results.
#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "system/file.hpp"

namespace saha::system {

using Digest = std::array<std::byte, 32>;
std::string hex(const Digest& digest);  ///< 64 lower-case digits

/// Fed piece by piece. After finish() it starts anew.
class Sha256 {
 public:
  Sha256();
  Sha256& update(Bytes bytes);
  Sha256& update(std::string_view text) { return update(bytes_of(text)); }
  Digest finish();

 private:
  struct Free { void operator()(void* context) const; };
  std::unique_ptr<void, Free> context_;
};

Digest sha256(Bytes bytes);
inline std::string sha256_hex(Bytes bytes) { return hex(sha256(bytes)); }
inline std::string sha256_hex(std::string_view text) { return hex(sha256(bytes_of(text))); }
/// Reads in pieces; any size.
Result<std::string> sha256_file(const std::filesystem::path& path);

}  // namespace saha::system

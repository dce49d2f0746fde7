#pragma once
// DEFLATE (RFC 1951), gzip (RFC 1952) and zip archives, read from bytes in memory with limits on what they may grow to.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "system/file.hpp"

namespace saha::data {

using system::Bytes;

/// No array file grows beyond this unless the caller says otherwise.
inline constexpr std::uint64_t kMaxInflated = std::uint64_t{1} << 32;

bool is_gzip(Bytes bytes);
/// All members of a gzip file. Fails (invalid_data) where it is damaged or cut off, (out_of_memory) beyond `limit`.
Result<std::vector<std::byte>> gunzip(Bytes bytes, std::uint64_t limit = kMaxInflated);
/// A complete gzip file.
std::vector<std::byte> gzip(Bytes bytes);

struct ZipEntry {
  std::string name;
  std::uint64_t packed_size = 0, size = 0, offset = 0;  ///< offset of the local header
  std::uint32_t crc = 0;
  std::uint16_t method = 0, flags = 0;
};
/// The directory of a zip archive (also zip64), in its order. At most 100,000 entries; encrypted ones and methods other than stored and
/// deflate are refused when read.
Result<std::vector<ZipEntry>> zip_entries(Bytes archive);
/// One entry, its checksum verified.
Result<std::vector<std::byte>> zip_read(Bytes archive, const ZipEntry& entry, std::uint64_t limit = kMaxInflated);

struct ZipMember {
  std::string name;
  Bytes content;
};
/// An archive of stored (not compressed) members with fixed dates: the same input gives the same bytes.
Result<std::vector<std::byte>> zip_stored(const std::vector<ZipMember>& members);

}  // namespace saha::data

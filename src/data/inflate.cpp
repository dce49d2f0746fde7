// zlib does the inflating. The zip directory follows PKWARE's APPNOTE 6.3: end record, zip64 end record, central directory.
#include "data/inflate.hpp"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>

#include "data/bytes.hpp"

namespace saha::data {
namespace {

constexpr std::size_t kMaxEntries = 100'000;

Error damaged(std::string message) { return {ErrorCode::invalid_data, std::move(message)}; }

// zlib's stream with its end tied to the scope.
struct Inflater {
  z_stream z{};
  bool ready;
  explicit Inflater(int window_bits) : ready(inflateInit2(&z, window_bits) == Z_OK) {}
  ~Inflater() { if (ready) inflateEnd(&z); }
};

// Appends one deflate stream from `in` to `out`; returns the bytes of `in` it used. `expected` is only a hint for the first allocation.
Result<std::size_t> inflate_one(Bytes in, int window_bits, std::uint64_t limit, std::uint64_t expected, std::vector<std::byte>& out) {
  Inflater inflater(window_bits);
  if (!inflater.ready) return Error{ErrorCode::out_of_memory, "no memory to unpack"};
  z_stream& z = inflater.z;
  const std::size_t start = out.size();
  std::size_t used = 0, filled = start;
  try {
    // Never trust a stated size with memory: grow as the bytes come.
    out.resize(start + std::size_t(std::min<std::uint64_t>({expected, limit + 1, std::max<std::uint64_t>(in.size() * 8, 4096)})) + 1);
    for (;;) {
      z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data() + used));
      z.avail_in = uInt(std::min<std::size_t>(in.size() - used, 1u << 30));
      z.next_out = reinterpret_cast<Bytef*>(out.data() + filled);
      z.avail_out = uInt(std::min<std::size_t>(out.size() - filled, 1u << 30));
      const uInt had_in = z.avail_in, had_out = z.avail_out;
      const int code = ::inflate(&z, Z_NO_FLUSH);
      used += had_in - z.avail_in;
      filled += had_out - z.avail_out;
      if (filled - start > limit) return Error{ErrorCode::out_of_memory, "unpacks to more than the limit of " + std::to_string(limit) + " bytes"};
      if (code == Z_STREAM_END) break;
      if (code != Z_OK && code != Z_BUF_ERROR) return damaged(std::string("packed data is damaged (") + (z.msg ? z.msg : "wrong format") + ")");
      if (filled == out.size()) out.resize(out.size() + std::max<std::size_t>(out.size() - start, 4096));
      else if (used == in.size()) return damaged("packed data is cut off after " + std::to_string(used) + " bytes");
    }
    out.resize(filled);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::out_of_memory, "no memory to unpack"};
  }
  return used;
}

std::uint32_t crc_of(Bytes bytes) { return std::uint32_t(::crc32_z(::crc32_z(0, nullptr, 0), reinterpret_cast<const Bytef*>(bytes.data()), bytes.size())); }

}  // namespace

bool is_gzip(Bytes b) { return b.size() >= 2 && b[0] == std::byte{0x1f} && b[1] == std::byte{0x8b}; }

Result<std::vector<std::byte>> gunzip(Bytes bytes, std::uint64_t limit) {
  if (!is_gzip(bytes)) return damaged("not a gzip file");
  std::vector<std::byte> out;
  while (!bytes.empty()) {
    // zero padding after the last member is allowed
    if (!out.empty() && std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; })) break;
    SAHA_TRY(const std::size_t used, inflate_one(bytes, 15 + 16, limit - std::min<std::uint64_t>(limit, out.size()), bytes.size() * 4, out));
    bytes = bytes.subspan(used);
  }
  return out;
}
std::vector<std::byte> gzip(Bytes bytes) {
  z_stream z{};
  SAHA_ASSERT(deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::vector<std::byte> out(deflateBound(&z, uLong(bytes.size())));
  z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
  z.avail_in = uInt(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = uInt(out.size());
  SAHA_ASSERT(bytes.size() < (1u << 31) && deflate(&z, Z_FINISH) == Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

Result<std::vector<ZipEntry>> zip_entries(Bytes a) {
  constexpr std::size_t kEnd = 22, kEntry = 46, kMaxComment = 65535;
  if (a.size() < kEnd) return damaged("not a zip archive: " + std::to_string(a.size()) + " bytes");
  std::size_t end = a.size();  // position of the end record, found from behind
  for (std::size_t at = a.size() - kEnd;; --at) {
    if (little<std::uint32_t>(a, at) == 0x06054b50 && at + kEnd + little<std::uint16_t>(a, at + 20) <= a.size()) { end = at; break; }
    if (at == 0 || a.size() - at > kEnd + kMaxComment) break;
  }
  if (end == a.size()) return damaged("not a zip archive, or cut off: it has no end record");
  std::uint64_t count = little<std::uint16_t>(a, end + 10), size = little<std::uint32_t>(a, end + 12), start = little<std::uint32_t>(a, end + 16);
  if (end >= 20 && little<std::uint32_t>(a, end - 20) == 0x07064b50) {  // zip64 locator
    const auto at = little<std::uint64_t>(a, end - 20 + 8);
    if (at > a.size() || a.size() - at < 56 || little<std::uint32_t>(a, std::size_t(at)) != 0x06064b50) return damaged("zip archive: its zip64 end record is damaged");
    count = little<std::uint64_t>(a, std::size_t(at) + 32);
    size = little<std::uint64_t>(a, std::size_t(at) + 40);
    start = little<std::uint64_t>(a, std::size_t(at) + 48);
  }
  if (count > kMaxEntries) return Error{ErrorCode::out_of_memory, "zip archive has " + std::to_string(count) + " entries, the limit is " + std::to_string(kMaxEntries)};
  if (start > end || size > end - start) return damaged("zip archive: its directory lies outside the file");
  Bytes d = a.subspan(std::size_t(start), std::size_t(size));
  std::vector<ZipEntry> entries;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (d.size() < kEntry || little<std::uint32_t>(d, 0) != 0x02014b50) return damaged("zip archive: directory entry " + std::to_string(i) + " is damaged");
    const std::size_t name = little<std::uint16_t>(d, 28), extra = little<std::uint16_t>(d, 30), comment = little<std::uint16_t>(d, 32);
    if (d.size() - kEntry < name + extra + comment) return damaged("zip archive: directory entry " + std::to_string(i) + " is cut off");
    ZipEntry e;
    e.flags = little<std::uint16_t>(d, 8);
    e.method = little<std::uint16_t>(d, 10);
    e.crc = little<std::uint32_t>(d, 16);
    e.packed_size = little<std::uint32_t>(d, 20);
    e.size = little<std::uint32_t>(d, 24);
    e.offset = little<std::uint32_t>(d, 42);
    e.name = std::string(system::text_of(d.subspan(kEntry, name)));
    for (Bytes x = d.subspan(kEntry + name, extra); x.size() >= 4;) {
      const std::size_t length = little<std::uint16_t>(x, 2);
      if (x.size() - 4 < length) break;
      if (little<std::uint16_t>(x, 0) == 1) {  // zip64: 8-byte values for the fields that are all ones, in this order
        std::size_t at = 4;
        for (std::uint64_t* field : {&e.size, &e.packed_size, &e.offset})
          if (*field == 0xffffffff && at + 8 <= 4 + length) *field = little<std::uint64_t>(x, at), at += 8;
      }
      x = x.subspan(4 + length);
    }
    entries.push_back(std::move(e));
    d = d.subspan(kEntry + name + extra + comment);
  }
  return entries;
}

Result<std::vector<std::byte>> zip_read(Bytes a, const ZipEntry& e, std::uint64_t limit) {
  constexpr std::size_t kLocal = 30;
  const std::string what = "zip entry '" + e.name + "'";
  if (e.flags & 1) return Error{ErrorCode::unsupported, what + " is encrypted"};
  if (e.method != 0 && e.method != 8) return Error{ErrorCode::unsupported, what + " uses compression method " + std::to_string(e.method) + "; stored and deflate are read"};
  if (e.size > limit) return Error{ErrorCode::out_of_memory, what + " has " + std::to_string(e.size) + " bytes, the limit is " + std::to_string(limit)};
  if (e.offset > a.size() || a.size() - e.offset < kLocal || little<std::uint32_t>(a, std::size_t(e.offset)) != 0x04034b50) return damaged(what + " has no header at byte " + std::to_string(e.offset));
  const std::uint64_t start = e.offset + kLocal + little<std::uint16_t>(a, std::size_t(e.offset) + 26) + little<std::uint16_t>(a, std::size_t(e.offset) + 28);
  if (start > a.size() || e.packed_size > a.size() - start) return damaged(what + " wants " + std::to_string(e.packed_size) + " bytes at " + std::to_string(start) + ", the file has " + std::to_string(a.size()));
  const Bytes packed = a.subspan(std::size_t(start), std::size_t(e.packed_size));
  std::vector<std::byte> out;
  if (e.method == 0) {
    try { out.assign(packed.begin(), packed.end()); } catch (const std::bad_alloc&) { return Error{ErrorCode::out_of_memory, "no memory for " + what}; }
  } else if (auto used = inflate_one(packed, -15, e.size, e.size, out); !used) {
    return std::move(used.error()).within(what);
  }
  if (out.size() != e.size) return damaged(what + " has " + std::to_string(out.size()) + " bytes, the directory says " + std::to_string(e.size));
  if (crc_of(out) != e.crc) return damaged(what + " is damaged: its checksum does not match");
  return out;
}

Result<std::vector<std::byte>> zip_stored(const std::vector<ZipMember>& members) {
  std::vector<std::byte> out, directory;
  const auto fields = [](std::vector<std::byte>& to, const ZipMember& m, std::uint32_t crc) {
    append<std::uint16_t>(to, 20), append<std::uint16_t>(to, 0), append<std::uint16_t>(to, 0);      // version, flags, stored
    append<std::uint16_t>(to, 0), append<std::uint16_t>(to, 0x21);                                  // 1 January 1980
    append<std::uint32_t>(to, crc);
    append(to, std::uint32_t(m.content.size())), append(to, std::uint32_t(m.content.size()));
    append(to, std::uint16_t(m.name.size())), append<std::uint16_t>(to, 0);
  };
  for (const ZipMember& m : members) {
    if (m.name.size() > 65535 || m.content.size() >= 0xffffffff || out.size() + m.content.size() >= 0xfff00000 || members.size() > 65000)
      return Error{ErrorCode::unsupported, "'" + m.name + "' makes an archive larger than 4 GiB"};
    const std::uint32_t crc = crc_of(m.content), offset = std::uint32_t(out.size());
    append<std::uint32_t>(out, 0x04034b50);
    fields(out, m, crc);
    append(out, system::bytes_of(m.name));
    append(out, m.content);
    append<std::uint32_t>(directory, 0x02014b50), append<std::uint16_t>(directory, 20);
    fields(directory, m, crc);
    for (int i = 0; i < 5; ++i) append<std::uint16_t>(directory, 0);                                // comment, disk, attributes
    append(directory, offset);
    append(directory, system::bytes_of(m.name));
  }
  const auto start = std::uint32_t(out.size()), size = std::uint32_t(directory.size());
  append(out, Bytes(directory));
  append<std::uint32_t>(out, 0x06054b50), append<std::uint32_t>(out, 0);
  append(out, std::uint16_t(members.size())), append(out, std::uint16_t(members.size()));
  append(out, size), append(out, start), append<std::uint16_t>(out, 0);
  return out;
}

}  // namespace saha::data

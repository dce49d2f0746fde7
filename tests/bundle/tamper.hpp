#pragma once
// Bundles that lie under right checksums.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "bundle/bundle.hpp"
#include "bundle/checksum.hpp"

namespace saha::test {

using Bytes = std::vector<std::byte>;

template <class T> T at(const Bytes& b, std::size_t offset) {
  T v;
  std::memcpy(&v, b.data() + offset, sizeof v);
  return v;
}
template <class T> void set(Bytes& b, std::size_t offset, T v) { std::memcpy(b.data() + offset, &v, sizeof v); }

/// The checksums of manifest and header as the bytes are now.
inline void reseal(Bytes& b) {
  const auto size = std::min<std::uint64_t>(at<std::uint64_t>(b, 24), b.size() - 64);
  set(b, 32, bundle::crc32c(std::span<const std::byte>(b).subspan(64, std::size_t(size))));
  set(b, 36, bundle::crc32c(std::span<const std::byte>(b).first(36)));
}
/// The bundle with another manifest over the same sections, as far as there is room for it; `change` gets it as JSON.
template <class F> Bytes with_manifest(const Bytes& b, F change) {
  const auto size = std::size_t(at<std::uint64_t>(b, 24));
  auto m = bundle::Json::parse(std::string(reinterpret_cast<const char*>(b.data()) + 64, size));
  change(m);
  std::string text = m.dump();   // compact: shorter than what was written
  text.resize(size, ' ');
  Bytes r = b;
  std::memcpy(r.data() + 64, text.data(), size);
  reseal(r);
  return r;
}
/// The bundle with other bytes in a section, as many as before.
inline Bytes with_section(const Bytes& b, const bundle::Section& s, const Bytes& bytes) {
  Bytes r = b;
  std::memcpy(r.data() + s.offset, bytes.data(), bytes.size());
  char hex[9];
  std::snprintf(hex, sizeof hex, "%08x", bundle::crc32c(bytes));
  return with_manifest(r, [&](bundle::Json& m) { for (auto& j : m["sections"]) if (j["name"] == s.name) j["crc32c"] = hex; });
}

}  // namespace saha::test

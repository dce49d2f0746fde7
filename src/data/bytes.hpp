#pragma once
// Fixed-width numbers out of and into bytes, for the readers of binary formats.
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "system/file.hpp"

namespace saha::data {

static_assert(std::endian::native == std::endian::little, "the readers copy little-endian numbers as they are");

/// The bytes of v in the other order.
template <class T> T byteswapped(T v) {
  if constexpr (sizeof(T) == 1) return v;
  if constexpr (sizeof(T) == 2) return std::bit_cast<T>(__builtin_bswap16(std::bit_cast<std::uint16_t>(v)));
  if constexpr (sizeof(T) == 4) return std::bit_cast<T>(__builtin_bswap32(std::bit_cast<std::uint32_t>(v)));
  if constexpr (sizeof(T) == 8) return std::bit_cast<T>(__builtin_bswap64(std::bit_cast<std::uint64_t>(v)));
}
/// The number at `at`, which the caller has checked to lie inside.
template <class T> T little(system::Bytes bytes, std::size_t at) {
  T v;
  std::memcpy(&v, bytes.data() + at, sizeof v);
  return v;
}
template <class T> T big(system::Bytes bytes, std::size_t at) { return byteswapped(little<T>(bytes, at)); }
/// Reverses each element of `width` bytes in place.
inline void swap_elements(std::byte* data, std::size_t count, std::size_t width) {
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t a = 0, b = width - 1; a < b; ++a, --b) std::swap(data[i * width + a], data[i * width + b]);
}
template <class T> void append(std::vector<std::byte>& out, T v) {
  const auto* p = reinterpret_cast<const std::byte*>(&v);
  out.insert(out.end(), p, p + sizeof v);
}
inline void append(std::vector<std::byte>& out, system::Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

}  // namespace saha::data

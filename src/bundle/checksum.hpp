#pragma once
// CRC-32C (Castagnoli, polynomial 0x1edc6f41 reflected, RFC 3720): what tells a damaged section. By the processor's own instruction where it has one.
#include <cstddef>
#include <cstdint>
#include <span>

namespace saha::bundle {

std::uint32_t crc32c(std::span<const std::byte> bytes);
/// The same by table, on any processor.
std::uint32_t crc32c_by_table(std::span<const std::byte> bytes);

}  // namespace saha::bundle

#include "data/idx.hpp"

#include <cstring>

#include "data/bytes.hpp"

namespace saha::data {

Result<Tensor> read_idx(Bytes bytes, std::uint64_t limit) {
  std::vector<std::byte> unpacked;
  if (is_gzip(bytes)) {
    SAHA_TRY(unpacked, gunzip(bytes, limit));
    bytes = unpacked;
  }
  const auto damaged = [](std::string message) { return Error{ErrorCode::invalid_data, "IDX: " + std::move(message)}; };
  if (bytes.size() < 4 || bytes[0] != std::byte{0} || bytes[1] != std::byte{0}) return damaged("it does not begin with two zero bytes");
  const int type = int(bytes[2]);
  const std::size_t rank = std::size_t(bytes[3]);
  DType dtype = DType::none;
  switch (type) {
    case 0x08: dtype = DType::u8; break;
    case 0x09: dtype = DType::i8; break;
    case 0x0b: dtype = DType::i16; break;
    case 0x0c: dtype = DType::i32; break;
    case 0x0d: dtype = DType::f32; break;
    case 0x0e: dtype = DType::f64; break;
    default: return damaged("element type " + std::to_string(type) + " is not known");
  }
  if (rank == 0 || rank > 8 || bytes.size() < 4 + 4 * rank) return damaged(std::to_string(rank) + " dimensions in a file of " + std::to_string(bytes.size()) + " bytes");
  Dims dims;
  for (std::size_t a = 0; a < rank; ++a) dims.push_back(big<std::uint32_t>(bytes, 4 + 4 * a));
  const Bytes data = bytes.subspan(4 + 4 * rank);
  const std::size_t width = std::size_t(bits(dtype)) / 8;
  const auto count = checked_elements(dims);
  if (!count || data.size() % width != 0 || std::uint64_t(*count) != data.size() / width)
    return damaged(std::string(name(dtype)) + saha::str(dims) + " does not match the " + std::to_string(data.size()) + " bytes that follow");
  SAHA_TRY(Tensor t, Tensor::make(dtype, std::move(dims)));
  if (!data.empty()) std::memcpy(t.data.get(), data.data(), data.size());
  if (width > 1) swap_elements(t.data.get(), std::size_t(*count), width);
  return t;
}

}  // namespace saha::data

// The first byte tells the format, the rest is the file: npy, npz, csv, wav, pictures, idx, gzip. No file may ask for more than a limit.
#include <cstdint>
#include <cstdlib>

#include "data/csv.hpp"
#include "data/idx.hpp"
#include "data/image.hpp"
#include "data/inflate.hpp"
#include "data/npy.hpp"
#include "data/wav.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace saha::data;
  if (size == 0) return 0;
  auto rest = std::as_bytes(std::span(bytes + 1, size - 1));
  constexpr std::uint64_t kLimit = 1 << 24;
  auto told = [](const auto& result) { if (!result && result.error().message.empty()) std::abort(); };
  switch (*bytes % 7) {
    case 0: told(read_npy(rest)); break;
    case 1: told(read_npz(rest, kLimit)); break;
    case 2: told(Csv::parse(rest, {.max_cells = 1 << 20})); break;
    case 3: told(read_wav(rest)); break;
    case 4: told(decode_image(rest, {.max_pixels = 1 << 20})); break;
    case 5: told(read_idx(rest, kLimit)); break;
    default: told(gunzip(rest, kLimit)); break;
  }
  return 0;
}

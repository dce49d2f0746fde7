#pragma once
// RIFF WAVE, uncompressed. Source: Microsoft/IBM "Multimedia Programming Interface and Data Specifications 1.0" and WAVEFORMATEXTENSIBLE.
#include "base/result.hpp"
#include "data/inflate.hpp"
#include "tensor/tensor.hpp"

namespace saha::data {

struct Audio {
  int rate_hz = 0;
  Tensor samples;  ///< float32 [channels, n]; integers are divided by 2^(bits - 1), so they lie in [-1, 1)
};
/// PCM of 8 (unsigned), 16, 24 and 32 bits, and IEEE float of 32 and 64, up to 64 channels. Fails (unsupported) for other codings by name.
Result<Audio> read_wav(Bytes bytes);
/// 16-bit PCM, rounded and clipped.
std::vector<std::byte> write_wav(const Audio& audio);

}  // namespace saha::data

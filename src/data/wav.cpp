#include "data/wav.hpp"

#include <algorithm>
#include <cmath>

#include "data/bytes.hpp"

namespace saha::data {
namespace {

struct Format { int coding = 0, channels = 0, bits = 0; std::uint32_t rate = 0, block = 0; };

Error damaged(std::string message) { return {ErrorCode::invalid_data, "WAV: " + std::move(message)}; }

Result<Format> parse_format(Bytes b) {
  if (b.size() < 16) return damaged("its format chunk has " + std::to_string(b.size()) + " bytes, at least 16 are needed");
  Format f{little<std::uint16_t>(b, 0), little<std::uint16_t>(b, 2), little<std::uint16_t>(b, 14), little<std::uint32_t>(b, 4), little<std::uint16_t>(b, 12)};
  if (f.coding == 0xfffe) {  // extensible: the coding is the first part of a GUID
    if (b.size() < 40) return damaged("its extensible format chunk is cut off");
    f.coding = little<std::uint16_t>(b, 24);
  }
  const bool pcm = f.coding == 1 && (f.bits == 8 || f.bits == 16 || f.bits == 24 || f.bits == 32), ieee = f.coding == 3 && (f.bits == 32 || f.bits == 64);
  if (!pcm && !ieee) {
    const char* name = f.coding == 1 ? "PCM" : f.coding == 2 ? "ADPCM" : f.coding == 3 ? "IEEE float" : f.coding == 6 ? "A-law" : f.coding == 7 ? "mu-law" : "other";
    return Error{ErrorCode::unsupported, "WAV: coding " + std::to_string(f.coding) + " (" + name + ") with " + std::to_string(f.bits) + " bits; PCM of 8, 16, 24, 32 bits and float of 32, 64 are read"};
  }
  if (f.channels < 1 || f.channels > 64) return damaged(std::to_string(f.channels) + " channels");
  if (f.rate < 1 || f.rate > 10'000'000) return damaged("a rate of " + std::to_string(f.rate) + " Hz");
  if (f.block != std::uint32_t(f.channels * f.bits / 8)) return damaged("blocks of " + std::to_string(f.block) + " bytes for " + std::to_string(f.channels) + " channels of " + std::to_string(f.bits) + " bits");
  return f;
}

float element(const std::byte* p, int coding, int bits) {
  const auto b = [p](int i) { return std::uint32_t(p[i]); };
  if (coding == 3) {
    if (bits == 64) { double v; std::memcpy(&v, p, 8); return float(v); }
    float v; std::memcpy(&v, p, 4); return v;
  }
  switch (bits) {
    case 8: return (float(b(0)) - 128.0f) / 128.0f;
    case 16: return float(std::int16_t(b(0) | b(1) << 8)) / 32768.0f;
    case 24: return float(std::int32_t(b(0) << 8 | b(1) << 16 | b(2) << 24) >> 8) / 8388608.0f;
    default: return float(double(std::int32_t(b(0) | b(1) << 8 | b(2) << 16 | b(3) << 24)) / 2147483648.0);
  }
}

}  // namespace

Result<Audio> read_wav(Bytes bytes) {
  const auto tag = [&bytes](std::size_t at) { return system::text_of(bytes.subspan(at, 4)); };
  if (bytes.size() < 12 || tag(0) != "RIFF" || tag(8) != "WAVE") return damaged("it does not begin with RIFF and WAVE");
  Format format;
  for (std::size_t at = 12; at + 8 <= bytes.size();) {
    const std::uint64_t size = little<std::uint32_t>(bytes, at + 4);
    const std::string_view id = tag(at);
    at += 8;
    const std::uint64_t left = bytes.size() - at;
    const bool open_end = id == "data" && size == 0xffffffff;  // what a program writes that cannot seek back
    if (!open_end && size > left) return damaged("chunk '" + std::string(id) + "' has " + std::to_string(size) + " bytes, the file only " + std::to_string(left) + " more");
    const Bytes chunk = bytes.subspan(at, std::size_t(open_end ? left : size));
    if (id == "fmt ") {
      SAHA_TRY(format, parse_format(chunk));
    } else if (id == "data") {
      if (format.channels == 0) return damaged("its samples come before their format");
      const std::size_t n = chunk.size() / format.block, width = std::size_t(format.bits) / 8;
      SAHA_TRY(Tensor t, Tensor::make(DType::f32, {format.channels, std::int64_t(n)}));
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t c = 0; c < std::size_t(format.channels); ++c)
          t.as<float>()[c * n + i] = element(chunk.data() + i * format.block + c * width, format.coding, format.bits);
      return Audio{int(format.rate), std::move(t)};
    }
    at += std::min<std::size_t>(chunk.size() + (size & 1), bytes.size() - at);
  }
  return damaged("it has no samples (chunk 'data')");
}

std::vector<std::byte> write_wav(const Audio& audio) {
  SAHA_ASSERT(audio.samples.rank() == 2 && audio.samples.dtype == DType::f32);
  const auto channels = std::size_t(audio.samples.dims[0]), n = std::size_t(audio.samples.dims[1]);
  std::vector<std::byte> out;
  append(out, system::bytes_of("RIFF")), append(out, std::uint32_t(36 + 2 * channels * n)), append(out, system::bytes_of("WAVEfmt "));
  append<std::uint32_t>(out, 16), append<std::uint16_t>(out, 1), append(out, std::uint16_t(channels));
  append(out, std::uint32_t(audio.rate_hz)), append(out, std::uint32_t(std::size_t(audio.rate_hz) * channels * 2));
  append(out, std::uint16_t(channels * 2)), append<std::uint16_t>(out, 16);
  append(out, system::bytes_of("data")), append(out, std::uint32_t(2 * channels * n));
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t c = 0; c < channels; ++c)
      append(out, std::int16_t(std::clamp(std::lrint(double(audio.samples.as<const float>()[c * n + i]) * 32768.0), -32768L, 32767L)));
  return out;
}

}  // namespace saha::data

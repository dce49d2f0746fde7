#pragma once
// Sound: another rate, log-mel spectra and cepstral coefficients, every constant stated.
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "tensor/tensor.hpp"

namespace saha::data {

/// [channels, n] at `from_hz` -> [channels, ceil(n to / from)] at `to_hz`: a windowed sinc (Kaiser, beta 5, ten zeros on each side of the
/// lower rate), the filter of scipy.signal.resample_poly. Both rates up to 10 MHz.
Result<Tensor> resample(const Tensor& samples, int from_hz, int to_hz);

struct LogMel {
  enum class Scale : std::uint8_t { htk, slaney };
  enum class Triangles : std::uint8_t { hz, mel };
  enum class Log : std::uint8_t { ln, log10, db };
  double frame_s = 0.030, hop_s = 0.020;
  int fft = 512;                              ///< a power of two, at least the frame
  int power = 2;                              ///< of the magnitude |X| that the filters sum: 1 or 2
  int mels = 40;
  double low_hz = 20, high_hz = 4000;
  Scale scale = Scale::htk;                   ///< slaney also divides each filter by its width, as librosa does
  Triangles triangles = Triangles::hz;        ///< sides are straight over the frequency, as librosa's, or over mel, as TensorFlow's
  Log log = Log::ln;                          ///< ln or log10 of (energy + eps); db: 10 log10(max(energy, eps))
  double eps = 1e-6;
};
struct Mfcc {
  LogMel mel;
  int coefficients = 10;                      ///< the first ones of an orthonormal DCT-II
};
/// [channels, n] -> float32 [channels, frames, mels]. Frames lie inside the sound, 1 + floor((n - frame) / hop) of them; each is weighted
/// with a periodic Hann window of the frame's length and padded with zeros to `fft`; the filters sum |X|^power over the bins.
Result<Tensor> log_mel(const Tensor& samples, int rate_hz, const LogMel& options);
/// [channels, frames, coefficients]
Result<Tensor> mfcc(const Tensor& samples, int rate_hz, const Mfcc& options);

// ---- the constants of the above, for those who compute it elsewhere ---------------------------------------------------------------------
/// Output i of a resampling is the sum of filter[i * down - j * up + half] * input[j] over the j for which that index exists.
struct ResampleFilter {
  std::int64_t up = 1, down = 1, half = 0;
  std::vector<double> filter;                 ///< 2 half + 1 taps
  std::int64_t length(std::int64_t n) const { return (n * up + down - 1) / down; }
};
Result<ResampleFilter> resample_filter(int from_hz, int to_hz);
/// Frame and hop in samples, the window [frame] and the filters [mels][fft / 2 + 1] at a rate.
struct MelTables {
  std::int64_t frame = 0, hop = 0;
  std::vector<double> window;
  std::vector<std::vector<double>> filters;
  std::int64_t frames(std::int64_t n) const { return n < frame ? 0 : 1 + (n - frame) / hop; }
};
Result<MelTables> mel_tables(const LogMel& options, int rate_hz);
/// Row k, column i: the share of mel i in coefficient k, [coefficients][mels]. Fails where there are fewer mels.
Result<std::vector<std::vector<double>>> dct_table(const Mfcc& options);

}  // namespace saha::data

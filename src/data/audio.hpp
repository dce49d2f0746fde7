#pragma once
// Sound: another rate, log-mel spectra and cepstral coefficients, every constant stated.
#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "tensor/tensor.hpp"

namespace saha::data {

/// [channels, n] at `from_hz` -> [channels, ceil(n to / from)] at `to_hz`: a windowed sinc (Kaiser, beta 5, ten zeros on each side of the
/// lower rate), the filter of scipy.signal.resample_poly. Both rates up to 10 MHz.
Result<Tensor> resample(const Tensor& samples, int from_hz, int to_hz);

struct LogMel {
  enum class Scale : std::uint8_t { htk, slaney };
  enum class Log : std::uint8_t { ln, log10, db };
  double frame_s = 0.030, hop_s = 0.020;
  int fft = 512;                              ///< a power of two, at least the frame
  int mels = 40;
  double low_hz = 20, high_hz = 4000;
  Scale scale = Scale::htk;                   ///< slaney also divides each filter by its width, as librosa does
  Log log = Log::ln;                          ///< ln or log10 of (power + eps); db: 10 log10(max(power, eps))
  double eps = 1e-6;
};
struct Mfcc {
  LogMel mel;
  int coefficients = 10;                      ///< the first ones of an orthonormal DCT-II
};
/// [channels, n] -> float32 [channels, frames, mels]. Frames lie inside the sound, 1 + floor((n - frame) / hop) of them; each is weighted
/// with a periodic Hann window of the frame's length and padded with zeros to `fft`; the power spectrum is |X|^2.
Result<Tensor> log_mel(const Tensor& samples, int rate_hz, const LogMel& options);
/// [channels, frames, coefficients]
Result<Tensor> mfcc(const Tensor& samples, int rate_hz, const Mfcc& options);

}  // namespace saha::data

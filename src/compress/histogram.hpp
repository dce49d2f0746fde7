#pragma once
// Histogram: how the numbers of a value are spread, in bounded memory however many there are, and the range that a quantiser takes from it.
// Bins have one width, a power of two, and begin at zero; where a number lies outside, width doubles and bins join in pairs: nothing depends on how
// the numbers are cut into calls but the first width. Extrema are exact. Sources: entropy: Migacz 2017 (8-bit inference with TensorRT).
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace saha::compress {

class Histogram {
 public:
  void add(std::span<const float> values);
  double lowest() const { return lowest_; }     ///< of the finite numbers; 0 where there are none
  double highest() const { return highest_; }
  std::int64_t count() const { return count_; }
  std::int64_t not_finite() const { return not_finite_; }
  std::int64_t zeros() const { return zeros_; }   ///< exactly zero: every range stores them without error
  double mean() const { return count_ ? sum_ / double(count_) : 0; }
  double power() const { return count_ ? squares_ / double(count_) : 0; }   ///< mean of the squares
  /// Bins from the lowest to the highest that hold something but exact zeros: where the first begins, their width, how many numbers each holds.
  struct Bins {
    double start = 0, width = 0;
    std::vector<double> mass;
  };
  Bins bins() const;

 private:
  static constexpr std::int64_t kHalf = 4096;      // bins on each side of zero
  void widen();
  std::vector<std::int64_t> bins_;
  double width_ = 0, lowest_ = 0, highest_ = 0, sum_ = 0, squares_ = 0;
  std::int64_t count_ = 0, zeros_ = 0, not_finite_ = 0;
};

enum class Calibration : std::uint8_t { minmax, percentile, entropy, mse };
std::string_view name(Calibration c);
std::optional<Calibration> calibration_of(std::string_view name);

/// lo <= 0 <= hi, so that zero is stored exactly.
struct Range {
  double lo = 0, hi = 0;
};
struct RangeOptions {
  Calibration how = Calibration::mse;
  double percentile = 99.99;   ///< share of the numbers that stays inside, in %, half of the rest cut at each end
  int levels = 256;
  bool symmetric = false;      ///< hi = -lo
};
/// minmax: the extrema. percentile: what holds that share. entropy: least Kullback-Leibler divergence between the spread and that of the stored
/// numbers. mse: least mean square of rounding and clipping errors.
Range range_of(const Histogram& h, const RangeOptions& options);

}  // namespace saha::compress

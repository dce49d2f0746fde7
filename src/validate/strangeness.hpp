#pragma once
// How strange an input is to a model, from what the model says of it: the scores by which it is rejected or told from known data. Larger is stranger.
// Sources: Hendrycks and Gimpel 2017 (largest softmax); Liu et al. 2020 (energy); Lee et al. 2018 (Mahalanobis, class means and one covariance);
// Sun et al. 2022 (distance to the k-th nearest neighbour of the normalised features); Ledoit and Wolf 2004 (shrinkage).
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace saha::validate {

enum class Strangeness : std::uint8_t { softmax, entropy, energy, mahalanobis, knn };
std::optional<Strangeness> strangeness(std::string_view name);
std::string_view name(Strangeness s);
/// Whether one answer is enough: softmax, entropy and energy; the others are fitted on known data first.
bool needs_fit(Strangeness s);

/// softmax: 1 - the largest of the probabilities; entropy: theirs in nats; energy: -log sum exp of the logits. NaN where an entry is NaN.
double strangeness(Strangeness s, std::span<const double> values);

/// The squared distance to the nearest class mean in the metric of the pooled covariance, shrunk towards its mean variance.
class Mahalanobis {
 public:
  static constexpr std::size_t kMostDims = 2048;
  /// Rows of one length; labels as many as rows, or none: then one class. Fails (invalid_data) below 2 rows, beyond kMostDims, and for values that are not finite.
  static Result<Mahalanobis> fit(const std::vector<std::vector<double>>& rows, std::span<const std::int32_t> labels);
  double distance(std::span<const double> row) const;   ///< NaN where the row has another length

 private:
  std::vector<std::vector<double>> means_;   ///< in the whitened space
  std::vector<double> factor_;               ///< Cholesky factor of the covariance, rows of the lower triangle [d, d]
  std::size_t dims_ = 0;
  std::vector<double> whitened(std::span<const double> row) const;
};

/// The distance to the k-th nearest of the known rows, all normalised to length 1.
class Nearest {
 public:
  static Result<Nearest> fit(const std::vector<std::vector<double>>& rows, std::int64_t k);
  double distance(std::span<const double> row) const;

 private:
  std::vector<double> rows_;   ///< [n, d]
  std::size_t dims_ = 0;
  std::int64_t k_ = 1;
};

}  // namespace saha::validate

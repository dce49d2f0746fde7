#pragma once
// What the attacks share, inside this module: steps and projections of a region, and the batch of rows that are not broken yet.
#include <cmath>

#include "attack/attack.hpp"
#include "data/shuffle.hpp"

namespace saha::attack {

/// The nearest point of the region, by each number and then by the distance.
void project(const Region& region, std::span<float> point);
/// Moves the point by `step` shares of the region uphill, not projected: by the sign of the slope, or along it.
void climb(const Region& region, std::span<const float> slope, double step, std::span<float> point);
/// A uniform point of the region, or of its ball before it is cut.
std::vector<float> start(const Region& region, data::Random& random);

/// The rows of an attack: what was found of each, and which are still to be broken.
class Rows {
 public:
  Rows(const Model& model, std::span<const Region> regions, const Goal& goal) : model_(model), goal_(goal), found(regions.size()) {}

  std::vector<std::size_t> open() const;   ///< not broken
  bool may_go_on() const { return !goal_.go_on || goal_.go_on(); }
  struct Seen {
    std::vector<double> loss;      ///< of each row that was asked for
    std::vector<float> slopes;     ///< [rows, size], where they were wanted
  };
  /// Runs points[k] of rows[k] for all k; keeps what is better than before.
  Result<Seen> run(std::span<const std::size_t> rows, const std::vector<std::vector<float>>& points, bool with_slopes);

 private:
  const Model& model_;
  const Goal& goal_;

 public:
  std::vector<Found> found;
};

}  // namespace saha::attack

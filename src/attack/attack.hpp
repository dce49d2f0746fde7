#pragma once
// Attacks: inputs of a region, searched for one that a model gets wrong. Model and loss are functions, so that what is attacked is the engine that ships, whatever
// it is; only the slopes may come from elsewhere (slopes.hpp). Rows are independent points: many samples, or many tries of one, run as one batch.
// Sources: Madry et al. 2018 (PGD); Dong et al. 2018 (momentum); Croce & Hein 2020 (APGD, DLR); Andriushchenko et al. 2020 (Square).
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "base/result.hpp"

namespace saha::attack {

/// What is attacked: [rows, size] numbers in, [rows, width] out. Called from one thread.
struct Model {
  std::int64_t size = 0, width = 0;
  std::function<Result<std::vector<float>>(std::span<const float> points)> outputs;
  /// The derivative of sum(weights * outputs) by the points, [rows, size], given weights [rows, width]. Null: there is none.
  std::function<Result<std::vector<float>>(std::span<const float> points, std::span<const float> weights)> slopes;
};

/// Where a row may go: from low to high in each number, and where `radius` is finite no farther than that from the centre (Euclidean).
struct Region {
  std::vector<float> centre, low, high;   ///< [size]; low <= centre <= high
  std::vector<float> reach;               ///< [size]: how far `low` and `high` lie from the centre before a domain cut them; steps are shares of it
  double radius = std::numeric_limits<double>::infinity();

  bool euclidean() const { return radius < std::numeric_limits<double>::infinity(); }
};
/// All inputs that differ from the centre by at most eps in each number, and lie in [low, high].
Region linf_ball(std::vector<float> centre, double eps, double low, double high);
Region l2_ball(std::vector<float> centre, double eps, double low, double high);
/// A point of the region, uniform: of a Euclidean ball before it is cut to low and high.
std::vector<float> random_point(const Region& region, std::uint64_t seed);

/// What is wanted of a row.
struct Goal {
  /// What is to grow; its derivative by each output goes to `slope` unless that is empty.
  std::function<double(std::size_t row, std::span<const float> outputs, std::span<float> slope)> loss;
  /// The row's property no longer holds: it is left alone from here on.
  std::function<bool(std::size_t row, std::span<const float> outputs)> broken;
  /// False: end with what there is. May be null.
  std::function<bool()> go_on;
};

/// The best of a row: one that is broken, else the one with the greatest loss.
struct Found {
  std::vector<float> point;
  double loss = -std::numeric_limits<double>::infinity();
  bool broken = false;
  std::int64_t runs = 0;   ///< times that the row's outputs were asked for
};

struct PgdOptions {
  int steps = 40, restarts = 1;
  double step = 0.01 / 0.3;      ///< as a share of the reach, or of the radius
  double momentum = 0;           ///< of slopes divided by their mean absolute value
  bool random_start = true;      ///< else the centre
  std::uint64_t seed = 0;
};
/// Projected gradient ascent: steps by the sign of the slope, or along it in a Euclidean ball.
Result<std::vector<Found>> pgd(const Model& model, std::span<const Region> regions, const Goal& goal, const PgdOptions& options = {});

struct ApgdOptions {
  int steps = 100, restarts = 1;
  std::uint64_t seed = 0;
};
/// Auto-PGD: momentum and a step that halves by itself where the loss stalls; has no step size to choose.
Result<std::vector<Found>> apgd(const Model& model, std::span<const Region> regions, const Goal& goal, const ApgdOptions& options = {});

/// How the numbers of a point lie in a picture. What is none is a picture of one row.
struct Picture {
  std::int64_t height = 1, width = 0, channels = 1;
  bool channels_last = false;
};
struct SquareOptions {
  int steps = 1000, restarts = 1;   ///< one run of the model each
  double share = 0.8;               ///< of the picture, in the first square
  std::uint64_t seed = 0;
};
/// Random search by squares: needs no slope.
Result<std::vector<Found>> square(const Model& model, std::span<const Region> regions, const Goal& goal, const Picture& picture, const SquareOptions& options = {});

}  // namespace saha::attack

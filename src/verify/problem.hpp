#pragma once
// Problem: a net and a property in the form that searches work on, and what they share: the clock, the counterexample, the count of regions.
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <vector>

#include "verify/grid.hpp"
#include "verify/sweep.hpp"

namespace saha::verify {

/// A row of a case: the case is refuted where the query's lower bound lies above.
struct Limit {
  std::int32_t query;
  double bound;
  bool strict;
};
/// Why a case cannot hold at `lower`, the lower bound of a limit's query.
inline bool refutes(const Limit& l, double lower) { return l.strict ? lower >= l.bound : lower > l.bound; }

struct Problem {
  const Net& net;
  const Property& property;                          ///< over the net's last layer
  const Property& asked;                             ///< over the outputs of what is executed; its cases are property's
  const Options& options;
  std::vector<Query> queries;                        ///< without repeats, over the last layer and the input
  std::vector<std::vector<Limit>> cases;             ///< as in property
  std::vector<std::vector<std::int32_t>> groups;     ///< cases of one box
  std::vector<Box> boxes;                            ///< of each group: the float32 inputs that an engine may see, outwards; with a grid the integers that these become
  const Grid* grid;                                  ///< not null: the net's inputs are integers
  std::vector<Box> outer;                            ///< of each group: the float32 inputs
  kernels::Isa isa;
  int threads;
  const Problem* sought = nullptr;                   ///< not null: where descents look for counterexamples, the same cases over a net with better slopes
};
/// Fails where the grid does.
Result<Problem> make_problem(const Net& net, const Property& property, const Property& asked, const Options& options, const Grid* grid = nullptr);

/// What the threads of a search share.
class Watch {
 public:
  Watch(const Problem& problem, std::function<Result<std::vector<float>>(const std::vector<float>&)> execute);
  bool stopped() const { return stop_.load(std::memory_order_relaxed); }
  bool out_of_time() const;
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  /// Runs x as the network ships; true, and everything stops, where that is a counterexample. x lies within the property's box.
  bool try_point(const std::vector<float>& x);
  /// The same for a point of the group, where it matters why not: nothing where it could not be executed. Integers that no input becomes are no counterexample.
  std::optional<bool> execute(std::size_t group, const std::vector<float>& x);
  void stop() { stop_ = true; }
  void count(std::int64_t n) { regions_ += n; }
  std::int64_t regions() const { return regions_; }
  std::optional<std::pair<std::vector<float>, std::vector<float>>> found();
  /// x moved to float32 numbers (integers, with a grid) inside the box of the group, where there are any.
  std::vector<float> inside(std::size_t group, std::span<const float> x) const;

 private:
  std::optional<bool> judge(const std::vector<float>& x);
  const Problem& problem_;
  std::function<Result<std::vector<float>>(const std::vector<float>&)> execute_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::atomic<bool> stop_{false};
  std::atomic<std::int64_t> regions_{0};
  std::mutex mutex_, execute_mutex_;
  std::optional<std::pair<std::vector<float>, std::vector<float>>> found_;
};

enum class End : std::uint8_t {
  proved,
  stopped,   ///< the watch was, or the time is over
  paused,    ///< run() may go on
  given_up,  ///< the method has come to its end
};

/// Branch and bound over the boxes of a problem's groups.
class Search {
 public:
  virtual ~Search() = default;
  /// Goes on until `until` seconds of the watch.
  virtual End run(double until) = 0;
  /// Share of the region that is refuted by now.
  virtual double done() const = 0;
  virtual std::string why() const = 0;               ///< of given_up
};
/// Splits boxes until every piece is refuted. For few inputs.
/// `record`, if not null, grows a tree for each box, complete where the search proves.
std::unique_ptr<Search> input_search(const Problem& problem, Watch& watch, Record* record);
/// Bounds the whole box, then splits on the signs of ReLUs until every case is refuted. For many inputs.
/// `record`, if not null, grows a tree for each box, complete where the search proves.
std::unique_ptr<Search> activation_search(const Problem& problem, Watch& watch, Record* record);

/// Projected gradient descent of a batch of points, each towards a counterexample of its own case.
class Descent {
 public:
  Descent(const Problem& problem, std::uint64_t seed);
  int lanes() const { return sweep_.lanes(); }
  void random_start(std::span<float> x, std::int32_t of, std::size_t restart);
  /// From `lanes()` starts; step lengths begin at `first_step` of the box's widths and shrink by a tenth each.
  void run(Watch& watch, std::span<const std::vector<float>> starts, std::span<const std::int32_t> of, int steps, float first_step);
  /// From the best of random points of [lo, hi], random steps that shorten where they gain nothing, within the case's box: for rows that must hold together in few inputs, where a descent
  /// along the worst of them goes to and fro.
  void wander(Watch& watch, std::span<const float> lo, std::span<const float> hi, std::int32_t of);
  /// Evaluates points, each for its case; those near enough go to watch.try_point(). True where one was a counterexample.
  bool screen(Watch& watch, std::span<const std::vector<float>> points, std::span<const std::int32_t> of);

 private:
  double excess(const Limit& l, const float* x, const float* y, std::size_t lane) const;
  double worst(std::int32_t of, const float* x, const float* y, std::size_t lane) const;
  const Problem& problem_;
  Sweep sweep_;
  std::mt19937_64 random_;
  std::vector<std::size_t> group_of_;
};

/// Gradient descent from many points, then the worst ones by sign steps: finds counterexamples within milliseconds where they are many.
void attack(const Problem& problem, Watch& watch, std::span<const std::int32_t> cases, int steps, int restarts, std::uint64_t seed);

/// Decides boxes of integers (Problem::grid) point by point.
class Points {
 public:
  explicit Points(const Problem& problem);
  static double count(std::span<const float> lo, std::span<const float> hi);
  /// Every integer point of [lo, hi] against the open cases of the group. True: none is a counterexample, or one was found (the watch has stopped). False: one could not be executed.
  bool run(Watch& watch, std::size_t group, std::span<const float> lo, std::span<const float> hi, std::span<const std::int32_t> open);

 private:
  static constexpr int kLanes = 64;
  /// A lower bound of a query in terms of integers.
  struct Row {
    std::vector<std::pair<std::int32_t, double>> terms;
    double constant = 0;
  };
  void bound(std::int32_t query, std::span<const float> points, double* least);
  const Problem& problem_;
  Sweep sweep_;
  std::size_t last_;                                 ///< layer that is executed
  std::vector<Row> rows_;                            ///< of the problem's queries, over last_, where the outputs are no more than a sum of integers that are scaled; else empty
};

}  // namespace saha::verify

#pragma once
// Region: sound linear lower bounds over one box of inputs, in float64. What its own roundings and those of the network's float32 sums can do is subtracted from each.
#include <span>
#include <string_view>
#include <vector>

#include "check_proof/layers.hpp"
#include "check_proof/loops.hpp"

namespace saha::check_proof {

/// Intervals of the sums of all layers, one layer after another: every run of a point in a region has them.
struct Known {
  std::vector<double> lo, hi;
};

/// The sum before a ReLU is at least 0 (sign 1) or at most 0 (-1), as many times as `multiplier` says in the bound; below 0: that is not made use of.
struct Split {
  std::int32_t place;                                ///< of Region::set_places()
  float sign, multiplier = 0;
};

/// What is bounded from below: a sum of elements of layers (and of inputs: layer 0).
struct Query {
  struct Term {
    std::int32_t layer, element;
    double factor;
  };
  std::vector<Term> terms;
  bool sums = false;                                 ///< terms are of the sums before ReLUs
  std::string_view slopes = {};                      ///< in units of 1 / 255, of places in their order; may be shorter
  std::span<const Split> splits = {};
  std::span<const double> known = {};                ///< of each place lo, hi, for runs that have the signs of `splits`; empty: as of the region
};

/// What holds for all runs: sum >= constant + slope * x, and >= least where x is in the box.
struct Bound {
  double constant = 0, least = 0;
};

class Region {
 public:
  Region(const Layers& net, bool float32);
  std::size_t inputs() const { return std::size_t(net_.all[0].size); }
  /// Intervals from the box, met with `known` (null: with nothing); elements whose ReLU is open also by linear bounds. False: no run is in the region.
  bool enter(std::span<const double> lo, std::span<const double> hi, const Known* known);
  /// Intervals of the layers behind one again whose own were narrowed. False: no run is in the region.
  bool pass(std::size_t layer) { return lines(layer), forward(layer + 1, false); }
  const Known& known() const { return known_; }
  double& lo(Layers::Place p) { return known_.lo[std::size_t(state_[std::size_t(p.layer)].first + p.element)]; }
  double& hi(Layers::Place p) { return known_.hi[std::size_t(state_[std::size_t(p.layer)].first + p.element)]; }
  /// Elements of ReLUs that queries' slopes, splits and known bounds speak of.
  void set_places(std::span<const Layers::Place> places);
  /// `linear`, if not null: the slopes, inputs() for each query. Any number of queries.
  void bound(std::span<const Query> queries, Bound* bounds, double* linear);

 private:
  /// al z <= relu(z) <= au z + cu on an interval.
  struct Line {
    double al = 0, au = 0, cu = 0;
  };
  static Line line(double lo, double hi);
  struct State {
    std::int64_t first = 0;                          ///< of its elements, in known_
    std::vector<double> error, line_error;           ///< of a sum, and of its line, for each unit of a coefficient
    std::vector<Line> line;
    std::vector<std::int32_t> live;                  ///< elements whose value is not 0 whatever happens
    std::vector<double> coefficient;                 ///< [element][column]
    std::vector<std::int32_t> place;                 ///< of each element, or -1; empty: there is none
    bool touched = false;
  };
  struct Seed {
    std::int32_t layer, element, column;
    double factor;
  };
  bool forward(std::size_t first, bool refined);
  bool sums(std::size_t k);
  void lines(std::size_t k);
  bool refine(std::size_t k);
  void touch(std::size_t k, std::int64_t columns);
  void relus(std::size_t k, std::span<const Query> queries, std::int64_t columns);
  void down(std::size_t k, std::int64_t columns, std::span<const Seed> seeds);

  const Layers& net_;
  const Sums& sums_;
  double unit_, tiny_;                               ///< float32: of one rounding, relative, and of what is lost near 0
  double own_;                                       ///< relative: all roundings of this class for one element
  std::vector<State> state_;
  Known known_;
  std::vector<double> sum_, work_;
  struct Assumed {
    std::int32_t column;
    float sign, multiplier;
  };
  std::vector<std::vector<Assumed>> assumed_;        ///< of each place, in the queries that are bounded now
  bool broken_ = false;                              ///< no bound of this box holds
};

}  // namespace saha::check_proof

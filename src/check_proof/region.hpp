#pragma once
// Region: sound linear lower bounds over one box of inputs, in float64. What its own roundings and those of the network's float32 sums can do is subtracted from each.
#include <algorithm>
#include <cmath>
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
  /// Intervals from the box, met with `known` (null: with nothing); elements whose ReLU is open also by linear bounds. False: no run is in the region.
  bool enter(std::span<const double> lo, std::span<const double> hi, const Known* known);
  /// Intervals of the layers from `first` on, after others were narrowed. `refined`: also by linear bounds. False: no run is in the region.
  bool forward(std::size_t first, bool refined);
  const Known& known() const { return known_; }
  double& lo(Layers::Place p) { return known_.lo[first_[std::size_t(p.layer)] + std::size_t(p.element)]; }
  double& hi(Layers::Place p) { return known_.hi[first_[std::size_t(p.layer)] + std::size_t(p.element)]; }
  /// Elements of ReLUs that queries' slopes, splits and known bounds speak of.
  void set_places(std::span<const Layers::Place> places);
  /// `linear`, if not null: the slopes, of all inputs for each query. Any number of queries.
  void bound(std::span<const Query> queries, Bound* bounds, double* linear);

 private:
  struct State {
    std::vector<double> error;                       ///< of a sum, for each unit of a coefficient
    std::vector<std::int32_t> live, place;           ///< elements whose value is not 0 whatever happens; place of each element, or -1
    std::vector<double> coefficient;                 ///< [element][column]
    bool touched = false;
  };
  bool sums(std::size_t k);
  bool refine(std::size_t k);
  void touch(std::size_t k, std::int64_t columns);
  void relus(std::size_t k, std::span<const Query> queries, std::int64_t columns);
  void down(std::size_t k, std::int64_t columns);

  const Layers& net_;
  const Sums& sums_;
  double unit_, tiny_;                               ///< float32: of one rounding, relative, and of what is lost near 0
  double own_;                                       ///< relative: all roundings of this class for one element
  std::vector<State> state_;
  std::vector<std::size_t> first_;                   ///< of each layer's elements in known_
  Known known_;
  std::vector<double> sum_;
  struct Marked {
    std::int32_t of, column;
    double factor;
  };
  std::vector<Marked> seeds_;                        ///< columns that begin at the sums of the layer that is gone through: its elements, ascending
  std::vector<std::vector<Marked>> assumed_;         ///< of each place: columns that have its sign (of) as many times (factor)
  bool broken_ = false;                              ///< no bound of this box holds
};

}  // namespace saha::check_proof

#pragma once
// Region: sound linear lower bounds over one box of inputs, in float64. What its own roundings and those of the network's float32 sums can do is subtracted from each.
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "check_proof/layers.hpp"
#include "check_proof/loops.hpp"

namespace saha::check_proof {

/// Intervals of all layers' elements, one layer after another: every run of a point in a region has them.
struct Known {
  std::vector<double> lo, hi;
};

/// The operand of a ReLU is at least 0 (sign 1) or at most 0 (-1); `multiplier` >= 0 of that, in the bound.
struct Split {
  std::int32_t relu, element;
  double sign, multiplier = 0;
};

/// A sum of elements of layers (and of inputs: layer 0) that is bounded from below.
struct Query {
  struct Term {
    std::int32_t layer, element;
    double factor;
  };
  std::vector<Term> terms;
  std::span<const double> slopes = {};               ///< of the elements in Region::set_sloped(), in its order; may be shorter
  std::span<const Split> splits = {};
};

/// What holds for all runs: sum >= constant + slope * x, and >= least where x is in the box.
struct Bound {
  double constant = 0, least = 0;
};

class Region {
 public:
  Region(const Layers& net, bool float32);
  std::size_t inputs() const { return std::size_t(net_.all[0].size); }
  const Layers& net() const { return net_; }
  /// Intervals from the box, met with `known` (null: with nothing). With `refined`, elements whose ReLU is open also by linear bounds. False: no run is in the region.
  bool enter(std::span<const double> lo, std::span<const double> hi, const Known* known, bool refined);
  /// The same of the layers from `first` on after known() was narrowed.
  bool pass(std::size_t first, std::size_t end, bool refined);
  const Known& known() const { return known_; }
  /// Narrows an interval of a ReLU layer's operand. False: it is empty.
  bool narrow(std::int32_t relu, std::int32_t element, double lo, double hi);
  /// Which elements queries' slopes speak of: (ReLU, element), ascending.
  void set_sloped(std::span<const std::pair<std::int32_t, std::int32_t>> sloped);
  /// `linear`, if not null: the slopes, inputs() for each query. Any number of queries.
  void bound(std::span<const Query> queries, Bound* bounds, double* linear);

 private:
  struct State {
    std::int64_t first = 0;                          ///< of its elements, in known_
    std::vector<double> error, al, au, cu;           ///< error: of a sum, or of a ReLU's lines, for each unit of its coefficient
    std::vector<std::int32_t> live;                  ///< elements that are not 0 whatever happens
    std::vector<double> coefficient;                 ///< [element][column]
    std::vector<std::int32_t> slope;                 ///< place in a query's slopes, or -1; empty: none has one
    std::int32_t ordinal = -1;                       ///< of a ReLU
    bool touched = false;
  };
  bool sums(std::size_t k);
  void lines(std::size_t k);
  bool refine(std::size_t k);
  void touch(std::size_t k, std::int64_t columns);
  void down(std::size_t k, std::span<const Query> queries, std::int64_t columns, std::span<const Query::Term> seeds, std::span<const std::int32_t> seed_column);

  const Layers& net_;
  const Sums& sums_;
  double unit_, tiny_;                               ///< float32: of one rounding, relative, and of what is lost near 0
  double own_;                                       ///< relative: all roundings of this class for one element
  std::vector<State> state_;
  Known known_;
  std::vector<double> sum_, work_;
  struct Override {
    std::int32_t relu, element, column;
    double sign, multiplier;
  };
  std::vector<Override> overrides_;                  ///< of one block, last layer first
  std::size_t next_override_ = 0;
  bool broken_ = false;                              ///< no bound of this box holds
};

}  // namespace saha::check_proof

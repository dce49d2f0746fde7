#pragma once
// Sweep: bounds of a net over a batch of boxes ("lanes"), forwards by intervals and backwards by linear bounds (CROWN, Zhang et al. 2018). Every number is float32;
// what its roundings can do is subtracted, together with what the roundings of a float32 execution in any order can do, so all bounds hold for what runs.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "verify/blocks.hpp"
#include "verify/loops.hpp"
#include "verify/net.hpp"

namespace saha::verify {

struct Interval {
  float lo = 0, hi = 0;
};

/// Linear bounds of one function on [lo, hi], for float32 coefficients: al x + cl <= f(x) <= au x + cu. `ok` is false where f is not finite on all of it.
struct Line {
  float al = 0, cl = 0, au = 0, cu = 0;
  bool ok = true;
};
Line line_of(const Unary& f, double lo, double hi);
/// The same of one element's steps, from index a to index b.
Line line_of(const Steps::Table& t, bool whole, std::size_t a, std::size_t b, double lo, double hi);
/// The values that f takes on [lo, hi], widened by what an engine's evaluation may be off.
std::pair<double, double> range_of(const Unary& f, double lo, double hi);

/// The same of a ReLU, whose operand `readers` layers read: the lower slope is the nearer one of 0 and 1, and `slack` covers the roundings of a sweep.
struct ReluLine {
  float al = 0, au = 0, cu = 0, slack = 0;
};
ReluLine relu_line(float lo, float hi, int readers);

/// a x + b y + c >= relu(x) - relu(y) wherever x and y lie in their intervals and x - y in its own, by about `gap` on average. Slopes are within [-1, 1].
struct Plane {
  float a = 0, b = 0, c = 0, gap = 0;
};
/// `second`, if not null: the next best.
Plane above_difference(Interval x, Interval y, Interval x_less_y, Plane* second = nullptr);

/// A linear function of a layer's elements and of the input: what is bounded from below.
struct Query {
  std::vector<std::pair<std::int32_t, float>> terms;  ///< of the layer, each element once
  std::vector<std::pair<std::int32_t, float>> inputs = {};
  bool rounded = false;                               ///< the coefficients stand for numbers that float32 does not hold: bounds hold for those too
};

/// Linear bounds of some rows over a batch of boxes: for each row and then its negative [2 row + side], slopes [input][lane] and constants [lane], so that slope x + constant lies below for every
/// x of the lane's box.
struct Linear {
  std::vector<float> slopes;
  std::vector<double> constants;
};

class Sweep {
 public:
  /// lanes: 1 or a multiple of loops.vector. columns: at least lanes; how many coefficients of an element are worked on at once.
  Sweep(const Net& net, const Loops& loops, int lanes, int columns, Arithmetic arithmetic) : Sweep(net, loops, lanes, columns, arithmetic, lanes) {}
  virtual ~Sweep() = default;

  int lanes() const { return lanes_; }
  const Net& net() const { return net_; }
  /// [element][lane]; of the input set by the caller, of the others what is known so far.
  float* lo(std::size_t layer) { return state_[layer].lo.data(); }
  float* hi(std::size_t layer) { return state_[layer].hi.data(); }
  /// Lanes in which something was not finite: no bound of theirs holds.
  bool broken(int lane) const { return broken_[std::size_t(lane)] != 0; }
  /// Layers that a nonlinear one reads: their bounds are worth tightening. Where a product or a curve reads what a layer only moves, what is moved stands for it.
  const std::vector<std::int32_t>& critical() const { return critical_; }
  bool is_critical(std::size_t layer) const { return state_[layer].critical; }
  /// The layer only moves critical ones.
  bool passes(std::size_t layer) const { return state_[layer].passes; }

  /// Forgets all bounds but the input's.
  void start();
  /// Intervals of a layer from those of its operands, met with what lo() and hi() hold; then the lines of a nonlinear one.
  void forward(std::size_t layer);
  /// Elements of a critical layer whose nonlinear reader is not linear over them in some lane.
  void loose(std::size_t layer, std::vector<std::int32_t>& rows) const;
  /// How far apart the two lines of an element of a layer of steps are, in the middle.
  float gap(std::size_t layer, std::int32_t element, int lane) const;
  /// By how much the lines that a pass takes of a pair are off - of the first, the second and their difference -, where `u` multiplies the first, the mate of `layer`, and `v` the second.
  std::array<float, 3> pair_cost(std::size_t layer, std::int32_t element, int lane, float u, float v) const;
  /// Whether one of them is that in this lane, by its bounds as they are now.
  bool loose(std::size_t layer, std::int32_t element, int lane) const;
  /// Tightens these elements by linear bounds. `linear`, if not null: those bounds.
  void refine(std::size_t layer, std::span<const std::int32_t> rows, Linear* linear = nullptr);
  /// Lower bounds of queries on a layer: out[query][lane]. `slopes`: [query][input element][lane], the bound's linear part. `seen` is called after each chunk
  /// of queries, while coefficients() holds what multiplies the elements of each layer: [element][query - first][lane].
  /// Asked between chunks: true ends bound() and refine() early, with no bound for what is left.
  std::function<bool()> stop = nullptr;
  template <class Seen> void bound(std::size_t layer, std::span<const Query> queries, double* out, float* slopes, Seen seen) {
    const int per = std::max(1, columns_ / lanes_);
    for (std::size_t first = 0; first < queries.size(); first += std::size_t(per)) {
      const std::size_t n = std::min(queries.size() - first, std::size_t(per));
      if (stop && stop()) {
        std::fill(out + first * std::size_t(lanes_), out + queries.size() * std::size_t(lanes_), -INFINITY);
        return;
      }
      pass(layer, queries.subspan(first, n), out + first * std::size_t(lanes_), slopes ? slopes + first * std::size_t(net_.inputs()) * std::size_t(lanes_) : nullptr);
      seen(first, n);
    }
  }
  void bound(std::size_t layer, std::span<const Query> queries, double* out, float* slopes = nullptr) {
    bound(layer, queries, out, slopes, [](std::size_t, std::size_t) {});
  }
  const float* coefficients(std::size_t layer) const { return state_[layer].coefficient.data(); }
  /// Whether any bound went through the layer in the last pass, else its coefficients are 0.
  bool reached(std::size_t layer) const { return state_[layer].has; }
  std::int64_t stride() const { return ld_; }
  /// Elements of the layer that matter: the others are constant in every lane.
  const std::vector<std::int32_t>& active(std::size_t layer) const { return state_[layer].active; }

  /// Intervals of a layer, and of those it takes, at points of integers, lo() of the input: layers of integers are computed as such, the rest is bounded.
  void execute(std::size_t layer);
  /// The layer is integers, made of nothing but integers.
  bool integer(std::size_t layer) const { return state_[layer].integer; }
  /// Values at points: x is [element][lane]; the result is the last layer's. With `keep`, lo() and hi() of every layer are the values, for gradients().
  const float* evaluate(const float* x, bool keep = false);
  /// Stairs have no slope at a point: from here on that of the chord over what their operands take on in the box, by intervals.
  void slope_stairs(std::span<const float> lo, std::span<const float> hi);
  /// After evaluate(x, true): slopes of queries at the points, [query][input][lane].
  void gradients(std::span<const Query> queries, float* slopes);

 protected:
  /// box_lanes: of bounds, errors and lines: lanes, or 1 where all lanes are of one box.
  Sweep(const Net& net, const Loops& loops, int lanes, int columns, Arithmetic arithmetic, int box_lanes);
  struct Panel {
    std::vector<float> data;
    std::vector<std::int32_t> k, j;
    bool valid = false;
  };
  /// A sparse matrix without the rows and columns of elements that do not matter.
  struct Pruned {
    Blocks by_row, by_col;
  };
  /// Lines of relu(a) - relu(b), of a pair, and where `other` the next best; the gaps of all six lines.
  struct Joint {
    std::vector<float> al, au, bl, bu, cl, cu, slack, gap[6];
    std::vector<float> other_al, other_au, other_bl, other_bu, other_cl, other_cu;
  };
  struct State {
    std::vector<float> lo, hi, error;                ///< [element][lane]; error: of an affine layer
    std::vector<float> al, au, bl, bu, cl, cu, slack;  ///< of a ReLU no cl: it is 0
    std::vector<float> coefficient;                  ///< [element][column]
    Joint joint;                                     ///< of the second of a pair
    std::vector<std::int32_t> active;
    std::vector<Panel> back;                         ///< one a term
    std::vector<Panel> ahead, magnitude;
    std::vector<std::shared_ptr<const Pruned>> pruned;  ///< one a term; null: the matrix itself
    std::int32_t readers = 0;
    double products = 0;                             ///< a coefficient of an element is a sum of at most so many
    std::vector<double> lost;                        ///< [lane]: what products too small for float32 may take from any bound, in layers up to this
    bool critical = false, passes = false, exact_box = false, has = false;
    bool integer = false, bounds = false;            ///< integers made of nothing but integers; and read by a layer that is not so, or by none
    std::int64_t slope_lanes = 0, line_lanes = 0;    ///< slope_lanes: of al
    Lines lines() const { return {al.data(), au.data(), bl.data(), bu.data(), cl.empty() ? nullptr : cl.data(), cu.data(), slack.data(), slope_lanes, line_lanes}; }
    bool signs = true;                               ///< all that matters of the layer's elements is their sign
    const Steps* steps = nullptr;                    ///< of the only reader
    std::int32_t paired = -1;                        ///< of a layer of differences: the second ReLU of the pair
  };

  static const State& root_state(const Sweep& root, std::size_t layer) { return root.state_[layer]; }
  void read_by_nonlinear(std::int32_t from, bool through);
  void values(std::size_t layer);
  void intervals(std::size_t layer);
  void affine(std::size_t layer);
  void count_zeros(const Matrix& m, const float* largest, std::int64_t width, std::vector<float>& zeros) const;
  void lines(std::size_t layer);
  void pair_lines(std::size_t layer);
  void join(std::size_t layer, std::size_t at);
  void product_lines(std::size_t layer);
  void step_lines(std::size_t layer);
  bool bound_over(std::size_t layer, std::span<const std::int32_t> rows, double* out);
  void count_lost(std::size_t layer);
  void narrow_active(std::size_t layer);
  void prune(std::size_t layer);
  bool scatter(std::size_t layer, std::span<const Query* const> queries, std::int64_t per);
  void pass(std::size_t layer, std::span<const Query> queries, double* out, float* slopes);
  void descend(std::size_t layer, const std::vector<std::int32_t>& rows, std::span<const Query* const> queries, std::int64_t per, std::int64_t columns);
  void down(std::size_t layer, List rows, std::int64_t columns);
  bool paired_down(std::size_t layer, std::int64_t columns);
  virtual void through_unary(std::size_t layer, List rows, std::int64_t columns, bool add);
  virtual void pair_down(std::size_t second, std::int64_t columns, bool add_a, bool add_b);
  void write(std::size_t to, List rows, std::int64_t columns, bool& add);
  void multiply(const Term& t, Panel& panel, bool magnitude, const float* x, float* y, std::int64_t ld, std::int64_t columns, bool add) const;
  const Panel& panel_of(Panel& p, const Matrix& m, List k, List j, bool backward, bool magnitude) const;

  const Net& net_;
  const Loops& loops_;
  int lanes_, box_lanes_, columns_;
  std::int64_t ld_;
  Arithmetic arithmetic_;
  std::vector<State> state_;
  std::vector<std::int32_t> critical_, all_;
  std::vector<char> broken_;
  std::vector<double> sum_;
  std::vector<std::vector<float>> chords_;           ///< of stairs, by layer and element
  bool pointwise_ = false;                           ///< lines are slopes at points: no constants, no errors
};

}  // namespace saha::verify

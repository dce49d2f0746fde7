#pragma once
// Ascent: every column a problem of its own - its own query, its own signs of split activations - whose linear lower bound is raised by gradient steps on the lower
// slopes of ReLUs (alpha-CROWN, Xu et al. 2021), on how the bounds of products mix their planes, and on the multipliers of the split signs (beta-CROWN, Wang et al. 2021). Any slopes and multipliers give a sound
// bound, so nothing here can make one wrong.
#include <thread>

#include "verify/record.hpp"
#include "verify/sweep.hpp"

namespace saha::verify {

/// The sign of a ReLU's operand, assumed.
struct Split {
  std::int32_t open;                                 ///< which of Ascent::open()
  float sign;                                        ///< 1: at least 0; -1: at most 0
  float multiplier = 0;
};

/// Of an ascent: the first step of slopes, all of which are in [0, 1], and that of multipliers, relative to the coefficients around them; each step is `decay` of the one before.
struct Rates {
  int steps;
  float slope = 0, multiplier = 0, decay = 1;
};
/// Measured on mnist_fc and oval21. Where nothing is known of the slopes; from those of what was split, which are near the best ones: larger steps would leave them.
inline constexpr Rates kFirstRates{10, 0.3f, 0.2f, 0.7f}, kMoreRates{7, 0.05f, 0.2f, 0.8f};

class Ascent : public Sweep {
 public:
  /// As many problems at once as `columns` (rounded up to a vector).
  Ascent(const Net& net, const Loops& loops, int columns, Arithmetic arithmetic);

  /// All columns: the bounds, lines and errors of the one lane of `root`, which has bounded the same net.
  void begin(const Sweep& root);
  /// ReLUs whose sign was open in `root`, in a fixed order, that of slopes and of known bounds.
  struct Place {
    std::int32_t operand, layer, element;            ///< the ReLU is layer's element over operand's
  };
  const std::vector<Place>& open() const { return open_; }
  int columns() const { return lanes_; }
  /// What is raised but for multipliers: slopes of the open ReLUs, then weights of the products' planes and of the pairs'.
  std::size_t num_slopes() const { return open_.size() + num_weights_; }
  /// Column c bounds query q of a layer, under splits. `slopes`: where the ascent starts, of the open ones before the layer and of products; null: at the nearer one of 0 and 1,
  /// and at halves.
  void set(int c, std::size_t layer, const Query& q, std::vector<Split> splits, const float* slopes);
  /// Of num_slopes(), the first ones that matter to the layer of set(); returns their number.
  std::size_t get_slopes(int c, float* to) const;
  const std::vector<Split>& splits(int c) const { return splits_[std::size_t(c)]; }
  /// Bounds columns [0, used) of `layer` rates.steps times, with ascents between; out[c] is the best lower bound met, as bound() would give it. A column whose bound reaches
  /// `enough[c]` needs no more; the run ends when all have.
  void run(std::size_t layer, int used, Rates rates, double* out, const double* enough);
  /// From now on run() keeps how each column's best bound was found, with slopes in units of 1 / 255, so that a certificate can have them as they are.
  void keep_best();
  /// Of the last run: slopes of the first `places` of open().
  Bounding best(int c, std::size_t places) const;
  /// How many of open() are of ReLUs before that of operand `layer`; which one its element is.
  std::size_t places_before(std::size_t layer) const;
  std::int32_t place(std::size_t layer, std::int32_t element) const { return place_[layer][std::size_t(element)]; }
  /// A certificate's `places`: open().
  std::string places() const;
  /// After run(): how much each open ReLU's relaxation costs column c at the input where its bound is least: the largest first.
  struct Choice {
    std::int32_t open;                               ///< which of open()
    float score;
  };
  std::vector<Choice> choices(int c, std::size_t most) const;
  /// The input at which the linear bound of column c is least.
  void corner(int c, std::span<float> x) const;

 private:
  void through_unary(std::size_t layer, List rows, std::int64_t columns, bool add) override;
  void pair_down(std::size_t second, std::int64_t columns, bool add_a, bool add_b) override;
  PairMix pair_mix(std::size_t second);
  void hold(std::size_t second, std::int64_t columns);
  void release(State& operand, std::int64_t c, std::size_t e, float held, const Split& split);
  bool second_of_pair(std::size_t layer) const { return net_.layers[layer].gap >= 0 && net_.layers[layer].mate < std::int32_t(layer); }
  template <class F> void each_split(std::size_t layer, std::int64_t columns, F f);
  void primal(std::int64_t columns);
  void scale_multipliers(int used);
  void keep(int used, const std::vector<char>& better);

  Planes planes(std::size_t layer);

  /// An element of a pair of which a column has split one or both: the pair's lines have nothing of it. Index 0: the first ReLU.
  struct Held {
    std::int64_t column;
    std::int32_t element;
    float coefficient[2];
    const Split* split[2];
    ReluLine line[2];                                ///< of one that is not split, over what the other's sign leaves
  };
  struct Extra {
    std::vector<std::int32_t> open, fixed;           ///< elements of a ReLU that matter: those with an open sign, and the others
    std::vector<float> held;                         ///< coefficients of its split elements, column by column
    std::vector<float> value, mean, square;          ///< [element][column]; of a product mean and square of the lower planes, then of the upper ones
    std::vector<float> weight;                       ///< of a product: of the first of two planes, lower then upper; of a pair's second: share, low and high of its difference (PairMix)
    std::vector<float> pair_mean, pair_square;       ///< of a pair's second, as the next two
    std::vector<float> share;                        ///< where shares begin, of each element
    std::vector<Held> pairs_held;
    std::vector<Panel> primal;
  };
  std::vector<Extra> extra_;
  std::vector<Place> open_;
  std::vector<std::vector<Split>> splits_;
  std::vector<std::vector<std::array<float, 2>>> moments_;  ///< of multipliers
  std::vector<std::vector<float>> scales_;
  std::vector<Query> queries_;
  std::size_t num_weights_ = 0;
  std::vector<char> fresh_;                          ///< columns whose planes are to begin at halves
  std::vector<float> nearer_;                        ///< of the open ones: the nearer one of 0 and 1
  std::vector<std::size_t> open_before_, before_;    ///< how many open ReLUs lie before a layer, before the layer of a column's set()
  bool keeps_ = false;
  std::vector<std::uint8_t> best_slopes_;            ///< [open][column]
  std::vector<std::vector<float>> best_multipliers_; ///< of each column
  std::vector<std::vector<std::int32_t>> place_;     ///< of an operand's element: its number among the open ones, or -1
};

/// Threads with an Ascent each.
class Crew {
 public:
  Crew(int threads, std::function<std::unique_ptr<Ascent>()> make) : make_(std::move(make)), ascents_(std::size_t(threads)) {}
  int threads() const { return int(ascents_.size()); }
  /// Of one thread of on_threads(). Made when first asked for: large.
  Ascent& ascent(unsigned thread) {
    if (!ascents_[thread]) ascents_[thread] = make_();
    return *ascents_[thread];
  }
  /// f(0) here and f(1), f(2) ... beside it; returns when all have.
  template <class F> void on_threads(F f) {
    std::vector<std::thread> others;
    for (std::size_t t = 1; t < ascents_.size(); ++t) others.emplace_back([&f, t] { f(unsigned(t)); });
    f(0);
    for (std::thread& t : others) t.join();
  }

 private:
  std::function<std::unique_ptr<Ascent>()> make_;
  std::vector<std::unique_ptr<Ascent>> ascents_;
};

}  // namespace saha::verify

#pragma once
// The inner loops of bounding, compiled once per instruction set. Matrices of coefficients lie element by element: row e holds, for each column of the
// sweep, what multiplies element e of a layer. Rows are `ld` floats apart; `columns` is a multiple of the vector. Column c speaks of lane c % lanes (lanes is 1,
// or a multiple of the vector that divides the number of columns).
#include <cstdint>

#include "kernels/isa.hpp"

namespace saha::verify {

/// Which rows a loop reads or writes.
struct List {
  const std::int32_t* at = nullptr;
  std::int32_t n = 0;
};

/// Linear lower and upper bounds of a function of one or two elements, per element and lane: lower = al x + bl y + cl, upper likewise, both to be missed by
/// `slack`. cl null: 0. All have `lanes` but al, which has `slope_lanes`.
struct Lines {
  const float *al = nullptr, *au = nullptr, *bl = nullptr, *bu = nullptr, *cl = nullptr, *cu = nullptr, *slack = nullptr;
  std::int64_t slope_lanes = 1, lanes = 1;
};

/// McCormick's planes of products x y over la <= x <= ha, lb <= y <= hb: below lb x + la y - la lb and hb x + ha y - ha hb, above hb x + la y - la hb and lb x + ha y - ha lb. What
/// a bound takes is a mixture, `weight` of the first plane; element by element in rows of `ld` but for the bounds, of `weight`, `mean` and `square` the upper ones `upper` floats after the lower.
struct Planes {
  const float *la = nullptr, *ha = nullptr, *lb = nullptr, *hb = nullptr;  ///< of the elements
  float *al = nullptr, *au = nullptr, *bl = nullptr, *bu = nullptr, *cl = nullptr, *cu = nullptr;
  float *weight = nullptr, *mean = nullptr, *square = nullptr;
  std::int64_t upper = 0;
};

/// Two ReLUs, and lines of the first less the second over the operands of both (a the first's, b the second's), whose slack holds for all that is computed of the pair. `gap`: by how much
/// lines are off: the first's lower and upper, the second's, the difference's.
struct PairLines {
  Lines first, second, difference;
  const float* gap[6];
};

/// Rows of a dense product that are worked on together: at most six, and as nearly alike as their number allows.
constexpr std::int32_t panel_height(std::int32_t rows) {
  const std::int32_t panels = (rows + 5) / 6;
  return panels ? (rows + panels - 1) / panels : 1;
}

/// PairLines with two planes on each side of the difference, all mixed column by column: of t's full size - the smaller one of u and -v where these have one sign, else 0 - the share `share` goes to the
/// difference; of its planes the first have the weights `low` and `high`. Element by element in rows of `ld`. `mean` and `square`: of share, low and high, and of the slopes of both ReLUs, `apart` floats one behind the other.
struct PairMix {
  float *first_al, *second_al;                       ///< lower slopes of the ReLUs, as the weights; all other lines are of the elements
  const float *first_au, *first_cu, *second_au, *second_cu;
  const float *al[2], *au[2], *bl[2], *bu[2], *cl[2], *cu[2], *slack;
  float *share, *low, *high, *mean, *square;
  std::int64_t apart;
};

struct Loops {
  int vector;
  /// c[j] (+)= sum over k of w(j, k) a[k]. `panels`: panel_height(j.n) of j at a time, for each k their weights.
  void (*dense)(const float* panels, List k, List j, const float* a, float* c, std::int64_t ld, std::int64_t columns, bool add);
  /// The same where row j has few: those from start[j] to start[j + 1], at `from`, with values[place] (place null: in order).
  void (*sparse)(const std::int32_t* start, const std::int32_t* from, const std::int32_t* place, const float* values, List j, const float* a, float* c, std::int64_t ld,
                 std::int64_t columns, bool add);
  /// into[j] (+)= coefficient[j]+ al + coefficient[j]- au, constants to `sum`: the lower bound of coefficient * f(x) in terms of x.
  void (*unary)(const Lines& lines, List j, const float* coefficient, float* into, std::int64_t ld, std::int64_t columns, double* sum, bool add);
  /// Of one operand of a product: `a`, or b where `second`; constants are added with the first only.
  void (*product)(const Lines& lines, List j, const float* coefficient, float* into, std::int64_t ld, std::int64_t columns, double* sum, bool add, bool second);
  /// u relu(a) + v relu(b) = (u - t) relu(a) + (v + t) relu(b) + t (relu(a) - relu(b)), for any t: of 0, u and -v the one whose lines are off least. Coefficients and constants as of
  /// unary.
  void (*pair)(const PairLines& lines, List j, const float* u, const float* v, float* into_a, float* into_b, std::int64_t ld, std::int64_t columns, double* sum, bool add_a, bool add_b);
  /// The same by shares.
  void (*mixed_pair)(const PairMix& mix, List j, const float* u, const float* v, float* into_a, float* into_b, std::int64_t ld, std::int64_t columns, double* sum, bool add_a, bool add_b);
  /// x, y: values of the operands. Of the bound of u relu(a) + v relu(b) its slopes for u and v, at those values; one step as of ascend() on the ReLUs' lower slopes and on shares and weights.
  void (*pair_values)(const PairMix& mix, List j, const float* u, const float* v, const float* x, const float* y, float* first, float* second, std::int64_t ld, std::int64_t columns);
  void (*climb_pair)(const PairMix& mix, List j, const float* u, const float* v, const float* x, const float* y, float step, float square_scale, std::int64_t ld, std::int64_t columns);
  /// sum += coefficient[j] bias[j] - |coefficient[j]| error[j][lane]
  void (*constant)(const float* bias, const float* error, std::int64_t lanes, List j, const float* coefficient, std::int64_t ld, std::int64_t columns, double* sum);
  /// sum += min over lo <= x <= hi of coefficient[j] x[j], rounded down
  void (*box)(const float* lo, const float* hi, std::int64_t lanes, List j, const float* coefficient, std::int64_t ld, std::int64_t columns, double* sum);
  /// out[j] = the x[j] of that least value
  void (*corner)(const float* lo, const float* hi, std::int64_t lanes, List j, const float* coefficient, float* out, std::int64_t ld, std::int64_t columns);
  /// out[j] = the line that coefficient[j] chose, at x (and at y, of a product; null: one operand).
  void (*chosen)(const Lines& lines, List j, const float* coefficient, const float* x, const float* y, float* out, std::int64_t ld, std::int64_t columns);
  /// x[j] += bias[j]
  void (*shift)(const float* bias, List j, float* x, std::int64_t ld, std::int64_t columns);
  /// to = x scale, rounded to even, + base, within [least, most]
  void (*round)(const float* x, float* to, float scale, float base, float least, float most, std::int64_t n);
  /// One step of Adam (Kingma and Ba 2015) upwards on lower slopes in [0, 1]: the slope of the bound is coefficient+ times x. `step` has the bias correction in it.
  void (*ascend)(List j, const float* coefficient, const float* x, float* slope, float* mean, float* square, float step, float square_scale, std::int64_t ld,
                 std::int64_t columns);
  /// Lines of products from their planes, and one step of the same kind on the weights of the planes: that of the first lower plane times coefficient+, of the first upper one times
  /// coefficient-. x, y: values of the operands. `step` 0: the lines only.
  void (*mix)(const Planes& planes, List j, const float* coefficient, const float* x, const float* y, float step, float square_scale, std::int64_t ld, std::int64_t columns);
};

const Loops& loops(kernels::Isa isa);
namespace generic { extern const Loops kLoops; }
namespace avx2 { extern const Loops kLoops; }
namespace avx512 { extern const Loops kLoops; }
namespace neon { extern const Loops kLoops; }

}  // namespace saha::verify

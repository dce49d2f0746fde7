// GridSample and AffineGrid: a tensor read at places that another tensor computes. 2, 3 or any number of spatial axes.
#include <algorithm>
#include <cmath>

#include "op/builder.hpp"
#include "op/strides.hpp"

namespace saha::op {
namespace {
using std::to_string;

// ---- AffineGrid(theta, size) -----------------------------------------------------------------------------------------------------
Result<> infer_affine_grid(Infer& c) {
  const Known* size = c.known(1);
  if (!size) {
    auto n = c.rank(1) == 1 ? c.dims(1)[0].known() : std::nullopt;
    if (!n || (*n != 4 && *n != 5)) return c.give_unranked(c.dtype(0));
    std::vector<Dim> d(std::size_t(*n), Dim(*n - 2));
    for (std::size_t i = 0; i + 1 < d.size(); ++i) d[i] = c.fresh("grid");
    return c.give(c.dtype(0), std::move(d));
  }
  if (size->size() != 4 && size->size() != 5) return c.fail("size has " + to_string(size->size()) + " entries, 4 or 5 are needed");
  std::vector<Dim> d = {(*size)[0]};
  d.insert(d.end(), size->begin() + 2, size->end());
  d.push_back(Dim(std::int64_t(size->size()) - 2));
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_affine_grid(Eval& c) {
  const Tensor& theta = c.x(0);
  Dims size = c.ints(1);
  if (size.size() != 4 && size.size() != 5) return c.fail("size has " + to_string(size.size()) + " entries, 4 or 5 are needed");
  auto k = std::int64_t(size.size()) - 2;
  if (theta.dims != Dims{size[0], k, k + 1}) return c.fail("theta is " + str(theta.dims) + ", " + str(Dims{size[0], k, k + 1}) + " is needed");
  Dims d = {size[0]};
  d.insert(d.end(), size.begin() + 2, size.end());
  d.push_back(k);
  SAHA_TRY(Tensor y, c.make(theta.dtype, d));
  std::vector<double> t = values<double>(theta);
  bool corners = c.i("align_corners") != 0;
  Dims space(d.begin() + 1, d.end() - 1);
  std::vector<double> row(static_cast<std::size_t>(k)), at(static_cast<std::size_t>(k));
  std::int64_t to = 0, places = num_elements(space);
  for (std::int64_t n = 0; n < d[0]; ++n) {
    Walk<1> w{space, {Dims(space.size(), 0)}};
    for (std::int64_t p = 0; p < places; ++p, w.next()) {
      for (std::int64_t i = 0; i < k; ++i) {  // x is the last axis
        std::int64_t m = space[std::size_t(k - 1 - i)], q = w.at[std::size_t(k - 1 - i)];
        at[std::size_t(i)] = corners ? (m > 1 ? -1 + 2.0 * double(q) / double(m - 1) : -1) : -1 + (2.0 * double(q) + 1) / double(m);
      }
      for (std::int64_t i = 0; i < k; ++i) {
        const double* m = t.data() + (n * k + i) * (k + 1);
        double sum = m[k];
        for (std::int64_t j = 0; j < k; ++j) sum += m[j] * at[std::size_t(j)];
        row[std::size_t(i)] = sum;
      }
      store(y, to, k, row.data());
      to += k;
    }
  }
  return c.give(std::move(y));
}

/// dtheta = dgrid^T [x, y, z, 1]: the untransformed positions are the grid of the identity.
Val affine_grid_adjoint(const Site& s, std::size_t, Val dy) {
  Builder& b = s.b;
  auto k = std::int64_t(b.type(dy).dims.size()) - 2;
  Tensor identity = Tensor::zeros(b.type(dy).dtype, {1, k, k + 1});
  for (std::int64_t i = 0; i < k; ++i) { double one = 1; store(identity, i * (k + 2), 1, &one); }
  Val flat = b.ints({0, -1, k}), theta = b.op("Expand", {b.constant(std::move(identity)), b.op("Shape", {s.in[0]})});
  Val at = b.op("Reshape", {b.op("AffineGrid", {theta, s.in[1]}, s.attrs), flat});
  at = b.op("Pad", {at, b.ints({0, 0, 0, 0, 0, 1}), b.scalar(1, dy)});
  return b.op("MatMul", {b.op("Transpose", {b.op("Reshape", {dy, flat})}, {{"perm", ir::Ints{0, 2, 1}}}), at});
}

// ---- GridSample(X, grid) ---------------------------------------------------------------------------------------------------------
enum class Padding : std::uint8_t { zeros, border, reflection };
double reflected(double x, double lo, double hi) {
  double range = hi - lo;
  if (range <= 0) return lo;
  if (x < lo || x > hi) {
    double d = x < lo ? lo - x : x - hi, n = std::trunc(d / range), r = d - n * range;
    bool even = std::fmod(n, 2) == 0;
    x = (x < lo) == even ? lo + r : hi - r;
  }
  return x;
}
Result<> infer_grid_sample(Infer& c) {
  if (c.rank(0) < 3 || c.rank(1) != c.rank(0)) return c.fail("X has rank " + to_string(c.rank(0)) + ", grid has rank " + to_string(c.rank(1)));
  auto last = c.dims(1).back().known();
  if (last && *last != std::int64_t(c.rank(0)) - 2) return c.fail("grid has " + to_string(*last) + " coordinates for " + to_string(c.rank(0) - 2) + " axes");
  std::vector<Dim> d = {c.dims(0)[0], c.dims(0)[1]};
  d.insert(d.end(), c.dims(1).begin() + 1, c.dims(1).end() - 1);
  return c.give(c.dtype(0), std::move(d));
}
/// Which elements of a plane of dims `space` each place of the grid reads, and with which weights: calls
/// f(picture, place, offsets, weights). One walk for GridSample and for its adjoint, so that they cannot disagree.
template <class F> Result<> each_place(const Eval& c, const Dims& space, const Tensor& grid, F f) {
  std::string mode = c.s("mode"), pad = c.s("padding_mode");
  if (mode != "linear" && mode != "nearest" && mode != "cubic") return c.fail("mode '" + mode + "' is not linear, nearest or cubic");
  if (pad != "zeros" && pad != "border" && pad != "reflection") return c.fail("padding_mode '" + pad + "' is not zeros, border or reflection");
  Padding padding = pad == "zeros" ? Padding::zeros : pad == "border" ? Padding::border : Padding::reflection;
  std::size_t k = space.size(), per = mode == "nearest" ? 1 : mode == "linear" ? 2 : 4;
  if (k > 8) return c.fail(to_string(k) + " spatial axes, at most 8 are taken");
  if (num_elements(space) == 0) return c.fail("the pictures are " + str(space) + ": nothing to sample");
  Dims stride = row_major(space);
  std::int64_t places = product(grid.dims, 1, grid.rank() - 1);
  bool corners = c.i("align_corners") != 0;
  std::vector<double> g = values<double>(grid);
  std::size_t combinations = 1;
  for (std::size_t i = 0; i < k; ++i) combinations *= per;
  std::vector<std::int64_t> offset(combinations), from(k * per);
  std::vector<double> weight(combinations), w(k * per);
  for (std::int64_t n = 0; n < grid.dims[0]; ++n)
    for (std::int64_t p = 0; p < places; ++p) {
      for (std::size_t i = 0; i < k; ++i) {
        std::int64_t m = space[i];
        double lo = corners ? 0 : -0.5, hi = corners ? double(m - 1) : double(m) - 0.5;
        // Coordinates come in the order x, y, z: the last axis first.
        double u = g[std::size_t((n * places + p) * std::int64_t(k)) + k - 1 - i];
        double at = corners ? (u + 1) / 2 * double(m - 1) : ((u + 1) * double(m) - 1) / 2;
        at = double(float(at));  // the specification's reference holds coordinates in float32, which decides ties
        if (!std::isfinite(at)) at = -1e9;
        at = std::clamp(at, -1e9, 1e9);
        if (per == 1) at = std::nearbyint(at);
        if (at < lo || at > hi) {
          if (padding == Padding::border) at = std::clamp(at, 0.0, double(m - 1));
          if (padding == Padding::reflection) at = reflected(at, lo, hi);
        }
        auto base = std::int64_t(per == 1 ? std::trunc(at) : std::floor(at));
        double t = at - double(base);
        constexpr double a = -0.75;
        double* wi = w.data() + i * per;
        if (per == 1) wi[0] = 1;
        else if (per == 2) { wi[0] = 1 - t; wi[1] = t; }
        else {
          wi[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
          wi[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
          wi[2] = ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1;
          wi[3] = ((a * (2 - t) - 5 * a) * (2 - t) + 8 * a) * (2 - t) - 4 * a;
        }
        for (std::size_t j = 0; j < per; ++j) {
          std::int64_t q = base + std::int64_t(j) - (per == 4 ? 1 : 0);
          if (q < 0 || q >= m) {
            if (padding == Padding::zeros) { q = 0; wi[j] = 0; }
            else if (padding == Padding::border) q = std::clamp<std::int64_t>(q, 0, m - 1);
            else q = std::clamp<std::int64_t>(std::int64_t(reflected(double(q), lo, hi)), 0, m - 1);
          }
          from[i * per + j] = q * stride[i];
        }
      }
      for (std::size_t z = 0; z < combinations; ++z) {
        std::size_t rest = z;
        offset[z] = 0;
        weight[z] = 1;
        for (std::size_t i = k; i-- > 0; rest /= per) {
          offset[z] += from[i * per + rest % per];
          weight[z] *= w[i * per + rest % per];
        }
      }
      f(n, p, offset, weight);
    }
  return {};
}
Result<> eval_grid_sample(Eval& c) {
  const Tensor &x = c.x(0), &grid = c.x(1);
  if (x.rank() < 3 || grid.rank() != x.rank() || grid.dims.back() != std::int64_t(x.rank()) - 2 || grid.dims[0] != x.dims[0]) return c.fail("X is " + str(x.dims) + ", grid is " + str(grid.dims));
  if (x.dtype == DType::string || is_complex(x.dtype)) return c.fail("is not defined for " + std::string(name(x.dtype)));
  Dims d = {x.dims[0], x.dims[1]}, space(x.dims.begin() + 2, x.dims.end());
  d.insert(d.end(), grid.dims.begin() + 1, grid.dims.end() - 1);
  SAHA_TRY(Tensor y, c.make(x.dtype, d));
  if (y.size() == 0) return c.give(std::move(y));
  std::int64_t area = num_elements(space), channels = x.dims[1], places = product(d, 2, d.size());
  std::vector<double> v = values<double>(x), out(static_cast<std::size_t>(y.size()));
  SAHA_DO(each_place(c, space, grid, [&](std::int64_t n, std::int64_t p, const std::vector<std::int64_t>& offset, const std::vector<double>& weight) {
    for (std::int64_t ch = 0; ch < channels; ++ch) {
      const double* plane = v.data() + (n * channels + ch) * area;
      double sum = 0;
      for (std::size_t z = 0; z < offset.size(); ++z) if (weight[z] != 0) sum += weight[z] * plane[offset[z]];
      out[std::size_t((n * channels + ch) * places + p)] = sum;
    }
  }));
  fill(y, std::span<const double>(out));
  return c.give(std::move(y));
}
/// How the result moves with X; with the grid it does not move linearly, and that gradient is not given.
Val grid_sample_adjoint(const Site& s, std::size_t, Val dy) { return s.b.op("GridSampleGrad", {dy, s.in[1], s.b.op("Shape", {s.in[0]})}, s.attrs); }
Result<> infer_grid_sample_grad(Infer& c) {
  if (const Known* k = c.known(2)) return c.give(c.dtype(0), *k);
  std::vector<Dim> d = c.dims(0);
  for (Dim& x : d) x = c.fresh("shape");
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_grid_sample_grad(Eval& c) {
  const Tensor &dy = c.x(0), &grid = c.x(1);
  SAHA_TRY(Tensor dx, c.make(dy.dtype, c.ints(2)));
  Dims d(dx.dims.begin(), dx.dims.begin() + std::ptrdiff_t(std::min<std::size_t>(2, dx.rank())));
  if (grid.rank() >= 3) d.insert(d.end(), grid.dims.begin() + 1, grid.dims.end() - 1);
  if (dx.rank() < 3 || grid.rank() != dx.rank() || grid.dims.back() != std::int64_t(dx.rank()) - 2 || grid.dims[0] != dx.dims[0] || dy.dims != d) return c.fail("dY is " + str(dy.dims) + ", grid is " + str(grid.dims) + " for pictures of " + str(dx.dims));
  if (dy.size() == 0 || dx.size() == 0) return c.give(std::move(dx));
  Dims space(dx.dims.begin() + 2, dx.dims.end());
  std::int64_t area = num_elements(space), channels = dx.dims[1], places = product(d, 2, d.size());
  std::vector<double> v = values<double>(dy), sum(static_cast<std::size_t>(dx.size()));
  SAHA_DO(each_place(c, space, grid, [&](std::int64_t n, std::int64_t p, const std::vector<std::int64_t>& offset, const std::vector<double>& weight) {
    for (std::int64_t ch = 0; ch < channels; ++ch) {
      double* plane = sum.data() + (n * channels + ch) * area;
      double g = v[std::size_t((n * channels + ch) * places + p)];
      for (std::size_t z = 0; z < offset.size(); ++z) if (weight[z] != 0) plane[offset[z]] += weight[z] * g;
    }
  }));
  fill(dx, std::span<const double>(sum));
  return c.give(std::move(dx));
}
Val grid_sample_grad_adjoint(const Site& s, std::size_t, Val dy) { return s.b.op("GridSample", {dy, s.in[1]}, s.attrs); }

constexpr OpDef kOps[] = {
    {.name = "GridSample", .since_version = 22, .signature = "(X: T, grid: T2) -> (Y: T) where T: number bool string complex, T2: float | align_corners: int = 0, mode: string = linear, padding_mode: string = zeros",
     .infer = infer_grid_sample, .eval = eval_grid_sample, .linear = joint({0}), .adjoint = grid_sample_adjoint, .rounding = ErrorModel::dot},
    {.name = "GridSampleGrad", .domain = "saha", .signature = "(dY: T, grid: T2, shape: int64!) -> (dX: T) where T: float, T2: float | align_corners: int = 0, mode: string = linear, padding_mode: string = zeros",
     .infer = infer_grid_sample_grad, .eval = eval_grid_sample_grad, .linear = joint({0}), .adjoint = grid_sample_grad_adjoint, .rounding = ErrorModel::dot},
    {.name = "AffineGrid", .since_version = 20, .signature = "(theta: T, size: int64!) -> (grid: T) where T: float | align_corners: int = 0",
     .infer = infer_affine_grid, .eval = eval_affine_grid, .linear = joint({0}), .adjoint = affine_grid_adjoint, .rounding = ErrorModel::dot},
};
}  // namespace

std::span<const OpDef> sampling() { return kOps; }

}  // namespace saha::op

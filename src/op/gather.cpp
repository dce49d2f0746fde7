// Operators that copy the elements which an index tensor names. GatherGrad (domain saha) is the adjoint of Gather.
#include <algorithm>

#include "op/adjoint.hpp"
#include "op/strides.hpp"

namespace saha::op {
namespace {
using std::to_string;

/// Index in [0, n) from one in [-n, n).
Result<std::int64_t> place(const Eval& c, std::int64_t i, std::int64_t n) {
  if (i < -n || i >= n) return c.fail("index " + to_string(i) + " lies outside an axis of " + to_string(n));
  return i < 0 ? i + n : i;
}

// ---- Gather(data, indices), GatherGrad(dY, indices, shape) ---------------------------------------------------------------------
Result<> infer_gather(Infer& c) {
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), c.rank(0)));
  std::vector<Dim> d(c.dims(0).begin(), c.dims(0).begin() + std::ptrdiff_t(a));
  d.insert(d.end(), c.dims(1).begin(), c.dims(1).end());
  d.insert(d.end(), c.dims(0).begin() + std::ptrdiff_t(a) + 1, c.dims(0).end());
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_gather(Eval& c) {
  const Tensor &x = c.x(0), &at = c.x(1);
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), x.rank()));
  Dims d(x.dims.begin(), x.dims.begin() + std::ptrdiff_t(a)), index = c.ints(1);
  d.insert(d.end(), at.dims.begin(), at.dims.end());
  d.insert(d.end(), x.dims.begin() + std::ptrdiff_t(a) + 1, x.dims.end());
  SAHA_TRY(Tensor y, c.make(x.dtype, d));
  if (y.size() == 0) return c.give(std::move(y));
  std::int64_t n = x.dims[a], inner = product(x.dims, a + 1, x.dims.size()), outer = product(x.dims, 0, a), to = 0;
  for (std::int64_t& i : index) { SAHA_TRY(i, place(c, i, n)); }
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t i : index) {
      copy_elements(x, (o * n + i) * inner, 1, y, to, inner);
      to += inner;
    }
  return c.give(std::move(y));
}
Val gather_adjoint(const Site& s, std::size_t, Val dy) { return s.b.op("GatherGrad", {dy, s.in[1], s.b.op("Shape", {s.in[0]})}, s.attrs); }

Result<> infer_gather_grad(Infer& c) {
  if (const Known* k = c.known(2)) return c.give(c.dtype(0), *k);
  if (c.rank(2) != 1 || !c.dims(2)[0].known()) return c.give_unranked(c.dtype(0));
  std::vector<Dim> d(std::size_t(std::clamp<std::int64_t>(*c.dims(2)[0].known(), 0, 64)));
  for (Dim& x : d) x = c.fresh("shape");
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_gather_grad(Eval& c) {
  const Tensor& dy = c.x(0);
  SAHA_TRY(Tensor dx, c.make(dy.dtype, c.ints(2)));
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), dx.rank()));
  Dims index = c.ints(1);
  std::int64_t n = dx.dims[a], inner = product(dx.dims, a + 1, dx.dims.size()), outer = product(dx.dims, 0, a), from = 0;
  if (dy.size() != outer * inner * std::int64_t(index.size())) return c.fail("dY is " + str(dy.dims) + ", " + to_string(index.size()) + " slices of " + str(dx.dims) + " are needed");
  for (std::int64_t& i : index) { SAHA_TRY(i, place(c, i, n)); }
  std::vector<double> sum(std::size_t(n * inner)), row(static_cast<std::size_t>(inner));
  for (std::int64_t o = 0; o < outer; ++o) {
    std::fill(sum.begin(), sum.end(), 0.0);
    for (std::int64_t i : index) {
      load(dy, from, 1, inner, row.data());
      for (std::int64_t k = 0; k < inner; ++k) sum[std::size_t(i * inner + k)] += row[std::size_t(k)];
      from += inner;
    }
    store(dx, o * n * inner, n * inner, sum.data());
  }
  return c.give(std::move(dx));
}
Val gather_grad_adjoint(const Site& s, std::size_t, Val dy) { return s.b.op("Gather", {dy, s.in[1]}, s.attrs); }

// ---- GatherElements(data, indices) ---------------------------------------------------------------------------------------------
Result<> infer_gather_elements(Infer& c) {
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), c.rank(0)));
  if (c.rank(1) != c.rank(0)) return c.fail("indices have rank " + to_string(c.rank(1)) + ", data has rank " + to_string(c.rank(0)));
  for (std::size_t i = 0; i < c.rank(0); ++i) {
    auto n = c.dims(0)[i].known(), k = c.dims(1)[i].known();
    if (i != a && n && k && *k > *n) return c.fail("indices have " + to_string(*k) + " on axis " + to_string(i) + ", data has " + to_string(*n));
  }
  return c.give(c.dtype(0), c.dims(1));
}
Result<> eval_gather_elements(Eval& c) {
  const Tensor &x = c.x(0), &at = c.x(1);
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), x.rank()));
  if (at.rank() != x.rank()) return c.fail("indices have rank " + to_string(at.rank()) + ", data has rank " + to_string(x.rank()));
  for (std::size_t i = 0; i < x.rank(); ++i) if (i != a && at.dims[i] > x.dims[i]) return c.fail("indices are " + str(at.dims) + ", data is " + str(x.dims));
  SAHA_TRY(Tensor y, c.make(x.dtype, at.dims));
  Dims index = c.ints(1), step = row_major(x.dims);
  std::int64_t along = std::exchange(step[a], 0);
  Walk<1> w{at.dims, {step}};
  for (std::int64_t k = 0; k < y.size(); ++k, w.next()) {
    SAHA_TRY(std::int64_t i, place(c, index[std::size_t(k)], x.dims[a]));
    copy_elements(x, w.offset[0] + i * along, 1, y, k, 1);
  }
  return c.give(std::move(y));
}
Val gather_elements_adjoint(const Site& s, std::size_t, Val dy) {
  return s.b.op("ScatterElements", {zeros_like(s.in[0]), s.in[1], dy}, {{"axis", s.i("axis")}, {"reduction", std::string("add")}});
}

// ---- GatherND(data, indices) -----------------------------------------------------------------------------------------------------
Result<> infer_gather_nd(Infer& c) {
  std::int64_t r = std::int64_t(c.rank(0)), q = std::int64_t(c.rank(1)), b = c.i("batch_dims");
  if (b < 0 || q < 1 || b >= std::min(q, r)) return c.fail("batch_dims " + to_string(b) + " does not fit ranks " + to_string(r) + " and " + to_string(q));
  auto k = c.dims(1).back().known();
  if (!k) return c.give_unranked(c.dtype(0));
  if (*k < 1 || *k > r - b) return c.fail("an index of " + to_string(*k) + " entries does not fit a tensor of rank " + to_string(r) + " with " + to_string(b) + " batch dims");
  std::vector<Dim> d(c.dims(1).begin(), c.dims(1).end() - 1);
  d.insert(d.end(), c.dims(0).begin() + b + *k, c.dims(0).end());
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_gather_nd(Eval& c) {
  const Tensor &x = c.x(0), &at = c.x(1);
  std::int64_t r = std::int64_t(x.rank()), q = std::int64_t(at.rank()), b = c.i("batch_dims");
  if (b < 0 || q < 1 || b >= std::min(q, r)) return c.fail("batch_dims " + to_string(b) + " does not fit ranks " + to_string(r) + " and " + to_string(q));
  std::int64_t k = at.dims.back();
  if (k < 1 || k > r - b) return c.fail("an index of " + to_string(k) + " entries does not fit a tensor of rank " + to_string(r) + " with " + to_string(b) + " batch dims");
  for (std::int64_t i = 0; i < b; ++i) if (x.dims[std::size_t(i)] != at.dims[std::size_t(i)]) return c.fail("data is " + str(x.dims) + ", indices are " + str(at.dims) + ": the batch dims differ");
  Dims d(at.dims.begin(), at.dims.end() - 1), index = c.ints(1), step = row_major(x.dims);
  d.insert(d.end(), x.dims.begin() + b + k, x.dims.end());
  SAHA_TRY(Tensor y, c.make(x.dtype, d));
  std::int64_t inner = product(x.dims, std::size_t(b + k), x.dims.size()), batch = product(x.dims, std::size_t(b), x.dims.size()), tuples = at.size() / k;
  std::int64_t per_batch = std::max<std::int64_t>(1, tuples / std::max<std::int64_t>(1, product(x.dims, 0, std::size_t(b))));
  for (std::int64_t t = 0; t < tuples; ++t) {
    std::int64_t from = t / per_batch * batch;
    for (std::int64_t j = 0; j < k; ++j) {
      SAHA_TRY(std::int64_t i, place(c, index[std::size_t(t * k + j)], x.dims[std::size_t(b + j)]));
      from += i * step[std::size_t(b + j)];
    }
    copy_elements(x, from, 1, y, t * inner, inner);
  }
  return c.give(std::move(y));
}
Val gather_nd_adjoint(const Site& s, std::size_t, Val dy) {
  if (s.i("batch_dims") != 0) return index_adjoint(s, "GatherND", 0, dy);
  return s.b.op("ScatterND", {zeros_like(s.in[0]), s.in[1], dy}, {{"reduction", std::string("add")}});
}

constexpr OpDef kOps[] = {
    {.name = "Gather", .since_version = 13, .signature = "(data: T, indices: I) -> (output: T) where T: number bool string complex, I: int32 int64 | axis: int = 0",
     .traits = kMovement, .infer = infer_gather, .eval = eval_gather, .linear = joint({0}), .adjoint = gather_adjoint},
    {.name = "GatherGrad", .domain = "saha", .signature = "(dY: T, indices: I, shape: int64!) -> (dX: T) where T: float, I: int32 int64 | axis: int = 0",
     .infer = infer_gather_grad, .eval = eval_gather_grad, .linear = joint({0}), .adjoint = gather_grad_adjoint, .rounding = ErrorModel::dot},
    {.name = "GatherElements", .since_version = 13, .signature = "(data: T, indices: I) -> (output: T) where T: number bool string complex, I: int32 int64 | axis: int = 0",
     .traits = kMovement, .infer = infer_gather_elements, .eval = eval_gather_elements, .linear = joint({0}), .adjoint = gather_elements_adjoint},
    {.name = "GatherND", .since_version = 13, .signature = "(data: T, indices: int64) -> (output: T) where T: number bool string complex | batch_dims: int = 0",
     .traits = kMovement, .infer = infer_gather_nd, .eval = eval_gather_nd, .linear = joint({0}), .adjoint = gather_nd_adjoint},
};
}  // namespace

std::span<const OpDef> gather() { return kOps; }

}  // namespace saha::op

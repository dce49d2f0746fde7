// Operators that see the same elements through other dims, and those that tell the dims. The results are views of the operand.
#include <algorithm>

#include "op/adjoint.hpp"

namespace saha::op {
namespace {
using std::to_string;

Dim product(std::span<const Dim> dims) {
  Dim p(1);
  for (const Dim& d : dims) p = p * d;
  return p;
}
Val view_adjoint(const Site& s, std::size_t, Val dy) { return reshaped_like(dy, s.in[0]); }

// ---- Reshape(data, shape) ----------------------------------------------------------------------------------------------------
Result<> infer_reshape(Infer& c) {
  const Known* shape = c.known(1);
  if (!shape) {
    if (c.rank(1) != 1 || !c.dims(1)[0].known() || *c.dims(1)[0].known() > 64) return c.give_unranked(c.dtype(0));
    std::vector<Dim> d(std::size_t(*c.dims(1)[0].known()));
    for (Dim& x : d) x = c.fresh("reshape");
    return c.give(c.dtype(0), std::move(d));
  }
  std::vector<Dim> d = *shape;
  Dim rest(1);
  std::size_t open = d.size();
  for (std::size_t i = 0; i < d.size(); ++i) {
    if (d[i].is(0) && !c.i("allowzero")) {
      if (i >= c.rank(0)) return c.fail("the shape copies axis " + to_string(i) + " of a tensor of rank " + to_string(c.rank(0)));
      d[i] = c.dims(0)[i];
    }
    if (d[i].known() && *d[i].known() < -1) return c.fail("the shape " + ir::str(*shape) + " has a negative dim");
    if (!d[i].is(-1)) rest = rest * d[i];
    else if (open < d.size()) return c.fail("the shape " + ir::str(*shape) + " leaves two dims open");
    else open = i;
  }
  Dim total = product(c.dims(0));
  if (open < d.size()) {
    if (rest.is(0)) return c.fail("the shape " + ir::str(*shape) + " has no size to complete");
    d[open] = floor_div(total, rest);
    if (total.known() && rest.known() && *total.known() % *rest.known()) return c.fail(total.str() + " elements do not fill a shape " + ir::str(*shape));
  } else if (total.known() && rest.known() && !(total == rest)) return c.fail(total.str() + " elements do not fill a shape " + ir::str(*shape));
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_reshape(Eval& c) {
  const Tensor& x = c.x(0);
  Dims d = c.ints(1), known;
  std::size_t open = d.size();
  for (std::size_t i = 0; i < d.size(); ++i) {
    if (d[i] == 0 && !c.i("allowzero")) {
      if (i >= x.rank()) return c.fail("the shape copies axis " + to_string(i) + " of a tensor of rank " + to_string(x.rank()));
      d[i] = x.dims[i];
    }
    if (d[i] != -1) known.push_back(d[i]);
    else if (open < d.size()) return c.fail("the shape " + str(d) + " leaves two dims open");
    else open = i;
  }
  auto rest = checked_elements(known);
  bool fits = rest && (open < d.size() ? *rest != 0 && x.size() % *rest == 0 : *rest == x.size());
  if (!fits) return c.fail(to_string(x.size()) + " elements " + str(x.dims) + " do not fill a shape " + str(d));
  if (open < d.size()) d[open] = x.size() / *rest;
  return c.give(x.reshaped(std::move(d)));
}

// ---- Flatten(input) ----------------------------------------------------------------------------------------------------------
template <class C> Result<std::size_t> flatten_axis(const C& c, std::size_t rank) {
  std::int64_t a = c.i("axis"), r = std::int64_t(rank);
  if (a < -r || a > r) return c.fail("axis " + to_string(a) + " lies outside a tensor of rank " + to_string(rank));
  return std::size_t(a < 0 ? a + r : a);
}
Result<> infer_flatten(Infer& c) {
  SAHA_TRY(std::size_t a, flatten_axis(c, c.rank(0)));
  std::span<const Dim> d = c.dims(0);
  return c.give(c.dtype(0), {product(d.first(a)), product(d.subspan(a))});
}
Result<> eval_flatten(Eval& c) {
  SAHA_TRY(std::size_t a, flatten_axis(c, c.x(0).rank()));
  std::span<const std::int64_t> d = c.x(0).dims;
  return c.give(c.x(0).reshaped({num_elements(d.first(a)), num_elements(d.subspan(a))}));
}

// ---- Squeeze(data, axes?), Unsqueeze(data, axes) -----------------------------------------------------------------------------
/// One flag per axis of `rank`.
template <class C> Result<std::vector<char>> marked_axes(const C& c, const std::vector<std::int64_t>& axes, std::size_t rank) {
  std::vector<char> m(rank, 0);
  for (std::int64_t v : axes) {
    SAHA_TRY(std::size_t a, c.axis(v, rank));
    if (std::exchange(m[a], 1)) return c.fail("axis " + to_string(a) + " is listed twice");
  }
  return m;
}
Result<> fresh_of_rank(Infer& c, std::int64_t rank) {
  std::vector<Dim> d(std::size_t(std::max<std::int64_t>(0, rank)));
  for (Dim& x : d) x = c.fresh("squeeze");
  return c.give(c.dtype(0), std::move(d));
}
Result<> infer_squeeze(Infer& c) {
  std::vector<Dim> d;
  if (!c.has(1)) {
    for (const Dim& x : c.dims(0)) {
      if (!x.known()) return c.give_unranked(c.dtype(0));  // it may be 1
      if (!x.is(1)) d.push_back(x);
    }
    return c.give(c.dtype(0), std::move(d));
  }
  auto axes = c.numbers(1);
  if (!axes) return c.rank(1) == 1 && c.dims(1)[0].known() ? fresh_of_rank(c, std::int64_t(c.rank(0)) - *c.dims(1)[0].known()) : c.give_unranked(c.dtype(0));
  SAHA_TRY(auto gone, marked_axes(c, *axes, c.rank(0)));
  for (std::size_t i = 0; i < gone.size(); ++i) {
    const Dim& x = c.dims(0)[i];
    if (!gone[i]) d.push_back(x);
    else if (x.known() && !x.is(1)) return c.fail("axis " + to_string(i) + " has " + x.str() + " elements, 1 is needed");
  }
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_squeeze(Eval& c) {
  const Tensor& x = c.x(0);
  Dims d;
  std::vector<char> gone(x.rank());
  if (c.has(1)) { SAHA_TRY(gone, marked_axes(c, c.ints(1), x.rank())); }
  else for (std::size_t i = 0; i < gone.size(); ++i) gone[i] = x.dims[i] == 1;
  for (std::size_t i = 0; i < gone.size(); ++i) {
    if (!gone[i]) d.push_back(x.dims[i]);
    else if (x.dims[i] != 1) return c.fail("axis " + to_string(i) + " has " + to_string(x.dims[i]) + " elements, 1 is needed");
  }
  return c.give(x.reshaped(std::move(d)));
}
Result<> infer_unsqueeze(Infer& c) {
  auto axes = c.numbers(1);
  if (!axes) return c.rank(1) == 1 && c.dims(1)[0].known() ? fresh_of_rank(c, std::int64_t(c.rank(0)) + std::clamp<std::int64_t>(*c.dims(1)[0].known(), 0, 64)) : c.give_unranked(c.dtype(0));
  SAHA_TRY(auto added, marked_axes(c, *axes, c.rank(0) + axes->size()));
  std::vector<Dim> d;
  std::size_t next = 0;
  for (char one : added) d.push_back(one ? Dim(1) : c.dims(0)[next++]);
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_unsqueeze(Eval& c) {
  Dims axes = c.ints(1), d;
  SAHA_TRY(auto added, marked_axes(c, axes, c.x(0).rank() + axes.size()));
  std::size_t next = 0;
  for (char one : added) d.push_back(one ? 1 : c.x(0).dims[next++]);
  return c.give(c.x(0).reshaped(std::move(d)));
}

// ---- Shape(data), Size(data) ---------------------------------------------------------------------------------------------------
/// The part [start, end) of the dims that Shape tells.
template <class C> std::pair<std::size_t, std::size_t> shape_range(const C& c, std::size_t rank) {
  auto r = std::int64_t(rank);
  auto clamp = [r](std::int64_t v) { return std::size_t(std::clamp<std::int64_t>(v < 0 ? v + r : v, 0, r)); };
  std::size_t from = clamp(c.i("start")), to = c.has_attr("end") ? clamp(c.i("end")) : rank;
  return {from, std::max(from, to)};
}
Result<> infer_shape(Infer& c) {
  if (!c.in[0]->ranked) return c.give(DType::i64, {c.fresh("rank")});
  auto [from, to] = shape_range(c, c.rank(0));
  return c.give(DType::i64, {Dim(std::int64_t(to - from))});
}
Result<> eval_shape(Eval& c) {
  const Dims& d = c.x(0).dims;
  auto [from, to] = shape_range(c, d.size());
  return c.give(Tensor::of_ints(std::span(d).subspan(from, to - from)));
}
Result<> infer_size(Infer& c) { return c.give(DType::i64, {}); }
Result<> eval_size(Eval& c) { return c.give(Tensor::scalar_int(c.x(0).size())); }

constexpr std::string_view kShapeOnly = "the result depends on the shape alone";
constexpr OpDef kOps[] = {
    {.name = "Reshape", .since_version = 25, .signature = "(data: T, shape: int64!) -> (reshaped: T) where T: any | allowzero: int = 0",
     .traits = kMovement | kView, .infer = infer_reshape, .eval = eval_reshape, .linear = joint({0}), .adjoint = view_adjoint},
    {.name = "Flatten", .since_version = 25, .signature = "(input: T) -> (output: T) where T: any | axis: int = 1",
     .traits = kMovement | kView, .infer = infer_flatten, .eval = eval_flatten, .linear = joint({0}), .adjoint = view_adjoint},
    {.name = "Squeeze", .since_version = 25, .signature = "(data: T, axes: int64?!) -> (squeezed: T) where T: any",
     .traits = kMovement | kView, .infer = infer_squeeze, .eval = eval_squeeze, .linear = joint({0}), .adjoint = view_adjoint},
    {.name = "Unsqueeze", .since_version = 25, .signature = "(data: T, axes: int64!) -> (expanded: T) where T: any",
     .traits = kMovement | kView, .infer = infer_unsqueeze, .eval = eval_unsqueeze, .linear = joint({0}), .adjoint = view_adjoint},
    {.name = "Shape", .since_version = 25, .signature = "(data: any) -> (shape: int64) | start: int = 0, end: int?",
     .traits = kTakesUnranked, .infer = infer_shape, .eval = eval_shape, .no_gradient = kShapeOnly, .no_bounds = kShapeOnly},
    {.name = "Size", .since_version = 25, .signature = "(data: any) -> (size: int64)",
     .traits = kTakesUnranked, .infer = infer_size, .eval = eval_size, .no_gradient = kShapeOnly, .no_bounds = kShapeOnly},
};
}  // namespace

std::span<const OpDef> reshape() { return kOps; }

}  // namespace saha::op

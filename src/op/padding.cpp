// Operators that copy elements into a larger or smaller grid: Pad, CenterCropPad, Tile, Expand, Trilu. Dtype-blind like movement.cpp.
#include <algorithm>

#include "op/adjoint.hpp"
#include "op/elementwise.hpp"
#include "op/strides.hpp"

namespace saha::op {
namespace {
using std::to_string;

/// The axes that an operand or attribute lists; all of them where it is not given. Fails on an axis that is listed twice.
template <class C> Result<std::vector<std::size_t>> axes_of(const C& c, const std::optional<std::vector<std::int64_t>>& listed, std::size_t rank) {
  std::vector<std::size_t> r;
  std::vector<char> seen(rank, 0);
  for (std::size_t i = 0; i < (listed ? listed->size() : rank); ++i) {
    SAHA_TRY(std::size_t a, c.axis(listed ? (*listed)[i] : std::int64_t(i), rank));
    if (std::exchange(seen[a], 1)) return c.fail("axis " + to_string(a) + " is listed twice");
    r.push_back(a);
  }
  return r;
}

// ---- Pad(data, pads, constant_value?, axes?) ---------------------------------------------------------------------------------
/// The index of [0, n) that place i of an axis shows, i outside of [0, n) too.
std::int64_t padded_index(std::int64_t i, std::int64_t n, std::string_view mode) {
  if (i >= 0 && i < n) return i;
  if (mode == "constant") return -1;
  if (mode == "edge") return i < 0 ? 0 : n - 1;
  std::int64_t period = mode == "wrap" || n == 1 ? n : 2 * (n - 1);
  i = (i % period + period) % period;
  return i < n ? i : period - i;
}
Result<> infer_pad(Infer& c) {
  std::vector<Dim> d = c.dims(0);
  auto listed = c.numbers(3);
  if (c.has(3) && !listed) {
    for (Dim& x : d) x = c.fresh("pad");
    return c.give(c.dtype(0), std::move(d));
  }
  SAHA_TRY(auto axes, axes_of(c, listed, d.size()));
  const Known* pads = c.known(1);
  if (pads && pads->size() != 2 * axes.size()) return c.fail(to_string(pads->size()) + " pads for " + to_string(axes.size()) + " axes");
  for (std::size_t i = 0; i < axes.size(); ++i) {
    Dim& x = d[axes[i]];
    x = pads ? x + (*pads)[i] + (*pads)[i + axes.size()] : c.fresh("pad");
    if (x.known() && *x.known() < 0) return c.fail("axis " + to_string(axes[i]) + " of " + c.dims(0)[axes[i]].str() + " is cut to " + x.str());
  }
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_pad(Eval& c) {
  const Tensor& x = c.x(0);
  Dims pads = c.ints(1), d = x.dims;
  std::string mode = c.s("mode");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap") return c.fail("mode '" + mode + "' is not constant, reflect, edge or wrap");
  SAHA_TRY(auto axes, axes_of(c, c.has(3) ? std::optional(c.ints(3)) : std::nullopt, x.rank()));
  if (pads.size() != 2 * axes.size()) return c.fail(to_string(pads.size()) + " pads for " + to_string(axes.size()) + " axes");
  // A negative pad cuts; what is left is padded.
  Dims before(x.rank(), 0), cut(x.rank(), 0), left = x.dims;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    std::size_t a = axes[i];
    std::int64_t b = pads[i], e = pads[i + axes.size()], n = x.dims[a];
    if (std::max(std::abs(double(b)), std::abs(double(e))) > double(kMaxTensorBytes)) return c.fail("pads " + to_string(b) + " and " + to_string(e) + " of axis " + to_string(a) + " are too large");
    d[a] = n + b + e;
    cut[a] = std::max<std::int64_t>(0, -b);
    left[a] = n - cut[a] - std::max<std::int64_t>(0, -e);
    before[a] = std::max<std::int64_t>(0, b);
    if (d[a] < 0) return c.fail("axis " + to_string(a) + " of " + to_string(n) + " is cut to " + to_string(d[a]));
    if (left[a] <= 0 && d[a] > 0 && mode != "constant") return c.fail("axis " + to_string(a) + " has no elements to pad with in mode " + mode);
  }
  SAHA_TRY(Tensor y, c.make(x.dtype, d));
  if (c.has(2) && y.size() > 0) {
    if (c.x(2).size() != 1 || c.x(2).dtype != x.dtype) return c.fail("constant_value is " + std::string(name(c.x(2).dtype)) + str(c.x(2).dims) + ", one " + std::string(name(x.dtype)) + " is needed");
    copy_elements(c.x(2), 0, 0, y, 0, y.size());
  }
  IndexMaps map(x.rank());
  for (std::size_t a = 0; a < x.rank(); ++a) {
    map[a].reserve(std::size_t(d[a]));
    for (std::int64_t i = 0; i < d[a]; ++i) {
      std::int64_t v = padded_index(i - before[a], left[a], mode);
      map[a].push_back(v < 0 ? -1 : v + cut[a]);
    }
  }
  gather_mapped(x, map, y);
  return c.give(std::move(y));
}
Val pad_adjoint(const Site& s, std::size_t operand, Val dy) {
  bool constant = s.s("mode") == "constant";
  Val inner;
  if (constant) inner = s.b.op("Pad", {dy, s.b.op("Neg", {s.in[1]}), {}, s.has(3) ? s.in[3] : Val{}});
  else if (operand == 0) return index_adjoint(s, "Pad", 0, dy);
  if (operand == 0) return inner;
  // The fill stands wherever x does not.
  Attrs none = {{"keepdims", std::int64_t{0}}};
  Val all = s.b.op("ReduceSum", {dy}, none);
  return reshaped_like(constant ? all - s.b.op("ReduceSum", {inner}, none) : all * 0.0, s.in[2]);
}

// ---- CenterCropPad(input_data, shape) ------------------------------------------------------------------------------------------
template <class C> Result<std::vector<std::size_t>> crop_axes(const C& c, std::size_t rank) {
  return axes_of(c, c.has_attr("axes") ? std::optional(c.is("axes")) : std::nullopt, rank);
}
Result<> infer_center_crop_pad(Infer& c) {
  std::vector<Dim> d = c.dims(0);
  SAHA_TRY(auto axes, crop_axes(c, d.size()));
  const Known* shape = c.known(1);
  if (shape && shape->size() != axes.size()) return c.fail("shape has " + to_string(shape->size()) + " entries for " + to_string(axes.size()) + " axes");
  for (std::size_t i = 0; i < axes.size(); ++i) d[axes[i]] = shape ? (*shape)[i] : c.fresh("crop");
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_center_crop_pad(Eval& c) {
  const Tensor& x = c.x(0);
  Dims shape = c.ints(1), d = x.dims;
  SAHA_TRY(auto axes, crop_axes(c, x.rank()));
  if (shape.size() != axes.size()) return c.fail("shape has " + to_string(shape.size()) + " entries for " + to_string(axes.size()) + " axes");
  for (std::size_t i = 0; i < axes.size(); ++i) d[axes[i]] = shape[i];
  SAHA_TRY(Tensor y, c.make(x.dtype, d));
  if (y.size() == 0) return c.give(std::move(y));
  IndexMaps map(x.rank());
  for (std::size_t a = 0; a < x.rank(); ++a) {
    std::int64_t n = x.dims[a], shift = d[a] <= n ? (n - d[a]) / 2 : -((d[a] - n) / 2);
    for (std::int64_t i = 0; i < d[a]; ++i) map[a].push_back(i + shift >= 0 && i + shift < n ? i + shift : -1);
  }
  gather_mapped(x, map, y);
  return c.give(std::move(y));
}
Val center_crop_pad_adjoint(const Site& s, std::size_t, Val dy) {
  Val shape = s.b.op("Shape", {s.in[0]});
  if (s.has_attr("axes")) shape = s.b.op("Gather", {shape, s.b.ints(s.is("axes"))});
  return s.b.op("CenterCropPad", {dy, shape}, s.attrs);
}

// ---- Tile(input, repeats) ----------------------------------------------------------------------------------------------------
Result<> infer_tile(Infer& c) {
  std::vector<Dim> d = c.dims(0);
  const Known* r = c.known(1);
  if (r && r->size() != d.size()) return c.fail(to_string(r->size()) + " repeats for a tensor of rank " + to_string(d.size()));
  for (std::size_t i = 0; i < d.size(); ++i) d[i] = r ? d[i] * (*r)[i] : c.fresh("tile");
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_tile(Eval& c) {
  const Tensor& x = c.x(0);
  Dims r = c.ints(1), d = x.dims, s = row_major(x.dims), extents, step;
  if (r.size() != x.rank()) return c.fail(to_string(r.size()) + " repeats for a tensor of rank " + to_string(x.rank()));
  for (std::size_t i = 0; i < r.size(); ++i) {
    if (r[i] < 0 || __builtin_mul_overflow(d[i], r[i], &d[i])) return c.fail("axis " + to_string(i) + " of " + to_string(x.dims[i]) + " cannot be repeated " + to_string(r[i]) + " times");
    extents.insert(extents.end(), {r[i], x.dims[i]});
    step.insert(step.end(), {0, s[i]});
  }
  SAHA_TRY(Tensor y, c.make(x.dtype, d));
  gather_strided(x, 0, step, extents, y);
  return c.give(std::move(y));
}
Val tile_adjoint(const Site& s, std::size_t, Val dy) { return index_adjoint(s, "Tile", 0, dy); }

// ---- Expand(input, shape) ------------------------------------------------------------------------------------------------------
Result<> infer_expand(Infer& c) {
  if (const Known* shape = c.known(1)) {
    const TypeRef both[] = {c.in[0], ir::tensor_type(c.dtype(0), *shape)};
    auto d = broadcast(both);
    if (!d) return c.fail(d.error().message);
    return c.give(c.dtype(0), std::move(*d));
  }
  if (c.rank(1) != 1 || !c.dims(1)[0].known()) return c.give_unranked(c.dtype(0));
  std::vector<Dim> d(std::max(c.rank(0), std::size_t(std::clamp<std::int64_t>(*c.dims(1)[0].known(), 0, 64))));
  for (Dim& x : d) x = c.fresh("expand");
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_expand(Eval& c) {
  const Tensor& x = c.x(0);
  const Dims both[] = {x.dims, c.ints(1)};
  auto d = broadcast(both);
  if (!d) return c.fail(d.error().message);
  SAHA_TRY(Tensor y, c.make(x.dtype, *d));
  gather_strided(x, 0, broadcast_strides(x.dims, y.dims), y.dims, y);
  return c.give(std::move(y));
}
Val expand_adjoint(const Site& s, std::size_t, Val dy) { return s.b.op("SumTo", {dy, s.in[0]}); }

// ---- Trilu(input, k?) ----------------------------------------------------------------------------------------------------------
Result<> infer_trilu(Infer& c) {
  if (c.rank(0) < 2) return c.fail("the tensor has rank " + to_string(c.rank(0)) + ", at least 2 is needed");
  return c.give(c.in[0]);
}
Result<> eval_trilu(Eval& c) {
  const Tensor& x = c.x(0);
  if (x.rank() < 2) return c.fail("the tensor has rank " + to_string(x.rank()) + ", at least 2 is needed");
  if (c.has(1) && c.x(1).size() != 1) return c.fail("k has " + to_string(c.x(1).size()) + " elements, one is needed");
  std::int64_t rows = x.dims[x.rank() - 2], n = x.dims.back(), k = c.has(1) ? std::clamp(c.x(1).int_at(0), -rows - n, rows + n) : 0;
  bool upper = c.i("upper") != 0;
  SAHA_TRY(Tensor y, c.make(x.dtype, x.dims));
  for (std::int64_t at = 0, row = 0; at < x.size(); at += n, row = row + 1 == rows ? 0 : row + 1) {
    std::int64_t from = upper ? std::clamp<std::int64_t>(row + k, 0, n) : 0, to = upper ? n : std::clamp<std::int64_t>(row + k + 1, 0, n);
    copy_elements(x, at + from, 1, y, at + from, to - from);
  }
  return c.give(std::move(y));
}
Val trilu_adjoint(const Site& s, std::size_t, Val dy) { return s.b.op("Trilu", {dy, s.has(1) ? s.in[1] : Val{}}, s.attrs); }

constexpr OpDef kOps[] = {
    {.name = "Pad", .since_version = 25, .signature = "(data: T, pads: int64!, constant_value: T?, axes: I?!) -> (output: T) where T: any, I: int32 int64 | mode: string = constant",
     .traits = kMovement, .infer = infer_pad, .eval = eval_pad, .linear = joint({0, 2}), .adjoint = pad_adjoint},
    {.name = "CenterCropPad", .since_version = 18, .signature = "(input_data: T, shape: I!) -> (output_data: T) where T: number bool string complex, I: int32 int64 | axes: ints?",
     .traits = kMovement, .infer = infer_center_crop_pad, .eval = eval_center_crop_pad, .linear = joint({0}), .adjoint = center_crop_pad_adjoint},
    {.name = "Tile", .since_version = 13, .signature = "(input: T, repeats: int64!) -> (output: T) where T: number bool string complex",
     .traits = kMovement, .infer = infer_tile, .eval = eval_tile, .linear = joint({0}), .adjoint = tile_adjoint},
    {.name = "Expand", .since_version = 13, .signature = "(input: T, shape: int64!) -> (output: T) where T: number bool string complex",
     .traits = kMovement, .infer = infer_expand, .eval = eval_expand, .linear = joint({0}), .adjoint = expand_adjoint},
    {.name = "Trilu", .since_version = 14, .signature = "(input: T, k: int64?) -> (output: T) where T: number bool string complex | upper: int = 1",
     .traits = kMovement, .infer = infer_trilu, .eval = eval_trilu, .linear = joint({0}), .adjoint = trilu_adjoint},
};
}  // namespace

std::span<const OpDef> padding() { return kOps; }

}  // namespace saha::op

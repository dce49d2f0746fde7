// Operators that copy elements and compute nothing: dtype-blind, so strings, complex and packed types need no case of their own.
// Shape values flow through them because the builder runs their eval on element numbers. Unslice is the adjoint of Slice (domain saha).
#include <algorithm>

#include "op/adjoint.hpp"
#include "op/elementwise.hpp"
#include "op/strides.hpp"

namespace saha::op {
namespace {
using std::to_string;

// ---- Slice(X, starts, ends, axes?, steps?), Unslice(dY, shape, starts, ends, axes?, steps?) -----------------------------------
constexpr std::int64_t kFar = std::numeric_limits<std::int32_t>::max();  // models write "to the end" as INT32_MAX or INT64_MAX

/// Whether an expression is below 0; nothing where the symbols decide.
std::optional<bool> negative(const Dim& v) {
  if (auto k = v.at_least(); k && *k >= 0) return false;
  if (auto k = (Dim(0) - v).at_least(); k && *k >= 1) return true;
  return {};
}
Dim slice_length(const Infer& c, Dim start, Dim end, std::int64_t step, const Dim& n) {
  if (n.is(0)) return 0;
  bool back = step < 0;
  Dim lowest_end(back ? -1 : 0), last = back ? n - Dim(1) : n;
  auto place = [&](const Dim& v, const Dim& lowest) -> std::optional<Dim> {
    if (auto k = v.known()) {
      if (*k <= -kFar) return lowest;
      if (*k >= kFar) return last;
    }
    auto below = negative(v);
    if (!below) return {};
    return max(lowest, min(*below ? v + n : v, last));
  };
  auto s = place(start, 0), e = place(end, lowest_end);
  if (!s || !e) return c.fresh("slice");
  std::int64_t k = std::clamp<std::int64_t>(step, -kFar, kFar);
  return k > 0 ? max(Dim(0), floor_div(*e - *s + Dim(k - 1), Dim(k))) : max(Dim(0), floor_div(*s - *e + Dim(-k - 1), Dim(-k)));
}
Result<> infer_slice(Infer& c) {
  std::vector<Dim> d = c.dims(0);
  const Known *s = c.known(1), *e = c.known(2);
  auto axes = c.numbers(3), steps = c.numbers(4);
  std::size_t n = axes ? axes->size() : s ? s->size() : e ? e->size() : d.size();
  if ((c.has(3) && !axes) || (!axes && !s && !e)) {
    for (Dim& x : d) x = c.fresh("slice");
    return c.give(c.dtype(0), std::move(d));
  }
  if ((s && s->size() != n) || (e && e->size() != n) || (steps && steps->size() != n)) return c.fail("starts, ends, axes and steps differ in length");
  if (!axes && n > d.size()) return c.fail(to_string(n) + " starts for a tensor of rank " + to_string(d.size()));
  for (std::size_t i = 0; i < n; ++i) {
    SAHA_TRY(std::size_t a, c.axis(axes ? (*axes)[i] : std::int64_t(i), d.size()));
    if (steps && (*steps)[i] == 0) return c.fail("the step of axis " + to_string(a) + " is 0");
    bool open = !s || !e || (c.has(4) && !steps);
    d[a] = open ? c.fresh("slice") : slice_length(c, (*s)[i], (*e)[i], steps ? (*steps)[i] : 1, d[a]);
  }
  return c.give(c.dtype(0), std::move(d));
}
struct Grid {
  std::int64_t start = 0;
  Dims step, extents;
};
/// Where a slice of a tensor `dims` lies; operands first, first + 1, .. are starts, ends, axes, steps.
Result<Grid> slice_grid(const Eval& c, const Dims& dims, std::size_t first) {
  Dims s = c.ints(first), e = c.ints(first + 1), axes = c.has(first + 2) ? c.ints(first + 2) : Dims{}, steps = c.has(first + 3) ? c.ints(first + 3) : Dims{};
  if (e.size() != s.size() || (c.has(first + 2) && axes.size() != s.size()) || (c.has(first + 3) && steps.size() != s.size())) return c.fail("starts, ends, axes and steps differ in length");
  Grid g{0, row_major(dims), dims};
  std::vector<char> seen(dims.size(), 0);
  for (std::size_t i = 0; i < s.size(); ++i) {
    SAHA_TRY(std::size_t a, c.axis(axes.empty() ? std::int64_t(i) : axes[i], dims.size()));
    if (std::exchange(seen[a], 1)) return c.fail("axis " + to_string(a) + " is listed twice");
    std::int64_t n = dims[a], k = steps.empty() ? 1 : std::clamp(steps[i], -n - 1, n + 1);
    if (!steps.empty() && steps[i] == 0) return c.fail("the step of axis " + to_string(a) + " is 0");
    if (n == 0) continue;
    auto place = [n](std::int64_t v, std::int64_t lo, std::int64_t hi) { return std::clamp(v < 0 ? v + n : v, lo, hi); };
    std::int64_t from = place(s[i], 0, k > 0 ? n : n - 1), to = k > 0 ? place(e[i], 0, n) : place(e[i], -1, n - 1);
    g.extents[a] = std::max<std::int64_t>(0, k > 0 ? (to - from + k - 1) / k : (from - to - k - 1) / -k);
    g.start += from * g.step[a];
    g.step[a] *= k;
  }
  return g;
}
Result<> eval_slice(Eval& c) {
  SAHA_TRY(Grid g, slice_grid(c, c.x(0).dims, 1));
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, g.extents));
  gather_strided(c.x(0), g.start, g.step, g.extents, y);
  return c.give(std::move(y));
}
Val slice_adjoint(const Site& s, std::size_t, Val dy) {
  Vals in = {dy, s.b.op("Shape", {s.in[0]})};
  in.insert(in.end(), s.in.begin() + 1, s.in.end());
  return s.b.op("Unslice", in);
}
Result<> infer_unslice(Infer& c) {
  if (const Known* k = c.known(1)) return c.give(c.dtype(0), *k);
  std::vector<Dim> d = c.dims(0);
  for (Dim& x : d) x = c.fresh("unslice");
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_unslice(Eval& c) {
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, c.ints(1)));
  SAHA_TRY(Grid g, slice_grid(c, y.dims, 2));
  if (g.extents != c.x(0).dims) return c.fail("dY is " + str(c.x(0).dims) + ", the slice is " + str(g.extents));
  scatter_strided(c.x(0), g.extents, y, g.start, g.step);
  return c.give(std::move(y));
}
Val unslice_adjoint(const Site& s, std::size_t, Val dy) {
  Vals in = {dy};
  in.insert(in.end(), s.in.begin() + 2, s.in.end());
  return s.b.op("Slice", in);
}

// ---- Split(X, split?) --------------------------------------------------------------------------------------------------------
Result<> infer_split(Infer& c) {
  std::vector<Dim> d = c.dims(0);
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), d.size()));
  if (c.has(1) && c.has_attr("num_outputs")) return c.fail("has both the operand split and the attribute num_outputs");
  if (c.has_attr("num_outputs") && c.i("num_outputs") != c.num_out) return c.fail("num_outputs is " + to_string(c.i("num_outputs")) + ", the node has " + to_string(c.num_out) + " results");
  const Known* sizes = c.known(1);
  if (sizes && sizes->size() != std::size_t(c.num_out)) return c.fail("split has " + to_string(sizes->size()) + " sizes, the node has " + to_string(c.num_out) + " results");
  Dim whole = d[a], part = floor_div(whole + Dim(c.num_out - 1), Dim(c.num_out)), sum = 0;
  for (int k = 0; k < c.num_out; ++k) {
    if (c.has(1)) d[a] = sizes ? (*sizes)[std::size_t(k)] : c.fresh("split");
    else if (whole.known()) d[a] = std::clamp<std::int64_t>(*whole.known() - k * *part.known(), 0, *part.known());
    else d[a] = k + 1 < c.num_out ? part : whole - part * Dim(c.num_out - 1);
    sum = sum + d[a];
    SAHA_DO(c.give(c.dtype(0), d));
  }
  if (sum.known() && whole.known() && !(sum == whole)) return c.fail("the sizes add up to " + sum.str() + ", axis " + to_string(a) + " has " + whole.str());
  return {};
}
Result<> eval_split(Eval& c) {
  const Tensor& x = c.x(0);
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), x.rank()));
  std::int64_t n = x.dims[a], part = (n + c.num_out - 1) / c.num_out, from = 0;
  Dims sizes = c.has(1) ? c.ints(1) : Dims(std::size_t(c.num_out), part), step = row_major(x.dims), d = x.dims;
  if (sizes.size() != std::size_t(c.num_out)) return c.fail("split has " + to_string(sizes.size()) + " sizes, the node has " + to_string(c.num_out) + " results");
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    d[a] = c.has(1) ? sizes[k] : std::min(part, n - from);
    if (d[a] < 0 || d[a] > n - from) return c.fail("part " + to_string(k) + " of " + to_string(d[a]) + " exceeds axis " + to_string(a) + " of " + to_string(n));
    SAHA_TRY(Tensor y, c.make(x.dtype, d));
    gather_strided(x, from * step[a], step, d, y);
    SAHA_DO(c.give(std::move(y)));
    from += d[a];
  }
  if (from != n) return c.fail("the sizes add up to " + to_string(from) + ", axis " + to_string(a) + " has " + to_string(n));
  return {};
}
Vals split_vjp(const Site& s, const Vals& dy) {
  Vals parts = dy;
  for (std::size_t k = 0; k < parts.size(); ++k) if (!parts[k]) parts[k] = zeros_like(s.out[k]);
  return {s.b.op("Concat", parts, {{"axis", s.i("axis")}})};
}

// ---- Concat(X...) ------------------------------------------------------------------------------------------------------------
Result<> infer_concat(Infer& c) {
  std::vector<Dim> d = c.dims(0);
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), d.size()));
  for (std::size_t i = 1; i < c.in.size(); ++i) {
    const auto& e = c.dims(i);
    if (c.dtype(i) != c.dtype(0)) return c.fail("operand " + to_string(i) + " is " + std::string(name(c.dtype(i))) + ", operand 0 is " + std::string(name(c.dtype(0))));
    if (e.size() != d.size()) return c.fail("operand " + to_string(i) + " has rank " + to_string(e.size()) + ", operand 0 has rank " + to_string(d.size()));
    for (std::size_t k = 0; k < d.size(); ++k) {
      if (k == a) d[k] = d[k] + e[k];
      else if (d[k].known() && e[k].known() && !(d[k] == e[k])) return c.fail("operand " + to_string(i) + " has " + e[k].str() + " on axis " + to_string(k) + ", operand 0 has " + d[k].str());
      else if (!d[k].known() && e[k].known()) d[k] = e[k];
    }
  }
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_concat(Eval& c) {
  Dims d = c.x(0).dims;
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), d.size()));
  d[a] = 0;
  for (std::size_t i = 0; i < c.in.size(); ++i) {
    Dims e = c.x(i).dims;
    if (c.x(i).dtype != c.x(0).dtype || e.size() != d.size()) return c.fail("operand " + to_string(i) + " is " + std::string(name(c.x(i).dtype)) + str(e) + ", operand 0 is " + std::string(name(c.x(0).dtype)) + str(c.x(0).dims));
    std::int64_t n = std::exchange(e[a], d[a]);
    if (e != d) return c.fail("operand " + to_string(i) + " is " + str(c.x(i).dims) + ", operand 0 is " + str(c.x(0).dims) + ": they differ beside axis " + to_string(a));
    d[a] += n;
  }
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, d));
  if (y.size() == 0) return c.give(std::move(y));
  std::int64_t outer = product(d, 0, a), at = 0;
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::size_t i = 0; i < c.in.size(); ++i) {
      std::int64_t n = product(c.x(i).dims, a, c.x(i).dims.size());
      copy_elements(c.x(i), o * n, 1, y, at, n);
      at += n;
    }
  return c.give(std::move(y));
}
Vals concat_vjp(const Site& s, const Vals& dy) {
  auto rank = std::int64_t(s.type(0).dims.size()), a = s.i("axis") < 0 ? s.i("axis") + rank : s.i("axis");
  Vals sizes;
  for (Val x : s.in) sizes.push_back(s.b.op("Shape", {x}, {{"start", a}, {"end", a + 1}}));
  return s.b.ops("Split", {dy[0], s.b.op("Concat", sizes, {{"axis", std::int64_t{0}}})}, {{"axis", a}}, int(s.in.size()));
}
Val concat_adjoint(const Site& s, std::size_t operand, Val dy) { return concat_vjp(s, {dy})[operand]; }

// ---- Transpose(X) ------------------------------------------------------------------------------------------------------------
template <class C> Result<Dims> permutation(const C& c, std::size_t rank) {
  Dims p = c.is("perm");
  if (!c.has_attr("perm")) for (std::size_t i = rank; i-- > 0;) p.push_back(std::int64_t(i));
  std::vector<char> seen(rank, 0);
  if (p.size() != rank) return c.fail("perm has " + to_string(p.size()) + " entries, the tensor has rank " + to_string(rank));
  for (std::int64_t& v : p) {
    SAHA_TRY(std::size_t a, c.axis(v, rank, "perm"));
    if (std::exchange(seen[a], 1)) return c.fail("perm " + str(p) + " lists axis " + to_string(a) + " twice");
    v = std::int64_t(a);
  }
  return p;
}
Result<> infer_transpose(Infer& c) {
  SAHA_TRY(Dims p, permutation(c, c.rank(0)));
  std::vector<Dim> d;
  for (std::int64_t a : p) d.push_back(c.dims(0)[std::size_t(a)]);
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_transpose(Eval& c) {
  const Tensor& x = c.x(0);
  SAHA_TRY(Dims p, permutation(c, x.rank()));
  Dims s = row_major(x.dims), step, d;
  for (std::int64_t a : p) {
    step.push_back(s[std::size_t(a)]);
    d.push_back(x.dims[std::size_t(a)]);
  }
  SAHA_TRY(Tensor y, c.make(x.dtype, d));
  gather_strided(x, 0, step, d, y);
  return c.give(std::move(y));
}
Val transpose_adjoint(const Site& s, std::size_t, Val dy) {
  if (!s.has_attr("perm")) return s.b.op("Transpose", {dy});
  Dims p = s.is("perm"), inverse(p.size());
  auto rank = std::int64_t(p.size());
  for (std::size_t i = 0; i < p.size(); ++i) inverse[std::size_t(p[i] < 0 ? p[i] + rank : p[i])] = std::int64_t(i);
  return s.b.op("Transpose", {dy}, {{"perm", std::move(inverse)}});
}

// ---- Identity(X) -------------------------------------------------------------------------------------------------------------
Result<> infer_identity(Infer& c) { return c.give(c.in[0]); }
Result<> eval_identity(Eval& c) { return c.give(*c.in[0]); }
Val identity_adjoint(const Site&, std::size_t, Val dy) { return dy; }

// ---- Where(condition, X, Y) --------------------------------------------------------------------------------------------------
Result<> infer_where(Infer& c) {
  auto d = broadcast(c.in);
  if (!d) return c.fail(d.error().message);
  return c.give(c.dtype(1), std::move(*d));
}
Result<> eval_where(Eval& c) {
  const Tensor &cond = c.x(0), &a = c.x(1), &b = c.x(2);
  const Dims shapes[] = {cond.dims, a.dims, b.dims};
  auto d = broadcast(shapes);
  if (!d) return c.fail(d.error().message);
  if (a.dtype != b.dtype) return c.fail("X is " + std::string(name(a.dtype)) + ", Y is " + std::string(name(b.dtype)));
  SAHA_TRY(Tensor y, c.make(a.dtype, *d));
  if (y.size() == 0) return c.give(std::move(y));
  Walk<3> w{*d, {broadcast_strides(cond.dims, *d), broadcast_strides(a.dims, *d), broadcast_strides(b.dims, *d)}};
  std::int64_t inner = 1;
  std::array<std::int64_t, 3> step = {1, 1, 1};
  if (!w.extents.empty()) {
    inner = w.extents.back();
    for (std::size_t k = 0; k < 3; ++k) { step[k] = w.stride[k].back(); w.stride[k].pop_back(); }
    w.extents.pop_back();
    w.at.pop_back();
  }
  const auto* flag = cond.as<const std::uint8_t>();
  for (std::int64_t at = 0; at < y.size(); at += inner, w.next())
    for (std::int64_t i = 0; i < inner;) {  // runs of one side are copied at once
      auto value = [&](std::int64_t j) { return flag[w.offset[0] + j * step[0]] != 0; };
      bool first = value(i);
      std::int64_t end = i + 1;
      while (end < inner && value(end) == first) ++end;
      std::size_t k = first ? 1 : 2;
      copy_elements(first ? a : b, w.offset[k] + i * step[k], step[k], y, at + i, end - i);
      i = end;
    }
  return c.give(std::move(y));
}
Val where_adjoint(const Site& s, std::size_t operand, Val dy) {
  Val zero = s.b.scalar(0, dy);
  Val kept = operand == 1 ? s.b.op("Where", {s.in[0], dy, zero}) : s.b.op("Where", {s.in[0], zero, dy});
  return s.b.op("SumTo", {kept, s.in[operand]});
}

// ---- ReverseSequence(X, sequence_lens) -------------------------------------------------------------------------------------------
Result<> infer_reverse_sequence(Infer& c) {
  SAHA_TRY(std::size_t batch, c.axis(c.i("batch_axis"), c.rank(0), "batch_axis"));
  SAHA_TRY(std::size_t time, c.axis(c.i("time_axis"), c.rank(0), "time_axis"));
  if (batch == time) return c.fail("batch_axis and time_axis are both " + to_string(time));
  return c.give(c.in[0]);
}
Result<> eval_reverse_sequence(Eval& c) {
  const Tensor& x = c.x(0);
  SAHA_TRY(std::size_t batch, c.axis(c.i("batch_axis"), x.rank(), "batch_axis"));
  SAHA_TRY(std::size_t time, c.axis(c.i("time_axis"), x.rank(), "time_axis"));
  Dims lens = c.ints(1), step = row_major(x.dims);
  if (batch == time) return c.fail("batch_axis and time_axis are both " + to_string(time));
  if (std::int64_t(lens.size()) != x.dims[batch]) return c.fail(to_string(lens.size()) + " sequence lengths for a batch of " + to_string(x.dims[batch]));
  SAHA_TRY(Tensor y, c.make(x.dtype, x.dims));
  Dims extents = x.dims, all = step;
  extents[batch] = 1;
  for (std::size_t q = 0; q < lens.size(); ++q) {
    std::int64_t n = lens[q];
    if (n < 0 || n > x.dims[time]) return c.fail("sequence length " + to_string(n) + " of row " + to_string(q) + " lies outside the " + to_string(x.dims[time]) + " steps");
    // Both parts are gathered into a block of their own, since y's rows of one batch entry are not neighbours.
    for (bool head : {true, false}) {
      extents[time] = head ? n : x.dims[time] - n;
      if (extents[time] == 0) continue;
      all[time] = head ? -step[time] : step[time];
      SAHA_TRY(Tensor part, c.make(x.dtype, extents));
      std::int64_t base = std::int64_t(q) * step[batch];
      gather_strided(x, base + (head ? n - 1 : n) * step[time], all, extents, part);
      scatter_strided(part, extents, y, base + (head ? 0 : n) * step[time], step);
    }
  }
  return c.give(std::move(y));
}
Val reverse_sequence_adjoint(const Site& s, std::size_t, Val dy) { return s.b.op("ReverseSequence", {dy, s.in[1]}, s.attrs); }

constexpr OpDef kOps[] = {
    {.name = "Slice", .since_version = 13, .signature = "(data: T, starts: I!, ends: I!, axes: I?!, steps: I?!) -> (output: T) where T: number bool string complex, I: int32 int64",
     .traits = kMovement, .infer = infer_slice, .eval = eval_slice, .linear = joint({0}), .adjoint = slice_adjoint},
    {.name = "Unslice", .domain = "saha", .signature = "(dY: T, shape: int64!, starts: I!, ends: I!, axes: I?!, steps: I?!) -> (dX: T) where T: number bool string complex, I: int32 int64",
     .traits = kMovement, .infer = infer_unslice, .eval = eval_unslice, .linear = joint({0}), .adjoint = unslice_adjoint},
    {.name = "Split", .since_version = 18, .signature = "(input: T, split: int64?!) -> (outputs: T...) where T: number bool string complex | axis: int = 0, num_outputs: int?",
     .traits = kMovement, .infer = infer_split, .eval = eval_split, .linear = joint({0}), .vjp = split_vjp},
    {.name = "Concat", .since_version = 13, .signature = "(inputs: T...) -> (concat_result: T) where T: number bool string complex | axis: int",
     .traits = kMovement, .infer = infer_concat, .eval = eval_concat, .linear = kJointAll, .adjoint = concat_adjoint, .vjp = concat_vjp},
    {.name = "Transpose", .since_version = 25, .signature = "(data: T) -> (transposed: T) where T: any | perm: ints?",
     .traits = kMovement, .infer = infer_transpose, .eval = eval_transpose, .linear = joint({0}), .adjoint = transpose_adjoint},
    {.name = "Identity", .since_version = 25, .signature = "(input: value) -> (output: value)",
     .traits = kMovement | kView | kTakesUnranked, .infer = infer_identity, .eval = eval_identity, .linear = joint({0}), .adjoint = identity_adjoint},
    {.name = "Where", .since_version = 16, .signature = "(condition: bool, X: T, Y: T) -> (output: T) where T: number bool string complex",
     .traits = kMovement, .infer = infer_where, .eval = eval_where, .linear = joint({1, 2}), .adjoint = where_adjoint},
    {.name = "ReverseSequence", .since_version = 28, .signature = "(input: T, sequence_lens: int64) -> (Y: T) where T: number bool string complex | batch_axis: int = 1, time_axis: int = 0",
     .traits = kMovement, .infer = infer_reverse_sequence, .eval = eval_reverse_sequence, .linear = joint({0}), .adjoint = reverse_sequence_adjoint},
};
}  // namespace

std::span<const OpDef> movement() { return kOps; }

}  // namespace saha::op

// Operators that pick elements by their values: several results, sizes that only the data decides.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "op/adjoint.hpp"
#include "op/integer_form.hpp"
#include "op/strides.hpp"

namespace saha::op {
namespace {
using std::to_string;

/// A total order on every carrier: NaN is above all numbers and equal to itself, as numpy sorts.
template <class T> bool less(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) if (std::isnan(a) || std::isnan(b)) return !std::isnan(a);
  return a < b;
}
template <> bool less(const double& a, const double& b) { return std::isnan(a) ? false : std::isnan(b) || a < b; }

// ---- TopK(X, K) --------------------------------------------------------------------------------------------------------------
Result<> infer_topk(Infer& c) {
  std::vector<Dim> d = c.dims(0);
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), d.size()));
  const Known* k = c.known(1);
  if (k && k->size() != 1) return c.fail("K has " + to_string(k->size()) + " elements, one is needed");
  Dim n = d[a];
  d[a] = k ? (*k)[0] : c.fresh("k");
  if (n.known() && d[a].known() && (*d[a].known() < 0 || *d[a].known() > *n.known())) return c.fail("K is " + d[a].str() + ", axis " + to_string(a) + " has " + n.str());
  SAHA_DO(c.give(c.dtype(0), d));
  return c.give(DType::i64, std::move(d));
}
template <class T> void topk(const Tensor& x, std::size_t axis, bool largest, const Tensor& y, const Tensor& index) {
  std::int64_t n = x.dims[axis], k = y.dims[axis], inner = product(x.dims, axis + 1, x.dims.size()), outer = product(x.dims, 0, axis);
  std::vector<T> row(static_cast<std::size_t>(n));
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t q = 0; q < inner; ++q) {
      std::int64_t from = o * n * inner + q;
      load(x, from, inner, n, row.data());
      std::iota(order.begin(), order.end(), 0);
      std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](std::int64_t a, std::int64_t b) {
        const T &u = row[std::size_t(a)], &v = row[std::size_t(b)];
        bool before = largest ? less(v, u) : less(u, v), after = largest ? less(u, v) : less(v, u);
        return before || (!after && a < b);
      });
      for (std::int64_t i = 0; i < k; ++i) {
        std::int64_t to = (o * k + i) * inner + q;
        copy_elements(x, from + order[std::size_t(i)] * inner, 1, y, to, 1);
        index.as<std::int64_t>()[to] = order[std::size_t(i)];
      }
    }
}
Result<> eval_topk(Eval& c) {
  const Tensor& x = c.x(0);
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), x.rank()));
  if (c.x(1).size() != 1) return c.fail("K has " + to_string(c.x(1).size()) + " elements, one is needed");
  std::int64_t k = c.x(1).int_at(0);
  if (k < 0 || k > x.dims[a]) return c.fail("K is " + to_string(k) + ", axis " + to_string(a) + " has " + to_string(x.dims[a]));
  Dims d = x.dims;
  d[a] = k;
  SAHA_TRY(Tensor y, c.make(x.dtype, d));
  SAHA_TRY(Tensor index, c.make(DType::i64, d));
  if (y.size() > 0) {
    if (is_float(x.dtype)) topk<double>(x, a, c.i("largest") != 0, y, index);
    else if (is_signed_int(x.dtype)) topk<std::int64_t>(x, a, c.i("largest") != 0, y, index);
    else topk<std::uint64_t>(x, a, c.i("largest") != 0, y, index);
  }
  SAHA_DO(c.give(std::move(y)));
  return c.give(std::move(index));
}
Vals topk_vjp(const Site& s, const Vals& dy) {
  if (!dy[0]) return {};
  Val index = s.out.size() > 1 ? s.out[1] : s.b.ops("TopK", s.in, s.attrs, 2)[1];
  return {s.b.op("ScatterElements", {zeros_like(s.in[0]), index, dy[0]}, {{"axis", s.i("axis")}, {"reduction", std::string("add")}})};
}

// ---- ArgMax(data), ArgMin(data) ------------------------------------------------------------------------------------------------
Result<> infer_arg(Infer& c) {
  std::vector<Dim> d = c.dims(0);
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), d.size()));
  if (d[a].is(0)) return c.fail("axis " + to_string(a) + " has no elements");
  if (c.i("keepdims")) d[a] = 1;
  else d.erase(d.begin() + std::ptrdiff_t(a));
  return c.give(DType::i64, std::move(d));
}
template <class T, bool kMax> void arg_extreme(const Tensor& x, std::size_t axis, bool last, const Tensor& y) {
  std::int64_t n = x.dims[axis], inner = product(x.dims, axis + 1, x.dims.size()), outer = product(x.dims, 0, axis);
  std::vector<T> best(static_cast<std::size_t>(inner)), row(static_cast<std::size_t>(inner));
  // numpy's rule: a NaN is the extreme of its row, whichever is asked for.
  auto ahead = [](const T& a, const T& b) {
    if constexpr (std::is_same_v<T, double>) if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && !std::isnan(b);
    return kMax ? b < a : a < b;
  };
  for (std::int64_t o = 0; o < outer; ++o) {
    std::int64_t* at = y.as<std::int64_t>() + o * inner;
    load(x, o * n * inner, 1, inner, best.data());
    for (std::int64_t i = 1; i < n; ++i) {
      load(x, (o * n + i) * inner, 1, inner, row.data());
      for (std::int64_t q = 0; q < inner; ++q) {
        auto k = std::size_t(q);
        if (ahead(row[k], best[k]) || (last && !ahead(best[k], row[k]))) {
          best[k] = row[k];
          at[q] = i;
        }
      }
    }
  }
}
template <bool kMax> Result<> eval_arg(Eval& c) {
  const Tensor& x = c.x(0);
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), x.rank()));
  Dims d = x.dims;
  if (c.i("keepdims")) d[a] = 1;
  else d.erase(d.begin() + std::ptrdiff_t(a));
  SAHA_TRY(Tensor y, c.make(DType::i64, d));
  if (y.size() == 0) return c.give(std::move(y));
  if (x.dims[a] == 0) return c.fail("axis " + to_string(a) + " has no elements");
  bool last = c.i("select_last_index") != 0;
  if (is_float(x.dtype)) arg_extreme<double, kMax>(x, a, last, y);
  else if (is_signed_int(x.dtype)) arg_extreme<std::int64_t, kMax>(x, a, last, y);
  else arg_extreme<std::uint64_t, kMax>(x, a, last, y);
  return c.give(std::move(y));
}

// ---- NonZero(X) --------------------------------------------------------------------------------------------------------------
Result<> infer_nonzero(Infer& c) { return c.give(DType::i64, {Dim(std::int64_t(c.rank(0))), c.fresh("nonzero")}); }
/// One flag per element: text that is not empty, a number that is not 0.
std::vector<char> nonzero_flags(const Tensor& x) {
  std::vector<char> f(static_cast<std::size_t>(x.size()));
  if (x.dtype == DType::string) for (std::size_t i = 0; i < f.size(); ++i) f[i] = !(*x.text)[i].empty();
  else if (is_complex(x.dtype)) {
    for (std::size_t i = 0; i < f.size(); ++i)
      f[i] = x.dtype == DType::c64 ? x.as<const float>()[2 * i] != 0 || x.as<const float>()[2 * i + 1] != 0 : x.as<const double>()[2 * i] != 0 || x.as<const double>()[2 * i + 1] != 0;
  } else if (is_float(x.dtype)) {
    auto v = values<double>(x);
    for (std::size_t i = 0; i < f.size(); ++i) f[i] = v[i] != 0;
  } else {
    auto v = values<std::uint64_t>(x);
    for (std::size_t i = 0; i < f.size(); ++i) f[i] = v[i] != 0;
  }
  return f;
}
Result<> eval_nonzero(Eval& c) {
  const Tensor& x = c.x(0);
  std::vector<char> f = nonzero_flags(x);
  std::int64_t n = std::count(f.begin(), f.end(), 1), k = 0;
  SAHA_TRY(Tensor y, c.make(DType::i64, {std::int64_t(x.rank()), n}));
  Walk<1> w{x.dims, {Dims(x.rank(), 0)}};
  for (std::size_t i = 0; i < f.size(); ++i, w.next())
    if (f[i]) {
      for (std::size_t a = 0; a < x.rank(); ++a) y.as<std::int64_t>()[std::int64_t(a) * n + k] = w.at[a];
      ++k;
    }
  return c.give(std::move(y));
}

// ---- Unique(X) ---------------------------------------------------------------------------------------------------------------
Result<> infer_unique(Infer& c) {
  Dim n = c.fresh("unique");
  Dim all(1);
  for (const Dim& x : c.dims(0)) all = all * x;
  std::vector<Dim> d = {n};
  if (c.has_attr("axis")) {
    d = c.dims(0);
    SAHA_TRY(std::size_t a, c.axis(c.i("axis"), d.size()));
    all = std::exchange(d[a], n);
  }
  SAHA_DO(c.give(c.dtype(0), std::move(d)));
  SAHA_DO(c.give(DType::i64, {n}));
  SAHA_DO(c.give(DType::i64, {all}));
  return c.give(DType::i64, {n});
}
/// Sorts rows of m elements: order lists them, equal ones in the order of their places; begins marks where another row begins.
template <class T> void sort_rows(const std::vector<T>& v, std::size_t m, std::vector<std::int64_t>& order, std::vector<char>& begins) {
  auto compare = [&](std::int64_t a, std::int64_t b) {
    for (std::size_t k = 0; k < m; ++k) {
      const T &x = v[std::size_t(a) * m + k], &y = v[std::size_t(b) * m + k];
      if (less(x, y)) return -1;
      if (less(y, x)) return 1;
    }
    return 0;
  };
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    int k = compare(a, b);
    return k < 0 || (k == 0 && a < b);
  });
  for (std::size_t i = 0; i < order.size(); ++i) begins[i] = i == 0 || compare(order[i - 1], order[i]) != 0;
}
Result<> eval_unique(Eval& c) {
  Tensor x = c.x(0);
  std::size_t a = 0;
  if (c.has_attr("axis")) { SAHA_TRY(a, c.axis(c.i("axis"), x.rank())); }
  else x = x.reshaped({x.size()});
  // Rows: the slices along the axis, each as one contiguous run.
  std::int64_t n = x.dims[a], m = n ? x.size() / n : 0;
  Dims extents = x.dims, step = row_major(x.dims), row_dims = x.dims;
  std::rotate(extents.begin(), extents.begin() + std::ptrdiff_t(a), extents.begin() + std::ptrdiff_t(a) + 1);
  std::rotate(step.begin(), step.begin() + std::ptrdiff_t(a), step.begin() + std::ptrdiff_t(a) + 1);
  SAHA_TRY(Tensor rows, c.make(x.dtype, extents));
  gather_strided(x, 0, step, extents, rows);
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::vector<char> begins(order.size());
  if (x.dtype == DType::string) sort_rows(*rows.text, std::size_t(m), order, begins);
  else if (is_complex(x.dtype)) {
    Tensor parts = rows;
    parts.dtype = x.dtype == DType::c64 ? DType::f32 : DType::f64;
    parts.dims.push_back(2);
    sort_rows(values<double>(parts), std::size_t(2 * m), order, begins);
  } else if (is_float(x.dtype)) sort_rows(values<double>(rows), std::size_t(m), order, begins);
  else if (is_signed_int(x.dtype)) sort_rows(values<std::int64_t>(rows), std::size_t(m), order, begins);
  else sort_rows(values<std::uint64_t>(rows), std::size_t(m), order, begins);

  std::vector<std::int64_t> first, count, group(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (begins[i]) {
      first.push_back(order[i]);
      count.push_back(0);
    }
    ++count.back();
    group[std::size_t(order[i])] = std::int64_t(first.size()) - 1;
  }
  if (!c.i("sorted")) {  // in the order of first appearance
    std::vector<std::int64_t> rank(first.size()), at(first.size()), f2, c2;
    std::iota(rank.begin(), rank.end(), 0);
    std::sort(rank.begin(), rank.end(), [&](std::int64_t p, std::int64_t q) { return first[std::size_t(p)] < first[std::size_t(q)]; });
    for (std::size_t i = 0; i < rank.size(); ++i) {
      at[std::size_t(rank[i])] = std::int64_t(i);
      f2.push_back(first[std::size_t(rank[i])]);
      c2.push_back(count[std::size_t(rank[i])]);
    }
    first = std::move(f2);
    count = std::move(c2);
    for (std::int64_t& g : group) g = at[std::size_t(g)];
  }
  extents[0] = row_dims[a] = std::int64_t(first.size());
  SAHA_TRY(Tensor picked, c.make(x.dtype, extents));
  for (std::size_t i = 0; i < first.size(); ++i) copy_elements(rows, first[i] * m, 1, picked, std::int64_t(i) * m, m);
  step = row_major(extents);
  std::rotate(step.begin(), step.begin() + 1, step.begin() + std::ptrdiff_t(a) + 1);
  SAHA_TRY(Tensor y, c.make(x.dtype, row_dims));
  gather_strided(picked, 0, step, row_dims, y);
  SAHA_DO(c.give(std::move(y)));
  SAHA_DO(c.give(Tensor::of_ints(first)));
  SAHA_DO(c.give(Tensor::of_ints(group)));
  return c.give(Tensor::of_ints(count));
}

// ---- Compress(input, condition) --------------------------------------------------------------------------------------------------
Result<> infer_compress(Infer& c) {
  Dim kept = c.fresh("compress");
  if (auto flags = c.numbers(1)) kept = Dim(std::int64_t(flags->size() - std::size_t(std::count(flags->begin(), flags->end(), 0))));
  if (!c.has_attr("axis")) return c.give(c.dtype(0), {kept});
  std::vector<Dim> d = c.dims(0);
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), d.size()));
  d[a] = kept;
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_compress(Eval& c) {
  Tensor x = c.x(0);
  std::size_t a = 0;
  if (c.has_attr("axis")) { SAHA_TRY(a, c.axis(c.i("axis"), x.rank())); }
  else x = x.reshaped({x.size()});
  const auto* flag = c.x(1).as<const std::uint8_t>();
  std::int64_t n = x.dims[a], inner = product(x.dims, a + 1, x.dims.size()), outer = product(x.dims, 0, a), to = 0;
  std::vector<std::int64_t> kept;
  for (std::int64_t i = 0; i < c.x(1).size(); ++i) {
    if (!flag[i]) continue;
    if (i >= n) return c.fail("condition " + to_string(i) + " is set, the axis has " + to_string(n));
    kept.push_back(i);
  }
  Dims d = x.dims;
  d[a] = std::int64_t(kept.size());
  SAHA_TRY(Tensor y, c.make(x.dtype, d));
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t i : kept) {
      copy_elements(x, (o * n + i) * inner, 1, y, to, inner);
      to += inner;
    }
  return c.give(std::move(y));
}
Val compress_adjoint(const Site& s, std::size_t, Val dy) { return index_adjoint(s, "Compress", 0, dy); }

/// Each element of Y is the first of those equal to it.
Vals unique_vjp(const Site& s, const Vals& dy) {
  Val first = s.num_out > 1 ? s.out[1] : s.b.ops("Unique", s.in, s.attrs, 2)[1], shape = s.b.op("Shape", {s.in[0]});
  if (s.has_attr("axis")) return {s.b.op("GatherGrad", {dy[0], first, shape}, {{"axis", s.i("axis")}})};
  return {reshaped_like(s.b.op("GatherGrad", {dy[0], first, s.b.op("ReduceProd", {shape})}), s.in[0])};
}

// ---- OneHot(indices, depth, values) ----------------------------------------------------------------------------------------------
Result<> infer_onehot(Infer& c) {
  std::vector<Dim> d = c.dims(0);
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), d.size() + 1));
  const Known* k = c.known(1);
  Dim depth = k && k->size() == 1 ? (*k)[0] : c.fresh("depth");
  if (auto v = c.numbers(1); v && v->size() == 1) depth = (*v)[0];
  d.insert(d.begin() + std::ptrdiff_t(a), depth);
  return c.give(c.dtype(2), std::move(d));
}
Result<> eval_onehot(Eval& c) {
  const Tensor& x = c.x(0);
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), x.rank() + 1));
  if (c.x(1).size() != 1 || c.x(2).size() != 2) return c.fail("depth is " + str(c.x(1).dims) + " and values are " + str(c.x(2).dims) + ", one and two elements are needed");
  std::int64_t depth = c.x(1).int_at(0);
  if (depth < 0) return c.fail("depth is " + to_string(depth));
  Dims d = x.dims, index = c.ints(0);
  d.insert(d.begin() + std::ptrdiff_t(a), depth);
  SAHA_TRY(Tensor y, c.make(c.x(2).dtype, d));
  copy_elements(c.x(2), 0, 0, y, 0, y.size());
  std::int64_t inner = product(x.dims, a, x.dims.size());
  for (std::int64_t i = 0; i < x.size(); ++i) {
    std::int64_t v = index[std::size_t(i)];
    if (v < -depth || v >= depth) continue;
    copy_elements(c.x(2), 1, 1, y, (i / inner * depth + (v < 0 ? v + depth : v)) * inner + i % inner, 1);
  }
  return c.give(std::move(y));
}

/// values = [off, on]: each gets the sum of dy over its places.
Val onehot_adjoint(const Site& s, std::size_t, Val dy) {
  Builder& b = s.b;
  Attrs none = {{"keepdims", std::int64_t{0}}};
  DType t = b.type(dy).dtype;
  Val hot = b.op("OneHot", {s.in[0], s.in[1], b.constant(Tensor::of(t, {2}, {0, 1}))}, s.attrs);
  Val on = b.op("ReduceSum", {dy * hot}, none), off = b.op("ReduceSum", {dy}, none) - on, one = b.ints({1});
  return b.op("Concat", {b.op("Reshape", {off, one}), b.op("Reshape", {on, one})}, {{"axis", std::int64_t{0}}});
}

/// Stored numbers stand in the order of the real ones.
template <bool kMax> Val arg_integer(const Site& s, const Type&) {
  return s.type(0).quant->scale.size() == 1 ? s.b.op(kMax ? ir::OpName("ArgMax") : ir::OpName("ArgMin"), {s.in[0]}, plain_attrs(s.attrs)) : Val{};
}

constexpr std::string_view kIndex = "the result is an index: piecewise constant";
constexpr OpDef kOps[] = {
    {.name = "TopK", .since_version = 24, .signature = "(X: T, K: int64!) -> (Values: T, Indices: int64) where T: number | axis: int = -1, largest: int = 1, sorted: int = 1",
     .infer = infer_topk, .eval = eval_topk, .vjp = topk_vjp},
    {.name = "ArgMax", .since_version = 13, .signature = "(data: T) -> (reduced: int64) where T: number | axis: int = 0, keepdims: int = 1, select_last_index: int = 0",
     .infer = infer_arg, .eval = eval_arg<true>, .integer = arg_integer<true>, .no_gradient = kIndex, .no_bounds = kIndex},
    {.name = "ArgMin", .since_version = 13, .signature = "(data: T) -> (reduced: int64) where T: number | axis: int = 0, keepdims: int = 1, select_last_index: int = 0",
     .infer = infer_arg, .eval = eval_arg<false>, .integer = arg_integer<false>, .no_gradient = kIndex, .no_bounds = kIndex},
    {.name = "NonZero", .since_version = 13, .signature = "(X: T) -> (Y: int64) where T: number bool string complex",
     .traits = kDataShape, .infer = infer_nonzero, .eval = eval_nonzero, .no_gradient = kIndex, .no_bounds = kIndex},
    {.name = "Unique", .since_version = 28, .signature = "(X: T) -> (Y: T, indices: int64, inverse_indices: int64, counts: int64) where T: number bool string complex | axis: int?, sorted: int = 1",
     .traits = kDataShape, .infer = infer_unique, .eval = eval_unique, .vjp = unique_vjp, .no_bounds = "its size depends on which elements are equal"},
    {.name = "Compress", .since_version = 28, .signature = "(input: T, condition: bool!) -> (output: T) where T: number bool string complex | axis: int?",
     .traits = kMovement | kDataShape, .infer = infer_compress, .eval = eval_compress, .linear = joint({0}), .adjoint = compress_adjoint},
    {.name = "OneHot", .since_version = 28, .signature = "(indices: T1, depth: T2!, values: T3) -> (output: T3) where T1: int float16 float32 float64, T2: int float16 float32 float64, T3: number bool string complex | axis: int = -1",
     .infer = infer_onehot, .eval = eval_onehot, .linear = joint({2}), .adjoint = onehot_adjoint},
};
}  // namespace

std::span<const OpDef> selection() { return kOps; }

}  // namespace saha::op

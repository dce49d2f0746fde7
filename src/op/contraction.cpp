// Einsum: sums of products over labelled axes; Det and the cofactors that are its gradient. Source: ONNX operator specification, opset 28.
#include <algorithm>
#include <cmath>
#include <map>

#include "op/builder.hpp"
#include "op/strides.hpp"

namespace saha::op {
namespace {

// ---- Einsum: the equation ------------------------------------------------------------------------------------------------------------------
struct Equation {
  std::vector<std::string> terms;               // letters; '.' stands for the ellipsis
  std::string out;
  std::vector<std::vector<std::size_t>> axes;   // label of every axis of every operand
  std::vector<std::size_t> out_axes;
  std::size_t labels = 0, dots = 0;             // of which the first `dots` are the ellipsis's
};
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
/// "ij...,jk" -> terms with '.' for the ellipsis.
Result<std::vector<std::string>> split_terms(std::string_view text) {
  std::vector<std::string> r = {""};
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == ',') r.emplace_back();
    else if (is_letter(c)) r.back() += c;
    else if (text.substr(i, 3) == "..." && r.back().find('.') == std::string::npos) { r.back() += '.'; i += 2; }
    else return Error{ErrorCode::invalid_model, "equation '" + std::string(text) + "' has an unexpected '" + std::string(1, c) + "'"};
  }
  return r;
}
Result<Equation> parse(std::string text, const std::vector<std::size_t>& ranks) {
  std::erase(text, ' ');
  auto bad = [&](std::string what) { return Error{ErrorCode::invalid_model, "equation '" + text + "': " + std::move(what)}; };
  Equation e;
  auto arrow = text.find("->");
  SAHA_TRY(e.terms, split_terms(std::string_view(text).substr(0, arrow)));
  if (e.terms.size() != ranks.size()) return bad(std::to_string(e.terms.size()) + " terms, " + std::to_string(ranks.size()) + " operands");
  std::size_t wide = 0;  // axes of the longest ellipsis
  std::map<char, int> uses;
  bool dots = false;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    bool has = e.terms[i].find('.') != std::string::npos;
    std::size_t named = e.terms[i].size() - has;
    if (has ? named > ranks[i] : named != ranks[i]) return bad("term '" + e.terms[i] + "' names " + std::to_string(named) + " axes, operand " + std::to_string(i) + " has rank " + std::to_string(ranks[i]));
    if (has) wide = std::max(wide, ranks[i] - named);
    dots |= has;
    for (char c : e.terms[i]) if (c != '.') ++uses[c];
  }
  if (arrow == std::string::npos) {
    if (dots) e.out = ".";
    for (auto [c, n] : uses) if (n == 1) e.out += c;   // std::map: ascending, capitals first
  } else {
    SAHA_TRY(auto out, split_terms(std::string_view(text).substr(arrow + 2)));
    if (out.size() != 1) return bad("has more than one result");
    e.out = out[0];
  }
  // Ellipsis axes take labels 0 .. wide - 1, aligned at the right; letters follow.
  std::map<char, std::size_t> label;
  for (auto [c, n] : uses) { std::size_t next = wide + label.size(); label[c] = next; }
  e.labels = wide + label.size();
  e.dots = wide;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    e.axes.emplace_back();
    for (char c : e.terms[i]) {
      if (c != '.') { e.axes.back().push_back(label[c]); continue; }
      std::size_t n = ranks[i] - (e.terms[i].size() - 1);
      for (std::size_t k = wide - n; k < wide; ++k) e.axes.back().push_back(k);
    }
  }
  for (std::size_t i = 0; i < e.out.size(); ++i) {
    char c = e.out[i];
    if (c == '.') { for (std::size_t k = 0; k < wide; ++k) e.out_axes.push_back(k); continue; }
    if (!uses.count(c) || e.out.find(c) != i) return bad("result axis '" + std::string(1, c) + "' is in no term or there twice");
    e.out_axes.push_back(label[c]);
  }
  return e;
}
Result<> infer_einsum(Infer& c) {
  std::vector<std::size_t> ranks;
  for (std::size_t i = 0; i < c.in.size(); ++i) ranks.push_back(c.rank(i));
  auto e = parse(c.s("equation"), ranks);
  if (!e) return c.fail(e.error().message);
  std::vector<Dim> size(e->labels, Dim(1));
  for (std::size_t i = 0; i < c.in.size(); ++i)
    for (std::size_t a = 0; a < ranks[i]; ++a) {
      const std::size_t l = e->axes[i][a];
      Dim& s = size[l];
      const Dim& d = c.dims(i)[a];
      if (s.is(1)) s = d;
      else if (s.known() && d.known() && !d.is(1) && !(s == d)) return c.fail("axis " + std::to_string(a) + " of operand " + std::to_string(i) + " is " + d.str() + ", another with its label " + s.str());
      else if (!s.known() && d.known() && !d.is(1)) s = d;
      else if (!s.known() && !d.known() && l < e->dots) s = max(s, d);   // equal, or one of them is 1
    }
  std::vector<Dim> y;
  for (std::size_t l : e->out_axes) y.push_back(size[l]);
  return c.give(c.dtype(0), std::move(y));
}
template <class T> void contract(const Eval& c, const Equation& e, const Dims& size, const Tensor& y) {
  // Labels of the result outside, those that are summed inside; the last one is the inner loop.
  std::vector<std::size_t> order = e.out_axes;
  for (std::size_t l = 0; l < e.labels; ++l) if (std::find(order.begin(), order.end(), l) == order.end()) order.push_back(l);
  const std::size_t k = c.in.size(), r = order.size();
  std::vector<std::vector<T>> x;
  std::vector<Dims> stride(k + 1, Dims(r, 0));   // per operand and loop; the last row is the result's
  for (std::size_t i = 0; i < k; ++i) {
    x.push_back(values<T>(c.x(i)));
    Dims s = row_major(c.x(i).dims);
    for (std::size_t a = 0; a < s.size(); ++a)
      for (std::size_t o = 0; o < r; ++o) if (order[o] == e.axes[i][a] && c.x(i).dims[a] != 1) stride[i][o] += s[a];
  }
  Dims s = row_major(y.dims), extent;
  for (std::size_t a = 0; a < s.size(); ++a) stride[k][a] = s[a];
  for (std::size_t l : order) extent.push_back(size[l]);
  std::vector<T> out(std::size_t(y.size()), T{});
  const std::int64_t n = r ? extent[r - 1] : 1;
  std::vector<std::int64_t> at(k + 1, 0), step_inner(k + 1, 0);
  for (std::size_t i = 0; i <= k && r; ++i) step_inner[i] = stride[i][r - 1];
  Dims index(r, 0);
  bool empty = false;
  for (std::int64_t d : extent) empty |= d == 0;
  while (!empty) {
    if (k == 2) {
      const T *a = x[0].data() + at[0], *b = x[1].data() + at[1];
      T* q = out.data() + at[2];
      const std::int64_t sa = step_inner[0], sb = step_inner[1], sy = step_inner[2];
      if (sy == 0) { T sum{}; for (std::int64_t j = 0; j < n; ++j) sum += a[j * sa] * b[j * sb]; *q += sum; }
      else for (std::int64_t j = 0; j < n; ++j) q[j * sy] += a[j * sa] * b[j * sb];
    } else {
      for (std::int64_t j = 0; j < n; ++j) {
        T p = x[0][std::size_t(at[0] + j * step_inner[0])];
        for (std::size_t i = 1; i < k; ++i) p *= x[i][std::size_t(at[i] + j * step_inner[i])];
        out[std::size_t(at[k] + j * step_inner[k])] += p;
      }
    }
    std::size_t a = r ? r - 1 : 0;
    while (a-- > 0) {
      for (std::size_t i = 0; i <= k; ++i) at[i] += stride[i][a];
      if (++index[a] < extent[a]) break;
      for (std::size_t i = 0; i <= k; ++i) at[i] -= stride[i][a] * extent[a];
      index[a] = 0;
    }
    if (a == std::size_t(-1)) break;
  }
  fill<T>(y, out);
}
constexpr std::int64_t kMostProducts = std::int64_t{1} << 42;
Result<> eval_einsum(Eval& c) {
  std::vector<std::size_t> ranks;
  for (std::size_t i = 0; i < c.in.size(); ++i) ranks.push_back(c.x(i).rank());
  auto e = parse(c.s("equation"), ranks);
  if (!e) return c.fail(e.error().message);
  Dims size(e->labels, 1);
  for (std::size_t i = 0; i < c.in.size(); ++i)
    for (std::size_t a = 0; a < ranks[i]; ++a) {
      std::int64_t &s = size[e->axes[i][a]], d = c.x(i).dims[a];
      if (s == 1) s = d;
      else if (d != 1 && d != s) return c.fail("axis " + std::to_string(a) + " of operand " + std::to_string(i) + " is " + std::to_string(d) + ", another with its label " + std::to_string(s));
    }
  auto products = checked_elements(size);
  if (!products || *products > kMostProducts) return c.fail("needs more than 2^42 products: extents " + str(size) + "; contract the operands pair by pair");
  SAHA_DO(c.spend(double(*products) * double(c.in.size())));
  Dims d;
  for (std::size_t l : e->out_axes) d.push_back(size[l]);
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, d));
  if (is_float(y.dtype)) contract<double>(c, *e, size, y);
  else contract<std::uint64_t>(c, *e, size, y);  // exact mod 2^64, signed or not
  return c.give(std::move(y));
}
std::string written(const std::string& term) {
  std::string s;
  for (char c : term) s += c == '.' ? std::string("...") : std::string(1, c);
  return s;
}
/// d operand i = einsum(dy, the other operands -> its term). An axis that only this term has gets a vector of ones, a label it has twice
/// a unit matrix.
Val einsum_adjoint(const Site& s, std::size_t operand, Val dy) {
  Builder& b = s.b;
  std::vector<std::size_t> ranks;
  for (const Val& v : s.in) ranks.push_back(b.type(v).dims.size());
  auto e = parse(s.s("equation"), ranks);
  if (!e) { b.fail(e.error()); return dy; }
  std::string used = e->out;
  for (const std::string& t : e->terms) used += t;
  char next = 'A';
  auto unused = [&] {
    while (next <= 'z' && (!is_letter(next) || used.find(next) != std::string::npos)) ++next;
    if (next > 'z') b.fail({ErrorCode::unsupported, "Einsum: its gradient needs more labels than there are letters"});
    return next++;
  };
  std::string left = written(e->out), seen = e->out, target;
  Vals in = {dy};
  for (std::size_t i = 0; i < s.in.size(); ++i) {
    if (i == operand) continue;
    left += "," + written(e->terms[i]);
    seen += e->terms[i];
    in.push_back(s.in[i]);
  }
  const std::string& term = e->terms[operand];
  if (term.find('.') != std::string::npos && seen.find('.') == std::string::npos) { b.fail({ErrorCode::unsupported, "Einsum: no gradient for an ellipsis that is summed"}); return dy; }
  const std::size_t dots = ranks[operand] - (term.size() - (term.find('.') != std::string::npos));
  std::size_t axis = 0;
  for (char c : term) {
    if (c == '.') { target += c; axis += dots; continue; }
    Val extent = b.op("Slice", {b.op("Shape", {s.in[operand]}), b.ints({std::int64_t(axis)}), b.ints({std::int64_t(axis) + 1})});
    Val one = b.scalar(1, s.in[operand]);
    if (target.find(c) != std::string::npos) {  // the same label again: only the diagonal has a gradient
      char fresh = unused();
      left += std::string(",") + c + fresh;
      in.push_back(b.op("EyeLike", {b.op("Expand", {one, b.op("Concat", {extent, extent}, {{"axis", std::int64_t{0}}})})}));
      target += fresh;
    } else {
      if (seen.find(c) == std::string::npos) {
        left += std::string(",") + c;
        in.push_back(b.op("Expand", {one, extent}));
      }
      target += c;
    }
    ++axis;
  }
  return b.op("SumTo", {b.op("Einsum", in, {{"equation", left + "->" + written(target)}}), s.in[operand]});
}
Vals einsum_vjp(const Site& s, const Vals& dy) {
  Vals r;
  for (std::size_t i = 0; i < s.in.size(); ++i) r.push_back(einsum_adjoint(s, i, dy[0]));
  return r;
}

// ---- Det ---------------------------------------------------------------------------------------------------------------------------------------
Result<> infer_det(Infer& c) {
  std::vector<Dim> d = c.dims(0);
  if (d.size() < 2) return c.fail("takes square matrices, X is " + ir::str(*c.in[0]));
  const Dim &m = d[d.size() - 1], &n = d[d.size() - 2];
  if (m.known() && n.known() && !(m == n)) return c.fail("takes square matrices, X is " + ir::str(*c.in[0]));
  d.resize(d.size() - 2);
  return c.give(c.dtype(0), std::move(d));
}
/// Determinant of a[n, n], which is overwritten: elimination with the largest pivot of the column.
double determinant(double* a, std::int64_t n) {
  double det = 1;
  for (std::int64_t i = 0; i < n; ++i) {
    std::int64_t p = i;
    for (std::int64_t r = i + 1; r < n; ++r) if (std::fabs(a[r * n + i]) > std::fabs(a[p * n + i])) p = r;
    if (a[p * n + i] == 0) return 0;
    if (p != i) { std::swap_ranges(a + p * n, a + (p + 1) * n, a + i * n); det = -det; }
    det *= a[i * n + i];
    for (std::int64_t r = i + 1; r < n; ++r) {
      double f = a[r * n + i] / a[i * n + i];
      for (std::int64_t k = i + 1; k < n; ++k) a[r * n + k] -= f * a[i * n + k];
    }
  }
  return det;
}
Result<std::int64_t> square(const Eval& c) {
  const Dims& d = c.x(0).dims;
  if (d.size() < 2 || d[d.size() - 1] != d[d.size() - 2]) return c.fail("takes square matrices, X is " + str(d));
  return d.back();
}
Result<> eval_det(Eval& c) {
  SAHA_TRY(std::int64_t n, square(c));
  Dims d = c.x(0).dims;
  d.resize(d.size() - 2);
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, d));
  auto x = values<double>(c.x(0));
  for (std::int64_t i = 0; i < y.size(); ++i) {
    double v = determinant(x.data() + i * n * n, n);
    store(y, i, 1, &v);
  }
  return c.give(std::move(y));
}
Result<> infer_cofactor(Infer& c) { return c.give(c.dtype(0), c.dims(0)); }
/// C[i, j] = (-1)^(i + j) det(X without row i and column j): the gradient of det(X), for singular X too. O(n^5): for small matrices.
Result<> eval_cofactor(Eval& c) {
  SAHA_TRY(std::int64_t n, square(c));
  if (n > 64) return c.fail("takes matrices of at most 64 rows, X is " + str(c.x(0).dims));
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, c.x(0).dims));
  auto x = values<double>(c.x(0)), out = x;
  std::vector<double> minor;
  for (std::int64_t m = 0; n > 0 && m < c.x(0).size() / (n * n); ++m)
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        minor.clear();
        for (std::int64_t r = 0; r < n; ++r)
          for (std::int64_t k = 0; k < n; ++k) if (r != i && k != j) minor.push_back(x[std::size_t((m * n + r) * n + k)]);
        out[std::size_t((m * n + i) * n + j)] = ((i + j) % 2 ? -1 : 1) * determinant(minor.data(), n - 1);
      }
  fill<double>(y, out);
  return c.give(std::move(y));
}
Vals det_vjp(const Site& s, const Vals& dy) { return {s.b.op("Unsqueeze", {dy[0], s.b.ints({-2, -1})}) * s.b.op("Cofactor", {s.in[0]})}; }

constexpr OpDef kOps[] = {
    {.name = "Einsum", .since_version = 28, .signature = "(Inputs: T...) -> (Output: T) where T: float int | equation: string",
     .infer = infer_einsum, .eval = eval_einsum, .linear = bilinear(0, 1), .adjoint = einsum_adjoint, .vjp = einsum_vjp, .rounding = ErrorModel::dot},
    {.name = "Det", .since_version = 22, .signature = "(X: T) -> (Y: T) where T: float", .infer = infer_det, .eval = eval_det, .vjp = det_vjp, .rounding = ErrorModel::dot, .no_bounds = "a product of all rows", .no_integer = "a product of all rows"},
    {.name = "Cofactor", .domain = "saha", .signature = "(X: T) -> (C: T) where T: float", .infer = infer_cofactor, .eval = eval_cofactor, .rounding = ErrorModel::dot, .no_gradient = "only a gradient itself", .no_bounds = "a product of all rows", .no_integer = "a gradient"},
};
}  // namespace
std::span<const OpDef> contraction() { return kOps; }

}  // namespace saha::op

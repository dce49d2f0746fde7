// Feature preparation: scaling, encoding, maps. Source: ONNX-ML operator specification; shapes of what it leaves open as onnxruntime.
#include <map>
#include <unordered_map>

#include "op/adjoint.hpp"
#include "op/builder.hpp"
#include "op/elementwise.hpp"
#include "op/ml_scores.hpp"

namespace saha::op {
namespace {
Result<> infer_to_float(Infer& c) { return c.give(DType::f32, c.dims(0)); }
Result<> infer_same(Infer& c) { return c.give(c.in[0]); }
Tensor float_vector(const ir::Floats& f) {
  Tensor t = Tensor::zeros(DType::f32, {std::int64_t(f.size())});
  std::copy(f.begin(), f.end(), t.as<float>());
  return t;
}

// ---- Normalizer, Scaler, Binarizer, Imputer -----------------------------------------------------------------------------------
/// Each row divided by its largest element, the sum of its magnitudes or their root mean; a row of zeros stays.
Result<> eval_normalizer(Eval& c) {
  SAHA_TRY(Rows rows, rows_of(c, c.x(0)));
  std::string norm = c.s("norm");
  if (norm != "MAX" && norm != "L1" && norm != "L2") return c.fail("norm '" + norm + "' is not MAX, L1 or L2");
  auto x = values<double>(c.x(0));
  for (std::int64_t i = 0; i < rows.n; ++i) {
    double *a = x.data() + i * rows.features, *e = a + rows.features, d = 0;
    if (norm == "MAX") d = a == e ? 0 : *std::max_element(a, e);
    else for (double* v = a; v < e; ++v) d += norm == "L1" ? std::fabs(*v) : *v * *v;
    if (norm == "L2") d = std::sqrt(d);
    if (d != 0) for (double* v = a; v < e; ++v) *v /= d;
  }
  SAHA_TRY(Tensor y, c.make(DType::f32, c.x(0).dims));
  fill(y, std::span<const double>(x));
  return c.give(std::move(y));
}
Val to_float(const Site& s) { return s.b.op("Cast", {s.in[0]}, {{"to", std::int64_t(DType::f32)}}); }
Vals normalizer_body(const Site& s) {
  const std::string norm = s.s("norm");
  Val x = to_float(s), one = s.b.scalar(1, x);
  Val size = s.b.op(norm == "MAX" ? ir::OpName("ReduceMax") : norm == "L1" ? ir::OpName("ReduceL1") : ir::OpName("ReduceL2"), {x, s.b.ints({-1})});
  return {x / s.b.op("Where", {s.b.op("Equal", {size, s.b.scalar(0, x)}), one, size})};
}
Result<> eval_scaler(Eval& c) {
  auto scale = c.fs("scale"), offset = c.fs("offset");
  const Tensor& x = c.x(0);
  std::int64_t f = x.dims.empty() ? 1 : x.dims.back();
  for (const auto* v : {&scale, &offset})
    if (!v->empty() && v->size() != 1 && std::int64_t(v->size()) != f) return c.fail(std::to_string(scale.size()) + " scales and " + std::to_string(offset.size()) + " offsets for " + std::to_string(f) + " features");
  auto v = values<double>(x);
  for (std::size_t i = 0; i < v.size(); ++i) {
    auto k = i % std::size_t(f);
    double o = offset.empty() ? 0 : double(offset[offset.size() == 1 ? 0 : k]), s = scale.empty() ? 1 : double(scale[scale.size() == 1 ? 0 : k]);
    v[i] = (v[i] - o) * s;
  }
  SAHA_TRY(Tensor y, c.make(DType::f32, x.dims));
  fill(y, std::span<const double>(v));
  return c.give(std::move(y));
}
Vals scaler_body(const Site& s) {
  const auto listed = [&](std::string_view name) {
    Tensor t = float_vector(s.fs(name));
    return s.b.constant(t.size() == 1 ? t.reshaped({}) : t);
  };
  Val x = to_float(s);
  if (!s.fs("offset").empty()) x = x - listed("offset");
  if (!s.fs("scale").empty()) x = x * listed("scale");
  return {x};
}
struct BinarizeF {
  double threshold = 0;
  void bind(const Attrs& a) { if (auto* t = ir::attr<float>(a, "threshold")) threshold = double(*t); }
  template <class T> T operator()(T v) const { return T(double(v) > threshold); }
};
constexpr Blocks kBinarize{unary<BinarizeF, double>, unary<BinarizeF, std::int64_t>};

Result<> eval_imputer(Eval& c) {
  const Tensor& x = c.x(0);
  std::size_t f = x.dims.empty() ? 1 : std::size_t(x.dims.back());
  SAHA_TRY(Tensor y, c.make(x.dtype, x.dims));
  auto impute = [&](auto& v, const auto& with, auto what, bool nan) -> Result<> {
    if (with.empty() || (with.size() != 1 && with.size() != f)) return c.fail(std::to_string(with.size()) + " imputed values for " + std::to_string(f) + " features");
    for (std::size_t i = 0; i < v.size(); ++i)
      if (nan ? v[i] != v[i] : v[i] == what) v[i] = with[with.size() == 1 ? 0 : i % f];
    return {};
  };
  if (is_float(x.dtype)) {
    auto v = values<double>(x);
    double what = double(c.f("replaced_value_float"));
    SAHA_DO(impute(v, c.fs("imputed_value_floats"), what, std::isnan(what)));
    fill(y, std::span<const double>(v));
  } else {
    auto v = values<std::int64_t>(x);
    SAHA_DO(impute(v, c.is("imputed_value_int64s"), c.i("replaced_value_int64"), false));
    fill(y, std::span<const std::int64_t>(v));
  }
  return c.give(std::move(y));
}

/// What was put in place of an element does not depend on it.
Vals imputer_vjp(const Site& s, const Vals& dy) {
  const double what = double(s.f("replaced_value_float"));
  Val replaced = std::isnan(what) ? s.b.op("IsNaN", {s.in[0]}) : s.b.op("Equal", {s.in[0], s.b.scalar(what, s.in[0])});
  return {s.b.op("Where", {replaced, s.b.scalar(0, dy[0]), dy[0]})};
}

// ---- LabelEncoder, CategoryMapper, OneHotEncoder --------------------------------------------------------------------------------
/// Position of each element of x among the keys, -1 where it is none; the last of equal keys counts, NaN equals NaN.
std::vector<std::int64_t> positions(const Tensor& x, const Tensor& keys) {
  std::vector<std::int64_t> at(std::size_t(x.size()), -1);
  auto search = [&](const auto& table, const auto& v) {
    for (std::size_t i = 0; i < at.size(); ++i)
      if (auto it = table.find(v[i]); it != table.end()) at[i] = it->second;
  };
  if (x.dtype == DType::string) {
    std::unordered_map<std::string_view, std::int64_t> table;
    for (std::int64_t k = 0; k < keys.size(); ++k) table[(*keys.text)[std::size_t(k)]] = k;
    search(table, *x.text);
  } else if (is_float(x.dtype)) {
    std::unordered_map<double, std::int64_t> table;
    std::int64_t nan = -1;
    auto k = values<double>(keys), v = values<double>(x);
    for (std::size_t i = 0; i < k.size(); ++i) { if (std::isnan(k[i])) nan = std::int64_t(i); else table[k[i]] = std::int64_t(i); }
    search(table, v);
    for (std::size_t i = 0; i < at.size(); ++i) if (std::isnan(v[i])) at[i] = nan;
  } else {
    std::unordered_map<std::int64_t, std::int64_t> table;
    auto k = values<std::int64_t>(keys);
    for (std::size_t i = 0; i < k.size(); ++i) table[k[i]] = std::int64_t(i);
    search(table, values<std::int64_t>(x));
  }
  return at;
}
/// keys_* or values_*: a tensor, or one of the lists.
std::optional<Tensor> listed(const AttrView& a, const std::string& prefix) {
  if (const Tensor* t = a.tensor(prefix + "_tensor")) return *t;
  if (a.has_attr(prefix + "_strings")) { auto s = a.ss(prefix + "_strings"); auto n = std::int64_t(s.size()); return Tensor::of_strings({n}, std::move(s)); }
  if (a.has_attr(prefix + "_int64s")) return Tensor::of_ints(a.is(prefix + "_int64s"));
  if (a.has_attr(prefix + "_floats")) return float_vector(a.fs(prefix + "_floats"));
  return {};
}
Tensor default_label(const AttrView& a, DType t) {
  if (const Tensor* d = a.tensor("default_tensor"); d && d->dtype == t && d->size() >= 1) return *d;
  if (t == DType::string) return Tensor::of_strings({}, {a.tensor("values_tensor") ? "_Unused" : a.s("default_string")});
  bool listed_values = !a.tensor("values_tensor");
  return Tensor::scalar(t, is_float(t) ? (listed_values ? double(a.f("default_float")) : -0.0) : listed_values ? double(a.i("default_int64")) : -1);
}
Result<> infer_label_encoder(Infer& c) {
  auto v = listed(c, "values");
  return v ? c.give(v->dtype, c.dims(0)) : Result<>(c.fail("has no values"));
}
Result<> eval_label_encoder(Eval& c) {
  auto keys = listed(c, "keys"), mapped = listed(c, "values");
  const Tensor& x = c.x(0);
  if (!keys || !mapped || keys->size() != mapped->size()) return c.fail("needs as many keys as values");
  bool fits = keys->dtype == x.dtype || (keys->dtype != DType::string && x.dtype != DType::string);
  if (!fits || is_complex(keys->dtype)) return c.fail("keys are " + std::string(name(keys->dtype)) + ", X is " + std::string(name(x.dtype)));
  Tensor other = default_label(c, mapped->dtype);
  SAHA_TRY(Tensor y, c.make(mapped->dtype, x.dims));
  auto at = positions(x, *keys);
  for (std::size_t i = 0; i < at.size(); ++i) copy_elements(at[i] < 0 ? other : *mapped, std::max<std::int64_t>(at[i], 0), 1, y, std::int64_t(i), 1);
  return c.give(std::move(y));
}
Result<> infer_category_mapper(Infer& c) { return c.give(c.dtype(0) == DType::string ? DType::i64 : DType::string, c.dims(0)); }
Result<> eval_category_mapper(Eval& c) {
  const Tensor& x = c.x(0);
  auto text = c.ss("cats_strings");
  auto ints = c.is("cats_int64s");
  if (text.size() != ints.size()) return c.fail(std::to_string(text.size()) + " strings and " + std::to_string(ints.size()) + " integers");
  auto n = std::int64_t(ints.size());
  Tensor t = Tensor::of_strings({n}, std::move(text)), i = Tensor::of_ints(ints);
  const bool from_text = x.dtype == DType::string;
  const Tensor &keys = from_text ? t : i, &mapped = from_text ? i : t;
  Tensor other = from_text ? Tensor::scalar_int(c.i("default_int64")) : Tensor::of_strings({}, {c.s("default_string")});
  SAHA_TRY(Tensor y, c.make(mapped.dtype, x.dims));
  auto at = positions(x, keys);
  for (std::size_t e = 0; e < at.size(); ++e) copy_elements(at[e] < 0 ? other : mapped, std::max<std::int64_t>(at[e], 0), 1, y, std::int64_t(e), 1);
  return c.give(std::move(y));
}
Result<> infer_one_hot_encoder(Infer& c) {
  auto d = c.dims(0);
  d.push_back(Dim(std::int64_t(c.ss("cats_strings").empty() ? c.is("cats_int64s").size() : c.ss("cats_strings").size())));
  return c.give(DType::f32, std::move(d));
}
Result<> eval_one_hot_encoder(Eval& c) {
  Tensor x = c.x(0);
  auto text = c.ss("cats_strings");
  auto ints = c.is("cats_int64s");
  if ((x.dtype == DType::string) == text.empty()) return c.fail("X is " + std::string(name(x.dtype)) + ", its categories are not");
  auto n = std::int64_t(text.empty() ? ints.size() : text.size());
  if (is_float(x.dtype)) {  // compared as integers
    auto v = values<std::int64_t>(x);
    x = Tensor::zeros(DType::i64, x.dims);
    fill(x, std::span<const std::int64_t>(v));
  }
  auto at = positions(x, text.empty() ? Tensor::of_ints(ints) : Tensor::of_strings({n}, std::move(text)));
  Dims d = x.dims;
  d.push_back(n);
  SAHA_TRY(Tensor y, c.make(DType::f32, std::move(d)));
  for (std::size_t i = 0; i < at.size(); ++i) {
    if (at[i] >= 0) y.as<float>()[std::int64_t(i) * n + at[i]] = 1;
    else if (!c.i("zeros")) return c.fail("element " + std::to_string(i) + " is in no category and zeros is 0");
  }
  return c.give(std::move(y));
}

// ---- ArrayFeatureExtractor, FeatureVectorizer -----------------------------------------------------------------------------------
Result<> infer_array_feature(Infer& c) {
  Dim n(1);
  for (const Dim& d : c.dims(1)) n = n * d;
  if (c.rank(0) == 0) return c.fail("X is a scalar");
  std::vector<Dim> d{Dim(1)};
  if (c.rank(0) > 1) d.assign(c.dims(0).begin(), c.dims(0).end() - 1);
  d.push_back(n);
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_array_feature(Eval& c) {
  const Tensor& x = c.x(0);
  if (x.rank() == 0) return c.fail("X is a scalar");
  auto at = c.ints(1);
  std::int64_t f = x.dims.back(), n = std::int64_t(at.size()), rows = f ? x.size() / f : 0;
  for (std::int64_t i : at) if (i < 0 || i >= f) return c.fail("index " + std::to_string(i) + " for " + std::to_string(f) + " features");
  Dims d{1};
  if (x.rank() > 1) d.assign(x.dims.begin(), x.dims.end() - 1);
  d.push_back(n);
  SAHA_TRY(Tensor y, c.make(x.dtype, std::move(d)));
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t k = 0; k < n; ++k) copy_elements(x, r * f + at[std::size_t(k)], 1, y, r * n + k, 1);
  return c.give(std::move(y));
}
Val array_feature_adjoint(const Site& s, std::size_t, Val dy) { return index_adjoint(s, "ArrayFeatureExtractor", 0, dy); }
Result<> infer_feature_vectorizer(Infer& c) {
  auto sizes = c.is("inputdimensions");
  Dim rows(1), total(0);
  for (std::size_t i = 0; i < c.in.size(); ++i) {
    if (c.rank(i) < 1) return c.fail("operand " + std::to_string(i) + " is a scalar");
    if (c.rank(i) > 1) rows = c.dims(i)[0];
    Dim features(1);   // all dims but the first are columns
    for (std::size_t k = c.rank(i) > 1 ? 1 : 0; k < c.rank(i); ++k) features = features * c.dims(i)[k];
    total = total + (i < sizes.size() ? Dim(sizes[i]) : features);
  }
  return c.give(DType::f32, {rows, total});
}
/// Each operand gives `inputdimensions` columns: cut off, or filled up with zeros.
Result<> eval_feature_vectorizer(Eval& c) {
  auto sizes = c.is("inputdimensions");
  std::vector<Rows> rows;
  std::int64_t n = -1, total = 0;
  for (std::size_t i = 0; i < c.in.size(); ++i) {
    const Tensor& x = c.x(i);
    if (x.rank() < 1) return c.fail("operand " + std::to_string(i) + " is a scalar");
    const std::size_t rows_axis = x.rank() > 1;
    const std::int64_t first = rows_axis ? x.dims[0] : 1;
    rows.push_back({first, num_elements({x.dims.begin() + std::ptrdiff_t(rows_axis), x.dims.end()})});
    if (n < 0) n = first;
    if (first != n) return c.fail("operand " + std::to_string(i) + " has " + std::to_string(first) + " rows, the first has " + std::to_string(n));
    if (i >= sizes.size()) sizes.push_back(rows.back().features);
    if (sizes[i] < 0 || sizes[i] > kMaxTensorBytes) return c.fail("inputdimensions holds " + std::to_string(sizes[i]));
    total += sizes[i];
  }
  SAHA_TRY(Tensor y, c.make(DType::f32, {std::max<std::int64_t>(n, 0), total}));
  std::int64_t column = 0;
  for (std::size_t i = 0; i < c.in.size(); column += sizes[i], ++i) {
    auto v = values<double>(c.x(i));
    for (std::int64_t r = 0; r < n; ++r) store(y, r * total + column, std::min(sizes[i], rows[i].features), v.data() + r * rows[i].features);
  }
  return c.give(std::move(y));
}
/// Each operand gets back its columns; what was cut off has no gradient.
Vals feature_vectorizer_vjp(const Site& s, const Vals& dy) {
  const auto sizes = s.is("inputdimensions");
  Vals d;
  std::int64_t column = 0;
  for (std::size_t i = 0; i < s.in.size(); ++i) {
    const std::vector<Dim>& dims = s.type(i).dims;
    Dim product(1);
    for (std::size_t k = dims.size() > 1; k < dims.size(); ++k) product = product * dims[k];
    const auto features = product.known();
    if (!features) {
      s.b.fail({ErrorCode::unsupported, "FeatureVectorizer: the gradient needs the number of features, operand " + std::to_string(i) + " is " + ir::str(s.type(i))});
      return {};
    }
    const std::int64_t size = i < sizes.size() ? sizes[i] : *features, taken = std::min(size, *features);
    Val part = s.b.op("Slice", {dy[0], s.b.ints({column}), s.b.ints({column + taken}), s.b.ints({1})});
    if (taken < *features) part = s.b.op("Pad", {part, s.b.ints({0, 0, 0, *features - taken})});
    d.push_back(reshaped_like(s.b.op("Cast", {part}, {{"to", std::int64_t(s.type(i).dtype)}}), s.in[i]));
    column += size;
  }
  return d;
}

// ---- maps ------------------------------------------------------------------------------------------------------------------------
TypeRef map_of(DType key) { return ir::map_type(key, ir::tensor_type(DType::f32, {})); }
Result<> infer_zip_map(Infer& c) {
  return c.give(ir::sequence_type(map_of(c.ss("classlabels_strings").empty() ? DType::i64 : DType::string)));
}
Result<> eval_zip_map(Eval& c) {
  SAHA_TRY(Rows rows, rows_of(c, c.x(0)));
  auto text = c.ss("classlabels_strings");
  auto ints = c.is("classlabels_int64s");
  auto n = std::int64_t(text.empty() ? ints.size() : text.size());
  if (n != rows.features) return c.fail(std::to_string(n) + " labels for " + std::to_string(rows.features) + " columns");
  Tensor keys = text.empty() ? Tensor::of_ints(ints) : Tensor::of_strings({n}, std::move(text));
  std::vector<Datum> maps;
  for (std::int64_t i = 0; i < rows.n; ++i) {
    SAHA_TRY(Tensor v, c.make(DType::f32, {n}));
    copy_elements(c.x(0), i * n, 1, v, 0, n);
    maps.push_back(Datum::map(keys, std::move(v)));
  }
  return c.give(Datum::sequence(std::move(maps)));
}
Result<std::pair<const Tensor*, const Tensor*>> map_operand(const Eval& c) {
  if (!c.has(0) || c.in[0]->kind != Datum::Kind::map || c.in[0]->list().size() != 2) return c.fail("its operand is no map");
  const Tensor &k = c.in[0]->list()[0].tensor, &v = c.in[0]->list()[1].tensor;
  if (k.size() != v.size() || (k.dtype != DType::string && k.dtype != DType::i64)) return c.fail("its map is damaged");
  return std::pair(&k, &v);
}
Result<DType> cast_target(const AttrView& a, const OpDef& def) {
  std::string to = a.s("cast_to");
  if (to == "TO_FLOAT") return DType::f32;
  if (to == "TO_INT64") return DType::i64;
  if (to == "TO_STRING") return DType::string;
  return Error{ErrorCode::invalid_model, std::string(def.name.str()) + ": cast_to '" + to + "' is not TO_FLOAT, TO_INT64 or TO_STRING"};
}
Result<> infer_cast_map(Infer& c) {
  SAHA_TRY(DType t, cast_target(c, c.def));
  return c.give(t, {Dim(1), c.s("map_form") == "SPARSE" ? Dim(c.i("max_map")) : c.fresh("entries")});
}
Result<> eval_cast_map(Eval& c) {
  SAHA_TRY(auto m, map_operand(c));
  SAHA_TRY(DType t, cast_target(c, c.def));
  if (m.first->dtype != DType::i64) return c.fail("its keys must be int64");
  const bool sparse = c.s("map_form") == "SPARSE";
  std::map<std::int64_t, std::int64_t> order;  // key -> position
  for (std::int64_t i = 0; i < m.first->size(); ++i) order[m.first->int_at(i)] = i;
  std::int64_t n = sparse ? c.i("max_map") : std::int64_t(order.size()), at = 0;
  SAHA_TRY(Tensor y, c.make(t, {1, n}));
  const Tensor& v = *m.second;
  for (auto [key, i] : order) {
    std::int64_t place = sparse ? key : at++;
    if (place < 0 || place >= n) return c.fail("key " + std::to_string(key) + " for max_map " + std::to_string(n));
    if (t == DType::string) (*y.text)[std::size_t(place)] = v.dtype == DType::string ? (*v.text)[std::size_t(i)] : std::to_string(v.at(i));
    else {
      double number = v.dtype == DType::string ? std::strtod((*v.text)[std::size_t(i)].c_str(), nullptr) : v.at(i);
      store(y, place, 1, &number);
    }
  }
  return c.give(std::move(y));
}
Result<> infer_dict_vectorizer(Infer& c) {
  const Type& t = *c.in[0];
  if (t.kind != Type::Kind::map) return c.fail("X is " + ir::str(t) + ", a map is taken");
  auto n = std::int64_t(c.ss("string_vocabulary").empty() ? c.is("int64_vocabulary").size() : c.ss("string_vocabulary").size());
  return c.give(t.element ? t.element->dtype : DType::f32, {Dim(1), Dim(n)});
}
Result<> eval_dict_vectorizer(Eval& c) {
  SAHA_TRY(auto m, map_operand(c));
  auto text = c.ss("string_vocabulary");
  auto ints = c.is("int64_vocabulary");
  auto n = std::int64_t(text.empty() ? ints.size() : text.size());
  if ((m.first->dtype == DType::string) == text.empty() && n > 0) return c.fail("its keys are " + std::string(name(m.first->dtype)) + ", the vocabulary is not");
  auto at = positions(*m.first, text.empty() ? Tensor::of_ints(ints) : Tensor::of_strings({n}, std::move(text)));
  SAHA_TRY(Tensor y, c.make(m.second->dtype, {1, n}));
  for (std::size_t i = 0; i < at.size(); ++i) if (at[i] >= 0) copy_elements(*m.second, std::int64_t(i), 1, y, at[i], 1);
  return c.give(std::move(y));
}

constexpr std::string_view kDomain = "ai.onnx.ml";
constexpr std::string_view kLookup = "it looks values up";
constexpr OpDef kOps[] = {
    {.name = "Normalizer", .domain = kDomain, .signature = "(X: T) -> (Y: float32) where T: float32 float64 int64 int32 | norm: string = MAX",
     .infer = infer_to_float, .eval = eval_normalizer, .body = normalizer_body, .rounding = ErrorModel::dot},
    {.name = "Scaler", .domain = kDomain, .signature = "(X: T) -> (Y: float32) where T: float32 float64 int64 int32 | offset: floats?, scale: floats?",
     .infer = infer_to_float, .eval = eval_scaler, .body = scaler_body, .rounding = ErrorModel::ulp, .max_ulp = 2},
    {.name = "Binarizer", .domain = kDomain, .signature = "(X: T) -> (Y: T) where T: float32 float64 int64 int32 | threshold: float = 0",
     .traits = kElementwise, .blocks = &kBinarize, .no_gradient = "its result is piecewise constant"},
    {.name = "Imputer", .domain = kDomain,
     .signature = "(X: T) -> (Y: T) where T: float32 float64 int64 int32 | imputed_value_floats: floats?, imputed_value_int64s: ints?, replaced_value_float: float = 0, replaced_value_int64: int = 0",
     .infer = infer_same, .eval = eval_imputer, .vjp = imputer_vjp},
    {.name = "LabelEncoder", .domain = kDomain, .since_version = 4,
     .signature = "(X: T1) -> (Y: T2) where T1: string int64 float32 int32 int16 float64, T2: string int64 float32 int32 int16 float64 | default_float: float = -0, default_int64: int = -1, "
                  "default_string: string = _Unused, default_tensor: tensor?, keys_floats: floats?, keys_int64s: ints?, keys_strings: strings?, keys_tensor: tensor?, values_floats: floats?, "
                  "values_int64s: ints?, values_strings: strings?, values_tensor: tensor?",
     .infer = infer_label_encoder, .eval = eval_label_encoder, .no_gradient = kLookup, .no_bounds = kLookup, .no_integer = kLookup},
    {.name = "CategoryMapper", .domain = kDomain,
     .signature = "(X: T1) -> (Y: T2) where T1: string int64, T2: string int64 | cats_int64s: ints?, cats_strings: strings?, default_int64: int = -1, default_string: string = _Unused",
     .infer = infer_category_mapper, .eval = eval_category_mapper, .no_gradient = kLookup, .no_bounds = kLookup, .no_integer = kLookup},
    {.name = "OneHotEncoder", .domain = kDomain, .signature = "(X: T) -> (Y: float32) where T: string int64 int32 float32 float64 | cats_int64s: ints?, cats_strings: strings?, zeros: int = 1",
     .infer = infer_one_hot_encoder, .eval = eval_one_hot_encoder, .no_gradient = kLookup, .no_bounds = kLookup, .no_integer = kLookup},
    {.name = "ArrayFeatureExtractor", .domain = kDomain, .signature = "(X: T, Y: int64) -> (Z: T) where T: float32 float64 int64 int32 string",
     .traits = kMovement, .infer = infer_array_feature, .eval = eval_array_feature, .linear = joint({0}), .adjoint = array_feature_adjoint},
    {.name = "FeatureVectorizer", .domain = kDomain, .signature = "(X: T...) -> (Y: float32) where T: int32 int64 float32 float64 | inputdimensions: ints?",
     .infer = infer_feature_vectorizer, .eval = eval_feature_vectorizer, .linear = kJointAll, .vjp = feature_vectorizer_vjp},
    {.name = "ZipMap", .domain = kDomain, .signature = "(X: float32) -> (Z: value) | classlabels_int64s: ints?, classlabels_strings: strings?",
     .infer = infer_zip_map, .eval = eval_zip_map, .no_gradient = "its result is no tensor", .no_bounds = "its result is no tensor", .no_integer = "its result is no tensor"},
    {.name = "CastMap", .domain = kDomain, .signature = "(X: value) -> (Y: T) where T: string float32 int64 | cast_to: string = TO_FLOAT, map_form: string = DENSE, max_map: int = 1",
     .infer = infer_cast_map, .eval = eval_cast_map, .no_gradient = "its operand is no tensor", .no_bounds = "its operand is no tensor", .no_integer = "its operand is no tensor"},
    {.name = "DictVectorizer", .domain = kDomain, .signature = "(X: value) -> (Y: T) where T: int64 float32 float64 string | int64_vocabulary: ints?, string_vocabulary: strings?",
     .infer = infer_dict_vectorizer, .eval = eval_dict_vectorizer, .no_gradient = "its operand is no tensor", .no_bounds = "its operand is no tensor", .no_integer = "its operand is no tensor"},
};
}  // namespace

std::span<const OpDef> ml_feature() { return kOps; }

}  // namespace saha::op

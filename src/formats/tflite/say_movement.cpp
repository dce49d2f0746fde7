// Movement of elements, by the moves that TensorFlow Lite has.
#include <algorithm>

#include "formats/tflite/write.hpp"

namespace saha::tflite {
namespace {
using Said = std::optional<Vals>;

/// Indices into an axis of n, none below 0: a constant is rewritten, what is computed is taken modulo n. Nothing where they are so already.
std::optional<Val> wrapped(const Saying& s, Val indices, const ir::Dim& n) {
  op::Builder& b = s.b;
  if (b.failed()) return {};
  if (const Tensor* t = b.data(indices)) {
    Ints v = values<std::int64_t>(*t);
    if (std::none_of(v.begin(), v.end(), [](std::int64_t x) { return x < 0; })) return {};
    const auto size = n.known();
    if (!size) return {};
    for (std::int64_t& x : v) if (x < 0) x += *size;
    Tensor r = Tensor::zeros(t->dtype, t->dims);
    store(r, 0, r.size(), v.data());
    return b.constant(std::move(r));
  }
  if (!s.wraps) return {};
  if (const op::Known* k = b.known(indices))
    if (std::all_of(k->begin(), k->end(), [](const ir::Dim& d) { return d.at_least().value_or(-1) >= 0; })) return {};
  const ir::Node* made = b.producer(indices);
  if (made && (made->op == "Mod" || made->op == "ArgMax" || made->op == "NonZero" || made->op == "Range")) return {};
  if (made && made->op == "Cast") if (const ir::Node* before = b.producer({&b, b.graph().operand(*made, 0)}); before && before->op == "Mod") return {};
  if (const auto size = n.known()) return b.op("Mod", {indices, b.scalar(double(*size), indices)});
  return {};
}
Said gather(const Saying& s) {
  if (!s.type(0).ranked) return {};
  const auto axis = std::size_t(axis_in(s.i("axis"), s.rank()));
  if (const Tensor* at = s.data(1); at && !s.type(0).dims[axis].known() && at->size() > 0) {
    const auto v = values<std::int64_t>(*at);
    if (std::any_of(v.begin(), v.end(), [](std::int64_t x) { return x < 0; })) {   // from an end that only a run knows
      Val n = s.b.op("Gather", {s.b.op("Shape", {s.in[0]}), s.b.scalar(double(axis), DType::i64)}, {{"axis", std::int64_t{0}}});
      return Vals{s.b.op("Gather", {s.in[0], s.b.op("Mod", {s.b.op("Cast", {s.in[1]}, {{"to", std::int64_t(DType::i64)}}) + n, n})}, s.attrs)};
    }
  }
  auto i = wrapped(s, s.in[1], s.type(0).dims[axis]);
  if (!i) return {};
  return Vals{s.b.op("Gather", {s.in[0], *i}, s.attrs)};
}
Said gather_nd(const Saying& s) {
  const Tensor* t = s.data(1);
  const auto x = known_dims(s.type(0));
  if (!s.type(1).ranked || !x) return {};
  const auto k = s.type(1).dims.back().known();
  const auto batch = std::size_t(s.i("batch_dims"));
  if (!k || std::size_t(*k) + batch > x->size()) return {};
  Ints n(x->begin() + std::ptrdiff_t(batch), x->begin() + std::ptrdiff_t(batch) + *k);
  if (t) {
    Ints v = values<std::int64_t>(*t);
    bool below = false;
    for (std::size_t i = 0; i < v.size(); ++i) if (v[i] < 0) { v[i] += n[i % n.size()]; below = true; }
    if (!below) return {};
    Tensor r = Tensor::zeros(t->dtype, t->dims);
    store(r, 0, r.size(), v.data());
    return Vals{s.b.op("GatherND", {s.in[0], s.b.constant(std::move(r))}, s.attrs)};
  }
  const ir::Node* made = s.b.producer(s.in[1]);
  if (!s.wraps || (made && made->op == "Mod")) return {};
  return Vals{s.b.op("GatherND", {s.in[0], s.b.op("Mod", {s.in[1], s.b.ints(n)})}, s.attrs)};
}
/// Places of elements in the flat tensor, for indices along one axis: index * stride + the place of the rest.
std::optional<Val> flat_places(const Saying& s, std::size_t axis) {
  const auto x = known_dims(s.type(0)), y = known_dims(s.type(1));
  if (!x || !y || x->size() != y->size() || num_elements(*x) > INT32_MAX) return {};
  Dims stride(x->size(), 1);
  for (std::size_t i = x->size(); i-- > 1;) stride[i - 1] = stride[i] * (*x)[i];
  Tensor rest = Tensor::zeros(s.type(1).dtype, *y);
  Dims at(y->size(), 0);
  for (std::int64_t e = 0; e < rest.size(); ++e) {
    std::int64_t place = 0;
    for (std::size_t i = 0; i < at.size(); ++i) if (i != axis) place += at[i] * stride[i];
    store(rest, e, 1, &place);
    for (std::size_t i = at.size(); i-- > 0;) { if (++at[i] < (*y)[i]) break; at[i] = 0; }
  }
  Val indices = s.in[1];
  if (auto w = wrapped(s, indices, ir::Dim((*x)[axis]))) indices = *w;
  return indices * double(stride[axis]) + s.b.constant(std::move(rest));
}
Said gather_elements(const Saying& s) {
  auto places = flat_places(s, std::size_t(axis_in(s.i("axis"), s.rank())));
  if (!places) return {};
  return Vals{s.b.op("Gather", {s.b.op("Reshape", {s.in[0], s.b.ints({-1})}), *places}, {{"axis", std::int64_t{0}}})};
}
Said scatter_elements(const Saying& s) {
  auto places = flat_places(s, std::size_t(axis_in(s.i("axis"), s.rank())));
  const auto x = known_dims(s.type(0));
  if (!places || !x) return {};
  auto flat = [&](Val v, Ints shape) { return s.b.op("Reshape", {v, s.b.ints(shape)}); };
  Val at = s.b.op("Cast", {flat(*places, {-1, 1})}, {{"to", std::int64_t(DType::i64)}});
  Val y = s.b.op("ScatterND", {flat(s.in[0], {-1}), at, flat(s.in[2], {-1})}, {{"reduction", s.s("reduction")}});
  return Vals{flat(y, *x)};
}
/// SCATTER_ND adds to zeros: what is written over comes by a choice, what is added by a sum.
Said scatter_nd(const Saying& s) {
  op::Builder& b = s.b;
  const auto x = known_dims(s.type(0));
  const std::string how = s.s("reduction");
  const Tensor* data = s.data(0);
  bool zeros = data != nullptr && !s.type(0).quant && data->dtype != DType::string;
  for (std::int64_t i = 0; zeros && i < data->size(); ++i) zeros = data->at(i) == 0;
  if (how == "add" && (zeros || [&] { const ir::Node* p = b.producer(s.in[0]); return p && p->op == "Expand"; }())) return {};
  if (!x || (how != "none" && how != "add")) return {};
  const auto row = known_dims(s.type(1));
  if (how == "none" && row && row->size() == 2 && *row == Dims{1, 1}) return {};  // one row: DYNAMIC_UPDATE_SLICE
  Val indices = s.in[1];
  const auto k = s.type(1).dims.back().known();
  if (!k || *k > std::int64_t(x->size())) return {};
  const Ints n(x->begin(), x->begin() + *k);
  if (const Tensor* t = s.data(1)) {
    Ints v = values<std::int64_t>(*t);
    for (std::size_t i = 0; i < v.size(); ++i) if (v[i] < 0) v[i] += n[i % n.size()];
    Tensor r = Tensor::zeros(t->dtype, t->dims);
    store(r, 0, r.size(), v.data());
    indices = b.constant(std::move(r));
  } else if (s.wraps) indices = b.op("Mod", {indices, b.ints(n)});
  Attrs add = {{"reduction", std::string("add")}};
  auto spread = [&](Val updates, DType t) { return b.op("ScatterND", {b.constant(Tensor::zeros(t, *x)), indices, updates}, add); };
  if (how == "add") return Vals{s.in[0] + spread(s.in[2], s.type(0).dtype)};
  const auto u = known_dims(s.type(2));
  if (!u) return {};
  Val hit = spread(b.constant(Tensor::of(DType::i32, *u, {1})), DType::i32);
  return Vals{b.op("Where", {b.op("Greater", {hit, b.scalar(0, DType::i32)}), spread(s.in[2], s.type(0).dtype), s.in[0]})};
}

/// Which element each of a padded line is.
std::optional<Ints> padded_places(std::int64_t n, std::int64_t before, std::int64_t after, const std::string& mode) {
  if (n < 1) return {};
  Ints r;
  for (std::int64_t i = -before; i < n + after; ++i) {
    std::int64_t at = i;
    if (mode == "edge") at = std::clamp<std::int64_t>(i, 0, n - 1);
    else if (mode == "wrap") at = ((i % n) + n) % n;
    else {
      const std::int64_t period = std::max<std::int64_t>(2 * (n - 1), 1);
      at = ((i % period) + period) % period;
      if (at >= n) at = period - at;
    }
    r.push_back(at);
  }
  return r;
}
Said pad(const Saying& s) {
  op::Builder& b = s.b;
  auto pads = s.ints(1);
  if (!pads || !s.type(0).ranked) return {};
  const std::size_t rank = s.rank();
  const std::string mode = s.s("mode");
  bool changed = false;
  if (s.has(3)) {
    auto axes = s.ints(3);
    if (!axes || pads->size() != 2 * axes->size()) return {};
    Ints all(2 * rank, 0);
    for (std::size_t i = 0; i < axes->size(); ++i) {
      const auto a = std::size_t(axis_in((*axes)[i], rank));
      all[a] = (*pads)[i];
      all[a + rank] = (*pads)[i + axes->size()];
    }
    pads = all;
    changed = true;
  }
  Val x = s.in[0];
  Ints axes, starts, ends;
  for (std::size_t a = 0; a < rank; ++a) {
    std::int64_t &before = (*pads)[a], &after = (*pads)[a + rank];
    if (before >= 0 && after >= 0) continue;
    axes.push_back(std::int64_t(a));
    starts.push_back(std::max<std::int64_t>(-before, 0));
    ends.push_back(after < 0 ? after : INT64_MAX);
    before = std::max<std::int64_t>(before, 0);
    after = std::max<std::int64_t>(after, 0);
  }
  if (!axes.empty()) { x = b.op("Slice", {x, b.ints(starts), b.ints(ends), b.ints(axes)}); changed = true; }
  const auto d = b.failed() ? std::optional<Dims>() : known_dims(b.type(x));
  bool mirrors = mode == "reflect" && d;
  for (std::size_t a = 0; a < rank && mirrors; ++a) mirrors = (*pads)[a] < (*d)[a] && (*pads)[a + rank] < (*d)[a];
  if (mode == "constant" || mirrors) {
    if (!changed) return {};
    Vals in = {x, b.ints(*pads)};
    if (s.has(2)) in.push_back(s.in[2]);
    return Vals{b.op("Pad", in, {{"mode", mode}})};
  }
  if (!d) return {};
  for (std::size_t a = 0; a < rank; ++a) {
    if (!(*pads)[a] && !(*pads)[a + rank]) continue;
    auto places = padded_places((*d)[a], (*pads)[a], (*pads)[a + rank], mode);
    if (!places) return {};
    x = b.op("Gather", {x, b.ints(*places)}, {{"axis", std::int64_t(a)}});
  }
  return Vals{x};
}
/// The part of the shape that the node asks for.
Said shape(const Saying& s) {
  if (!s.type(0).ranked || (s.i("start") == 0 && !s.has_attr("end"))) return {};
  const auto rank = std::int64_t(s.rank());
  auto place = [&](std::int64_t v) { return std::clamp<std::int64_t>(v < 0 ? v + rank : v, 0, rank); };
  const std::int64_t from = place(s.i("start")), to = s.has_attr("end") ? place(s.i("end")) : rank;
  return Vals{s.b.op("Slice", {s.b.op("Shape", {s.in[0]}), s.b.ints({from}), s.b.ints({std::max(from, to)})})};
}
Said trilu(const Saying& s) {
  const auto d = known_dims(s.type(0));
  const auto k = s.has(1) ? s.ints(1) : std::optional<Ints>(Ints{0});
  if (!d || d->size() < 2 || !k || k->size() != 1) return {};
  const std::int64_t rows = (*d)[d->size() - 2], columns = d->back();
  Tensor mask = Tensor::zeros(DType::boolean, {rows, columns});
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) { const std::int64_t in = s.i("upper") ? j - i >= (*k)[0] : j - i <= (*k)[0]; store(mask, i * columns + j, 1, &in); }
  if (mask.size() == 0) return {};
  return Vals{s.b.op("Where", {s.b.constant(std::move(mask)), s.in[0], s.b.scalar(0, s.in[0])})};
}
Said top_k(const Saying& s) {
  op::Builder& b = s.b;
  const std::int64_t axis = axis_in(s.i("axis"), s.rank());
  const bool largest = s.i("largest") != 0;
  if (axis == std::int64_t(s.rank()) - 1 && largest) return {};
  if (s.type(0).quant) return {};
  Val x = s.in[0];
  if (!largest) x = b.op("Neg", {x});
  Ints perm = plain_order(s.rank());
  std::swap(perm[std::size_t(axis)], perm.back());
  const bool moved = axis != std::int64_t(s.rank()) - 1;
  if (moved) x = transposed(x, perm);
  Vals y = b.ops("TopK", {x, s.in[1]}, {{"axis", std::int64_t{-1}}, {"sorted", s.i("sorted")}}, s.num_out);
  if (moved) for (Val& v : y) v = transposed(v, perm);
  if (!largest) y[0] = b.op("Neg", {y[0]});
  return y;
}
Said non_zero(const Saying& s) {
  if (s.type(0).dtype == DType::boolean) return {};
  return Vals{s.b.op("NonZero", {s.b.op("Not", {s.b.op("Equal", {s.in[0], s.b.scalar(0, s.in[0])})})})};
}
Said compress(const Saying& s) {
  const auto chosen = s.ints(1);
  if (!chosen) return {};
  Ints at;
  for (std::size_t i = 0; i < chosen->size(); ++i) if ((*chosen)[i]) at.push_back(std::int64_t(i));
  if (at.empty()) return {};
  const bool whole = !s.has_attr("axis");
  Val x = whole ? s.b.op("Reshape", {s.in[0], s.b.ints({-1})}) : s.in[0];
  return Vals{s.b.op("Gather", {x, s.b.ints(at)}, {{"axis", whole ? std::int64_t{0} : s.i("axis")}})};
}
Said constant_of_shape(const Saying& s) {
  const Tensor* v = s.attrs.empty() ? nullptr : s.tensor("value");
  Val one = s.b.constant(v ? v->reshaped({}) : Tensor::zeros(DType::f32, {}));
  return Vals{s.b.op("Expand", {one, s.in[0]})};
}
Said eye_like(const Saying& s) {
  const auto d = known_dims(s.type(0));
  if (!d || d->size() != 2) return {};
  Tensor t = Tensor::zeros(s.result().dtype, *d);
  for (std::int64_t i = 0; i < (*d)[0]; ++i)
    if (const std::int64_t j = i + s.i("k"); j >= 0 && j < (*d)[1]) { const double one = 1; store(t, i * (*d)[1] + j, 1, &one); }
  return Vals{s.b.constant(std::move(t))};
}

/// 0 copies an extent: where several are open, the shape is computed.
Said reshape(const Saying& s) {
  const auto shape = s.ints(1);
  const auto& dims = s.result().dims;
  if (!shape || s.i("allowzero") || !s.result().ranked || !std::count(shape->begin(), shape->end(), 0) || std::count_if(dims.begin(), dims.end(), [](const ir::Dim& d) { return !d.known(); }) < 2) return {};
  Val x = s.b.op("Shape", {s.in[0]});
  Vals parts;
  for (std::size_t i = 0; i < shape->size(); ++i)
    parts.push_back((*shape)[i] == 0 ? s.b.op("Slice", {x, s.b.ints({std::int64_t(i)}), s.b.ints({std::int64_t(i) + 1}), s.b.ints({0})}) : s.b.ints({(*shape)[i]}));
  Vals y = s.same("Reshape", {s.in[0], s.b.op("Concat", parts, {{"axis", std::int64_t{0}}})}, {{"allowzero", std::int64_t{1}}});
  if (!s.b.failed()) s.b.retype(y[0], s.from[s.from.result(s.n)].type);
  return y;
}

constexpr SayRule kRules[] = {
    {"Reshape", reshape, true},
    {"Gather", gather, true},   {"GatherND", gather_nd, true}, {"GatherElements", gather_elements, true}, {"ScatterElements", scatter_elements}, {"ScatterND", scatter_nd, true}, {"Pad", pad, true},
    {"Shape", shape, true},     {"Trilu", trilu},              {"TopK", top_k},                           {"NonZero", non_zero},                 {"Compress", compress, true},
    {"ConstantOfShape", constant_of_shape},                    {"EyeLike", eye_like},
};
}  // namespace

std::span<const SayRule> movement_sayings() { return kRules; }

}  // namespace saha::tflite

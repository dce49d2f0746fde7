// The function rows of history.cpp, backward: how an older operator set says what today's operator does, or which one could.
#include <algorithm>
#include <cmath>

#include "formats/onnx/history.hpp"

namespace saha::onnx {
namespace {
using ir::ValueId;

template <class T> T attr_or(const Down& d, std::string_view name, T other) {
  const auto* a = d.attr(name);
  const T* v = a ? std::get_if<T>(a) : nullptr;
  return v ? *v : other;
}
/// Operand i without its leading and trailing ones, as the older operators want it: a constant in another shape, or what an Unsqueeze took.
bool squeeze_operand(Down& d, std::size_t i, const std::vector<ir::Dim>& wanted) {
  if (const Tensor* t = d.constant(i)) {
    Dims dims;
    for (const ir::Dim& x : wanted) dims.push_back(*x.known());
    d.r.in[i] = t->reshaped(std::move(dims));
    return true;
  }
  const ir::Node* p = d.producer(i);
  if (!p || p->op.str() != "Unsqueeze") return false;
  ValueId inner = d.g.operand(*p, 0);
  if (inner == ValueId::none || !d.g.type(inner).ranked || !(d.g.type(inner).dims == wanted)) return false;
  d.r.in[i] = inner;
  return true;
}
}  // namespace

Result<> down_legacy_broadcast(Down& d) {
  const ir::Type *a = d.type(0), *b = d.type(1);
  if (!a || !b || !a->ranked || !b->ranked) return d.need(7, "broadcasting operands of unknown rank");
  if (a->dims == b->dims) return {};
  auto ones = [](const ir::Type& t) { return std::all_of(t.dims.begin(), t.dims.end(), [](const ir::Dim& x) { return x.is(1); }); };
  constexpr std::string_view symmetric[] = {"Add", "Mul", "And", "Or", "Xor", "Equal"};
  if ((a->dims.size() < b->dims.size() || (ones(*a) && !ones(*b))) && std::find(std::begin(symmetric), std::end(symmetric), d.r.op) != std::end(symmetric)) {
    std::swap(d.r.in[0], d.r.in[1]);
    std::swap(a, b);
  }
  d.set("broadcast", std::int64_t{1});
  if (ones(*b) && b->dims.size() <= a->dims.size()) return {};
  if (b->dims.size() > a->dims.size()) return d.need(7, "broadcasting the first operand");
  // B's dims between its leading and trailing ones must be those of A at one place.
  std::size_t shift = a->dims.size() - b->dims.size(), from = 0, to = b->dims.size();
  while (from < to && b->dims[from].is(1)) ++from;
  while (to > from && b->dims[to - 1].is(1)) --to;
  for (std::size_t i = from; i < to; ++i)
    if (!(b->dims[i] == a->dims[shift + i])) return d.need(7, "broadcasting " + ir::str(*b) + " to " + ir::str(*a));
  if (from == 0 && to == b->dims.size()) return {};  // the last dims of A
  std::vector<ir::Dim> core(b->dims.begin() + std::ptrdiff_t(from), b->dims.begin() + std::ptrdiff_t(to));
  if (!squeeze_operand(d, 1, core)) return d.need(7, "broadcasting " + ir::str(*b) + " to " + ir::str(*a));
  d.set("axis", std::int64_t(shift + from));
  return {};
}
Result<> down_prelu(Down& d) {
  const ir::Type *x = d.type(0), *slope = d.type(1);
  if (!x || !slope || !x->ranked || !slope->ranked) return d.need(7, "a slope of unknown rank");
  const auto& s = slope->dims;
  if (s == x->dims || s.size() <= 1) return {};
  std::size_t channel = s.size() + 1 == x->dims.size() ? 0 : s.size() == x->dims.size() ? 1 : s.size();
  for (std::size_t i = 0; i < s.size(); ++i)
    if (i != channel && !s[i].is(1)) return d.need(7, "a slope " + ir::str(*slope));
  if (channel == s.size() || !squeeze_operand(d, 1, {s[channel]})) return d.need(7, "a slope " + ir::str(*slope));
  return {};
}
Result<> down_same_shapes(Down& d) {
  for (std::size_t i = 1; i < d.r.in.size(); ++i) {
    const ir::Type *a = d.type(0), *b = d.type(i);
    if (!a || !b || !a->ranked || !b->ranked || !(a->dims == b->dims)) return d.need(8, "broadcasting its operands");
  }
  return {};
}
Result<> down_gemm(Down& d) {
  if (d.has(2) || !d.type(0)) return {};
  d.r.in.resize(2);
  d.r.in.push_back(Tensor::zeros(d.type(0)->dtype, {1}));
  return {};
}
Result<> down_cast(Down& d) {
  auto t = DType(attr_or<std::int64_t>(d, "to", 0));
  std::string name = t == DType::f32 ? "float" : t == DType::f64 ? "double" : std::string(saha::name(t));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return char(std::toupper(c)); });
  d.set("to", name);
  return {};
}
Result<> down_clip(Down& d) {
  constexpr std::string_view names[] = {"min", "max"};
  for (std::size_t i = 0; i < 2; ++i) {
    if (!d.has(1 + i)) continue;
    const Tensor* t = d.constant(1 + i);
    if (!t || t->size() != 1) return d.need(11, "a computed '" + std::string(names[i]) + "'");
    d.set(names[i], float(t->at(0)));
  }
  d.r.in.resize(1);
  return {};
}
Result<> down_dropout(Down& d) {
  if (d.has(2)) {
    const Tensor* training = d.constant(2);
    if (!training || training->size() != 1 || training->int_at(0)) return d.need(12, "training_mode");
  }
  if (d.r.num_out > 1 && d.target < 10) return d.need(10, "a mask of bool");
  if (d.has(1)) {
    const Tensor* ratio = d.constant(1);
    if (!ratio || ratio->size() != 1) return d.need(12, "a computed 'ratio'");
    d.set("ratio", float(ratio->at(0)));
  }
  d.erase("seed");
  if (d.target < 7) d.set("is_test", std::int64_t{1});
  d.r.in.resize(1);
  return {};
}
Result<> down_batch_normalization(Down& d) {
  if (attr_or<std::int64_t>(d, "training_mode", 0) || d.r.num_out > 1) return d.need(14, "training_mode");
  d.erase("training_mode");
  if (d.target < 7) d.set("is_test", std::int64_t{1});
  if (d.target < 6) d.set("consumed_inputs", ir::Ints{0, 0, 0, 1, 1});
  return {};
}
Result<> down_softmax(Down& d) {
  const ir::Type* x = d.type(0);
  auto axis = attr_or<std::int64_t>(d, "axis", -1);
  if (!x || !x->ranked) {
    if (axis != -1 || d.target < 11) return d.need(13, "an axis of a tensor of unknown rank");
    return {};  // -1: the last axis, in both readings
  }
  auto rank = std::int64_t(x->dims.size());
  if (axis < 0) axis += rank;
  for (auto i = std::size_t(axis) + 1; i < x->dims.size(); ++i) if (!x->dims[i].is(1)) return d.need(13, "axis " + std::to_string(axis) + " of a tensor of rank " + std::to_string(rank));
  d.set("axis", axis);
  return {};
}
/// Equal parts needed no number; a shorter last part is new.
Result<> down_split(Down& d) {
  auto parts = attr_or<std::int64_t>(d, "num_outputs", 0);
  d.erase("num_outputs");
  const ir::Type* x = d.type(0);
  auto axis = attr_or<std::int64_t>(d, "axis", 0);
  if (parts < 1 || !x || !x->ranked) return {};
  if (axis < 0) axis += std::int64_t(x->dims.size());
  if (axis < 0 || std::size_t(axis) >= x->dims.size()) return {};
  auto size = x->dims[std::size_t(axis)].known();
  return size && *size % parts ? Result<>(d.need(18, std::to_string(*size) + " elements in " + std::to_string(parts) + " parts")) : Result<>();
}
Result<> down_slice(Down& d) {
  if (!d.has(4)) return {};
  const Tensor* steps = d.constant(4);
  if (!steps) return d.need(10, "a computed 'steps'");
  for (std::int64_t s : values<std::int64_t>(*steps)) if (s != 1) return d.need(10, "a step of " + std::to_string(s));
  d.drop_operand(4);
  return {};
}
Result<> down_tile(Down& d) {
  const Tensor* repeats = d.constant(1);
  if (!repeats || !d.type(0)) return d.need(6, "a computed 'repeats'");
  auto r = values<std::int64_t>(*repeats);
  auto repeated = std::count_if(r.begin(), r.end(), [](std::int64_t v) { return v != 1; });
  if (repeated > 1) return d.need(6, "repeating along " + std::to_string(repeated) + " axes");
  auto at = std::find_if(r.begin(), r.end(), [](std::int64_t v) { return v != 1; });
  DType t = d.type(0)->dtype;
  d.r.in.resize(1);
  d.r.in.push_back(Tensor::scalar(t, at == r.end() ? 1 : double(*at)));
  d.r.in.push_back(Tensor::scalar(t, at == r.end() ? 0 : double(at - r.begin())));
  return {};
}
Result<> down_pad(Down& d) {
  if (attr_or<std::string>(d, "mode", "constant") == "wrap") return d.need(19, "mode 'wrap'");
  if (d.target >= 18 || !d.has(3)) return {};
  const Tensor *axes = d.constant(3), *pads = d.constant(1);
  const ir::Type* x = d.type(0);
  if (!axes || !pads || !x || !x->ranked || pads->size() != 2 * axes->size()) return d.need(18, "'axes'");
  auto rank = std::int64_t(x->dims.size());
  ir::Ints all(std::size_t(2 * rank), 0);
  for (std::int64_t i = 0; i < axes->size(); ++i) {
    std::int64_t a = axes->int_at(i);
    if (a < 0) a += rank;
    if (a < 0 || a >= rank) return d.need(18, "'axes'");
    all[std::size_t(a)] = pads->int_at(i);
    all[std::size_t(a + rank)] = pads->int_at(i + axes->size());
  }
  d.r.in[1] = Tensor::of_ints(all);
  d.drop_operand(3);
  return {};
}
/// roi and scales were required; an empty tensor said that there are none.
Result<> down_resize_13(Down& d) {
  while (d.r.in.size() < 3) d.r.in.emplace_back(ValueId::none);
  for (std::size_t i = 1; i < 3; ++i) if (!d.has(i)) d.r.in[i] = Tensor::zeros(DType::f32, {0});
  return {};
}
Result<> down_resize_10(Down& d) {
  auto mode = attr_or<std::string>(d, "mode", "nearest"), nearest = attr_or<std::string>(d, "nearest_mode", "");
  if (d.has(3)) return d.need(11, "'sizes'");
  if (attr_or<std::string>(d, "coordinate_transformation_mode", "") != "asymmetric" || (mode != "nearest" && mode != "linear")) return d.need(11, "its way of resizing");
  if (mode == "nearest") {
    const Tensor* scales = d.constant(2);
    if (!scales) return d.need(11, "the nearest element with computed scales");
    for (float s : values<double>(*scales))
      if ((s > 1 && nearest != "floor") || (s < 1 && nearest != "ceil")) return d.need(11, "nearest_mode '" + nearest + "'");
  }
  d.r.attrs = {{"mode", mode}};
  d.r.in = {d.r.in[0], d.r.in[2]};
  return {};
}
Result<> down_upsample(Down& d) {
  const Tensor* scales = d.constant(1);
  if (scales) for (double s : values<double>(*scales)) if (s < 1) return d.need(10, "a scale below 1");
  d.r.op = "Upsample";
  if (d.target >= 9) return {};
  if (!scales) return d.need(9, "computed scales");
  auto v = values<double>(*scales);
  d.r.in.resize(1);
  if (d.target >= 7) { d.set("scales", ir::Floats(v.begin(), v.end())); return {}; }
  if (v.size() != 4 || v[0] != 1 || v[1] != 1) return d.need(7, "scales of other axes than height and width");
  d.set("height_scale", float(v[2]));
  d.set("width_scale", float(v[3]));
  if (attr_or<std::string>(d, "mode", "") == "linear") d.set("mode", std::string("bilinear"));
  return {};
}
Result<> down_resize_19(Down& d) {
  return attr_or<std::string>(d, "coordinate_transformation_mode", "") == "half_pixel_symmetric" ? Result<>(d.need(19, "half_pixel_symmetric")) : Result<>();
}
Result<> down_attention(Down& d) { return d.has(6) ? Result<>(d.need(24, "'nonpad_kv_seqlen'")) : Result<>(); }
Result<> down_max_pool(Down& d) { return d.r.num_out > 1 ? Result<>(d.need(8, "the result 'Indices'")) : Result<>(); }
Result<> down_scatter_reduction(Down& d) {
  auto how = attr_or<std::string>(d, "reduction", "none");
  return how == "max" || how == "min" ? Result<>(d.need(18, "reduction '" + how + "'")) : Result<>();
}
Result<> down_scatter(Down& d) { d.r.op = "Scatter"; return {}; }
Result<> down_scan_8(Down& d) { return d.need(9, "a Scan without a batch axis"); }
/// Scale and bias per group: constants that agree within each, or what up_group_normalization spread over the channels.
Result<> down_group_normalization(Down& d) {
  auto groups = attr_or<std::int64_t>(d, "num_groups", 1);
  for (std::size_t i = 1; i < 3; ++i) {
    if (const Tensor* t = d.constant(i)) {
      std::int64_t per = groups > 0 ? t->size() / groups : 0;
      if (per < 1 || t->size() % groups) return d.need(21, "a scale of " + std::to_string(t->size()) + " elements");
      auto v = values<double>(*t);
      Tensor few = Tensor::zeros(t->dtype, {groups});
      for (std::int64_t c = 0; c < t->size(); ++c) {
        if (v[std::size_t(c)] != v[std::size_t(c / per * per)]) return d.need(21, "a scale per channel");
        if (c % per == 0) copy_elements(*t, c, 1, few, c / per, 1);
      }
      d.r.in[i] = few;
      continue;
    }
    const ir::Node* p = d.producer(i);
    for (std::string_view op : {"Reshape", "Expand", "Reshape"}) {
      if (!p || p->op.str() != op) return d.need(21, "a scale per channel");
      d.r.in[i] = d.g.operand(*p, 0);
      p = d.producer(i);
    }
    const ir::Type* t = d.type(i);
    if (!t || !t->ranked || t->dims.size() != 1 || !t->dims[0].is(groups)) return d.need(21, "a scale per channel");
  }
  return {};
}
Result<> down_grid_sample(Down& d) {
  auto mode = attr_or<std::string>(d, "mode", "linear");
  const ir::Type* x = d.type(0);
  if (x && x->ranked && x->dims.size() != 4) return d.need(20, "X of rank " + std::to_string(x->dims.size()));
  d.set("mode", mode == "linear" ? std::string("bilinear") : mode == "cubic" ? std::string("bicubic") : mode);
  return {};
}
Result<> down_dft(Down& d) {
  const Tensor* t = d.constant(2);
  if (d.has(2) && (!t || t->size() != 1)) return d.need(20, "a computed axis");
  std::int64_t axis = t ? t->int_at(0) : -2;
  const ir::Type* x = d.type(0);
  if (axis < 0 && (!x || !x->ranked)) return d.need(20, "an axis of a tensor of unknown rank");
  d.set("axis", axis < 0 ? axis + std::int64_t(x->dims.size()) : axis);
  d.drop_operand(2);
  return {};
}
Result<> down_lp_pool(Down& d) {
  d.set("p", float(attr_or<std::int64_t>(d, "p", 2)));
  return {};
}
Result<> down_label_encoder(Down& d) {
  for (bool from_text : {true, false}) {
    auto classes = attr_or<ir::Strings>(d, from_text ? "keys_strings" : "values_strings", {});
    auto numbers = attr_or<ir::Ints>(d, from_text ? "values_int64s" : "keys_int64s", {});
    if (classes.empty() || classes.size() != numbers.size()) continue;
    for (std::size_t i = 0; i < numbers.size(); ++i) if (numbers[i] != std::int64_t(i)) return d.need(2, "a mapping to other numbers than 0, 1, ...");
    std::erase_if(d.r.attrs, [](const ir::NamedAttr& a) { return a.name != "default_string" && a.name != "default_int64"; });
    d.set("classes_strings", std::move(classes));
    return {};
  }
  return d.need(2, "a mapping that is not between strings and numbers");
}

}  // namespace saha::onnx

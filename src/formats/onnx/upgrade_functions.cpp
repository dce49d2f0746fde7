// The function rows of history.cpp, forward: what an old operator means in today's. Source: ONNX operator changelog; where it leaves
// something open (Resize-10, Upsample), what onnxruntime does.
#include <algorithm>
#include <cmath>

#include "formats/onnx/history.hpp"

namespace saha::onnx {
namespace {
using op::Val;
using op::Vals;
using Done = std::optional<Vals>;

Val in(const OldNode& n, std::size_t i) { return i < n.in.size() ? n.in[i] : Val{}; }
Done fail(const OldNode& n, op::Builder& b, std::string what, ErrorCode code = ErrorCode::invalid_model) {
  std::string who = b.origin ? "node '" + *b.origin + "' (" : "(";
  b.fail({code, who + n.op + " of opset " + std::to_string(n.opset) + ") " + std::move(what)});
  return Vals();
}
/// Removes the attribute and gives its value; nothing where it is absent. One of another kind is told by b.error().
template <class T> std::optional<T> take(OldNode& n, op::Builder& b, std::string_view name) {
  for (std::size_t i = 0; i < n.attrs.size(); ++i) {
    if (n.attrs[i].name != name) continue;
    ir::Attr value = std::move(n.attrs[i].value);
    n.attrs.erase(n.attrs.begin() + std::ptrdiff_t(i));
    if (T* v = std::get_if<T>(&value)) return std::move(*v);
    fail(n, b, "has an attribute '" + std::string(name) + "' of a kind that it does not take");
    return {};
  }
  return {};
}
/// Adds an operator by a name that only the file knows.
Vals add(std::string_view op, Vals in, ir::Attrs attrs, int num_out, op::Builder& b) {
  const op::Entry* e = op::find(op);
  if (e) return b.ops(e->def->name, std::move(in), std::move(attrs), num_out);
  b.fail({ErrorCode::unsupported, "operator '" + std::string(op) + "' is not known"});
  return Vals(std::size_t(num_out));
}
bool ranked(Val v) { return v && v.b->type(v).is_tensor() && v.b->type(v).ranked; }
std::size_t rank(Val v) { return v.b->type(v).dims.size(); }
const std::vector<ir::Dim>& dims(Val v) { return v.b->type(v).dims; }
/// All dims are the number 1.
bool single(Val v) { return std::all_of(dims(v).begin(), dims(v).end(), [](const ir::Dim& d) { return d.is(1); }); }
/// The shape of `like` as an operand: constant where it is known.
Val shape_of(op::Builder& b, Val like) {
  if (ranked(like) && ir::is_static(b.type(like))) {
    std::vector<std::int64_t> d;
    for (const ir::Dim& x : dims(like)) d.push_back(*x.known());
    return b.ints(d);
  }
  return b.op("Shape", {like});
}
Val cast(op::Builder& b, Val v, DType t) { return b.type(v).dtype == t ? v : b.op("Cast", {v}, {{"to", std::int64_t(t)}}); }
}  // namespace

/// B's dims stand for those of A from `axis` on, or for the last ones: ones are put behind them.
Done up_legacy_broadcast(OldNode& n, op::Builder& b) {
  auto axis = take<std::int64_t>(n, b, "axis");
  auto broadcast = take<std::int64_t>(n, b, "broadcast");
  Val a = in(n, 0), c = in(n, 1);
  if (!broadcast || !*broadcast || !a || !c) return {};
  if (ranked(a) && ranked(c) && rank(c) > rank(a) && single(c)) { n.in[1] = b.op("Reshape", {c, b.ints({})}); return {}; }
  if (!axis) return {};
  if (!ranked(a) || !ranked(c)) return fail(n, b, "broadcasts along an axis, but the ranks of its operands are not known", ErrorCode::unsupported);
  auto ra = std::int64_t(rank(a)), rc = std::int64_t(rank(c)), at = *axis < 0 ? *axis + ra : *axis;
  if (rc == 0) return {};
  if (at < 0 || at + rc > ra) return fail(n, b, "cannot place B of rank " + std::to_string(rc) + " at axis " + std::to_string(*axis) + " of A of rank " + std::to_string(ra));
  std::vector<std::int64_t> axes;
  for (std::int64_t i = rc; i < ra - at; ++i) axes.push_back(i);
  if (!axes.empty()) n.in[1] = b.op("Unsqueeze", {c, b.ints(axes)});
  return {};
}
/// A slope per channel was a vector.
Done up_prelu(OldNode& n, op::Builder& b) {
  Val x = in(n, 0), slope = in(n, 1);
  if (!x || !slope || !ranked(slope) || rank(slope) != 1 || single(slope)) return {};
  if (!ranked(x)) return fail(n, b, "has a slope per channel, but the rank of X is not known", ErrorCode::unsupported);
  std::vector<std::int64_t> axes;
  for (std::int64_t i = 1; i + 1 < std::int64_t(rank(x)); ++i) axes.push_back(i);
  if (!axes.empty()) n.in[1] = b.op("Unsqueeze", {slope, b.ints(axes)});
  return {};
}
/// `to` was the name of the type in TensorProto.
Done up_cast(OldNode& n, op::Builder& b) {
  auto to = take<std::string>(n, b, "to");
  if (b.failed()) return Vals();
  if (!to) return fail(n, b, "has no attribute 'to'");
  std::string name = *to;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  auto t = dtype_of(name);
  if (!t) return fail(n, b, "casts to '" + *to + "', which is no type");
  n.attrs.push_back({"to", std::int64_t(*t)});
  return {};
}
/// The bounds were attributes; from opset 6 on their defaults were the largest float32 numbers, so infinities became finite.
Done up_clip(OldNode& n, op::Builder& b) {
  auto lo = take<float>(n, b, "min"), hi = take<float>(n, b, "max");
  if (b.failed()) return Vals();
  if (!in(n, 0)) return {};
  constexpr float largest = 3.402823466e+38f;
  if (n.opset >= 6) { lo = lo.value_or(-largest); hi = hi.value_or(largest); }
  n.in.resize(1);
  n.in.push_back(lo ? b.scalar(double(*lo), n.in[0]) : Val{});
  n.in.push_back(hi ? b.scalar(double(*hi), n.in[0]) : Val{});
  return {};
}
/// Before opset 7 is_test = 0 meant training; where a file leaves it out inference is meant, as everywhere from opset 7 to 11. The mask was
/// of the data's type before opset 10.
Done up_dropout(OldNode& n, op::Builder& b) {
  auto ratio = take<float>(n, b, "ratio");
  auto is_test = take<std::int64_t>(n, b, "is_test");
  if (b.failed()) return Vals();
  if (!in(n, 0)) return {};
  n.in.resize(1);
  n.in.push_back(b.scalar(double(ratio.value_or(0.5f)), n.in[0]));
  if (n.opset < 7 && !is_test.value_or(1)) n.in.push_back(b.scalar(1, DType::boolean));
  if (n.num_out < 2 || n.opset >= 10) return {};
  DType t = b.type(n.in[0]).dtype;
  Vals y = add(n.op, std::move(n.in), std::move(n.attrs), n.num_out, b);
  if (!b.failed()) y[1] = cast(b, y[1], t);
  return y;
}
/// More than one result meant training. Without `spatial` every element of a sample has statistics of its own.
Done up_batch_normalization(OldNode& n, op::Builder& b) {
  auto is_test = take<std::int64_t>(n, b, "is_test"), spatial = take<std::int64_t>(n, b, "spatial");
  auto consumed = take<ir::Ints>(n, b, "consumed_inputs");
  if (b.failed()) return Vals();
  bool training = n.num_out > 1 && !is_test.value_or(0);
  if (n.num_out > 3) return fail(n, b, "asks for " + std::to_string(n.num_out) + " results; saved_mean and saved_var no longer exist", ErrorCode::unsupported);
  if (spatial.value_or(1)) {
    if (training) n.attrs.push_back({"training_mode", std::int64_t{1}});
    return {};
  }
  if (training) return fail(n, b, "trains with spatial = 0, which no newer operator does", ErrorCode::unsupported);
  for (std::size_t i = 0; i < 5; ++i) if (!in(n, i)) return fail(n, b, "has " + std::to_string(n.in.size()) + " operands, 5 are needed");
  auto epsilon = take<float>(n, b, "epsilon");
  Val spread = b.op("Sqrt", {n.in[4] + double(epsilon.value_or(1e-5f))});
  return Vals{(n.in[0] - n.in[3]) * (n.in[1] / spread) + n.in[2]};
}
/// The operand was seen as a matrix: dims before `axis`, dims from `axis` on; default 1.
Done up_softmax(OldNode& n, op::Builder& b) {
  auto given = take<std::int64_t>(n, b, "axis");
  if (b.failed()) return Vals();
  std::int64_t axis = given.value_or(1);
  Val x = in(n, 0);
  if (!x) return {};
  if (axis == -1 || (ranked(x) && axis == std::int64_t(rank(x)) - 1)) {
    n.attrs.push_back({"axis", std::int64_t{-1}});
    return {};
  }
  Val flat = b.op("Flatten", {x}, {{"axis", axis}});
  return Vals{b.op("Reshape", {add(n.op, {flat}, {{"axis", std::int64_t{-1}}}, 1, b)[0], shape_of(b, x)})};
}
/// Without sizes the parts were equal and as many as there are results.
Done up_split(OldNode& n, op::Builder&) {
  if (!in(n, 1) && !ir::find_attr(n.attrs, "num_outputs")) n.attrs.push_back({"num_outputs", std::int64_t(n.num_out)});
  return {};
}
/// (input, tiles, axis) with two numbers of the data's type.
Done up_tile(OldNode& n, op::Builder& b) {
  Val x = in(n, 0), tiles = in(n, 1), axis = in(n, 2);
  if (!x || !tiles || !axis) return fail(n, b, "has " + std::to_string(n.in.size()) + " operands, 3 are needed");
  if (!ranked(x)) return fail(n, b, "repeats along an axis, but the rank of its operand is not known", ErrorCode::unsupported);
  Val ones = b.ints(std::vector<std::int64_t>(rank(x), 1));
  auto number = [&](Val v) { return b.op("Reshape", {cast(b, v, DType::i64), b.ints({1})}); };
  return Vals{b.op("Tile", {x, b.op("ScatterElements", {ones, number(axis), number(tiles)}, {{"axis", std::int64_t{0}}})})};
}

// ---- Resize ----------------------------------------------------------------------------------------------------------------
namespace {
/// Resize of opset 10 and Upsample: output i lies at i / scale; nearest takes the floor where it enlarges, the ceiling where it shrinks.
Vals old_resize(OldNode& n, op::Builder& b, Val x, Val scales, std::string mode) {
  if (mode == "bilinear" || mode == "trilinear") mode = "linear";
  auto resize = [&](Val v, Val s, std::string_view nearest) {
    ir::Attrs a{{"mode", mode}, {"coordinate_transformation_mode", std::string("asymmetric")}};
    if (mode == "nearest") a.push_back({"nearest_mode", std::string(nearest)});
    return b.op("Resize", {v, {}, s}, a);
  };
  const Tensor* known = b.data(scales);
  if (mode != "nearest" || !known || known->dtype != DType::f32) {
    if (mode == "nearest" && n.op == "Resize") fail(n, b, "takes the nearest element with scales that are computed; whether it floors depends on them", ErrorCode::unsupported);
    return {resize(x, scales, "floor")};
  }
  Tensor up = Tensor::zeros(DType::f32, known->dims), down = Tensor::zeros(DType::f32, known->dims);
  bool enlarges = false, shrinks = false;
  for (std::int64_t i = 0; i < known->size(); ++i) {
    float s = known->as<float>()[i];
    up.as<float>()[i] = std::max(s, 1.0f);
    down.as<float>()[i] = std::min(s, 1.0f);
    enlarges |= s > 1;
    shrinks |= s < 1;
  }
  if (!shrinks) return {resize(x, scales, "floor")};
  if (!enlarges) return {resize(x, scales, "ceil")};
  return {resize(resize(x, b.constant(up), "floor"), b.constant(down), "ceil")};
}
}  // namespace

Done up_upsample(OldNode& n, op::Builder& b) {
  Val x = in(n, 0), scales = in(n, 1);
  std::string mode = take<std::string>(n, b, "mode").value_or("nearest");
  if (n.opset < 7) {
    auto h = take<float>(n, b, "height_scale"), w = take<float>(n, b, "width_scale");
    if (!h || !w) return fail(n, b, "needs height_scale and width_scale");
    scales = b.constant(Tensor::of(DType::f32, {4}, {1, 1, double(*h), double(*w)}));
  } else if (n.opset < 9) {
    auto s = take<ir::Floats>(n, b, "scales");
    if (!s) return fail(n, b, "needs the attribute 'scales'");
    scales = b.constant(Tensor::of(DType::f32, {std::int64_t(s->size())}, std::vector<double>(s->begin(), s->end())));
  }
  if (b.failed()) return Vals();
  if (!x || !scales) return fail(n, b, "has " + std::to_string(n.in.size()) + " operands, 2 are needed");
  return old_resize(n, b, x, scales, mode);
}
Done up_resize_10(OldNode& n, op::Builder& b) {
  if (!in(n, 0) || !in(n, 1)) return fail(n, b, "has " + std::to_string(n.in.size()) + " operands, 2 are needed");
  std::string mode = take<std::string>(n, b, "mode").value_or("nearest");
  return b.failed() ? Vals() : old_resize(n, b, n.in[0], n.in[1], mode);
}
/// An empty roi or empty scales stand for none: opset 11 required them, and exporters still write them.
Done up_resize_empty(OldNode& n, op::Builder&) {
  for (std::size_t i = 1; i < n.in.size(); ++i)
    if (ranked(n.in[i]) && rank(n.in[i]) == 1 && dims(n.in[i])[0].is(0)) n.in[i] = {};
  return {};
}

// ---- the rest --------------------------------------------------------------------------------------------------------------
Done up_scatter(OldNode& n, op::Builder& b) { return b.ops("ScatterElements", n.in, n.attrs, n.num_out); }

/// Every sequence of a batch was scanned by itself: a Scan over the batch whose body is the Scan over the sequence.
Done up_scan_8(OldNode& n, op::Builder& b) {
  auto directions = take<ir::Ints>(n, b, "directions");
  if (b.failed()) return Vals();
  const auto* scans = ir::attr<std::int64_t>(n.attrs, "num_scan_inputs");
  const auto* carried = ir::attr<std::int64_t>(n.attrs, "carried");
  if (!scans || !carried || *scans < 1 || *carried < 0 || std::size_t(1 + *scans + *carried) > n.in.size()) return fail(n, b, "has fewer operands than num_scan_inputs and its body state");
  if (n.in[0]) return fail(n, b, "has sequence_lens, which no newer operator has", ErrorCode::unsupported);
  n.in.erase(n.in.begin());
  std::size_t rows = std::size_t(*scans + *carried);
  op::Builder inner;
  inner.origin = b.origin;
  Vals formal;
  for (std::size_t i = 0; i < n.in.size(); ++i) {
    if (!n.in[i]) return fail(n, b, "operand " + std::to_string(i + 1) + " is missing");
    ir::TypeRef t = b.type_ref(n.in[i]);
    if (i < rows) {
      if (!ranked(n.in[i]) || rank(n.in[i]) == 0) return fail(n, b, "operand " + std::to_string(i + 1) + " has no known batch axis", ErrorCode::unsupported);
      t = ir::tensor_type(t->dtype, {t->dims.begin() + 1, t->dims.end()});
    }
    formal.push_back(inner.input(t));
  }
  ir::Attrs attrs = n.attrs;
  if (directions) attrs.push_back({"scan_input_directions", *directions});
  Vals y = inner.ops("Scan", formal, attrs, n.num_out);
  auto g = std::move(inner).build(y);
  if (!g) { b.fail(std::move(g.error())); return Vals(); }
  return b.ops("Scan", n.in, {{"body", std::make_shared<const ir::Graph>(std::move(*g))}, {"num_scan_inputs", std::int64_t(rows)}, {"carried", std::int64_t{0}}}, n.num_out);
}
/// Scale and bias were given per group.
Done up_group_normalization(OldNode& n, op::Builder& b) {
  const auto* groups = ir::attr<std::int64_t>(n.attrs, "num_groups");
  Val x = in(n, 0);
  if (!x || !groups || *groups < 1 || n.in.size() < 3) return {};
  if (!ranked(x) || rank(x) < 2) return fail(n, b, "needs an X of known rank", ErrorCode::unsupported);
  auto c = dims(x)[1].known();
  if (c && *c % *groups) return fail(n, b, "has " + std::to_string(*groups) + " groups for " + std::to_string(*c) + " channels");
  Val to = c ? b.ints({*groups, *c / *groups})
             : b.op("Concat", {b.ints({*groups}), b.op("Shape", {x}, {{"start", std::int64_t{1}}, {"end", std::int64_t{2}}}) / b.ints({*groups})}, {{"axis", std::int64_t{0}}});
  for (std::size_t i = 1; i < 3; ++i) {
    Val column = b.op("Reshape", {n.in[i], b.ints({*groups, 1})});
    n.in[i] = b.op("Reshape", {b.op("Expand", {column, to}), b.ints({-1})});
  }
  return {};
}
Done up_grid_sample(OldNode& n, op::Builder& b) {
  auto mode = take<std::string>(n, b, "mode");
  if (mode) n.attrs.push_back({"mode", *mode == "bilinear" ? std::string("linear") : *mode == "bicubic" ? std::string("cubic") : *mode});
  return {};
}
Done up_dft(OldNode& n, op::Builder& b) {
  auto axis = take<std::int64_t>(n, b, "axis");
  if (n.in.empty()) return {};
  n.in.resize(2);
  n.in.push_back(b.constant(Tensor::scalar_int(axis.value_or(1))));
  return {};
}
/// p was a float.
Done up_lp_pool(OldNode& n, op::Builder& b) {
  auto p = take<float>(n, b, "p");
  if (p && *p != std::floor(*p)) return fail(n, b, "has p = " + std::to_string(*p) + "; newer operators take whole numbers", ErrorCode::unsupported);
  if (p) n.attrs.push_back({"p", std::int64_t(*p)});
  return {};
}
/// The schema's default was misspelt.
Done up_gru(OldNode& n, op::Builder&) {
  for (ir::NamedAttr& a : n.attrs)
    if (auto* s = std::get_if<std::string>(&a.value); s && a.name == "direction" && *s == "foward") *s = "forward";
  return {};
}
Done up_mean_variance(OldNode& n, op::Builder& b) {
  auto across = take<std::int64_t>(n, b, "across_channels"), variance = take<std::int64_t>(n, b, "normalize_variance");
  if (b.failed() || !in(n, 0)) return Vals();
  ir::Ints axes = across.value_or(0) ? ir::Ints{1, 2, 3} : ir::Ints{2, 3};
  if (!variance.value_or(1)) return Vals{n.in[0] - b.op("ReduceMean", {n.in[0], b.ints(axes)})};
  n.attrs.push_back({"axes", axes});
  return {};
}
/// classes_strings numbered from 0; the type of X says which way.
Done up_label_encoder(OldNode& n, op::Builder& b) {
  auto classes = take<ir::Strings>(n, b, "classes_strings");
  if (b.failed() || !classes) return {};
  ir::Ints numbers(classes->size());
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = std::int64_t(i);
  bool from_text = in(n, 0) && b.type(n.in[0]).dtype == DType::string;
  n.attrs.push_back({from_text ? "keys_strings" : "values_strings", std::move(*classes)});
  n.attrs.push_back({from_text ? "values_int64s" : "keys_int64s", std::move(numbers)});
  return {};
}

// ---- experimental operators of the first files, never standard, that converters wrote --------------------------------------------
Done up_affine(OldNode& n, op::Builder& b) {
  auto alpha = take<float>(n, b, "alpha"), beta = take<float>(n, b, "beta");
  return in(n, 0) ? Vals{n.in[0] * double(alpha.value_or(1)) + double(beta.value_or(0))} : Vals();
}
Done up_image_scaler(OldNode& n, op::Builder& b) {
  auto scale = take<float>(n, b, "scale");
  auto bias = take<ir::Floats>(n, b, "bias");
  if (b.failed() || !in(n, 0)) return Vals();
  Val y = n.in[0] * double(scale.value_or(1));
  if (!bias) return Vals{y};
  if (!is_float(b.type(n.in[0]).dtype)) return fail(n, b, "takes floating-point numbers");
  Val c = b.constant(Tensor::of(b.type(n.in[0]).dtype, {std::int64_t(bias->size()), 1, 1}, std::vector<double>(bias->begin(), bias->end())));
  return Vals{y + c};
}
Done up_parametric_softplus(OldNode& n, op::Builder& b) {
  auto alpha = take<float>(n, b, "alpha"), beta = take<float>(n, b, "beta");
  return in(n, 0) ? Vals{b.op("Softplus", {n.in[0] * double(beta.value_or(1))}) * double(alpha.value_or(1))} : Vals();
}
Done up_scaled_tanh(OldNode& n, op::Builder& b) {
  auto alpha = take<float>(n, b, "alpha"), beta = take<float>(n, b, "beta");
  return in(n, 0) ? Vals{b.op("Tanh", {n.in[0] * double(beta.value_or(1))}) * double(alpha.value_or(1))} : Vals();
}
/// border: left, top, right, bottom; scale: the height and width that are kept, counted from the top left border.
Done up_crop(OldNode& n, op::Builder& b) {
  auto border = take<ir::Ints>(n, b, "border"), scale = take<ir::Ints>(n, b, "scale");
  if (b.failed() || !in(n, 0)) return Vals();
  if (!border || border->size() != 4 || (scale && scale->size() != 2)) return fail(n, b, "needs four numbers in border and none or two in scale");
  auto end = [](std::int64_t cut) { return cut == 0 ? INT64_MAX : -cut; };
  std::vector<std::int64_t> from{(*border)[1], (*border)[0]}, to{end((*border)[3]), end((*border)[2])};
  if (scale) to = {from[0] + (*scale)[0], from[1] + (*scale)[1]};
  return Vals{b.op("Slice", {n.in[0], b.ints(from), b.ints(to), b.ints({2, 3})})};
}

}  // namespace saha::onnx

// Operators that move elements and compute nothing: stored numbers stay as they are.
#include <algorithm>

#include "formats/tflite/operators.hpp"
#include "op/integer_form.hpp"

namespace saha::tflite {
namespace {
using fb::BuiltinOperator;

/// Elements of another quantisation than the result's are first kept as the result is.
Val as_result(Site& s, Val v, std::size_t k = 0) {
  const Stored& to = s.out[k];
  if (s.b.failed() || !v || !to.quant || !s.b.type(v).quant || (*s.b.type(v).quant == *to.quant && s.b.type(v).dtype == to.dtype)) return v;
  return s.kept("Requantize", {v}, {}, to);
}
std::int64_t axis_of(Site& s, std::int64_t a, std::size_t rank) {
  const std::int64_t r = a < 0 ? a + std::int64_t(rank) : a;
  if (r < 0 || r >= std::int64_t(rank)) s.fail("axis " + std::to_string(a) + " lies outside rank " + std::to_string(rank));
  return r;
}

Vals reshape(Site& s) {
  if (s.has(1)) return {s.b.op("Reshape", {s.in[0], s.wide(1)}, {{"allowzero", std::int64_t{1}}})};
  const auto* shape = s.options<fb::ReshapeOptions>().new_shape();
  return {s.b.op("Reshape", {s.in[0], s.b.ints(shape ? Ints(shape->begin(), shape->end()) : s.out_shape[0])})};
}
Vals squeeze(Site& s) {
  const auto* dims = s.options<fb::SqueezeOptions>().squeeze_dims();
  if (!dims || dims->size() == 0) return {s.b.op("Squeeze", {s.in[0]})};
  return {s.b.op("Squeeze", {s.in[0], s.b.ints(Ints(dims->begin(), dims->end()))})};
}
Vals expand_dims(Site& s) {
  const Ints axis = s.ints(1, "the axis");
  return {s.b.op("Unsqueeze", {s.in[0], s.b.ints(axis)})};
}
Vals transpose(Site& s) { return {permuted(s.in[0], s.ints(1, "the permutation"))}; }
Vals concatenation(Site& s) {
  const auto& o = s.options<fb::ConcatenationOptions>();
  if (s.in.empty() || !s.in[0]) { s.fail("has no operand"); return {}; }
  std::int64_t axis = axis_of(s, o.axis(), s.rank());
  Vals in;
  for (Val v : s.in) in.push_back(as_result(s, v));
  if (s.b.failed()) return {};
  // Where the operands were channels first, so is the result.
  const bool first = s.rank() == 4 && std::all_of(in.begin(), in.end(), was_channels_first);
  if (first) {
    for (Val& v : in) v = channels_first(v);
    axis = axis == 0 ? 0 : axis == 3 ? 1 : axis + 1;
  }
  Val y = s.b.op("Concat", in, {{"axis", axis}});
  if (o.fused_activation_function() != fb::ActivationFunctionType::NONE) y = s.activated(y, o.fused_activation_function());
  return {first ? channels_last(y) : y};
}
Vals pack(Site& s) {
  if (s.in.empty() || !s.in[0]) { s.fail("has no operand"); return {}; }
  const std::int64_t axis = axis_of(s, s.options<fb::PackOptions>().axis(), s.rank() + 1);
  Vals in;
  for (Val v : s.in) in.push_back(s.b.op("Unsqueeze", {as_result(s, v), s.b.ints({axis})}));
  return {s.b.op("Concat", in, {{"axis", axis}})};
}
Vals unpack(Site& s) {
  const auto& o = s.options<fb::UnpackOptions>();
  const std::int64_t axis = axis_of(s, o.axis(), s.rank());
  const int n = int(s.out.size());
  Vals parts = n == 1 ? Vals{s.in[0]} : s.b.ops("Split", {s.in[0], s.b.ints(Ints(std::size_t(n), 1))}, {{"axis", axis}}, n);
  for (Val& v : parts) v = s.b.op("Squeeze", {v, s.b.ints({axis})});
  return parts;
}
/// Operands: the axis, the data.
Vals split(Site& s) {
  const Ints axis = s.ints(0, "the axis");
  if (axis.size() != 1 || !s.has(1)) { s.fail("takes one axis and its data"); return {}; }
  return s.b.ops("Split", {s.in[1]}, {{"axis", axis_of(s, axis[0], s.rank(1))}, {"num_outputs", std::int64_t(s.out.size())}}, int(s.out.size()));
}
/// Operands: the data, the sizes, the axis.
Vals split_v(Site& s) {
  const Ints axis = s.ints(2, "the axis");
  Ints sizes = s.ints(1, "the sizes");
  if (axis.size() != 1) { s.fail("takes one axis"); return {}; }
  const std::int64_t a = axis_of(s, axis[0], s.rank());
  if (s.b.failed()) return {};
  if (auto open = std::find(sizes.begin(), sizes.end(), -1); open != sizes.end()) {
    auto n = s.type(0).dims[std::size_t(a)].known();
    if (!n) { s.unsupported("a size is left open on an axis of unknown extent"); return {}; }
    std::int64_t rest = *n;
    for (std::int64_t v : sizes) if (v != -1) rest -= v;
    *open = rest;
  }
  return s.b.ops("Split", {s.in[0], s.b.ints(sizes)}, {{"axis", a}}, int(s.out.size()));
}
/// Operands: data, begin, size; size -1: to the end.
Vals slice(Site& s) {
  auto begin = s.known(1), size = s.known(2);
  op::Builder& b = s.b;
  Ints axes(s.rank());
  for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = std::int64_t(i);
  if (begin && size && begin->size() == axes.size() && size->size() == axes.size()) {
    Ints end(axes.size());
    for (std::size_t i = 0; i < end.size(); ++i) end[i] = (*size)[i] == -1 ? INT64_MAX : (*begin)[i] + (*size)[i];
    return {b.op("Slice", {s.in[0], b.ints(*begin), b.ints(end), b.ints(axes)})};
  }
  Val from = s.wide(1), n = s.wide(2), last = b.scalar(double(INT32_MAX), DType::i64);
  Val end = b.op("Where", {b.op("Equal", {n, b.scalar(-1, n)}), last, from + n});
  return {b.op("Slice", {s.in[0], from, end, b.ints(axes)})};
}
/// Python's x[begin:end:stride], with masks: a bit in begin_mask or end_mask leaves that end open, shrink takes one element and drops the axis,
/// new_axis inserts one, ellipsis stands for all axes that are not named.
Vals strided_slice(Site& s) {
  const auto& o = s.options<fb::StridedSliceOptions>();
  op::Builder& b = s.b;
  auto begin = s.known(1), end = s.known(2), stride = s.known(3);
  if (!stride || ((!begin || !end) && (o.ellipsis_mask() || o.new_axis_mask() || o.shrink_axis_mask()))) {
    if (stride && !o.ellipsis_mask() && !o.new_axis_mask() && begin) {
      // An open end whose value the data decides, on axes that are shrunk or not: each end as it comes.
    } else { s.unsupported("its places are computed at run time together with masks"); return {}; }
  }
  const std::size_t rank = s.rank(), n = stride->size();
  if (n > 32 || (begin && begin->size() != n) || (end && end->size() != n)) {
    s.fail("has " + std::to_string(begin ? begin->size() : n) + " beginnings, " + std::to_string(end ? end->size() : n) + " ends and " + std::to_string(n) + " strides");
    return {};
  }
  Ints axes, from, to, step, dropped, inserted;
  std::vector<Val> open_end;
  std::size_t axis = 0, out = 0;
  const std::size_t named = [&] {
    std::size_t c = 0;
    for (std::size_t i = 0; i < n; ++i) c += !(o.new_axis_mask() >> i & 1) && !(o.ellipsis_mask() >> i & 1);
    return c;
  }();
  for (std::size_t i = 0; i < n; ++i) {
    if (o.ellipsis_mask() >> i & 1) {
      const std::size_t skip = rank >= named ? rank - named : 0;
      axis += skip;
      out += skip;
      continue;
    }
    if (o.new_axis_mask() >> i & 1) { inserted.push_back(std::int64_t(out++)); continue; }
    if (axis >= rank) { s.fail("names more axes than its operand of rank " + std::to_string(rank) + " has"); return {}; }
    const bool shrink = o.shrink_axis_mask() >> i & 1;
    const std::int64_t st = shrink ? 1 : (*stride)[i];
    if (st == 0) { s.fail("has stride 0"); return {}; }
    axes.push_back(std::int64_t(axis));
    step.push_back(st);
    const bool open_begin = (o.begin_mask() >> i & 1) && !shrink, open_last = (o.end_mask() >> i & 1) && !shrink;
    const std::int64_t first = begin ? (*begin)[i] : 0;
    from.push_back(open_begin ? (st > 0 ? 0 : INT64_MAX) : first);
    std::int64_t last = end ? (*end)[i] : 0;
    if (o.offset() && end) last += first;
    if (shrink) last = first == -1 ? INT64_MAX : first + 1;
    else if (open_last) last = st > 0 ? INT64_MAX : INT64_MIN;
    to.push_back(last);
    if (shrink) dropped.push_back(std::int64_t(axis));
    else ++out;
    ++axis;
  }
  Val ends = b.ints(to), begins = b.ints(from);
  auto at_run_time = [&](std::size_t operand, const Ints& fixed, std::int32_t mask) {  // no ellipsis or new axis: entry i is axis i
    Ints keep(fixed.size());
    for (std::size_t i = 0; i < keep.size(); ++i) keep[i] = (mask >> i & 1) || (o.shrink_axis_mask() >> i & 1);
    Val use = b.op("Cast", {b.ints(keep)}, {{"to", std::int64_t(DType::boolean)}});
    return b.op("Where", {use, b.ints(fixed), s.wide(operand)});
  };
  if (!begin) begins = at_run_time(1, from, o.begin_mask());
  if (!end) ends = at_run_time(2, to, o.end_mask());
  Val y = axes.empty() ? s.in[0] : b.op("Slice", {s.in[0], begins, ends, b.ints(axes), b.ints(step)});
  if (!dropped.empty()) y = b.op("Squeeze", {y, b.ints(dropped)});
  if (!inserted.empty()) y = b.op("Unsqueeze", {y, b.ints(inserted)});
  return {y};
}
/// Pads stand as rows [axis][before, after]; ONNX lists all befores, then all afters.
Val pads_of(Site& s) {
  op::Builder& b = s.b;
  if (auto p = s.known(1)) {
    Ints r(p->size());
    for (std::size_t i = 0; i < p->size(); ++i) r[(i % 2) * (p->size() / 2) + i / 2] = (*p)[i];
    return b.ints(r);
  }
  return b.op("Reshape", {b.op("Transpose", {s.wide(1)}, {{"perm", Ints{1, 0}}}), b.ints({-1})});
}
Vals padded(Site& s, Val value, std::string mode) {
  op::Builder& b = s.b;
  Val x = s.in[0];
  auto p = s.known(1);
  const bool first = s.rank() == 4 && p && p->size() == 8 && was_channels_first(x);
  Val pads = pads_of(s);
  if (first) {
    x = channels_first(x);
    const Ints& v = *p;
    pads = b.ints({v[0], v[6], v[2], v[4], v[1], v[7], v[3], v[5]});
  }
  Vals in = {x, pads};
  if (value) in.push_back(value);
  Val y = b.op("Pad", in, {{"mode", std::move(mode)}});
  return {first ? channels_last(y) : y};
}
Vals pad(Site& s) {
  Val zero;
  if (!s.b.failed() && s.type(0).quant && s.type(0).quant->zero[0]) zero = s.b.scalar(double(s.type(0).quant->zero[0]), s.type(0).dtype);  // the real 0
  return padded(s, zero, "constant");
}
Vals pad_v2(Site& s) { return padded(s, s.has(2) ? s.b.op("Reshape", {s.in[2], s.b.ints({})}) : Val{}, "constant"); }
Vals mirror_pad(Site& s) {
  if (s.options<fb::MirrorPadOptions>().mode() == std::int8_t(fb::MirrorPadMode::REFLECT)) return padded(s, {}, "reflect");
  auto p = s.known(1);  // SYMMETRIC repeats the edge: the row next to it comes twice
  if (!p) { s.unsupported("the pads are computed at run time; they are taken as a constant only"); return {}; }
  Val x = s.in[0];
  for (std::size_t a = 0; a < p->size() / 2; ++a) {
    const std::int64_t before = (*p)[2 * a], after = (*p)[2 * a + 1];
    if (!before && !after) continue;
    auto edge = [&](std::int64_t from, std::int64_t to) { return s.b.op("Slice", {x, s.b.ints({from}), s.b.ints({to}), s.b.ints({std::int64_t(a)}), s.b.ints({-1})}); };
    Vals parts;
    if (before) parts.push_back(edge(before - 1, INT64_MIN));
    parts.push_back(x);
    if (after) parts.push_back(edge(-1, -1 - after));
    x = s.b.op("Concat", parts, {{"axis", std::int64_t(a)}});
  }
  return {x};
}
Vals gather(Site& s) {
  const auto& o = s.options<fb::GatherOptions>();
  const std::int64_t axis = axis_of(s, o.axis(), s.rank());
  if (o.batch_dims() == 0) return {s.b.op("Gather", {s.in[0], s.in[1]}, {{"axis", axis}})};
  if (axis == o.batch_dims() && s.rank(1) >= std::size_t(o.batch_dims()))
    return {s.b.op("GatherND", {s.in[0], s.b.op("Unsqueeze", {s.wide(1), s.b.ints({-1})})}, {{"batch_dims", std::int64_t(o.batch_dims())}})};
  s.unsupported("batch_dims " + std::to_string(o.batch_dims()) + " with axis " + std::to_string(axis) + " is not taken");
  return {};
}
Vals gather_nd(Site& s) { return {s.b.op("GatherND", {s.in[0], s.wide(1)})}; }
/// Operands: indices, updates, the result's shape.
Vals scatter_nd(Site& s) {
  Val zeros = s.b.op("Expand", {s.number(0, s.type(1).dtype), s.wide(2)});
  return {s.b.op("ScatterND", {zeros, s.wide(0), s.in[1]}, {{"reduction", std::string("add")}})};
}
/// Operands: the data, what is put into it, where that begins. Rows put at one place of the first axis are a scatter; else known places are a choice.
Vals dynamic_update_slice(Site& s) {
  op::Builder& b = s.b;
  const std::size_t rank = s.rank();
  auto at = s.known(2);
  const auto &x = s.type(0).dims, &u = s.type(1).dims;
  bool rows = rank > 0 && u.size() == rank && u[0].is(1);
  for (std::size_t i = 1; i < rank && rows; ++i) rows = x[i] == u[i];
  if (rows) {
    Val first = b.op("Slice", {s.wide(2), b.ints({0}), b.ints({1})});  // elsewhere it can only begin at 0
    if (auto n = x[0].known()) first = b.op("Min", {b.op("Max", {first, b.scalar(0, first)}), b.scalar(double(*n - 1), first)});
    return {b.op("ScatterND", {s.in[0], b.op("Reshape", {first, b.ints({1, 1})}), s.in[1]})};
  }
  if (!at || at->size() != rank || !ir::is_static(s.type(0)) || !ir::is_static(s.type(1))) { s.unsupported("puts a part of " + ir::str(s.type(1)) + " into " + ir::str(s.type(0)) + " at a place that is computed; rows of the first axis are taken"); return {}; }
  // Rings of the data around the part, axis by axis.
  Val y = s.in[1];
  Ints from(rank), to(rank);
  for (std::size_t i = 0; i < rank; ++i) {
    from[i] = std::clamp<std::int64_t>((*at)[i], 0, *x[i].known() - *u[i].known());
    to[i] = from[i] + *u[i].known();
  }
  for (std::size_t a = rank; a-- > 0;) {
    auto beside = [&](std::int64_t begin, std::int64_t end) {  // along axis a; earlier axes as the part, later ones whole
      Ints starts, ends, axes;
      for (std::size_t i = 0; i <= a; ++i) { axes.push_back(std::int64_t(i)); starts.push_back(i == a ? begin : from[i]); ends.push_back(i == a ? end : to[i]); }
      return b.op("Slice", {s.in[0], b.ints(starts), b.ints(ends), b.ints(axes)});
    };
    Vals parts;
    if (from[a] > 0) parts.push_back(beside(0, from[a]));
    parts.push_back(y);
    if (to[a] < *x[a].known()) parts.push_back(beside(to[a], *x[a].known()));
    if (parts.size() > 1) y = b.op("Concat", parts, {{"axis", std::int64_t(a)}});
  }
  return {y};
}
Vals tile(Site& s) { return {s.b.op("Tile", {s.in[0], s.wide(1)})}; }
Vals broadcast_to(Site& s) { return {s.b.op("Expand", {s.in[0], s.wide(1)})}; }
/// The shape that two shapes broadcast to.
Vals broadcast_args(Site& s) {
  op::Builder& b = s.b;
  std::int64_t n[2];
  for (std::size_t i = 0; i < 2; ++i) {
    const auto known = s.rank(i) == 1 ? s.type(i).dims[0].known() : std::nullopt;
    if (!known || *known > 64) { s.unsupported("takes two shapes, has " + ir::str(s.type(i))); return {}; }
    n[i] = *known;
  }
  Vals in = {s.wide(0), s.wide(1)};
  for (std::size_t i = 0; i < 2; ++i)
    if (n[i] < n[1 - i]) in[i] = b.op("Concat", {b.ints(Ints(std::size_t(n[1 - i] - n[i]), 1)), in[i]}, {{"axis", std::int64_t{0}}});
  return {s.cast(b.op("Max", {in[0], in[1]}), s.out[0].dtype)};
}
Vals fill(Site& s) { return {s.b.op("Expand", {s.in[1], s.wide(0)})}; }
Vals shape(Site& s) { return {s.cast(s.b.op("Shape", {s.in[0]}), s.out[0].dtype)}; }
Vals rank(Site& s) { return {s.number(double(s.rank()), s.out[0].dtype)}; }
Vals zeros_like(Site& s) {
  const ir::Type& t = s.type(0);
  return {s.b.op("Expand", {s.number(t.quant ? double(t.quant->zero[0]) : 0, t.dtype), s.b.op("Shape", {s.in[0]})})};
}
Vals depth_to_space(Site& s) { return {channels_last(s.b.op("DepthToSpace", {channels_first(s.in[0])}, {{"blocksize", std::int64_t(s.options<fb::DepthToSpaceOptions>().block_size())}}))}; }
Vals space_to_depth(Site& s) { return {channels_last(s.b.op("SpaceToDepth", {channels_first(s.in[0])}, {{"blocksize", std::int64_t(s.options<fb::SpaceToDepthOptions>().block_size())}}))}; }

/// [N, S.., R..] -> blocks of the spatial axes become batches, after padding. Operands: data, block, pads or crops.
Vals space_to_batch(Site& s) {
  op::Builder& b = s.b;
  const Ints block = s.ints(1, "the block"), pads = s.ints(2, "the pads");
  const std::size_t m = block.size(), rank = s.rank();
  if (b.failed() || pads.size() != 2 * m || rank < m + 1) { s.fail("has a block of " + std::to_string(m) + " and " + std::to_string(pads.size()) + " pads for " + ir::str(s.type(0))); return {}; }
  Ints p(2 * rank, 0);
  for (std::size_t i = 0; i < m; ++i) p[1 + i] = pads[2 * i], p[rank + 1 + i] = pads[2 * i + 1];
  Vals in = {s.in[0], b.ints(p)};
  if (s.type(0).quant && s.type(0).quant->zero[0]) in.push_back(b.scalar(double(s.type(0).quant->zero[0]), s.type(0).dtype));
  Val x = b.op("Pad", in);
  if (b.failed()) return {};
  Ints split, perm, joined;
  const auto& d = b.type(x).dims;
  auto known = [&](std::size_t i) { auto n = d[i].known(); if (!n) s.unsupported("needs known extents, has " + ir::str(b.type(x))); return n.value_or(1); };
  split.push_back(known(0));
  std::int64_t batch = split[0];
  for (std::size_t i = 0; i < m; ++i) { split.push_back(known(1 + i) / std::max<std::int64_t>(block[i], 1)); split.push_back(block[i]); batch *= block[i]; }
  for (std::size_t i = m + 1; i < rank; ++i) split.push_back(known(i));
  for (std::size_t i = 0; i < m; ++i) perm.push_back(std::int64_t(2 + 2 * i));
  perm.push_back(0);
  for (std::size_t i = 0; i < m; ++i) perm.push_back(std::int64_t(1 + 2 * i));
  for (std::size_t i = 2 * m + 1; i < split.size(); ++i) perm.push_back(std::int64_t(i));
  joined.push_back(batch);
  for (std::size_t i = 0; i < m; ++i) joined.push_back(split[1 + 2 * i]);
  for (std::size_t i = 2 * m + 1; i < split.size(); ++i) joined.push_back(split[i]);
  return {b.op("Reshape", {b.op("Transpose", {b.op("Reshape", {x, b.ints(split)})}, {{"perm", perm}}), b.ints(joined)})};
}
Vals batch_to_space(Site& s) {
  op::Builder& b = s.b;
  const Ints block = s.ints(1, "the block"), crops = s.ints(2, "the crops");
  const std::size_t m = block.size(), rank = s.rank();
  if (b.failed() || crops.size() != 2 * m || rank < m + 1) { s.fail("has a block of " + std::to_string(m) + " and " + std::to_string(crops.size()) + " crops for " + ir::str(s.type(0))); return {}; }
  const auto d = s.type(0).dims;
  auto known = [&](std::size_t i) { auto n = d[i].known(); if (!n) s.unsupported("needs known extents, has " + ir::str(s.type(0))); return n.value_or(1); };
  Ints split, perm, joined, axes, from, to;
  std::int64_t batch = known(0);
  for (std::int64_t v : block) { split.push_back(v); batch /= std::max<std::int64_t>(v, 1); }
  split.push_back(batch);
  for (std::size_t i = 1; i < rank; ++i) split.push_back(known(i));
  perm.push_back(std::int64_t(m));
  for (std::size_t i = 0; i < m; ++i) { perm.push_back(std::int64_t(m + 1 + i)); perm.push_back(std::int64_t(i)); }
  for (std::size_t i = 2 * m + 1; i < split.size(); ++i) perm.push_back(std::int64_t(i));
  joined.push_back(batch);
  for (std::size_t i = 0; i < m; ++i) joined.push_back(known(1 + i) * block[i]);
  for (std::size_t i = m + 1; i < rank; ++i) joined.push_back(known(i));
  for (std::size_t i = 0; i < m; ++i) { axes.push_back(std::int64_t(1 + i)); from.push_back(crops[2 * i]); to.push_back(joined[1 + i] - crops[2 * i + 1]); }
  Val x = b.op("Reshape", {b.op("Transpose", {b.op("Reshape", {s.in[0], b.ints(split)})}, {{"perm", perm}}), b.ints(joined)});
  return {b.op("Slice", {x, b.ints(from), b.ints(to), b.ints(axes)})};
}
Vals reverse(Site& s) {
  Ints axes = s.ints(1, "the axes"), from(axes.size(), -1), to(axes.size(), INT64_MIN), step(axes.size(), -1);
  return {s.b.op("Slice", {s.in[0], s.b.ints(from), s.b.ints(to), s.b.ints(axes), s.b.ints(step)})};
}
Vals top_k(Site& s) {
  Val k = s.b.op("Reshape", {s.wide(1), s.b.ints({1})});
  Vals y = s.b.ops("TopK", {s.in[0], k}, {{"axis", std::int64_t{-1}}}, 2);
  if (s.out.size() > 1) y[1] = s.cast(y[1], s.out[1].dtype);
  if (!s.b.failed() && s.type(0).quant) s.b.retype(y[0], op::with_elements(s.b.type(y[0]), s.out[0].dtype, s.out[0].quant));
  return y;
}
/// Operands: a stored table's row numbers, the table.
Vals embedding_lookup(Site& s) {
  if (s.b.failed()) return {};
  const auto& q = s.type(1).quant;
  const bool real = q && !s.out[0].quant;   // stored rows are read as real numbers; a scale a row goes with the table
  Val table = real && q->scale.size() > 1 ? op::dequantised(s.in[1]) : s.in[1];
  Val y = s.b.op("Gather", {table, s.in[0]}, {{"axis", std::int64_t{0}}});
  return {real && q->scale.size() == 1 ? s.kept("Requantize", {y}, {}, Stored{}) : y};
}

constexpr Rule kRules[] = {
    {BuiltinOperator::RESHAPE, reshape},
    {BuiltinOperator::SQUEEZE, squeeze},
    {BuiltinOperator::EXPAND_DIMS, expand_dims, 2},
    {BuiltinOperator::TRANSPOSE, transpose, 2},
    {BuiltinOperator::CONCATENATION, concatenation, kAll},
    {BuiltinOperator::PACK, pack, kAll},
    {BuiltinOperator::UNPACK, unpack},
    {BuiltinOperator::SPLIT, split, 2},
    {BuiltinOperator::SPLIT_V, split_v, 3},
    {BuiltinOperator::SLICE, slice, 3},
    {BuiltinOperator::STRIDED_SLICE, strided_slice, 4},
    {BuiltinOperator::PAD, pad, 2},
    {BuiltinOperator::PADV2, pad_v2, 2},
    {BuiltinOperator::MIRROR_PAD, mirror_pad, 2},
    {BuiltinOperator::GATHER, gather, 2},
    {BuiltinOperator::GATHER_ND, gather_nd, 2},
    {BuiltinOperator::SCATTER_ND, scatter_nd, 3},
    {BuiltinOperator::DYNAMIC_UPDATE_SLICE, dynamic_update_slice, 3},
    {BuiltinOperator::TILE, tile, 2},
    {BuiltinOperator::BROADCAST_TO, broadcast_to, 2},
    {BuiltinOperator::BROADCAST_ARGS, broadcast_args, 2},
    {BuiltinOperator::FILL, fill, 2},
    {BuiltinOperator::SHAPE, shape},
    {BuiltinOperator::RANK, rank},
    {BuiltinOperator::ZEROS_LIKE, zeros_like},
    {BuiltinOperator::DEPTH_TO_SPACE, depth_to_space},
    {BuiltinOperator::SPACE_TO_DEPTH, space_to_depth},
    {BuiltinOperator::SPACE_TO_BATCH_ND, space_to_batch, 3},
    {BuiltinOperator::BATCH_TO_SPACE_ND, batch_to_space, 3},
    {BuiltinOperator::REVERSE_V2, reverse, 2},
    {BuiltinOperator::TOPK_V2, top_k, 2},
    {BuiltinOperator::EMBEDDING_LOOKUP, embedding_lookup, 2},
};
}  // namespace

std::span<const Rule> movement_rules() { return kRules; }

}  // namespace saha::tflite

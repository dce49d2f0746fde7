// Operators that move elements and compute nothing.
#include <algorithm>

#include "formats/tflite/write.hpp"

namespace saha::tflite {
namespace {
void identity(Writing& w) { w.alias(0, w.any(0)); }

/// Reshape and its kin: the operand's elements in the order in which they stand.
void view(Writing& w) {
  const Placed x = w.any(0);
  const ir::Type& y = w.result();
  if (w.failed()) return;
  if (!y.ranked) return w.unsupported("has a result of unknown rank");
  if (w.flattens()) {
    Placed r{-1, plain_order(2), {}, {}};
    for (std::size_t a = 1; a < w.rank(); ++a) r.flat.push_back(w.extent(w.type(), a));
    for (std::int64_t a : x.order) if (a != 0) r.flat_order.push_back(a - 1);
    r.tensor = w.temporary(y.dtype, y.dims, y.quant);
    w.reshape(x.tensor, r.tensor, y, r.order);
    if (std::is_sorted(r.flat_order.begin(), r.flat_order.end())) r.flat = {};
    return w.alias(0, r);
  }
  const auto order = std::is_sorted(x.order.begin(), x.order.end()) ? std::optional(plain_order(y.dims.size())) : reshaped_order(w.type(), x.order, y);
  if (!order) return w.unsupported("is laid out in an order that it does not keep");
  const auto open = std::count_if(y.dims.begin(), y.dims.end(), [](const ir::Dim& d) { return !d.known(); });
  if (open <= 1) return w.reshape(x.tensor, w.out_in(*order), y, *order);
  // Several extents that only a run tells: a computed shape, or one axis that comes or goes.
  const std::int32_t plain = std::is_sorted(x.order.begin(), x.order.end()) && std::is_sorted(order->begin(), order->end()) ? x.tensor : w.in(0, plain_order(w.rank()));
  const auto out = [&] { return w.out_in(plain_order(y.dims.size())); };
  if (w.n.op == "Squeeze" || w.n.op == "Unsqueeze") {
    Ints axes = w.has(1) ? w.ints(1, "the list of axes") : Ints{};
    const std::size_t rank = w.n.op == "Squeeze" ? w.rank() : y.dims.size();
    for (std::int64_t& a : axes) a = axis_in(a, rank);
    std::sort(axes.begin(), axes.end());
    if (w.n.op == "Squeeze") {
      fb::SqueezeOptionsT o;
      o.squeeze_dims.assign(axes.begin(), axes.end());
      return w.op(Code::SQUEEZE, {plain}, {out()}, o);
    }
    std::int32_t v = plain;
    std::vector<ir::Dim> dims = w.type().dims;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      dims.insert(dims.begin() + axes[i], ir::Dim(1));
      const std::int32_t next = i + 1 == axes.size() ? out() : w.temporary(y.dtype, dims, y.quant);
      w.op(Code::EXPAND_DIMS, {v, w.scalar32(axes[i])}, {next}, fb::ExpandDimsOptionsT{});
      v = next;
    }
    return;
  }
  if (w.n.op != "Reshape") return w.unsupported("has several open extents in its result " + ir::str(y));
  if (const Tensor* t = w.data(1)) {
    const Ints shape = values<std::int64_t>(*t);
    if (std::count(shape.begin(), shape.end(), 0)) return w.unsupported("copies several open extents, its result is " + ir::str(y), "give the shape: saha convert --shape NAME=...");
  }
  if (!w.data(1) && !w.i("allowzero") && !w.sized_by_shapes(1)) return w.unsupported("has a shape that the data decides, where 0 would copy an extent");
  w.op(Code::RESHAPE, {plain, w.narrow(1)}, {out()}, fb::ReshapeOptionsT{});
}
void transpose(Writing& w) {
  const Placed x = w.any(0);
  const Ints perm = w.has_attr("perm") ? w.is("perm") : [&] { Ints p = plain_order(w.rank()); std::reverse(p.begin(), p.end()); return p; }();
  w.alias(0, {x.tensor, transposed_order(x.order, perm), {}, {}});
}
void concat(Writing& w) {
  std::vector<std::int32_t> in;
  for (std::size_t i = 0; i < w.n.num_operands; ++i) {
    const auto d = known_dims(w.type(i));
    if (d && num_elements(*d) == 0 && w.n.num_operands > 1) continue;
    const Tensor* c = w.data(i);
    if (c && !w.type(i).quant && w.result().quant) {   // stored numbers that were never real: the kernel wants all to be kept alike
      auto t = permuted_tensor(*c, w.order());
      if (!t) return w.file().fail(std::move(t.error()));
      in.push_back(w.constant(*t, w.result().quant));
    } else in.push_back(w.in(i));
  }
  fb::ConcatenationOptionsT o;
  o.axis = int(w.place(axis_in(w.i("axis"), w.order().size())));
  w.op(Code::CONCATENATION, in, {w.out()}, o);
}
void split(Writing& w) {
  const std::int64_t axis = axis_in(w.i("axis"), w.rank());
  Ints sizes;
  bool equal = true;
  for (std::size_t k = 0; k < w.n.num_results; ++k) {
    const auto n = w.result(k).dims.size() > std::size_t(axis) ? w.result(k).dims[std::size_t(axis)].known() : std::nullopt;
    if (!n) return w.unsupported("has parts of unknown extent");
    sizes.push_back(*n);
    equal &= *n == sizes[0];
  }
  const std::int32_t x = w.in(0), at = w.scalar32(w.place(axis));
  std::vector<std::int32_t> out;
  for (std::size_t k = 0; k < sizes.size(); ++k) out.push_back(w.out(k));
  if (equal && w.type().dtype != DType::i64) {
    fb::SplitOptionsT o;
    o.num_splits = int(sizes.size());
    return w.op(Code::SPLIT, {at, x}, out, o);
  }
  fb::SplitVOptionsT o;
  o.num_splits = int(sizes.size());
  w.op(Code::SPLIT_V, {x, w.ints32(sizes), at}, out, o);
}
/// Places on every axis, in the operand's own order; a computed place only where all axes are named in order.
void slice(Writing& w) {
  const std::size_t rank = w.rank();
  const auto constant = [&](std::size_t i) { return !w.has(i) || w.data(i); };
  if (!constant(3) || !constant(4)) return w.unsupported("has axes or steps that are computed");
  Ints axes = w.has(3) ? w.ints(3, "the list of axes") : plain_order(std::size_t(w.type(1).dims.empty() ? 0 : w.extent(w.type(1), 0)));
  for (std::int64_t& a : axes) a = axis_in(a, rank);
  Ints steps = w.has(4) ? w.ints(4, "the list of steps") : Ints(axes.size(), 1);
  if (w.failed()) return;
  const std::int32_t x = w.in(0);
  fb::StridedSliceOptionsT o;
  if (!constant(1) || !constant(2)) {
    // begin and end as tensors over axes in the plain order; axes that are not named stay open.
    Ints every = plain_order(rank), step(rank, 1);
    for (std::size_t i = 0; i < axes.size(); ++i) step[std::size_t(axes[i])] = steps[i];
    auto spread = [&](std::size_t operand) {
      const std::int32_t given = w.narrow(operand);
      std::vector<std::int32_t> parts;
      for (std::int64_t a : every) {
        const auto at = std::find(axes.begin(), axes.end(), a);
        if (at == axes.end()) { parts.push_back(w.ints32({0})); continue; }
        if (axes.size() == 1) { parts.push_back(given); continue; }
        const std::int64_t i = at - axes.begin();
        const std::int32_t part = w.temporary(DType::i32, {1});
        w.op(Code::SLICE, {given, w.ints32({i}), w.ints32({1})}, {part}, fb::SliceOptionsT{});
        parts.push_back(part);
      }
      if (parts.size() == 1 || axes == every) return axes == every ? given : parts[0];
      const std::int32_t all = w.temporary(DType::i32, {std::int64_t(rank)});
      fb::ConcatenationOptionsT c;
      w.op(Code::CONCATENATION, parts, {all}, c);
      return all;
    };
    for (std::int64_t a : every) if (std::find(axes.begin(), axes.end(), a) == axes.end()) { o.begin_mask |= 1 << a; o.end_mask |= 1 << a; }
    const std::int32_t from = spread(1), to = spread(2);
    return w.op(Code::STRIDED_SLICE, {x, from, to, w.ints32(step)}, {w.out()}, o);
  }
  const Ints starts = w.ints(1, "the list of starts"), ends = w.ints(2, "the list of ends");
  if (w.failed()) return;
  // A whole axis backwards has a kernel of its own.
  Ints back;
  bool reverses = true;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const auto n = w.type().dims[std::size_t(axes[i])].known();
    const bool whole = steps[i] == -1 && (starts[i] == -1 || (n && starts[i] >= *n - 1)) && (ends[i] == INT64_MIN || (n && ends[i] < -*n));
    reverses &= whole;
    if (whole) back.push_back(w.place(axes[i]));
  }
  if (reverses && !back.empty()) return w.op(Code::REVERSE_V2, {x, w.ints32(back)}, {w.out()}, fb::ReverseV2OptionsT{});
  Ints begin(rank, 0), end(rank, 0), step(rank, 1), size(rank, -1);
  o.begin_mask = o.end_mask = int((1u << rank) - 1);
  bool sized = true;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const auto at = std::size_t(w.place(axes[i]));
    const auto n = w.type().dims[std::size_t(axes[i])].known(), out = w.result().dims[std::size_t(axes[i])].known();
    step[at] = steps[i];
    begin[at] = starts[i];
    end[at] = ends[i];
    const bool open_begin = steps[i] > 0 ? starts[i] == 0 : starts[i] == INT64_MAX, open_end = steps[i] > 0 ? ends[i] >= INT32_MAX || (n && ends[i] >= *n) : ends[i] <= INT32_MIN || (n && ends[i] < -*n);
    if (!open_begin) o.begin_mask &= ~(1 << at);
    if (!open_end) o.end_mask &= ~(1 << at);
    if (n && begin[at] > *n) begin[at] = *n;
    const std::int64_t from = starts[i] < 0 ? n ? std::max<std::int64_t>(starts[i] + *n, 0) : -1 : starts[i];
    if (steps[i] != 1 || from < 0 || !out) sized = false;
    else { begin[at] = sized ? std::min(from, n.value_or(from)) : begin[at]; size[at] = *out; }
  }
  if (sized && rank <= 5) return w.op(Code::SLICE, {x, w.ints32(begin), w.ints32(size)}, {w.out()}, fb::SliceOptionsT{});
  for (std::size_t i = 0; i < axes.size(); ++i) begin[std::size_t(w.place(axes[i]))] = starts[i];
  w.op(Code::STRIDED_SLICE, {x, w.ints32(begin), w.ints32(end), w.ints32(step)}, {w.out()}, o);
}
void pad(Writing& w) {
  const std::size_t rank = w.rank();
  const std::string mode = w.s("mode");
  if (w.has(3) || (mode != "constant" && mode != "reflect")) return w.unsupported("pads by '" + mode + "' over axes that are open");
  Ints pads = w.ints(1, "the list of pads"), rows;
  if (w.failed()) return;
  if (std::any_of(pads.begin(), pads.end(), [](std::int64_t p) { return p < 0; })) return w.unsupported("cuts an operand of unknown extents");
  for (std::int64_t a : w.order()) { rows.push_back(pads[std::size_t(a)]); rows.push_back(pads[std::size_t(a) + rank]); }
  const std::int32_t x = w.in(0), amounts = w.ints32(rows, {std::int64_t(rank), 2});
  if (mode == "reflect") {
    fb::MirrorPadOptionsT o;
    o.mode = std::int8_t(fb::MirrorPadMode::REFLECT);
    return w.op(Code::MIRROR_PAD, {x, amounts}, {w.out()}, o);
  }
  const std::int64_t zero = w.type().quant ? w.type().quant->zero[0] : 0;
  const Tensor* v = w.data(2);
  if ((!w.has(2) && zero == 0) || (v && v->size() == 1 && v->dtype != DType::boolean && v->at(0) == double(zero))) return w.op(Code::PAD, {x, amounts}, {w.out()}, fb::PadOptionsT{});
  std::int32_t value;
  if (v) value = w.constant(v->reshaped({}), w.type().quant);
  else if (w.has(2)) value = w.in(2);
  else value = w.constant(Tensor::scalar(w.type().dtype, 0), w.type().quant);  // the stored 0, which is not the real one
  w.op(Code::PADV2, {x, amounts, value}, {w.out()}, fb::PadV2OptionsT{});
}
Place where_gathered(const ir::Graph& g, const ir::Node& n) {
  const ir::Type& i = g.type(g.operand(n, 1));
  if (!i.ranked) return Place::plain;
  return i.dims.size() == 1 ? Place::first : i.dims.empty() ? Place::reduce : Place::plain;
}
void gather(Writing& w) {
  fb::GatherOptionsT o;
  const std::int64_t axis = axis_in(w.i("axis"), w.rank());
  const std::int32_t i = w.data(1) ? w.narrow(1) : w.in(1, plain_order(w.rank(1)));
  if (w.rank(1) == 0) {  // one element: its axis goes
    const Placed x = w.any(0);
    o.axis = place_of(x.order, axis);
    return w.op(Code::GATHER, {x.tensor, i}, {w.out_in(reduced_order(x.order, {axis}))}, o);
  }
  o.axis = int(w.rank(1) == 1 ? w.place(axis) : axis);
  const std::int32_t x = w.in(0);
  w.op(Code::GATHER, {x, i}, {w.out()}, o);
}
void gather_nd(Writing& w) {
  const std::int64_t batch = w.i("batch_dims");
  if (batch == 0) {
    const std::int32_t x = w.in(0), i = w.data(1) ? w.narrow(1) : w.in(1);
    return w.op(Code::GATHER_ND, {x, i}, {w.out()}, fb::GatherNdOptionsT{});
  }
  if (!w.type(1).dims.back().is(1)) return w.unsupported("has batch_dims " + std::to_string(batch) + " and places of several numbers; one number is written");
  // One number is a place along the first axis after the batch.
  std::vector<ir::Dim> dims(w.type(1).dims.begin(), w.type(1).dims.end() - 1);
  const std::int32_t x = w.in(0), given = w.data(1) ? w.narrow(1) : w.in(1), i = w.temporary(w.dtype_of(given), dims);
  w.reshape(given, i, *ir::tensor_type(DType::i32, dims), plain_order(dims.size()));
  fb::GatherOptionsT o;
  o.axis = o.batch_dims = int(batch);
  w.op(Code::GATHER, {x, i}, {w.out()}, o);
}
/// Adding to zeros, or one row put in its place; say_movement.cpp says the rest by these.
void scatter_nd(Writing& w) {
  if (w.s("reduction") == "none") {
    if (!(w.rank(1) == 2 && w.type(1).dims[0].is(1) && w.type(1).dims[1].is(1))) return w.unsupported("puts rows into places over open extents, its operand is " + ir::str(w.type()));
    const std::size_t rank = w.rank();
    std::int32_t at = w.temporary(DType::i32, {1});
    w.reshape(w.narrow(1), at, *ir::tensor_type(DType::i32, {1}), {0});
    if (rank > 1) {
      const std::int32_t all = w.temporary(DType::i32, {std::int64_t(rank)});
      w.op(Code::CONCATENATION, {at, w.ints32(Ints(rank - 1, 0))}, {all}, fb::ConcatenationOptionsT{});
      at = all;
    }
    const std::int32_t x = w.in(0), row = w.in(2);
    return w.op(Code::DYNAMIC_UPDATE_SLICE, {x, row, at}, {w.out()}, fb::DynamicUpdateSliceOptionsT{});
  }
  if (w.s("reduction") != "add") return w.unsupported("has reduction '" + w.s("reduction") + "', none and add are written");
  Ints shape;
  const std::int32_t i = w.narrow(1), u = w.in(2);
  std::int32_t extents = -1;
  if (const auto d = known_dims(w.result())) extents = w.ints32(*d);
  else if (const ir::Node* p = w.g.producer(w.operand(0)); p && p->op == "Expand") extents = w.cast(w.get(w.g.operand(*p, 1), {0}), DType::i32);
  else return w.unsupported("adds to an operand of unknown extents");
  w.op(Code::SCATTER_ND, {i, u, extents}, {w.out()}, fb::ScatterNdOptionsT{});
}
void tile(Writing& w) {
  if (!w.data(1)) {
    const std::int32_t x = w.in(0, plain_order(w.rank()));
    return w.op(Code::TILE, {x, w.narrow(1)}, {w.out()}, fb::TileOptionsT{});
  }
  const Ints times = w.ints(1, "the list of repeats");
  Ints at;
  for (std::int64_t a : w.order()) at.push_back(times[std::size_t(a)]);
  w.op(Code::TILE, {w.in(0), w.ints32(at)}, {w.out()}, fb::TileOptionsT{});
}
void expand(Writing& w) {
  const auto d = known_dims(w.result());
  const std::int32_t x = w.in(0);
  if (w.data(0) && w.data(0)->size() == 1 && w.data(0)->dtype != DType::boolean && !w.type().quant && w.rank() == 0) {
    const std::int32_t shape = d ? w.ints32(*d) : w.narrow(1);
    return w.op(Code::FILL, {shape, x}, {w.out()}, fb::FillOptionsT{});
  }
  std::int32_t shape;
  if (d) shape = w.ints32(*d);
  else if (std::all_of(w.type().dims.begin(), w.type().dims.end(), [](const ir::Dim& n) { return n.is(1); })) shape = w.narrow(1);
  else {  // the larger of the operand's extents and those that are asked for
    const std::int32_t own = w.temporary(DType::i32, {std::int64_t(w.rank())});
    fb::ShapeOptionsT o;
    o.out_type = fb::TensorType::INT32;
    w.op(Code::SHAPE, {x}, {own}, o);
    shape = w.temporary(DType::i32, {std::int64_t(w.result().dims.size())});
    w.op(Code::BROADCAST_ARGS, {own, w.narrow(1)}, {shape});
  }
  w.op(Code::BROADCAST_TO, {x, shape}, {w.out()}, fb::BroadcastToOptionsT{});
}
void shape(Writing& w) {
  fb::ShapeOptionsT o;
  o.out_type = fb::TensorType::INT64;
  w.op(Code::SHAPE, {w.in(0, plain_order(w.rank()))}, {w.out()}, o);
}
void top_k(Writing& w) {
  if (axis_in(w.i("axis"), w.rank()) != std::int64_t(w.rank()) - 1 || w.i("largest") == 0) return w.unsupported("selects along another axis than the last on stored integers");
  const std::int32_t x = w.in(0);
  std::int32_t k;
  if (const Tensor* t = w.data(1)) k = w.scalar32(t->int_at(0));
  else {
    k = w.temporary(DType::i32, {});
    w.reshape(w.narrow(1), k, *ir::tensor_type(DType::i32, {}), {});
  }
  const std::int32_t y = w.out(0), at = w.temporary(DType::i32, w.result().dims);
  w.op(Code::TOPK_V2, {x, k}, {y, at}, fb::TopKV2OptionsT{});
  if (w.n.num_results > 1) w.cast_into(at, w.out(1));
}
void non_zero(Writing& w) {
  const auto rank = std::int64_t(w.rank());
  const std::int32_t at = w.temporary(DType::i64, {w.result().dims[1], rank});
  w.op(Code::WHERE, {w.in(0)}, {at}, fb::WhereOptionsT{});
  w.alias(0, {at, {1, 0}, {}, {}});
}
void reverse_sequence(Writing& w) {
  fb::ReverseSequenceOptionsT o;
  o.seq_dim = int(axis_in(w.i("time_axis"), w.rank()));
  o.batch_dim = int(axis_in(w.i("batch_axis"), w.rank()));
  const std::int32_t x = w.in(0), lengths = w.in(1);
  w.op(Code::REVERSE_SEQUENCE, {x, lengths}, {w.out()}, o);
}

constexpr WriteRule kRules[] = {
    {"Identity", identity, Place::first, true},
    {"Reshape", view, Place::reshape, true},
    {"Flatten", view, Place::reshape, true},
    {"Squeeze", view, Place::reshape, true},
    {"Unsqueeze", view, Place::reshape, true},
    {"Transpose", transpose, Place::transpose, true},
    {"Concat", concat, Place::tied, true},
    {"Split", split, Place::first, true},
    {"Slice", slice, Place::first, true},
    {"Pad", pad, Place::first, true},
    {"Gather", gather, Place::plain, true, where_gathered},
    {"GatherND", gather_nd, Place::plain, true},
    {"ScatterND", scatter_nd, Place::plain, true},
    {"Tile", tile, Place::first, true},
    {"Expand", expand, Place::plain, true},
    {"Shape", shape, Place::plain, true},
    {"TopK", top_k, Place::plain, true},
    {"NonZero", non_zero},
    {"ReverseSequence", reverse_sequence},
};
}  // namespace

std::span<const WriteRule> movement_writers() { return kRules; }

}  // namespace saha::tflite

// Layers that move elements: shapes, slices, pads, copies, blocks.
#include <algorithm>
#include <limits>

#include "formats/openvino/layers.hpp"

namespace saha::openvino {
namespace {
using std::to_string;

// ---- shapes ------------------------------------------------------------------------------------------------------------------
Vals reshape(Site& s) {
  Val shape = s.wide_list(1);
  if (s.b.failed()) return {};
  if (auto c = constant_behind(s.b, s.in[0]); c && !s.flag("special_zero"))
    if (auto d = known_ints(s.b, shape)) return {reshaped(s.in[0], *d)};
  return {s.op("Reshape", {s.in[0], shape}, {{"allowzero", std::int64_t(!s.flag("special_zero"))}})};
}
Vals say_reshape(const Saying& s) { return {s.w.layer("Reshape", {s.in[0], s.in[1]}, {{"special_zero", text(s.i("allowzero") == 0)}})}; }
Vals say_flatten(const Saying& s) {
  if (s.w.failed()) return {};
  if (!s.type(0).ranked) { s.unsupported("flattens a value of unknown rank"); return {}; }
  const std::int64_t axis = s.axis(s.i("axis"));
  if (axis == 1 && extent(s.type(0), 0) != 0) return {s.w.layer("Reshape", {s.in[0], s.w.ints({0, -1})}, {{"special_zero", "true"}})};
  Ints out = {extent(s.result(), 0), extent(s.result(), 1)};
  if (out[0] < 0 && out[1] < 0) {
    Val shape = s.w.shape_of(s.in[0]), rows = s.w.layer("ReduceProd", {s.w.part(shape, 0, axis), s.w.ints({0})}, {{"keep_dims", "true"}});
    return {s.w.layer("Reshape", {s.in[0], s.w.concat({rows, s.w.ints({-1})})}, {{"special_zero", "false"}})};
  }
  return {s.w.layer("Reshape", {s.in[0], s.w.ints(out)}, {{"special_zero", "false"}})};
}
Vals squeeze(Site& s) { return {s.has(1) ? s.op("Squeeze", {s.in[0], s.wide_list(1)}) : s.op("Squeeze", {s.in[0]})}; }
Vals say_squeeze(const Saying& s) { return {s.w.layer("Squeeze", s.in, {}, 1)}; }
Vals unsqueeze(Site& s) {
  Val axes = s.wide_list(1);
  if (s.b.failed()) return {};
  auto c = constant_behind(s.b, s.in[0]);
  auto a = known_ints(s.b, axes);
  if (!c || !a) return {s.op("Unsqueeze", {s.in[0], axes})};
  Ints dims = c->dims, at = *a;
  for (std::int64_t& x : at) x = std::int64_t(s.axis(x, dims.size() + at.size()));
  std::sort(at.begin(), at.end());
  if (s.b.failed()) return {};
  for (std::int64_t x : at) dims.insert(dims.begin() + std::ptrdiff_t(std::min<std::size_t>(std::size_t(x), dims.size())), 1);
  return {reshaped(s.in[0], dims)};
}
Vals transpose(Site& s) {
  if (s.b.failed()) return {};
  Ints perm = s.has(1) ? s.ints(1, "the order") : Ints();
  if (perm.empty()) {
    perm = counted(s.rank());
    std::reverse(perm.begin(), perm.end());
  }
  for (std::int64_t& p : perm) p = std::int64_t(s.axis(p, s.rank()));
  return {permuted(s.in[0], perm)};
}
Vals say_transpose(const Saying& s) {
  if (s.w.failed()) return {};
  Ints perm = s.is("perm");
  if (!s.has_attr("perm")) {
    if (!s.type(0).ranked) { s.unsupported("turns a value of unknown rank round"); return {}; }
    perm = s.w.all_axes(s.in[0]);
    std::reverse(perm.begin(), perm.end());
  }
  return {s.w.layer("Transpose", {s.in[0], s.w.ints(perm)})};
}
Vals shape_layer(Site& s) {
  Val y = s.op("Shape", {s.in[0]});
  return {s.row.since >= 3 ? s.op_cast(y, s.dtype("output_type", DType::i64)) : y};
}
Vals say_shape(const Saying& s) {
  if (s.w.failed()) return {};
  Val y = s.w.shape_of(s.in[0]);
  if (!s.i("start") && !s.has_attr("end")) return {y};
  if (!s.type(0).ranked) { s.unsupported("gives a part of an unknown rank"); return {}; }
  const auto rank = std::int64_t(s.rank());
  auto end = [&](std::int64_t v) { return std::clamp<std::int64_t>(v < 0 ? v + rank : v, 0, rank); };
  const std::int64_t from = end(s.i("start")), to = s.has_attr("end") ? end(s.i("end")) : rank;
  if (to <= from) return {s.w.ints({})};
  return {s.w.part(y, from, to)};
}
Vals say_size(const Saying& s) { return {s.w.layer("ReduceProd", {s.w.shape_of(s.in[0]), s.w.ints({0})}, {{"keep_dims", "false"}})}; }

// ---- joining and cutting -----------------------------------------------------------------------------------------------------
Vals split(Site& s) {
  const Ints axis = s.ints(1, "the axis", 1);
  const std::int64_t n = s.i("num_splits", s.num_out);
  if (n != s.num_out) { s.fail("has num_splits " + to_string(n) + " and " + to_string(s.num_out) + " output ports"); return {}; }
  const std::size_t a = s.axis(axis[0], s.rank());
  if (s.b.failed()) return {};
  if (const std::int64_t have = extent(s.type(0), a); have >= 0 && have % n) { s.fail("cuts axis " + to_string(a) + " of extent " + to_string(have) + " into " + to_string(n)); return {}; }
  if (n == 1) return {s.in[0]};
  return s.b.ops("Split", {s.in[0]}, {{"axis", std::int64_t(a)}, {"num_outputs", n}}, int(n));
}
Vals variadic_split(Site& s) {
  const Ints axis = s.ints(1, "the axis", 1);
  const std::size_t a = s.axis(axis[0], s.rank());
  auto sizes = s.known(2);
  if (s.b.failed()) return {};
  if (!sizes) return s.b.ops("Split", {s.in[0], s.wide(2)}, {{"axis", std::int64_t(a)}}, s.num_out);
  if (sizes->size() != std::size_t(s.num_out)) { s.fail("has " + to_string(sizes->size()) + " lengths and " + to_string(s.num_out) + " output ports"); return {}; }
  auto open = std::find(sizes->begin(), sizes->end(), -1);
  const std::int64_t have = extent(s.type(0), a);
  if (open != sizes->end() && have >= 0) {
    std::int64_t rest = have;
    for (std::int64_t v : *sizes) if (v != -1) rest -= v;
    *open = rest;
  } else if (open != sizes->end()) {   // all but one are known: each part is a slice
    Vals y;
    std::int64_t from = 0, back = 0;
    for (auto it = open + 1; it != sizes->end(); ++it) back += *it;
    bool behind = false;
    for (std::int64_t v : *sizes) {
      const std::int64_t begin = behind ? -back : from, end = v == -1 ? (back ? -back : INT64_MAX) : behind ? (back == v ? INT64_MAX : v - back) : from + v;
      y.push_back(s.op("Slice", {s.in[0], s.b.ints({begin}), s.b.ints({end}), s.b.ints({std::int64_t(a)})}));
      if (v == -1) behind = true;
      else if (behind) back -= v;
      else from += v;
    }
    return y;
  }
  return s.num_out == 1 ? Vals{s.in[0]} : s.b.ops("Split", {s.in[0], s.b.ints(*sizes)}, {{"axis", std::int64_t(a)}}, s.num_out);
}
Vals say_split(const Saying& s) {
  if (s.w.failed()) return {};
  const std::int64_t axis = s.i("axis"), n = s.n.num_results;
  Val sizes;
  if (s.has(1)) sizes = s.in[1];
  else {
    const std::int64_t have = extent(s.type(0), std::size_t(s.axis(axis)));
    if (have < 0) return s.w.layers("Split", {s.in[0], s.w.b.constant(Tensor::scalar_int(axis))}, {{"num_splits", to_string(n)}}, int(n));
    Ints parts(std::size_t(n), (have + n - 1) / n);
    parts.back() = have - parts.back() * (n - 1);
    sizes = s.w.ints(parts);
  }
  return s.w.layers("VariadicSplit", {s.in[0], s.w.b.constant(Tensor::scalar_int(axis)), sizes}, {}, int(n));
}
/// Python's x[begin:end:stride]; a 1 in begin_mask or end_mask leaves that end open, shrink_axis takes one element and drops the axis, new_axis
/// inserts one, ellipsis stands for all axes that are not named.
Vals strided_slice(Site& s) {
  if (s.b.failed()) return {};
  op::Builder& b = s.b;
  auto mask = [&](const char* name) { return s.is(name); };
  const Ints open_begin = mask("begin_mask"), open_end = mask("end_mask"), added = mask("new_axis_mask"), shrunk = mask("shrink_axis_mask"), ellipsis = mask("ellipsis_mask");
  auto set = [](const Ints& m, std::size_t i) { return i < m.size() && m[i] != 0; };
  auto begin = s.known(1), end = s.known(2), stride = s.has(3) ? s.known(3) : std::optional<Ints>(Ints());
  const std::size_t rank = s.rank();
  std::size_t n = 0;
  for (std::size_t i = 1; i < 3; ++i) {
    if (s.type(i).dims.size() != 1 || extent(s.type(i), 0) < 0) { s.unsupported("has a list of places of unknown length"); return {}; }
    n = std::max(n, std::size_t(extent(s.type(i), 0)));
  }
  if (n > 64) { s.fail("names " + to_string(n) + " axes"); return {}; }
  std::size_t named = 0;
  for (std::size_t i = 0; i < n; ++i) named += !set(ellipsis, i) && !set(added, i);
  if (named > rank) { s.fail("names " + to_string(named) + " axes of an operand of rank " + to_string(rank)); return {}; }
  Ints axes, dropped, inserted, from, to, step, entry;
  bool plain = begin && end && stride;
  std::size_t axis = 0, out = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (set(ellipsis, i)) {
      axis += rank - named;
      out += rank - named;
      continue;
    }
    if (set(added, i)) { inserted.push_back(std::int64_t(out++)); continue; }
    const bool shrink = set(shrunk, i);
    std::int64_t st = stride ? (i < stride->size() && !shrink ? (*stride)[i] : 1) : 1;
    if (st == 0) { s.fail("has stride 0"); return {}; }
    axes.push_back(std::int64_t(axis));
    entry.push_back(std::int64_t(i));
    step.push_back(st);
    const std::int64_t first = begin && i < begin->size() ? (*begin)[i] : 0, last = end && i < end->size() ? (*end)[i] : 0;
    const bool lone_begin = set(open_begin, i) || (begin && i >= begin->size()), lone_end = set(open_end, i) || (end && i >= end->size());
    from.push_back(lone_begin ? (st > 0 ? 0 : INT64_MAX) : first);
    to.push_back(shrink ? ((lone_begin ? 0 : first) == -1 ? INT64_MAX : (lone_begin ? 0 : first) + 1) : lone_end ? (st > 0 ? INT64_MAX : INT64_MIN) : last);
    if (shrink) { dropped.push_back(std::int64_t(axis)); from.back() = lone_begin ? 0 : first; }
    else ++out;
    ++axis;
  }
  Val x = s.in[0];
  if (!axes.empty()) {
    if (!plain) {
      if (!stride) { s.unsupported("its strides are computed at run time; they are taken as a constant only"); return {}; }
      // Entry by entry: what a mask leaves open is fixed, the rest is read.
      auto list = [&](std::size_t operand, const std::optional<Ints>& known, const Ints& fixed, const Ints& open) {
        if (known) return b.ints(fixed);
        Vals parts;
        Val all = s.wide(operand);
        for (std::size_t k = 0; k < axes.size(); ++k) {
          const bool one = operand == 2 && set(shrunk, std::size_t(entry[k])), lone = set(open, std::size_t(entry[k]));
          if (lone && !one) { parts.push_back(b.ints({fixed[k]})); continue; }
          if (one && begin) { parts.push_back(b.ints({to[k]})); continue; }
          Val v = b.op("Gather", {one ? s.wide(1) : all, b.ints({entry[k]})});
          if (one) {
            Val next = v + b.ints({1});
            v = b.op("Where", {b.op("Equal", {next, b.ints({0})}), b.ints({INT64_MAX}), next});
          }
          parts.push_back(v);
        }
        return parts.size() == 1 ? parts[0] : b.op("Concat", parts, {{"axis", std::int64_t{0}}});
      };
      Val begins = list(1, begin, from, open_begin), ends = list(2, end && (begin || dropped.empty()) ? end : std::nullopt, to, open_end);
      x = b.op("Slice", {x, begins, ends, b.ints(axes), b.ints(step)});
    } else x = b.op("Slice", {x, b.ints(from), b.ints(to), b.ints(axes), b.ints(step)});
  }
  if (!dropped.empty()) x = b.op("Squeeze", {x, b.ints(dropped)});
  if (!inserted.empty()) x = b.op("Unsqueeze", {x, b.ints(inserted)});
  return {x};
}
Vals slice(Site& s) {
  Vals in = {s.in[0], s.wide_list(1), s.wide_list(2), s.has(4) ? s.wide_list(4) : Val{}, s.wide_list(3)};
  return {s.op("Slice", in)};
}
Vals say_slice(const Saying& s) {
  if (s.w.failed()) return {};
  auto begin = s.known(1), end = s.known(2), axes = s.has(3) ? s.known(3) : std::optional<Ints>(), step = s.has(4) ? s.known(4) : std::optional<Ints>();
  const std::size_t n = begin ? begin->size() : s.type(1).ranked && s.type(1).dims.size() == 1 ? std::size_t(std::max<std::int64_t>(extent(s.type(1), 0), 0)) : 0;
  if (!s.has(3)) axes = counted(n);
  if (!s.has(4)) step = Ints(n, 1);
  if (begin && end && axes && step && s.type(0).ranked && begin->size() == end->size() && axes->size() == begin->size() && step->size() == begin->size()) {
    const std::size_t rank = s.rank();
    Ints from(rank, 0), to(rank, 0), stride(rank, 1), open_begin(rank, 1), open_end(rank, 1);
    for (std::size_t i = 0; i < axes->size(); ++i) {
      const auto a = std::size_t(s.axis((*axes)[i]));
      if (a >= rank) return {};
      // Slices clamp: what lies beyond the data is an open end, or nothing at all.
      const std::int64_t have = extent(s.type(0), a), st = (*step)[i];
      std::int64_t b0 = (*begin)[i], e0 = (*end)[i];
      stride[a] = st;
      open_begin[a] = st > 0 ? b0 == 0 || b0 <= -kFar : b0 >= kFar - 1 || b0 == -1;
      open_end[a] = st > 0 ? e0 >= kFar - 1 : e0 <= -kFar;
      if (have >= 0) {
        auto clamped = [&](std::int64_t v, std::int64_t lo, std::int64_t hi) { return std::clamp<std::int64_t>(v < 0 ? std::max(v, -kFar) + have : v, lo, hi); };
        b0 = st > 0 ? clamped(b0, 0, have) : clamped(b0, 0, have - 1);
        e0 = st > 0 ? clamped(e0, 0, have) : clamped(e0, -1, have - 1);
        open_begin[a] = 0;
        open_end[a] = st < 0 && e0 == -1;
      }
      from[a] = open_begin[a] ? 0 : b0;
      to[a] = open_end[a] ? 0 : e0;
    }
    const std::string none = join(Ints(rank, 0));
    return {s.w.layer("StridedSlice", {s.in[0], s.w.ints(from), s.w.ints(to), s.w.ints(stride)}, {{"begin_mask", join(open_begin)}, {"end_mask", join(open_end)}, {"new_axis_mask", none}, {"shrink_axis_mask", none}, {"ellipsis_mask", none}})};
  }
  Val steps = s.has(4) ? s.in[4] : n ? s.w.ints(Ints(n, 1)) : s.w.layer("Broadcast", {s.w.b.constant(Tensor::scalar_int(1)), s.w.shape_of(s.in[1])}, {{"mode", "numpy"}});
  Vals in = {s.in[0], s.in[1], s.in[2], s.w.cast(steps, s.w.failed() ? DType::i64 : s.type(1).dtype)};
  if (s.has(3)) in.push_back(s.in[3]);
  return {s.w.layer("Slice", in)};
}
Vals pad(Site& s) {
  if (s.b.failed()) return {};
  std::string mode = s.s("pad_mode", "constant");
  Val pads;
  auto before = s.known(1), after = s.known(2);
  if (before && after) {
    Ints all = *before;
    all.insert(all.end(), after->begin(), after->end());
    pads = s.b.ints(all);
  } else pads = s.op("Concat", {s.wide(1), s.wide(2)}, {{"axis", std::int64_t{0}}});
  if (mode == "symmetric") {   // the edge comes twice: axis by axis, the rows beside it turned round
    if (!before || !after || before->size() != s.rank() || after->size() != s.rank()) { s.unsupported("mode symmetric is taken with constant pads only"); return {}; }
    Val x = s.in[0];
    for (std::size_t i = 0; i < s.rank(); ++i) {
      auto edge = [&](std::int64_t from, std::int64_t to) { return s.op("Slice", {s.in[0] = x, s.b.ints({from}), s.b.ints({to}), s.b.ints({std::int64_t(i)}), s.b.ints({-1})}); };
      Vals parts;
      const std::int64_t p = (*before)[i], q = (*after)[i];
      if (p < 0 || q < 0) { s.unsupported("mode symmetric is taken with pads from 0 on"); return {}; }
      if (p > 0) parts.push_back(edge(p - 1, INT64_MIN));
      parts.push_back(x);
      if (q > 0) parts.push_back(edge(-1, -q - 1));
      if (parts.size() > 1) x = s.op("Concat", parts, {{"axis", std::int64_t(i)}});
    }
    return {x};
  }
  Vals in = {s.in[0], pads};
  if (s.has(3) && mode == "constant") in.push_back(s.b.type(s.in[3]).dims.empty() ? s.in[3] : reshaped(s.in[3], {}));
  return {s.op("Pad", in, {{"mode", mode}})};
}
Vals say_pad(const Saying& s) {
  if (s.w.failed()) return {};
  const std::string mode = s.s("mode");
  auto known = s.known(1), axes = s.has(3) ? s.known(3) : std::optional<Ints>();
  Val before, after;
  bool negative = !known;
  if (known && s.type(0).ranked && (!s.has(3) || axes)) {
    const std::size_t rank = s.rank();
    if (!axes) axes = counted(rank);
    if (known->size() != 2 * axes->size()) return {};
    Ints p(rank, 0), q(rank, 0);
    for (std::size_t i = 0; i < axes->size(); ++i) {
      const auto a = std::size_t(s.axis((*axes)[i]));
      if (a >= rank) return {};
      p[a] = (*known)[i];
      q[a] = (*known)[axes->size() + i];
      negative |= p[a] < 0 || q[a] < 0;
    }
    if (mode == "wrap") {   // slices of the other end, axis by axis
      Val y = s.in[0];
      for (std::size_t i = 0; i < rank; ++i) {
        const std::int64_t n = extent(s.type(0), i);
        if (!p[i] && !q[i]) continue;
        if (negative || p[i] > n || q[i] > n) { s.unsupported("goes around by more than there is, or by a number that is not known"); return {}; }
        auto piece = [&](std::int64_t from, std::int64_t to) {
          Ints begin(rank, 0), end(rank, 0), open(rank, 1);
          begin[i] = from;
          end[i] = to;
          open[i] = 0;
          const std::string none = join(Ints(rank, 0));
          return s.w.layer("StridedSlice", {y, s.w.ints(begin), s.w.ints(end), s.w.ints(Ints(rank, 1))}, {{"begin_mask", join(open)}, {"end_mask", join(open)}, {"new_axis_mask", none}, {"shrink_axis_mask", none}, {"ellipsis_mask", none}});
        };
        Vals parts;
        if (p[i]) parts.push_back(piece(n - p[i], n));
        parts.push_back(y);
        if (q[i]) parts.push_back(piece(0, q[i]));
        y = s.w.concat(parts, std::int64_t(i));
      }
      return {y};
    }
    before = s.w.ints(p);
    after = s.w.ints(q);
  } else if (mode == "wrap") {
    s.unsupported("goes around by numbers that are computed");
    return {};
  } else if (!s.has(3) && s.type(0).ranked) {
    const auto rank = std::int64_t(s.rank());
    Vals halves = s.w.layers("VariadicSplit", {s.in[1], s.w.b.constant(Tensor::scalar_int(0)), s.w.ints({rank, rank})}, {}, 2);
    before = halves[0];
    after = halves[1];
  } else if (s.has(3) && s.type(0).ranked && extent(s.type(3), 0) >= 0) {   // the pads at the places of their axes among zeros
    const std::int64_t n = extent(s.type(3), 0), rank = std::int64_t(s.rank());
    Vals halves = s.w.layers("VariadicSplit", {s.in[1], s.w.b.constant(Tensor::scalar_int(0)), s.w.ints({n, n})}, {}, 2);
    Val at = s.w.cast(s.in[3], DType::i64);
    at = s.w.select(s.w.layer("Less", {at, s.w.ints({0})}, Writer::broadcast()), s.w.add(at, s.w.ints({rank})), at);
    auto spread = [&](Val v) { return s.w.layer("ScatterElementsUpdate", {s.w.ints(Ints(std::size_t(rank), 0)), at, v, s.w.b.constant(Tensor::scalar_int(0))}, {}, 3); };
    before = spread(halves[0]);
    after = spread(halves[1]);
  } else { s.unsupported("pads an operand of unknown rank"); return {}; }
  Vals in = {s.in[0], before, after};
  if (mode == "constant") in.push_back(s.has(2) ? s.w.reshape(s.in[2], {}) : s.w.scalar(0, s.in[0]));
  return {s.w.layer("Pad", in, {{"pad_mode", mode}}, negative ? 0 : 1)};
}

// ---- copies ------------------------------------------------------------------------------------------------------------------
Vals tile(Site& s) {
  Val x = s.in[0], repeats = s.wide_list(1);
  if (s.b.failed()) return {};
  const std::int64_t n = extent(s.b.type(repeats), 0), rank = std::int64_t(s.rank());
  if (n < 0) { s.unsupported("has a list of repeats of unknown length"); return {}; }
  if (n > 64) { s.fail("has " + to_string(n) + " repeats"); return {}; }
  if (n > rank) x = s.op("Unsqueeze", {x, s.b.ints(counted(std::size_t(n - rank)))});
  if (n < rank) repeats = s.op("Concat", {s.b.ints(Ints(std::size_t(rank - n), 1)), repeats}, {{"axis", std::int64_t{0}}});
  return {s.op("Tile", {x, repeats})};
}
Vals broadcast(Site& s) {
  if (s.b.failed()) return {};
  const std::string mode = s.s("mode", "numpy");
  Val x = s.in[0], shape = s.wide_list(1);
  if (mode == "explicit") {
    const Ints map = s.ints(2, "the axes' mapping", std::int64_t(s.rank()));
    const std::int64_t n = s.b.failed() ? 0 : extent(s.b.type(shape), 0);
    if (s.b.failed() || n < 0 || n > 64) { s.unsupported("has a shape of unknown length"); return {}; }
    Ints added;
    for (std::int64_t i = 0; i < n; ++i) if (std::find(map.begin(), map.end(), i) == map.end()) added.push_back(i);
    if (std::int64_t(added.size() + map.size()) != n || !std::is_sorted(map.begin(), map.end())) { s.fail("has the axes' mapping " + join(map) + " into rank " + to_string(n)); return {}; }
    if (!added.empty()) x = s.op("Unsqueeze", {x, s.b.ints(added)});
  } else if (mode == "pdpd") {
    const std::int64_t n = extent(s.b.type(shape), 0), axis = s.i("axis", -1), rank = std::int64_t(s.rank()), at = axis < 0 ? n - rank : axis;
    if (n < 0 || at < 0 || at + rank > n || n > 64) { s.unsupported("mode pdpd along axis " + to_string(axis) + " into rank " + to_string(n)); return {}; }
    if (at + rank < n) x = s.op("Unsqueeze", {x, s.b.ints(counted(std::size_t(n - at - rank), rank))});
  }
  return {s.op("Expand", {x, shape})};
}
Vals say_expand(const Saying& s) { return {s.w.layer("Broadcast", {s.in[0], s.in[1]}, {{"mode", "bidirectional"}}, 3)}; }
Vals say_constant_of_shape(const Saying& s) {
  const Tensor* value = s.tensor("value");
  Val v = s.w.b.constant(value ? value->reshaped({}) : Tensor::scalar(DType::f32, 0));
  if (s.w.version() == 10 && value && value->dtype == DType::f16) v = s.w.scalar(value->at(0), s.w.b.constant(Tensor::scalar(DType::f32, 0)));
  return {s.w.layer("Broadcast", {v, s.in[0]}, {{"mode", "numpy"}})};
}
Vals range(Site& s) {
  if (s.b.failed()) return {};
  const DType to = s.row.since >= 4 ? s.dtype("output_type", s.type(0).dtype) : s.type(0).dtype;
  Vals in;
  for (std::size_t i = 0; i < 3; ++i) {
    Val v = s.op_cast(s.in[i], to);
    in.push_back(s.b.failed() || s.b.type(v).dims.empty() ? v : reshaped(v, {}));
  }
  return {s.op("Range", in)};
}
Vals say_range(const Saying& s) {
  if (s.w.failed()) return {};
  Vals in;
  for (Val v : s.in) in.push_back(s.w.type(v).dims.empty() ? v : s.w.reshape(v, {}));
  return {s.w.layer("Range", in, {{"output_type", s.w.element(s.type(0).dtype)}})};
}
/// Row 1 of [[1, 2], [3, 4]] and the like, made now.
Vals constant_of(const Saying& s, DType t, std::int64_t rows, std::int64_t columns, const std::function<bool(std::int64_t, std::int64_t)>& set) {
  Tensor x = Tensor::zeros(t, {rows, columns});
  std::vector<std::int64_t> v(std::size_t(rows * columns), 0);
  for (std::int64_t i = 0; i < rows; ++i) for (std::int64_t j = 0; j < columns; ++j) v[std::size_t(i * columns + j)] = set(i, j);
  fill<std::int64_t>(x, v);
  return {s.w.b.constant(std::move(x))};
}
Vals say_trilu(const Saying& s) {
  if (s.w.failed()) return {};
  const std::size_t rank = s.rank();
  auto k = s.has(1) ? s.number(1) : std::optional<double>(0);
  const std::int64_t rows = rank < 2 ? -1 : extent(s.type(0), rank - 2), columns = rank < 2 ? -1 : extent(s.type(0), rank - 1);
  const bool upper = s.i("upper") != 0;
  Val keep;
  if (k && rows >= 0 && columns >= 0 && checked_elements(Dims{rows, columns}).value_or(kMaxMade) < kMaxMade)
    keep = constant_of(s, DType::boolean, rows, columns, [&](std::int64_t i, std::int64_t j) { return upper ? double(j - i) >= *k : double(j - i) <= *k; })[0];
  else {   // places of rows and columns compared when it runs
    if (rank < 2) { s.unsupported("takes an operand of known rank, 2 at least"); return {}; }
    auto places = [&](std::size_t axis) {
      Val n = s.w.extent_of(s.in[0], std::int64_t(axis));
      return s.w.layer("Range", {s.w.b.constant(Tensor::scalar_int(0)), n, s.w.b.constant(Tensor::scalar_int(1))}, {{"output_type", "i64"}});
    };
    Val row = s.w.layer("Unsqueeze", {places(rank - 2), s.w.ints({1})});
    if (s.has(1)) row = s.w.add(row, s.w.cast(s.in[1], DType::i64));
    keep = s.w.layer(upper ? "GreaterEqual" : "LessEqual", {s.w.layer("Unsqueeze", {places(rank - 1), s.w.ints({0})}), row}, Writer::broadcast());
  }
  return {s.w.select(keep, s.in[0], s.w.scalar(0, s.in[0]))};
}
Vals say_eye_like(const Saying& s) {
  if (s.w.failed()) return {};
  const std::int64_t rows = extent(s.result(), 0), columns = extent(s.result(), 1), k = s.i("k");
  if (rows < 0 || columns < 0 || checked_elements(Dims{rows, columns}).value_or(kMaxMade) >= kMaxMade) { s.unsupported("has a shape that is not known"); return {}; }
  return constant_of(s, s.result().dtype, rows, columns, [&](std::int64_t i, std::int64_t j) { return j - i == k; });
}

// ---- blocks ------------------------------------------------------------------------------------------------------------------
Vals depth_space(Site& s) {
  return {s.op(s.row.op, {s.in[0]}, {{"blocksize", s.i("block_size", 1)}, {"mode", std::string(s.s("mode", "blocks_first") == "depth_first" ? "CRD" : "DCR")}})};
}
Vals say_depth_space(const Saying& s) {
  return {s.w.layer(s.row.type, {s.in[0]}, {{"block_size", to_string(s.i("blocksize"))}, {"mode", s.s("mode") == "CRD" ? "depth_first" : "blocks_first"}})};
}
/// Channels [g c] -> [c g].
Vals shuffle_channels(Site& s) {
  if (s.b.failed()) return {};
  const std::size_t a = s.axis(s.i("axis", 1), s.rank());
  const std::int64_t group = s.i("group", 1), n = extent(s.type(0), a);
  if (group < 1 || n < 1 || n % group) { s.fail("has " + to_string(group) + " groups of " + to_string(n) + " channels"); return {}; }
  Ints wide, narrow(s.rank(), 0), perm = counted(s.rank() + 1);
  for (std::size_t i = 0; i < s.rank(); ++i) {
    if (i == a) { wide.push_back(group); wide.push_back(n / group); narrow[i] = n; continue; }
    const std::int64_t e = extent(s.type(0), i);
    if (e < 0 && i > a) { s.unsupported("needs known extents, it has " + ir::str(s.type(0))); return {}; }
    wide.push_back(e < 0 ? 0 : e);
    narrow[i] = e < 0 ? 0 : e;
  }
  std::swap(perm[a], perm[a + 1]);
  return {s.op("Reshape", {s.op("Transpose", {s.op("Reshape", {s.in[0], s.b.ints(wide)})}, {{"perm", perm}}), s.b.ints(narrow)})};
}
/// Elements go on by `shift` places and come in again at the other end.
Vals roll(Site& s) {
  const Ints shift = s.ints(1, "the shift"), axes = s.ints(2, "the axes");
  if (s.b.failed()) return {};
  Val x = s.in[0];
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t a = s.axis(axes[i], s.rank());
    std::int64_t by = shift.size() == 1 ? shift[0] : i < shift.size() ? shift[i] : 0;
    const std::int64_t n = extent(s.type(0), a);
    if (n < 0) { s.unsupported("needs the extent of axis " + to_string(a)); return {}; }
    by = n ? ((by % n) + n) % n : 0;
    if (!by) continue;
    auto slice = [&](std::int64_t from, std::int64_t to) { return s.op("Slice", {x, s.b.ints({from}), s.b.ints({to}), s.b.ints({std::int64_t(a)})}); };
    Val tail = slice(n - by, INT64_MAX), head = slice(0, n - by);
    x = s.op("Concat", {tail, head}, {{"axis", std::int64_t(a)}});
  }
  return {x};
}
Vals reverse_sequence(Site& s) {
  if (s.b.failed()) return {};
  return {s.op("ReverseSequence", {s.in[0], s.wide(1)}, {{"batch_axis", std::int64_t(s.axis(s.i("batch_axis", 0), s.rank()))}, {"time_axis", std::int64_t(s.axis(s.i("seq_axis", 1), s.rank()))}})};
}
/// Blocks of the batch become places of the other axes, and of these the crops are cut.
template <bool kToBatch> Vals batch_space(Site& s) {
  if (s.b.failed()) return {};
  const std::size_t rank = s.rank();
  const Ints block = s.ints(1, "the block's shape", std::int64_t(rank)), before = s.ints(2, "what is before", std::int64_t(rank)), after = s.ints(3, "what is after", std::int64_t(rank));
  Val x = s.in[0];
  if (kToBatch) {
    Ints pads = before;
    pads.insert(pads.end(), after.begin(), after.end());
    x = s.op("Pad", {x, s.b.ints(pads)});
  }
  if (s.b.failed()) return {};
  Ints d;
  for (std::size_t i = 0; i < rank; ++i) d.push_back(extent(s.b.type(x), i));
  std::int64_t blocks = 1;
  for (std::int64_t v : block) {
    if (v < 1 || v > (1 << 20) || blocks > (1 << 20)) { s.fail("has the block " + join(block)); return {}; }
    blocks *= v;
  }
  if (std::count(d.begin(), d.end(), -1) || block[0] != 1) { s.unsupported("needs known extents, it has " + ir::str(s.b.type(x))); return {}; }
  Ints wide, perm, narrow;
  const auto n = std::int64_t(rank) - 1;
  if (kToBatch) {
    wide.push_back(d[0]);
    for (std::size_t i = 1; i < rank; ++i) {
      if (d[i] % block[i]) { s.fail("has the block " + join(block) + " on " + ir::str(s.b.type(x))); return {}; }
      wide.push_back(d[i] / block[i]);
      wide.push_back(block[i]);
    }
    for (std::int64_t i = 0; i < n; ++i) perm.push_back(2 * i + 2);
    perm.push_back(0);
    for (std::int64_t i = 0; i < n; ++i) perm.push_back(2 * i + 1);
    narrow.push_back(d[0] * blocks);
    for (std::size_t i = 1; i < rank; ++i) narrow.push_back(d[i] / block[i]);
  } else {
    if (d[0] % blocks) { s.fail("has a batch of " + to_string(d[0]) + " for blocks of " + to_string(blocks)); return {}; }
    for (std::size_t i = 1; i < rank; ++i) wide.push_back(block[i]);
    wide.push_back(d[0] / blocks);
    for (std::size_t i = 1; i < rank; ++i) wide.push_back(d[i]);
    perm.push_back(n);
    for (std::int64_t i = 0; i < n; ++i) { perm.push_back(n + 1 + i); perm.push_back(i); }
    narrow.push_back(d[0] / blocks);
    for (std::size_t i = 1; i < rank; ++i) narrow.push_back(d[i] * block[i]);
  }
  x = s.op("Reshape", {s.op("Transpose", {s.op("Reshape", {x, s.b.ints(wide)})}, {{"perm", perm}}), s.b.ints(narrow)});
  if (kToBatch) return {x};
  Ints ends;
  for (std::size_t i = 0; i < rank; ++i) ends.push_back(narrow[i] - after[i]);
  return {s.op("Slice", {x, s.b.ints(before), s.b.ints(ends), s.b.ints(counted(rank))})};
}

Vals reverse(Site& s) {
  Ints axes = s.ints(1, "axes");
  if (s.b.failed()) return {};
  if (s.s("mode", "index") == "mask") {
    Ints chosen;
    for (std::size_t i = 0; i < axes.size(); ++i) if (axes[i]) chosen.push_back(std::int64_t(i));
    axes = chosen;
  }
  if (axes.empty()) return {s.in[0]};
  const std::size_t n = axes.size();
  return {s.op("Slice", {s.in[0], s.b.ints(Ints(n, INT64_MAX)), s.b.ints(Ints(n, INT64_MIN)), s.b.ints(axes), s.b.ints(Ints(n, -1))})};
}
Vals say_constant(const Saying& s) {
  const Tensor* v = s.tensor("value");
  return {v ? s.w.b.constant(*v) : Val{}};
}


constexpr Row kRows[] = {
    {"Reshape", 1, "Reshape", {}, reshape, say_reshape, 2},
    {"", 1, "Flatten", {}, nullptr, say_flatten},
    {"Squeeze", 1, "Squeeze", {}, squeeze, say_squeeze},
    {"Squeeze", 15, "", {}, squeeze, nullptr, 1, false},
    {"Unsqueeze", 1, "Unsqueeze", {}, unsqueeze, nullptr, 2},
    {"Transpose", 1, "Transpose", {}, transpose, say_transpose},
    {"ShapeOf", 1, "", {}, shape_layer, nullptr, 1, false},
    {"ShapeOf", 3, "Shape", {}, shape_layer, say_shape},
    {"", 3, "Size", {}, nullptr, say_size},
    {"Concat", 1, "Concat", "axis"},
    {"Split", 1, "", {}, split, nullptr, 2, false},
    {"VariadicSplit", 1, "Split", {}, variadic_split, say_split, 3},
    {"StridedSlice", 1, "", {}, strided_slice, nullptr, 3, false},
    {"Slice", 8, "Slice", {}, slice, say_slice, 4},
    {"Pad", 1, "Pad", {}, pad, say_pad, 3},
    {"Pad", 12, "", {}, pad, nullptr, 3, false},
    {"Tile", 1, "Tile", {}, tile, nullptr, 2},
    {"Broadcast", 1, "", {}, broadcast, nullptr, 2, false},
    {"Broadcast", 3, "Expand", {}, broadcast, say_expand, 2},
    {"", 1, "ConstantOfShape", {}, nullptr, say_constant_of_shape},
    {"Range", 1, "", {}, range, nullptr, 3, false},
    {"Range", 4, "Range", {}, range, say_range, 3},
    {"", 4, "Trilu", {}, nullptr, say_trilu},
    {"", 1, "EyeLike", {}, nullptr, say_eye_like},
    {"DepthToSpace", 1, "DepthToSpace", {}, depth_space, say_depth_space},
    {"SpaceToDepth", 1, "SpaceToDepth", {}, depth_space, say_depth_space},
    {"ShuffleChannels", 1, "", {}, shuffle_channels, nullptr, 1, false},
    {"Roll", 7, "", {}, roll, nullptr, 3, false},
    {"ReverseSequence", 1, "ReverseSequence", "batch_axis, seq_axis=time_axis", reverse_sequence, nullptr, 2},
    {"SpaceToBatch", 2, "", {}, batch_space<true>, nullptr, 4, false},
    {"BatchToSpace", 2, "", {}, batch_space<false>, nullptr, 4, false},
    {"Reverse", 1, "", {}, reverse, nullptr, 2, false},
    {"", 1, "Constant", {}, nullptr, say_constant},
};
}  // namespace

std::span<const Row> movement_rows() { return kRows; }

}  // namespace saha::openvino

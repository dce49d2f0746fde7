// Layers that take elements by their places or look for places: gathers, scatters, sorting, tables of embeddings.
#include <algorithm>

#include "formats/openvino/layers.hpp"

namespace saha::openvino {
namespace {
using std::to_string;

/// Axis `from` moved to place `to`.
Ints moved_axis(std::size_t rank, std::size_t from, std::size_t to) {
  Ints r = counted(rank);
  r.erase(r.begin() + std::ptrdiff_t(from));
  r.insert(r.begin() + std::ptrdiff_t(to), std::int64_t(from));
  return r;
}

// ---- gathers -----------------------------------------------------------------------------------------------------------------
Vals gather(Site& s) {
  const Ints axis = s.ints(2, "the axis", 1);
  if (s.b.failed()) return {};
  const std::size_t rank = s.rank(), a = s.axis(axis[0], rank), of = s.rank(1);
  std::int64_t batch = s.row.since >= 7 ? s.i("batch_dims", 0) : 0;
  if (batch < 0) batch += std::int64_t(of);
  if (batch < 0 || std::size_t(batch) > a || std::size_t(batch) > of) { s.fail("has batch_dims " + to_string(batch) + ", axis " + to_string(a) + " and indices of rank " + to_string(of)); return {}; }
  Val indices = s.wide(1);
  if (batch == 0) return {s.op("Gather", {s.in[0], indices}, {{"axis", std::int64_t(a)}})};
  Val x = a == std::size_t(batch) ? s.in[0] : permuted(s.in[0], moved_axis(rank, a, std::size_t(batch)));
  Val y = s.op("GatherND", {x, s.op("Unsqueeze", {indices, s.b.ints({-1})})}, {{"batch_dims", batch}});
  if (a == std::size_t(batch)) return {y};
  // [batch, indices, between, rest] -> [batch, between, indices, rest]
  const std::size_t ni = of - std::size_t(batch), nb = a - std::size_t(batch), all = rank - 1 + ni;
  Ints perm = counted(std::size_t(batch));
  for (std::size_t i = 0; i < nb; ++i) perm.push_back(batch + std::int64_t(ni + i));
  for (std::size_t i = 0; i < ni; ++i) perm.push_back(batch + std::int64_t(i));
  for (std::size_t i = perm.size(); i < all; ++i) perm.push_back(std::int64_t(i));
  return {permuted(y, perm)};
}
Vals say_gather(const Saying& s) {
  if (s.w.failed()) return {};
  return {s.w.layer("Gather", {s.in[0], s.in[1], s.w.b.constant(Tensor::scalar_int(s.i("axis")))}, {{"batch_dims", "0"}})};
}
/// Places counted from the end are counted from the start: not every layer takes them. `bounds`: extents that they count within, broadcasting.
Val counted_from_start(const Saying& s, Val indices, const std::function<Val()>& bounds) {
  if (s.w.failed() || !is_signed_int(s.w.type(indices).dtype)) return indices;
  if (auto known = known_ints(s.w.b, indices); known && std::none_of(known->begin(), known->end(), [](std::int64_t v) { return v < 0; })) return indices;
  Val n = s.w.cast(bounds(), s.w.type(indices).dtype);
  return s.w.select(s.w.layer("Less", {indices, s.w.scalar(0, indices)}, Writer::broadcast()), s.w.add(indices, n), indices);
}
Vals gather_elements(Site& s) { return {s.op("GatherElements", {s.in[0], s.wide(1)}, {{"axis", s.i("axis")}})}; }
Vals say_gather_elements(const Saying& s) {
  if (s.w.failed()) return {};
  const std::int64_t axis = s.axis(s.i("axis"));
  return {s.w.layer("GatherElements", {s.in[0], counted_from_start(s, s.in[1], [&] { return s.w.extent_of(s.in[0], axis); })}, {{"axis", to_string(axis)}})};
}
Vals gather_nd(Site& s) {
  const std::int64_t batch = s.i("batch_dims");
  Val y = s.op("GatherND", {s.in[0], s.wide(1)}, {{"batch_dims", batch}});
  if (s.row.since >= 8 || batch < 2 || s.b.failed()) return {y};
  Ints shape = {-1};   // the older form makes one axis of those of the batch
  for (std::size_t i = std::size_t(batch); i < s.b.type(y).dims.size(); ++i) {
    const std::int64_t n = extent(s.b.type(y), i);
    if (n < 0) { s.unsupported("needs known extents after the batch, it has " + ir::str(s.b.type(y))); return {}; }
    shape.push_back(n);
  }
  return {s.op("Reshape", {y, s.b.ints(shape)})};
}
/// Last axis of indices: places along axes `first` and after of the data.
Val counted_nd(const Saying& s, std::size_t first) {
  return counted_from_start(s, s.in[1], [&] {
    const std::int64_t n = extent(s.type(1), s.rank(1) - 1);
    return s.w.part(s.w.shape_of(s.in[0]), std::int64_t(first), n < 0 ? INT64_MAX : std::int64_t(first) + n);
  });
}
Vals say_gather_nd(const Saying& s) {
  if (s.w.failed()) return {};
  return {s.w.layer("GatherND", {s.in[0], counted_nd(s, std::size_t(s.i("batch_dims")))}, {{"batch_dims", to_string(s.i("batch_dims"))}})};
}

// ---- scatters ----------------------------------------------------------------------------------------------------------------
std::string reduction_in(Site& s) {
  const std::string r = s.s("reduction", "none");
  return r == "sum" ? "add" : r == "prod" ? "mul" : r;
}
std::string reduction_out(const std::string& r) { return r == "add" ? "sum" : r == "mul" ? "prod" : r; }
/// [a, b) in rows of the indices' last axis: data[indices] = updates along one axis.
Vals scatter_update(Site& s) {
  const Ints axis = s.ints(3, "the axis", 1);
  if (s.b.failed()) return {};
  const std::size_t rank = s.rank(), a = s.axis(axis[0], rank), ni = s.rank(1);
  Val indices = s.op("Unsqueeze", {s.wide(1), s.b.ints({-1})});
  if (a == 0) return {s.op("ScatterND", {s.in[0], indices, s.in[2]})};
  // updates [before, indices, after] -> [indices, before, after]
  const std::size_t nu = s.rank(2);
  if (nu != rank - 1 + ni) { s.fail("has updates of rank " + to_string(nu) + ", " + to_string(rank - 1 + ni) + " is needed"); return {}; }
  Ints perm = counted(ni, std::int64_t(a));
  for (std::size_t i = 0; i < a; ++i) perm.push_back(std::int64_t(i));
  for (std::size_t i = a + ni; i < nu; ++i) perm.push_back(std::int64_t(i));
  Val y = s.op("ScatterND", {permuted(s.in[0], moved_axis(rank, a, 0)), indices, permuted(s.in[2], perm)});
  return {permuted(y, moved_axis(rank, 0, a))};
}
Vals scatter_elements(Site& s) {
  const Ints axis = s.ints(3, "the axis", 1);
  const std::string reduction = reduction_in(s);
  if (reduction == "mean") { s.unsupported("reduction 'mean' is not taken"); return {}; }
  if (reduction != "none" && !s.flag("use_init_val", true)) { s.unsupported("use_init_val is false with reduction '" + reduction + "'"); return {}; }
  return {s.op("ScatterElements", {s.in[0], s.wide(1), s.in[2]}, {{"axis", axis[0]}, {"reduction", reduction}})};
}
Vals say_scatter_elements(const Saying& s) {
  if (s.w.failed()) return {};
  const std::int64_t axis = s.axis(s.i("axis"));
  const std::string reduction = reduction_out(s.s("reduction"));
  if (reduction != "none" && s.w.newest() < 12) { s.unsupported("joins what comes to one place (" + reduction + "), which no layer of operator sets up to " + to_string(s.w.newest()) + " does", "leave --ir 10 away"); return {}; }
  Vals in = {s.in[0], counted_from_start(s, s.in[1], [&] { return s.w.extent_of(s.in[0], axis); }), s.in[2], s.w.b.constant(Tensor::scalar_int(axis))};
  if (reduction == "none") return {s.w.layer("ScatterElementsUpdate", in, {}, 3)};
  return {s.w.layer("ScatterElementsUpdate", in, {{"reduction", reduction}, {"use_init_val", "true"}})};
}
Vals scatter_nd(Site& s) {
  std::string reduction = reduction_in(s);
  Val updates = s.in[2];
  if (reduction == "sub") {
    reduction = "add";
    updates = s.op("Neg", {updates});
  }
  return {s.op("ScatterND", {s.in[0], s.wide(1), updates}, {{"reduction", reduction}})};
}
Vals say_scatter_nd(const Saying& s) {
  if (s.w.failed()) return {};
  const std::string reduction = reduction_out(s.s("reduction"));
  if (reduction != "none" && s.w.newest() < 15) { s.unsupported("joins what comes to one place (" + reduction + "), which no layer of operator sets up to " + to_string(s.w.newest()) + " does", "leave --ir 10 away"); return {}; }
  Vals in = {s.in[0], counted_nd(s, 0), s.in[2]};
  if (reduction == "none") return {s.w.layer("ScatterNDUpdate", in, {}, 4)};
  return {s.w.layer("ScatterNDUpdate", in, {{"reduction", reduction}})};
}

// ---- sorting and counting ----------------------------------------------------------------------------------------------------
/// A place from the end is none here: it is moved behind all.
Vals one_hot(Site& s) {
  if (s.b.failed()) return {};
  Val at = s.wide(0), depth = s.wide(1);
  if (s.s("negative_indices_mode", "ignore_negative") != "normalize") at = s.op("Where", {s.op("Less", {at, s.b.scalar(0, at)}), depth, at});
  auto list = [&](std::size_t i) { return s.type(i).dims.size() == 1 ? s.in[i] : reshaped(s.in[i], {1}); };
  return {s.op("OneHot", {at, depth, s.op("Concat", {list(3), list(2)}, {{"axis", std::int64_t{0}}})}, {{"axis", s.i("axis", -1)}})};
}
Vals say_one_hot(const Saying& s) {
  if (s.w.failed()) return {};
  Val at = s.w.cast(s.in[0], DType::i64), depth = s.w.reshape(s.w.cast(s.in[1], DType::i64), {});
  at = counted_from_start(s, at, [&] { return depth; });
  Vals ends = s.w.layers("Split", {s.in[2], s.w.b.constant(Tensor::scalar_int(0))}, {{"num_splits", "2"}}, 2);
  return {s.w.layer("OneHot", {at, depth, s.w.reshape(ends[1], {}), s.w.reshape(ends[0], {})}, {{"axis", to_string(s.i("axis"))}}, 1)};
}
Vals top_k(Site& s) {
  if (s.b.failed()) return {};
  const std::string sort = s.s("sort", "value");
  const std::int64_t axis = s.i("axis");
  Val k = s.wide_list(1);
  Vals y = s.b.ops("TopK", {s.in[0], k}, {{"axis", axis}, {"largest", std::int64_t(s.s("mode", "max") == "max")}, {"sorted", std::int64_t{1}}}, 2);
  if (sort == "index") {
    y[1] = s.b.ops("TopK", {y[1], k}, {{"axis", axis}, {"largest", std::int64_t{0}}}, 2)[0];
    y[0] = s.op("GatherElements", {s.in[0], y[1]}, {{"axis", axis}});
  }
  if (s.num_out < 2) return {y[0]};
  return {y[0], s.op_cast(y[1], s.row.since >= 3 ? s.dtype("index_element_type", DType::i32) : DType::i32)};
}
Vals say_top_k(const Saying& s) {
  if (s.w.failed()) return {};
  const std::int64_t axis = s.i("axis") < 0 && s.type(0).ranked ? s.i("axis") + std::int64_t(s.rank()) : s.i("axis");
  Data d = {{"axis", to_string(axis)}, {"mode", s.i("largest") ? "max" : "min"}, {"sort", "value"}, {"index_element_type", "i64"}};
  if (s.w.newest() >= 11) d.emplace_back("stable", "true");
  Vals y = s.w.layers("TopK", {s.in[0], s.w.reshape(s.in[1], {})}, d, 2);
  y.resize(s.n.num_results);
  return y;
}
Vals non_zero(Site& s) { return {s.op_cast(s.op("NonZero", {s.in[0]}), s.dtype("output_type", DType::i64))}; }
Vals say_non_zero(const Saying& s) { return {s.w.layer("NonZero", {s.in[0]}, {{"output_type", "i64"}})}; }
Vals cum_sum(Site& s) {
  if (s.b.failed()) return {};
  Val axis = !s.has(1) ? s.b.constant(Tensor::scalar_int(0)) : s.type(1).dims.empty() ? s.in[1] : reshaped(s.in[1], {});
  return {s.op("CumSum", {s.in[0], axis}, s.listed())};
}
Vals say_cum_sum(const Saying& s) { return {s.w.layer("CumSum", {s.in[0], s.w.reshape(s.in[1], {})}, s.listed())}; }
Vals say_hardmax(const Saying& s) {
  if (s.w.failed() || !s.type(0).ranked || s.w.newest() < 11) return {};
  const std::int64_t axis = s.i("axis") < 0 ? s.i("axis") + std::int64_t(s.rank()) : s.i("axis");
  const auto depth = s.type(0).dims[std::size_t(axis)].known();
  if (!depth) { s.unsupported("needs the extent of axis " + to_string(axis)); return {}; }
  Val best = s.w.layers("TopK", {s.in[0], s.w.b.constant(Tensor::scalar_int(1))}, {{"axis", to_string(axis)}, {"mode", "max"}, {"sort", "value"}, {"index_element_type", "i64"}, {"stable", "true"}}, 2)[1];
  Val place = s.w.layer("Squeeze", {best, s.w.ints({axis})});
  return {s.w.layer("OneHot", {place, s.w.b.constant(Tensor::scalar_int(*depth)), s.w.scalar(1, s.in[0]), s.w.scalar(0, s.in[0])}, {{"axis", to_string(axis)}})};
}
Vals say_compress(const Saying& s) {
  if (s.w.failed()) return {};
  Val x = s.has_attr("axis") ? s.in[0] : s.w.layer("Reshape", {s.in[0], s.w.ints({-1})}, {{"special_zero", "false"}});
  Val places = s.w.layer("Squeeze", {s.w.layer("NonZero", {s.in[1]}, {{"output_type", "i64"}}), s.w.ints({0})});
  return {s.w.layer("Gather", {x, places, s.w.b.constant(Tensor::scalar_int(s.i("axis")))}, {{"batch_dims", "0"}})};
}
Vals unique(Site& s) {
  Attrs a = {{"sorted", std::int64_t(s.flag("sorted", true))}};
  if (s.has(1)) a.push_back({"axis", s.ints(1, "the axis", 1)[0]});
  Vals y = s.b.ops("Unique", {s.in[0]}, a, 4);
  const DType index = s.dtype("index_element_type", DType::i64), count = s.dtype("count_element_type", DType::i64);
  return {y[0], s.op_cast(y[1], index), s.op_cast(y[2], index), s.op_cast(y[3], count)};
}
Vals say_unique(const Saying& s) {
  Vals in = {s.in[0]};
  if (s.has_attr("axis")) in.push_back(s.w.b.constant(Tensor::scalar_int(s.i("axis"))));
  return s.w.layers("Unique", in, {{"sorted", text(s.i("sorted") != 0)}, {"index_element_type", "i64"}, {"count_element_type", "i64"}}, 4);
}

// ---- tables ------------------------------------------------------------------------------------------------------------------
/// How many elements of a sorted list, the last axis of `sorted`, stand before each of `v`, or at its place.
Val places_among(Site& s, Val sorted, Val v, bool or_equal) {
  Val hit = s.op(or_equal ? ir::OpName("LessOrEqual") : ir::OpName("Less"), {sorted, s.op("Unsqueeze", {v, s.b.ints({-1})})});
  return s.op("ReduceSum", {s.op_cast(hit, DType::i64), s.b.ints({-1})}, {{"keepdims", std::int64_t{0}}});
}
Vals bucketize(Site& s) {
  return {s.op_cast(places_among(s, s.in[1], s.in[0], !s.flag("with_right_bound", true)), s.dtype("output_type", DType::i64))};
}
Vals search_sorted(Site& s) {
  Val sorted = s.in[0];
  if (!s.b.failed() && s.rank(0) > 1) sorted = s.op("Unsqueeze", {sorted, s.b.ints({-2})});
  return {s.op_cast(places_among(s, sorted, s.in[1], s.flag("right_mode")), s.dtype("output_type", DType::i64))};
}
/// Rows of a table, each as often as it weighs.
Val weighed_rows(Site& s, std::size_t weights) {
  Val rows = s.op("Gather", {s.in[0], s.in[1]});
  if (!s.has(weights) || s.b.failed()) return rows;
  const std::size_t own = s.rank(weights);
  return rows * s.op("Unsqueeze", {s.in[weights], s.b.ints(counted(s.b.type(rows).dims.size() - own, std::int64_t(own)))});
}
Vals packed_bag(Site& s) {
  const std::string reduction = s.s("reduction", "sum");
  if (reduction != "sum" && reduction != "mean") { s.fail("has reduction '" + reduction.substr(0, 40) + "'"); return {}; }
  return {s.op(reduction == "sum" ? ir::OpName("ReduceSum") : ir::OpName("ReduceMean"), {weighed_rows(s, 2), s.b.ints({1})}, {{"keepdims", std::int64_t{0}}})};
}
/// Sums of rows by the bag that each is in; bags are [count, ..].
Val bags(Site& s, Val rows, Val bag, Val count) {
  if (s.b.failed()) return {};
  Val shape = s.op("Concat", {count, s.op("Shape", {rows}, {{"start", std::int64_t{1}}})}, {{"axis", std::int64_t{0}}});
  Val zeros = s.op("Expand", {s.b.scalar(0, rows), shape});
  return s.op("ScatterND", {zeros, s.op("Unsqueeze", {bag, s.b.ints({-1})}), rows}, {{"reduction", std::string("add")}});
}
bool refuses_default(Site& s, std::size_t i) {
  if (s.has(i) && s.number(i).value_or(0) >= 0) s.unsupported("a default row for empty bags is not taken");
  return s.b.failed();
}
/// Operands: table, places, where each bag begins, the default row, weights.
Vals bag_offsets(Site& s) {
  if (refuses_default(s, 3)) return {};
  const std::string reduction = s.s("reduction", "sum");
  Val offsets = s.wide(2), n = s.op("Shape", {s.in[1]});
  if (s.b.failed()) return {};
  Val row = s.op("Range", {s.b.constant(Tensor::scalar_int(0)), reshaped(n, {}), s.b.constant(Tensor::scalar_int(1))});
  Val bag = places_among(s, offsets, row, true) - s.b.ints({1}), count = s.op("Shape", {offsets});
  Val sums = bags(s, weighed_rows(s, 4), bag, count);
  if (reduction == "sum" || s.b.failed()) return {sums};
  if (reduction != "mean") { s.fail("has reduction '" + reduction.substr(0, 40) + "'"); return {}; }
  Val ones = s.op("Expand", {s.b.scalar(1, sums), s.op("Concat", {n, s.b.ints(Ints(s.b.type(sums).dims.size() - 1, 1))}, {{"axis", std::int64_t{0}}})});
  Val sizes = bags(s, ones, bag, count);
  return {sums / s.op("Max", {sizes, s.b.scalar(1, sums)})};
}
/// Operands: table, places, the bag of each, how many bags, the default row, weights.
Vals bag_segments(Site& s) {
  if (refuses_default(s, 4)) return {};
  return {bags(s, weighed_rows(s, 5), s.wide(2), s.wide_list(3))};
}
/// Ones along a diagonal, in all of a batch.
Vals eye(Site& s) {
  const Ints rows = s.ints(0, "the number of rows", 1), columns = s.ints(1, "the number of columns", 1), k = s.ints(2, "the diagonal", 1);
  if (s.b.failed()) return {};
  const auto n = checked_elements(Dims{rows[0], columns[0]});
  if (!n || *n >= kMaxMade) { s.fail("has " + to_string(rows[0]) + " rows and " + to_string(columns[0]) + " columns"); return {}; }
  Tensor t = Tensor::zeros(s.dtype("output_type", DType::f32), {rows[0], columns[0]});
  std::vector<std::int64_t> v(std::size_t(*n), 0);
  for (std::int64_t i = 0; i < rows[0]; ++i)
    if (const std::int64_t j = i + std::clamp<std::int64_t>(k[0], -kFar, kFar); j >= 0 && j < columns[0]) v[std::size_t(i * columns[0] + j)] = 1;
  fill<std::int64_t>(t, v);
  Val y = s.b.constant(std::move(t));
  if (!s.has(3)) return {y};
  return {s.op("Expand", {y, s.op("Concat", {s.wide_list(3), s.b.ints({rows[0], columns[0]})}, {{"axis", std::int64_t{0}}})})};
}
/// data[start:stop:step along axes] = updates. Operands: data, updates, start, stop, step, axes.
Vals slice_scatter(Site& s) {
  Val x = s.in[0], shape = s.op("Shape", {x}), count = s.op("Size", {x});
  Val places = s.op("Reshape", {s.op("Range", {s.b.constant(Tensor::scalar_int(0)), count, s.b.constant(Tensor::scalar_int(1))}), shape});
  Val chosen = s.op("Slice", {places, s.wide_list(2), s.wide_list(3), s.has(5) ? s.wide_list(5) : Val{}, s.wide_list(4)});
  Val y = s.op("ScatterND", {s.op("Reshape", {x, s.b.ints({-1})}), s.op("Reshape", {chosen, s.b.ints({-1, 1})}), s.op("Reshape", {s.op("Expand", {s.in[1], s.op("Shape", {chosen})}), s.b.ints({-1})})});
  return {s.op("Reshape", {y, shape})};
}

constexpr Row kRows[] = {
    {"Gather", 1, "", {}, gather, nullptr, 3, false},
    {"Gather", 7, "", {}, gather, nullptr, 3, false},
    {"Gather", 8, "Gather", {}, gather, say_gather, 3},
    {"GatherElements", 6, "GatherElements", {}, gather_elements, say_gather_elements, 2},
    {"GatherND", 5, "", {}, gather_nd, nullptr, 2, false},
    {"GatherND", 8, "GatherND", {}, gather_nd, say_gather_nd, 2},
    {"ScatterUpdate", 3, "", {}, scatter_update, nullptr, 4, false},
    {"ScatterElementsUpdate", 3, "ScatterElements", {}, scatter_elements, say_scatter_elements, 4},
    {"ScatterElementsUpdate", 12, "", {}, scatter_elements, nullptr, 4, false},
    {"ScatterNDUpdate", 4, "ScatterND", {}, scatter_nd, say_scatter_nd, 3},
    {"ScatterNDUpdate", 15, "", {}, scatter_nd, nullptr, 3, false},
    {"OneHot", 1, "OneHot", {}, one_hot, say_one_hot, 4},
    {"OneHot", 16, "", {}, one_hot, nullptr, 4, false},
    {"TopK", 1, "", {}, top_k, nullptr, 2, false},
    {"TopK", 3, "TopK", {}, top_k, say_top_k, 2},
    {"TopK", 11, "", {}, top_k, nullptr, 2, false},
    {"NonZero", 3, "NonZero", {}, non_zero, say_non_zero},
    {"CumSum", 3, "CumSum", "exclusive?, reverse?", cum_sum, say_cum_sum},
    {"", 1, "Hardmax", {}, nullptr, say_hardmax},
    {"", 3, "Compress", {}, nullptr, say_compress},
    {"Unique", 10, "Unique", {}, unique, say_unique},
    {"EmbeddingBagPackedSum", 3, "", {}, packed_bag, nullptr, 2, false},
    {"EmbeddingBagPacked", 15, "", {}, packed_bag, nullptr, 2, false},
    {"EmbeddingBagOffsetsSum", 3, "", {}, bag_offsets, nullptr, 3, false},
    {"EmbeddingBagOffsets", 15, "", {}, bag_offsets, nullptr, 3, false},
    {"EmbeddingSegmentsSum", 3, "", {}, bag_segments, nullptr, 4, false},
    {"Bucketize", 3, "", {}, bucketize, nullptr, 2, false},
    {"SearchSorted", 15, "", {}, search_sorted, nullptr, 2, false},
    {"SliceScatter", 15, "", {}, slice_scatter, nullptr, 5, false},
    {"Eye", 9, "", {}, eye, nullptr, 3, false},
};
}  // namespace

std::span<const Row> indexing_rows() { return kRows; }

}  // namespace saha::openvino

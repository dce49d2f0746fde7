// Attention as onnxruntime's optimiser writes it: one projection, heads side by side, masks of integers. All are bodies of the standard
// Attention and RotaryEmbedding. A masked position gets mask_filter_value added to its score, not minus infinity: rows that are masked
// whole stay finite. Source: onnxruntime, ContribOperators.md.
#include "op/builder.hpp"

namespace saha::op {
namespace {
using ir::Ints;
Val in(const Site& s, std::size_t i) { return s.has(i) ? s.in[i] : Val{}; }
Vals refuse(const Site& s, std::string what, ErrorCode code = ErrorCode::unsupported) {
  s.b.fail({code, std::move(what)});
  return Vals(std::size_t(s.num_out), s.in[0]);
}
std::size_t rank(const Site& s, Val v) { return s.b.failed() ? 0 : s.b.type(v).dims.size(); }
Val size_of(const Site& s, Val v, std::int64_t axis) { return s.b.op("Shape", {v}, {{"start", axis}, {"end", axis + 1}}); }
Val reshape(const Site& s, Val v, const Ints& to) { return s.b.op("Reshape", {v, s.b.ints(to)}); }
Val transpose(const Site& s, Val v, Ints perm) { return s.b.op("Transpose", {v}, {{"perm", std::move(perm)}}); }
/// [B, S, N * H] -> [B, N, S, H]
Val heads(const Site& s, Val v, std::int64_t n) { return transpose(s, reshape(s, v, {0, 0, n, -1}), {0, 2, 1, 3}); }
Val joined(const Site& s, Val v) { return reshape(s, transpose(s, v, {0, 2, 1, 3}), {0, 0, -1}); }
/// Member i of axis `axis`, which goes.
Val member(const Site& s, Val v, std::int64_t i, std::int64_t axis) { return s.b.op("Gather", {v, s.b.constant(Tensor::scalar_int(i))}, {{"axis", axis}}); }

/// What masks add to the scores [B, N, S, T]: empty where there are none. `total` is T, int64[1].
struct Mask {
  const Site& s;
  DType dtype;
  double filter;
  Val sum = {};
  void add(Val v) { sum = sum ? sum + v : v; }
  /// kept: 1 where a position counts, 0 where it does not; any number type.
  void keep(Val kept) { add((1.0 - s.b.op("Cast", {kept}, {{"to", std::int64_t(dtype)}})) * filter); }
  /// [B] lengths, [2B] ends then starts, [B, T] or [B, S, T] flags.
  bool take(Val m, const Dim& batch, Val total) {
    const auto& d = s.b.type(m).dims;
    auto column = [&](Val v) { return s.b.op("Cast", {s.b.op("Reshape", {v, s.b.ints({-1, 1, 1, 1})})}, {{"to", std::int64_t(DType::i64)}}); };
    auto positions = [&] { return s.b.op("Range", {s.b.constant(Tensor::scalar_int(0)), s.b.op("Reshape", {total, s.b.ints({})}), s.b.constant(Tensor::scalar_int(1))}); };
    if (d.size() == 1 && d[0] == batch) keep(s.b.op("Less", {positions(), column(m)}));
    else if (d.size() == 1 && d[0] == batch * Dim(2)) {
      Vals half = s.b.ops("Split", {m}, {{"axis", std::int64_t{0}}, {"num_outputs", std::int64_t{2}}}, 2);
      keep(s.b.op("And", {s.b.op("Less", {positions(), column(half[0])}), s.b.op("GreaterOrEqual", {positions(), column(half[1])})}));
    } else if (d.size() == 2) keep(s.b.op("Unsqueeze", {m, s.b.ints({1, 2})}));
    else if (d.size() == 3) keep(s.b.op("Unsqueeze", {m, s.b.ints({1})}));
    else return false;
    return true;
  }
};
double filter_of(const Site& s) { return s.has_attr("mask_filter_value") ? double(s.f("mask_filter_value")) : -10000.0; }
Attrs attention_attrs(const Site& s) {
  Attrs a{{"is_causal", std::int64_t(s.i("unidirectional") != 0)}};
  if (s.has_attr("scale") && s.f("scale") != 0) a.push_back({"scale", s.f("scale")});
  return a;
}

// ---- Attention (com.microsoft): input * weights + bias -> Q, K, V ------------------------------------------------------------------
Vals attention_body(const Site& s) {
  Builder& b = s.b;
  if (s.i("do_rotary") || s.i("past_present_share_buffer") || s.has(6)) return refuse(s, "com.microsoft.Attention: do_rotary and shared buffers of past and present are not supported");
  std::int64_t n = s.i("num_heads");
  Val x = s.in[0];
  auto columns = s.type(1).dims.size() == 2 ? s.type(1).dims[1].known() : std::nullopt;
  Ints sizes = s.is("qkv_hidden_sizes");
  if (sizes.empty() && columns) sizes = {*columns / 3, *columns / 3, *columns / 3};
  if (n < 1 || rank(s, x) != 3 || !columns || sizes.size() != 3 || sizes[0] + sizes[1] + sizes[2] != *columns || sizes[0] % n || sizes[2] % n)
    return refuse(s, "com.microsoft.Attention: input " + ir::str(s.type(0)) + " and weights " + ir::str(s.type(1)) + " do not fit " + std::to_string(n) + " heads", ErrorCode::invalid_model);
  Val qkv = b.op("MatMul", {x, s.in[1]});
  if (s.has(2)) qkv = qkv + s.in[2];
  Vals p = b.ops("Split", {qkv, b.ints(sizes)}, {{"axis", std::int64_t{2}}}, 3);
  Val q = heads(s, p[0], n), k = heads(s, p[1], n), v = heads(s, p[2], n), past_k, past_v, total = size_of(s, x, 1);
  if (s.has(4)) {  // [2, B, N, P, H]
    past_k = member(s, s.in[4], 0, 0);
    past_v = member(s, s.in[4], 1, 0);
    total = total + size_of(s, s.in[4], 3);
  }
  Mask mask{s, s.type(0).dtype, filter_of(s)};
  if (s.has(3) && !mask.take(s.in[3], s.type(0).dims[0], total)) return refuse(s, "com.microsoft.Attention: a mask_index " + ir::str(s.type(3)) + " is not supported");
  if (s.has(5)) mask.add(s.in[5]);
  Vals y = b.ops("Attention", {q, k, v, mask.sum, past_k, past_v}, attention_attrs(s), s.num_out > 1 ? 3 : 1);
  Vals r{joined(s, y[0])};
  if (s.num_out > 1) r.push_back(b.op("Concat", {b.op("Unsqueeze", {y[1], b.ints({0})}), b.op("Unsqueeze", {y[2], b.ints({0})})}, {{"axis", std::int64_t{0}}}));
  return r;
}

// ---- MultiHeadAttention: projected query, key and value, possibly packed --------------------------------------------------------------
Vals multi_head_attention_body(const Site& s) {
  Builder& b = s.b;
  std::int64_t n = s.i("num_heads");
  if (s.has(8) || s.has(9)) return refuse(s, "MultiHeadAttention: past_sequence_length and cache_indirection are not supported");
  std::size_t rq = rank(s, s.in[0]), rk = s.has(1) ? rank(s, s.in[1]) : 0, rv = s.has(2) ? rank(s, s.in[2]) : 0;
  const bool all_packed = rq == 5 && !rk && !rv, kv_packed = rq == 3 && rk == 5 && !rv, apart = rq == 3 && (rk == 3 || rk == 4) && rv == rk;
  if (n < 1 || !(all_packed || kv_packed || apart)) return refuse(s, "MultiHeadAttention: query " + ir::str(s.type(0)) + " with key and value of rank " + std::to_string(rk) + " and " + std::to_string(rv), ErrorCode::invalid_model);
  auto unpacked = [&](Val v, std::int64_t i) { return transpose(s, member(s, v, i, 3), {0, 2, 1, 3}); };  // [B, L, N, parts, H]
  Val q, k, v;
  if (all_packed) { q = unpacked(s.in[0], 0); k = unpacked(s.in[0], 1); v = unpacked(s.in[0], 2); }
  else {
    q = heads(s, s.in[0], n);
    if (kv_packed) { k = unpacked(s.in[1], 0); v = unpacked(s.in[1], 1); }
    else if (rk == 4) { k = s.in[1]; v = s.in[2]; }
    else { k = heads(s, s.in[1], n); v = heads(s, s.in[2], n); }
  }
  if (s.has(3)) {  // one bias for all three, heads side by side
    auto h = b.failed() ? std::optional<std::int64_t>() : b.type(q).dims[3].known();
    if (!h) return refuse(s, "MultiHeadAttention: a bias needs a known head size");
    std::int64_t d = n * *h;
    auto part = [&](std::int64_t from, std::int64_t to) { return reshape(s, b.op("Slice", {s.in[3], b.ints({from}), b.ints({to}), b.ints({0})}), {n, 1, -1}); };
    q = q + part(0, d);
    if (rk != 4) { k = k + part(d, 2 * d); v = v + part(2 * d, INT64_MAX); }
  }
  Val total = size_of(s, k, 2);
  if (s.has(6)) total = total + size_of(s, s.in[6], 2);
  Mask mask{s, s.type(0).dtype, filter_of(s)};
  if (s.has(4) && !mask.take(s.in[4], s.type(0).dims[0], total)) return refuse(s, "MultiHeadAttention: a key_padding_mask " + ir::str(s.type(4)) + " is not supported");
  if (s.has(5)) mask.add(s.in[5]);
  Vals y = b.ops("Attention", {q, k, v, mask.sum, in(s, 6), in(s, 7)}, attention_attrs(s), s.num_out > 3 ? 4 : s.num_out > 1 ? 3 : 1);
  y[0] = joined(s, y[0]);
  y.resize(std::size_t(s.num_out));
  return y;
}

// ---- RotaryEmbedding (com.microsoft): (input, position_ids, cos, sin); one position id is the first of all --------------------------------
Vals rotary_embedding_body(const Site& s) {
  Builder& b = s.b;
  if (s.i("is_packed_batching") || (s.has_attr("scale") && s.f("scale") != 1)) return refuse(s, "com.microsoft.RotaryEmbedding: packed batches and a scale are not supported");
  std::size_t r = rank(s, s.in[0]);
  if (r != 3 && r != 4) return refuse(s, "com.microsoft.RotaryEmbedding: input " + ir::str(s.type(0)) + " must have rank 3 or 4", ErrorCode::invalid_model);
  std::int64_t n = s.i("num_heads");
  if (r == 3 && n == 0) {
    auto hidden = s.type(0).dims[2].known(), half = s.type(2).dims.size() == 2 ? s.type(2).dims[1].known() : std::nullopt;
    if (!hidden || !half || *half < 1 || *hidden % (2 * *half)) return refuse(s, "com.microsoft.RotaryEmbedding: num_heads does not follow from " + ir::str(s.type(0)) + " and " + ir::str(s.type(2)));
    n = *hidden / (2 * *half);
  }
  Val ids = s.in[1];
  if (rank(s, ids) == 1) {
    Val length = size_of(s, s.in[0], r == 3 ? 1 : 2), zero = b.constant(Tensor::scalar_int(0));
    Val all = b.op("Range", {zero, b.op("Reshape", {length, b.ints({})}), b.constant(Tensor::scalar_int(1))}) + ids;
    ids = b.op("Expand", {all, b.op("Concat", {size_of(s, s.in[0], 0), length}, {{"axis", std::int64_t{0}}})});
  }
  Attrs a{{"interleaved", s.i("interleaved")}, {"rotary_embedding_dim", s.i("rotary_embedding_dim")}};
  if (r == 3) a.push_back({"num_heads", n});
  return {b.op("RotaryEmbedding", {s.in[0], s.in[2], s.in[3], ids}, a)};
}

constexpr std::string_view kDomain = "com.microsoft";
constexpr OpDef kOps[] = {
    {.name = "MsAttention", .domain = kDomain,
     .signature = "(input: T, weights: T, bias: T?, mask_index: int32?, past: T?, attention_bias: T?, past_sequence_length: int32?) -> (output: T, present: T) where T: float32 float16 | do_rotary: int = 0, "
                  "mask_filter_value: float?, num_heads: int, past_present_share_buffer: int = 0, qkv_hidden_sizes: ints?, rotary_embedding_dim: int = 0, scale: float?, unidirectional: int = 0",
     .body = attention_body, .rounding = ErrorModel::dot},
    {.name = "MultiHeadAttention", .domain = kDomain,
     .signature = "(query: T, key: T?, value: T?, bias: T?, key_padding_mask: int32?, attention_bias: T?, past_key: T?, past_value: T?, past_sequence_length: int32?, cache_indirection: int32?) -> "
                  "(output: T, present_key: T, present_value: T, qk: T) where T: float32 float16 | mask_filter_value: float?, num_heads: int, scale: float?, unidirectional: int = 0",
     .body = multi_head_attention_body, .rounding = ErrorModel::dot},
    {.name = "MsRotaryEmbedding", .domain = kDomain,
     .signature = "(input: T, position_ids: int64, cos_cache: T, sin_cache: T) -> (output: T) where T: float32 float16 bfloat16 | interleaved: int = 0, is_packed_batching: int = 0, num_heads: int = 0, "
                  "rotary_embedding_dim: int = 0, scale: float?",
     .body = rotary_embedding_body, .rounding = ErrorModel::dot},
};
}  // namespace

std::span<const OpDef> microsoft_attention() { return kOps; }

}  // namespace saha::op

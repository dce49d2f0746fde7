// The text form: parse(print(g)) == g for graphs of every kind, messages with line and column, damaged text.
#include "op/text_form.hpp"

#include <gtest/gtest.h>

#include <random>

namespace saha::op {
namespace {
/// Structure, types, names and origins are the same.
void expect_same(const ir::Graph& a, const ir::Graph& b) {
  EXPECT_TRUE(ir::same_structure(a, b));
  auto same = [&](ValueId x, ValueId y) {
    EXPECT_TRUE(a.type(x) == b.type(y)) << print(a.type(x)) << " and " << print(b.type(y));
    EXPECT_EQ(a[x].name ? *a[x].name : "", b[y].name ? *b[y].name : "");
  };
  for (std::size_t i = 0; i < a.inputs().size(); ++i) same(a.inputs()[i], b.inputs()[i]);
  ASSERT_EQ(a.nodes().size(), b.nodes().size());
  for (std::size_t q = 0; q < a.nodes().size(); ++q) {
    const ir::Node &n = a.nodes()[q], &m = b.nodes()[q];
    EXPECT_EQ(n.origin ? *n.origin : "", m.origin ? *m.origin : "");
    for (std::size_t k = 0; k < n.num_results; ++k) same(a.result(n, k), b.result(m, k));
    for (std::size_t k = 0; k < n.num_operands; ++k) if (a.operand(n, k) != ValueId::none) same(a.operand(n, k), b.operand(m, k));
    for (const ir::NamedAttr& x : *n.attrs)
      if (auto* sub = std::get_if<ir::GraphRef>(&x.value)) expect_same(**sub, **ir::attr<ir::GraphRef>(*m.attrs, x.name));
  }
}
ir::Graph expect_round_trip(const ir::Graph& g) {
  std::string text = print(g);
  auto r = parse(text);
  EXPECT_TRUE(r) << (r ? "" : r.error().message + " at " + std::to_string(r.error().line) + ":" + std::to_string(r.error().column)) << "\n" << text;
  if (!r) return {};
  expect_same(g, *r);
  EXPECT_EQ(print(*r), print(*parse(print(*r))));
  return std::move(*r);
}
Error error_of(std::string_view text) {
  auto r = parse(text);
  EXPECT_FALSE(r) << text;
  return r ? Error{ErrorCode::internal, ""} : r.error();
}
constexpr std::string_view kSample = R"(graph (c: bool[], x: float32[N, 4*H + 1], "odd \"name\"": seq(int64[*])) {
  # a comment
  w = float32[2] {1, -0.5}
  y: float32[N, 4*H + 1] = Relu(x) @ "layer/relu"
  v, %7: int64[N, 2] = TopK(y, int64[1] {2}) {axis = -1}
  z = If(c, v) {then_branch = graph (v: float32[N, 2]) {
      return v
    }, else_branch = graph (v: float32[N, 2]) {
      t = Transpose(v) {perm = [1, 0]}
      return t
    }}
  p = Pad(y, int64[2] {0, 1}, _, int64[1] {0})
  return z, %7, w, "odd \"name\"", p
}
)";
}  // namespace

TEST(TextForm, reads_what_its_description_shows) {
  auto g = parse(kSample);
  ASSERT_TRUE(g) << g.error().message << " " << g.error().line << ":" << g.error().column;
  EXPECT_EQ(g->nodes().size(), 4u);
  EXPECT_EQ(print(g->type(g->outputs()[1])), "int64[N, 2]");
  EXPECT_EQ(print(g->type(g->outputs()[4])), "float32[N + 1, 4*H + 1]");
  EXPECT_EQ(*g->nodes()[0].origin, "layer/relu");
  expect_round_trip(*g);
}
TEST(TextForm, keeps_odd_names_and_those_that_stand_twice) {
  Builder b;
  Val x = b.input(ir::tensor_type(DType::f32, {Dim::symbol("a b"), Dim::symbol("min")}), std::string("gr\xc3\xb6\xc3\x9f" "e\n\x01\"\\"));
  Val y = b.op("Relu", {x});
  b.rename(y, "twice");
  Val z = b.op("Relu", {y});
  b.rename(z, "twice");
  Val u = b.op("Relu", {z});
  b.rename(u, "float32");
  Val w = b.op("Relu", {u});
  b.rename(w, "%3");
  auto g = std::move(b).build({w, z, w});
  ASSERT_TRUE(g);
  expect_round_trip(*g);
}
TEST(TextForm, keeps_constants_of_every_dtype_bit_for_bit) {
  std::mt19937 rng(1);
  for (int t = 1; t < kNumDTypes; ++t)
    for (std::int64_t n : {0, 1, 5, 7, 300}) {
      Tensor x = Tensor::zeros(DType(t), {n});
      if (DType(t) == DType::string) for (auto& s : *x.text) s = "\"\\\n" + std::to_string(rng());
      else
        for (std::int64_t i = 0; i < n; ++i)
          for (int k = 0, width = std::max(1, bits(DType(t)) / 8); k < width; ++k)
            if (!is_packed(DType(t))) x.data[i * width + k] = std::byte(DType(t) == DType::boolean ? rng() & 1 : rng());
            else if (i < x.bytes() && k == 0) { std::int64_t v = std::int64_t(rng() % 4); store(x, i, 1, &v); }
      Builder b;
      Val c = b.constant(x, "c");
      auto g = std::move(b).build({c});
      ASSERT_TRUE(g);
      ir::Graph r = expect_round_trip(*g);
      ASSERT_EQ(r.outputs().size(), 1u);
      EXPECT_TRUE(identical(*r[r.outputs()[0]].constant, x)) << name(DType(t));
    }
}
TEST(TextForm, keeps_types_of_every_kind) {
  auto quant = std::make_shared<const ir::Quant>(ir::Quant{{0.1f, 3e-8f}, {0, -128}, 1});
  auto laid = std::make_shared<Type>(*ir::tensor_type(DType::f32, {1, 16, Dim::symbol("H"), 4}));
  laid->layout = ir::Layout::c16;
  Dim n = Dim::symbol("N"), m = Dim::symbol("M#3");
  for (const TypeRef& t : {ir::tensor_type(DType::i8, {1, 2}, quant), TypeRef(laid), ir::unranked_type(DType::bf16), ir::sequence_type({}), ir::optional_type(ir::sequence_type(ir::unranked_type(DType::none))),
                           ir::map_type(DType::string, ir::tensor_type(DType::f32, {})),
                           ir::tensor_type(DType::u4, {floor_div(n + m * Dim(3) - Dim(1), Dim(4)), max(n, m) * n - Dim(2), min(floor_div(n, m), Dim(7)), Dim(0) - n, floor_div(n * m, n + m)})}) {
    auto r = parse_type(print(*t));
    ASSERT_TRUE(r) << print(*t) << ": " << r.error().message;
    EXPECT_TRUE(**r == *t) << print(*t) << " became " << print(**r);
  }
}
TEST(TextForm, of_random_graphs_round_trips) {
  std::mt19937 rng(2);
  for (int turn = 0; turn < 200; ++turn) {
    Builder b;
    Vals pool;
    for (int i = 0; i < 2; ++i) pool.push_back(b.input(ir::tensor_type(DType::f32, {Dim::symbol("N"), 4}), i ? "x" : ""));
    auto any = [&] { return pool[rng() % pool.size()]; };
    for (int k = 0; k < 12; ++k) {
      b.origin = ir::make_name(rng() % 2 ? "node " + std::to_string(k) : "");
      Val y;
      switch (rng() % 6) {
        case 0: y = any() + any(); break;
        case 1: y = any() * double(int(rng() % 100)) / 7.0; break;
        case 2: y = b.op("Relu", {any()}); break;
        case 3: { Vals p = b.ops("Split", {any()}, {{"axis", std::int64_t{1}}, {"num_outputs", std::int64_t{2}}}, 2); y = b.op("Concat", p, {{"axis", std::int64_t{1}}}); break; }
        case 4: { Val t = any(); y = b.op("Reshape", {b.op("Transpose", {t}), b.op("Shape", {t})}); break; }
        default: y = b.op("Where", {b.op("Less", {any(), any()}), any(), b.scalar(rng() % 3, any())}); break;
      }
      if (rng() % 3 == 0) b.rename(y, "v" + std::to_string(rng() % 5));
      pool.push_back(y);
    }
    auto g = std::move(b).build({any(), any()});
    ASSERT_TRUE(g) << g.error().message;
    expect_round_trip(*g);
  }
}

TEST(TextForm, errors_tell_line_and_column) {
  struct Case { std::string_view text, message; int line, column; };
  for (const Case& c : std::initializer_list<Case>{
           {"graph (x: float32[2]) {\n  y = Relu(z)\n  return y\n}", "value 'z' is used, but made nowhere before it", 2, 12},
           {"graph (x: float32[2]) {\n  y = Rleu(x)\n}", "operator 'Rleu' is not known", 2, 7},
           {"graph (x: float33[2]) {}", "'float33' is not a type", 1, 11},
           {"graph (x) { return x }", "an input needs a type", 1, 8},
           {"graph (x: float32[2], x: float32[2]) { return x }", "value 'x' is made twice", 1, 23},
           {"graph (x: float32[2]) { y = Softmax(x) {axes = 1} return y }", "Softmax has no attribute 'axes'", 1, 41},
           {"graph () {\n w = float32[2] {1}\n return w }", "1 elements, [2] has 2", 2, 20},
           {"graph () { w = int8[1] {128} return w }", "128 does not fit int8", 1, 28},
           {"graph () { w = float32[9000000000] {1} return w }", "the text holds fewer elements than [9000000000]", 1, 23},
           {"graph (x: float32[2]) { y: int64[2] = Relu(x) return y }", "the result is stated to be int64[2], Relu gives float32[2]: the dtypes differ", 1, 25},
           {"graph (x: float32[2]) { y = Relu(x)", "the text ends where a statement or 'return' is needed", 1, 36},
           {"graph (x: float32[2]) { y = Concat(x) return y }", "Concat attribute 'axis' is missing", 1, 29},
           {"graph () { return } graph", "'g' stands where the end is needed", 1, 21},
           {"graph () { w = float32[3] {1, ...} return w }", "a constant that was cut short in printing cannot be read back", 1, 31}}) {
    Error e = error_of(c.text);
    EXPECT_EQ(e.message, c.message);
    EXPECT_EQ(e.line, c.line) << c.text;
    EXPECT_EQ(e.column, c.column) << c.text;
  }
}
TEST(TextForm, depth_is_limited) {
  std::string deep = "graph (x: float32[";
  for (int i = 0; i < 100000; ++i) deep += "(";
  EXPECT_NE(error_of(deep).message.find("nested deeper than 64"), std::string::npos);
  std::string seq = "graph (x: ";
  for (int i = 0; i < 100000; ++i) seq += "seq(";
  EXPECT_NE(error_of(seq).message.find("nested deeper than 64"), std::string::npos);
  std::string minus = "graph (x: float32[";
  for (int i = 0; i < 100000; ++i) minus += "- ";
  EXPECT_NE(error_of(minus).message.find("nested deeper than 64"), std::string::npos);
}
TEST(TextForm, large_constants_are_cut_short_on_demand) {
  Builder b;
  Val c = b.constant(Tensor::zeros(DType::f32, {1000}), "c");
  auto g = std::move(b).build({c});
  EXPECT_NE(print(*g, {.max_elements = 2}).find("c = float32[1000] {0, 0, ...}"), std::string::npos);
}
TEST(TextForm, damaged_text_gives_an_error_or_a_graph) {
  std::mt19937 rng(3);
  for (std::size_t n = 0; n < kSample.size(); ++n) (void)parse(kSample.substr(0, n));
  int read = 0;
  for (int turn = 0; turn < 3000; ++turn) {
    std::string s(kSample);
    for (int k = 0; k < 1 + turn % 3; ++k) {
      std::size_t at = rng() % s.size();
      switch (rng() % 3) {
        case 0: s[at] = char(rng()); break;
        case 1: s.erase(at, 1 + rng() % 5); break;
        default: s.insert(at, s.substr(rng() % s.size(), rng() % 9)); break;
      }
    }
    auto g = parse(s);
    if (!g) { EXPECT_GT(g.error().line, 0) << g.error().message; continue; }
    EXPECT_TRUE(ir::verify(*g));
    ++read;
  }
  EXPECT_GT(read, 0);
}

}  // namespace saha::op

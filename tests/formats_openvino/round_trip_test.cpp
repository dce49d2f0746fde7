// Graphs written as OpenVINO IR and read again: the same results in both versions, files that do not change, refusals by name.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "formats/openvino/layers.hpp"
#include "formats/openvino/openvino.hpp"
#include "op/text_form.hpp"

namespace saha::openvino {
namespace {
Tensor noise(const Dims& dims, DType t, unsigned seed) {
  Tensor r = Tensor::zeros(t, dims);
  std::vector<double> v(std::size_t(r.size()));
  for (double& e : v) {
    seed = seed * 1664525u + 1013904223u;
    e = is_float(t) ? double(seed >> 8) / double(1 << 23) - 1 : double(seed >> 29);
  }
  fill<double>(r, v);
  return r;
}
ir::Model model_of(std::string_view text) {
  auto g = op::parse(text);
  EXPECT_TRUE(g) << g.error().message;
  ir::Model m;
  m.name = "test";
  if (g) m.graph = std::move(*g);
  return m;
}
Result<ir::Model> read(const Written& w) { return import_bytes(std::as_bytes(std::span(w.xml)), std::as_bytes(std::span(w.bin))); }

/// Written, read, run on noise: equals the graph within `tolerance`. Gives the .xml.
std::string round_trip(std::string_view text, int version = 11, double tolerance = 1e-5) {
  const ir::Model m = model_of(text);
  auto written = export_bytes(m, {.version = version});
  EXPECT_TRUE(written) << written.error().message << "\n" << text;
  if (!written) return {};
  auto again = export_bytes(m, {.version = version});
  EXPECT_TRUE(again && again->xml == written->xml && again->bin == written->bin) << "two exports differ";
  auto back = read(*written);
  EXPECT_TRUE(back) << back.error().message << "\n" << written->xml;
  if (!back) return {};
  std::vector<Datum> in;
  for (ir::ValueId v : m.graph.inputs()) {
    Dims dims;
    for (const ir::Dim& d : m.graph.type(v).dims) dims.push_back(d.known().value_or(2));
    in.push_back(noise(dims, m.graph.type(v).dtype, unsigned(in.size() + 1)));
  }
  EXPECT_EQ(back->graph.inputs().size(), in.size());
  for (std::size_t i = 0; i < in.size(); ++i) EXPECT_EQ(back->graph.name(back->graph.inputs()[i]), m.graph.name(m.graph.inputs()[i]));
  auto want = op::run(m.graph, std::span<const Datum>(in)), got = op::run(back->graph, std::span<const Datum>(in));
  EXPECT_TRUE(want) << want.error().message;
  EXPECT_TRUE(got) << got.error().message << "\n" << op::print(back->graph);
  for (std::size_t k = 0; want && got && k < want->size(); ++k) {
    const Tensor &a = (*want)[k].tensor, &b = (*got)[k].tensor;
    EXPECT_EQ(a.dims, b.dims);
    EXPECT_EQ(a.dtype, b.dtype);
    for (std::int64_t i = 0; a.dims == b.dims && i < a.size(); ++i) EXPECT_NEAR(a.at(i), b.at(i), tolerance * std::max(1., std::fabs(a.at(i)))) << text;
  }
  return written->xml;
}
std::string refusal(std::string_view text, int version = 11) {
  auto w = export_bytes(model_of(text), {.version = version});
  EXPECT_FALSE(w) << text;
  return w ? "" : w.error().message;
}
int count(const std::string& xml, const std::string& type) {
  int n = 0;
  for (std::size_t at = 0; (at = xml.find("type=\"" + type + "\"", at)) != xml.npos; ++at) ++n;
  return n;
}

TEST(RoundTrip, layers_with_windows_and_weights) {
  const std::string xml = round_trip(R"(graph (x: float32[N, 2, 9, 8]) {
    w = Range(float32[] {-1}, float32[] {1}, float32[] {0.0185186})
    k = Reshape(w, int64[4] {6, 2, 3, 3})
    c = Conv(x, k, float32[6] {1, 2, 3, 4, 5, 6}) {pads = [1, 0, 1, 2], strides = [2, 1]}
    g = Conv(c, float32[6, 1, 1, 2] {1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6}) {group = 6, dilations = [1, 2]}
    t = ConvTranspose(g, float32[6, 1, 2, 2] {1, 2, 3, 4, 5, 6, 7, 8, -1, -2, -3, -4, 1, 2, 3, 4, 5, 6, 7, 8, -1, -2, -3, -4}) {group = 6, strides = [2, 2], output_padding = [1, 0]}
    m, i = MaxPool(t) {kernel_shape = [3, 2], strides = [2, 2], ceil_mode = 1}
    a = AveragePool(m) {kernel_shape = [2, 2], pads = [1, 1, 0, 0], count_include_pad = 1}
    n = InstanceNormalization(a, float32[6] {1, 2, 3, 4, 5, 6}, float32[6] {0, 1, 0, 1, 0, 1})
    r = Resize(n, _, float32[4] {1, 1, 2, 2}) {mode = "linear", coordinate_transformation_mode = "half_pixel"}
    return r, i
  })");
  EXPECT_EQ(count(xml, "GroupConvolution"), 1);
  EXPECT_EQ(count(xml, "GroupConvolutionBackpropData"), 1);
  EXPECT_NE(xml.find("names=\"x\""), xml.npos);
}
TEST(RoundTrip, elementwise_and_movement_of_free_extents) {
  round_trip(R"(graph (x: float32[N, 3, M]) {
    s = Shape(x)
    f = Flatten(x) {axis = 2}
    u = Unsqueeze(f, int64[1] {0})
    e = Expand(u, int64[3] {2, 1, 1})
    p = Pad(x, int64[6] {0, 1, 0, 0, 1, 2}, float32[] {7})
    q = Slice(p, int64[2] {-1, 0}, int64[2] {-9, 2}, int64[2] {1, 2}, int64[2] {-2, 1})
    g = GatherElements(f, int64[1, 2] {-1, 0}) {axis = 1}
    t, k = TopK(x, int64[1] {2}) {axis = 1, largest = 0}
    l = Less(t, float32[] {0})
    v = Exp(t)
    w = Pow(t, float32[] {2})
    z = Where(l, v, w)
    a = ArgMax(x) {axis = 1, keepdims = 0}
    o = OneHot(a, int64[] {3}, float32[2] {-1, 1})
    c = CumSum(x, int64[] {2}) {exclusive = 1, reverse = 1}
    h = Celu(c) {alpha = 0.5}
    return s, e, q, g, k, z, o, h
  })");
}
TEST(RoundTrip, loops_branches_and_scans_that_stand_in_each_other) {
  const std::string xml = round_trip(R"(graph (x: float32[2, 3], c: bool[]) {
    y, all = Loop(int64[] {3}, _, x, c) {carried = 1, body = graph (i: int64[], on: bool[], a: float32[2, 3], c: bool[]) {
      b = If(c, a) {then_branch = graph (a: float32[2, 3]) { r = Neg(a) return r }, else_branch = graph (a: float32[2, 3]) { r = Mul(a, float32[] {2}) return r }}
      t, s = Scan(b, a) {carried = 1, num_scan_inputs = 1, scan_input_axes = [1], scan_output_axes = [1], body = graph (st: float32[2, 3], e: float32[2]) {
        n = Unsqueeze(e, int64[1] {1})
        u = Add(st, n)
        return u, e
      }}
      go = Identity(on)
      return go, t, s
    }}
    return y, all
  })");
  EXPECT_EQ(count(xml, "If"), 1);
  EXPECT_EQ(count(xml, "Loop"), 2) << "a Scan in a body is a Loop";
}
TEST(RoundTrip, recurrent_layers_keep_gates_biases_and_directions) {
  for (const char* text : {R"(graph (x: float32[4, N, 3], w: float32[2, 8, 3], r: float32[2, 8, 2], b: float32[2, 16]) { y, h, c = LSTM(x, w, r, b) {hidden_size = 2, direction = "bidirectional"} return y, h, c })",
                           R"(graph (x: float32[4, 2, 3], w: float32[1, 6, 3], r: float32[1, 6, 2], b: float32[1, 12], h0: float32[1, 2, 2]) {
                             y, h = GRU(x, w, r, b, _, h0) {hidden_size = 2, linear_before_reset = 1, direction = "reverse"} return y, h })",
                           R"(graph (x: float32[2, 4, 3], w: float32[1, 2, 3], r: float32[1, 2, 2]) { y, h = RNN(x, w, r) {hidden_size = 2, layout = 1, activations = ["Relu"]} return y, h })"}) {
    const std::string xml = round_trip(text);
    EXPECT_EQ(count(xml, "LSTMSequence") + count(xml, "GRUSequence") + count(xml, "RNNSequence"), 1);
  }
}
TEST(RoundTrip, a_quantised_value_is_one_FakeQuantize_where_nothing_reads_its_stored_numbers) {
  const std::string xml = round_trip(R"(graph (x: float32[2, 4]) {
    q = QuantizeLinear(x, float32[] {0.01}, uint8[] {128})
    d = DequantizeLinear(q, float32[] {0.01}, uint8[] {128})
    w = DequantizeLinear(int8[4, 2] {1, 2, 3, 4, -5, -6, -7, -8}, float32[2] {0.5, 0.25}, int8[2] {0, 0}) {axis = 1}
    m = MatMul(d, w)
    p = QuantizeLinear(m, float32[] {0.1}, int8[] {0})
    e = DequantizeLinear(p, float32[] {0.1}, int8[] {0})
    k = Relu(e)
    y = QuantizeLinear(k, float32[] {0.1}, int8[] {0})
    return y
  })", 11, 0);
  EXPECT_EQ(count(xml, "FakeQuantize"), 2) << "the second one clips first and rounds once";
  EXPECT_EQ(count(xml, "Subtract"), 0) << "no zero point of zero is subtracted";
}
TEST(RoundTrip, version_10_keeps_numbers_in_half_the_bytes) {
  const char* text = R"(graph (x: float32[1, 2, 4, 4]) {
    c = Conv(x, float32[3, 2, 1, 1] {0.1, 0.2, 0.3, -0.4, 0.5, -0.6}, float32[3] {1, 2, 3})
    l = LeakyRelu(c) {alpha = 0.25}
    y = Softmax(l) {axis = 1}
    return y
  })";
  round_trip(text, 10, 2e-3);
  auto w = export_bytes(model_of(text), {.version = 10});
  ASSERT_TRUE(w);
  EXPECT_NE(w->xml.find("<net name=\"test\" version=\"10\">"), w->xml.npos);
  EXPECT_NE(w->xml.find("element_type=\"f16\""), w->xml.npos);
  EXPECT_EQ(w->xml.find("opset9"), w->xml.npos);
}
TEST(RoundTrip, what_layers_say_through_others) {
  round_trip("graph (x: float32[2, 4, 3, 8], c: float32[9, 3], s: float32[9, 3], i: int64[2, 3]) { y = RotaryEmbedding(x, c, s, i) {rotary_embedding_dim = 6, interleaved = 1} return y }");
  round_trip("graph (x: float32[2, 3, 8], c: float32[2, 3, 2], s: float32[2, 3, 2]) { y = RotaryEmbedding(x, c, s) {num_heads = 2} return y }");
  round_trip("graph (x: float32[1, 8, 1]) { y = DFT(x, int64[] {8}, int64[] {1}) {onesided = 1} z = DFT(y, int64[] {8}, int64[] {1}) {inverse = 1} return y, z }");
  round_trip("graph (x: bool[2, 3]) { y = ReduceMax(x, int64[1] {1}) z = ReduceMin(x) return y, z }");
  round_trip("graph (x: float32[1, 1, 4, 6]) { y, i = MaxPool(x) {kernel_shape = [2, 3], strides = [2, 3], storage_order = 1} return y, i }");
  round_trip("graph (x: float32[1, 5]) { k = BlackmanWindow(int64[] {5}) {periodic = 0} y = Mul(x, k) return y }");
}

TEST(Export, what_no_layer_says_is_refused_by_name) {
  EXPECT_EQ(refusal("graph (x: string[2]) { y = StringNormalizer(x) return y }"), "node 0 (StringNormalizer) is said by no layer of operator sets up to 16");
  EXPECT_EQ(refusal("graph (x: seq(float32[2])) { y = SequenceLength(x) return y }"), "input 'x' is seq(float32[2]), a type that IR does not have");
  EXPECT_NE(refusal("graph (x: float32[2, 2], i: int64[2, 2]) { y = ScatterElements(x, i, x) {reduction = \"add\"} return y }", 10).find("operator sets up to 8"), std::string::npos);
  EXPECT_EQ(export_bytes(model_of("graph (x: float32[2]) { y = Neg(x) return y }"), {.version = 9}).error().message, "IR version 9 is not one of 10 and 11");
}
TEST(Export, two_files_and_neither_where_it_fails) {
  const auto folder = std::filesystem::temp_directory_path() / "saha_openvino_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::string path = (folder / "m.xml").string();
  ASSERT_TRUE(export_file(model_of("graph (x: float32[2]) { y = Add(x, float32[2] {1, 2}) return y }"), path));
  auto back = import_file(path);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->format, "OpenVINO");
  EXPECT_EQ(std::filesystem::file_size(folder / "m.bin"), 8u);
  std::filesystem::remove(folder / "m.bin");
  EXPECT_NE(import_file(path).error().message.find("its elements in a .bin file, which is not there"), std::string::npos);
  const std::string other = (folder / "other.xml").string();
  EXPECT_FALSE(export_file(model_of("graph (x: string[2]) { y = StringNormalizer(x) return y }"), other));
  EXPECT_FALSE(std::filesystem::exists(other) || std::filesystem::exists(folder / "other.bin"));
  std::filesystem::remove_all(folder);
}

TEST(Table, each_row_names_an_operator_and_attributes_that_exist) {
  for (auto rows : {math_rows(), network_rows(), resize_rows(), quantise_rows(), movement_rows(), indexing_rows(), detection_rows(), signal_rows(), control_rows()})
    for (const Row& r : rows) {
      const std::string who = std::string(r.type) + " / " + std::string(r.op.str());
      EXPECT_GE(r.since, 1) << who;
      EXPECT_TRUE(!r.type.empty() || (r.write && !r.op.str().empty())) << who;
      EXPECT_TRUE(r.read || r.type.empty() || !r.op.str().empty()) << who;
      if (r.op.str().empty()) continue;
      const op::Entry* e = op::find(r.op.str());
      ASSERT_TRUE(e) << who;
      for (std::string_view rest = r.attrs; !rest.empty();) {
        std::string_view one = rest.substr(0, rest.find(','));
        rest = one.size() == rest.size() ? std::string_view() : rest.substr(one.size() + 1);
        one.remove_prefix(std::min(one.find_first_not_of(' '), one.size()));
        if (one.ends_with('?')) one.remove_suffix(1);
        EXPECT_TRUE(e->signature.attr(one.substr(one.find('=') == one.npos ? 0 : one.find('=') + 1))) << who << ": " << one;
      }
    }
}

}  // namespace
}  // namespace saha::openvino

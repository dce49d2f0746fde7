// .xml files as text: what is read from them, and what is refused by which sentence.
#include <gtest/gtest.h>

#include <limits>

#include "formats/openvino/openvino.hpp"
#include "op/text_form.hpp"

namespace saha::openvino {
namespace {
Result<ir::Model> read(const std::string& xml, const std::string& bin = {}) { return import_bytes(std::as_bytes(std::span(xml)), std::as_bytes(std::span(bin))); }
std::string refusal(const std::string& xml, const std::string& bin = {}) {
  auto m = read(xml, bin);
  EXPECT_FALSE(m) << xml;
  return m ? "" : m.error().message;
}
std::string graph_of(const std::string& xml, const std::string& bin = {}) {
  auto m = read(xml, bin);
  EXPECT_TRUE(m) << m.error().message;
  return m ? op::print(m->graph, {.origins = false}) : "";
}
std::string port(int id, const std::string& dims, const std::string& more = "precision=\"FP32\"") {
  std::string r = "<port id=\"" + std::to_string(id) + "\" " + more + ">";
  for (char c : dims) r += std::string("<dim>") + c + "</dim>";
  return r + "</port>";
}
/// A layer of one result, ports 0 .. inputs - 1 before it.
std::string layer(int id, const std::string& type, const std::string& data, int inputs, const std::string& dims = "23", int opset = 1, const std::string& more = {}) {
  std::string r = "<layer id=\"" + std::to_string(id) + "\" name=\"" + type + std::to_string(id) + "\" type=\"" + type + "\" version=\"opset" + std::to_string(opset) + "\">";
  if (!data.empty()) r += "<data " + data + "/>";
  if (inputs) r += "<input>";
  for (int i = 0; i < inputs; ++i) r += port(i, dims);
  if (inputs) r += "</input>";
  if (type != "Result") r += "<output>" + port(inputs, dims) + "</output>";
  return r + more + "</layer>";
}
std::string edge(int from, int out, int to, int in) {
  return "<edge from-layer=\"" + std::to_string(from) + "\" from-port=\"" + std::to_string(out) + "\" to-layer=\"" + std::to_string(to) + "\" to-port=\"" + std::to_string(in) + "\"/>";
}
std::string net(const std::string& layers, const std::string& edges, int version = 11) {
  return "<?xml version=\"1.0\"?>\n<net name=\"m\" version=\"" + std::to_string(version) + "\"><layers>" + layers + "</layers><edges>" + edges + "</edges></net>";
}
const std::string kParameter = layer(0, "Parameter", "shape=\"2,3\" element_type=\"f32\"", 0), kResult = layer(9, "Result", "", 1);
/// x -> `layers` -> result of layer `last` at port `out`
std::string around(const std::string& layers, const std::string& edges, int last, int out) { return net(kParameter + layers + kResult, edges + edge(last, out, 9, 0)); }

TEST(Read, layers_in_any_order_with_names_of_tensors_and_free_extents) {
  const std::string xml = net(kResult + layer(1, "ReLU", "", 1) + layer(0, "Parameter", "shape=\"?,3,1..8\" element_type=\"f32\"", 0, "23"), edge(1, 1, 9, 0) + edge(0, 0, 1, 0));
  EXPECT_EQ(graph_of(xml), "graph (Parameter0: float32[N, 3, Parameter0.2]) {\n  ReLU1: float32[N, 3, Parameter0.2] = Relu(Parameter0)\n  return ReLU1\n}\n");
  std::string named = xml;
  const std::string stated = "<port id=\"1\" precision=\"FP32\"";
  named.replace(named.find(stated), stated.size(), stated + " names=\"y\\,1,z\"");
  EXPECT_NE(graph_of(named).find("return \"y,1\""), std::string::npos);
  EXPECT_EQ(read(xml)->metadata.at("openvino.shape.Parameter0"), "?,3,1..8");
}
TEST(Read, weights_as_8_bit_numbers_that_are_decompressed_are_dequantised) {
  const std::string bin{1, 2, 3, 4, 5, 6, 2, 2, 0, 0, 0, '\x3f', 0, 0, 0, '\x3e'};   // u8 [2, 3], u8 zero points [2, 1], f32 scales [2, 1]
  const std::string layers = layer(1, "Const", "element_type=\"u8\" shape=\"2,3\" offset=\"0\" size=\"6\"", 0) + layer(2, "Convert", "destination_type=\"f32\"", 1) +
                             layer(3, "Const", "element_type=\"u8\" shape=\"2,1\" offset=\"6\" size=\"2\"", 0, "21") + layer(4, "Convert", "destination_type=\"f32\"", 1, "21") + layer(5, "Subtract", "", 2) +
                             layer(6, "Const", "element_type=\"f32\" shape=\"2,1\" offset=\"8\" size=\"8\"", 0, "21") + layer(7, "Multiply", "", 2) + layer(8, "Add", "", 2);
  const std::string edges = edge(1, 0, 2, 0) + edge(3, 0, 4, 0) + edge(2, 1, 5, 0) + edge(4, 1, 5, 1) + edge(5, 2, 7, 0) + edge(6, 0, 7, 1) + edge(0, 0, 8, 0) + edge(7, 2, 8, 1);
  const std::string text = graph_of(around(layers, edges, 8, 2), bin);
  EXPECT_NE(text.find("DequantizeLinear("), text.npos) << text;
  EXPECT_NE(text.find("float32[2] {0.5, 0.125}"), text.npos) << text;
  EXPECT_EQ(text.find("Sub("), text.npos) << "what is read as one node leaves nothing over\n" << text;
}
TEST(Read, a_state_is_an_input_and_an_output) {
  const std::string layers = layer(1, "ReadValue", "variable_id=\"h\" variable_type=\"f32\" variable_shape=\"2,3\"", 1, "23", 6) + layer(2, "Add", "", 2) + layer(3, "Assign", "variable_id=\"h\"", 1, "23", 6);
  auto m = read(around(layers, edge(0, 0, 1, 0) + edge(0, 0, 2, 0) + edge(1, 1, 2, 1) + edge(2, 2, 3, 0), 2, 2));
  ASSERT_TRUE(m) << m.error().message;
  ASSERT_EQ(m->graph.inputs().size(), 2u);
  EXPECT_EQ(m->graph.name(m->graph.inputs()[1]), "h");
  EXPECT_EQ(m->graph.name(m->graph.outputs()[1]), "h_next");
  EXPECT_EQ(m->notes.size(), 1u);
}

TEST(Refusal, a_file_cut_short_anywhere_is_refused) {
  const std::string xml = around(layer(1, "ReLU", "", 1), edge(0, 0, 1, 0), 1, 1);
  ASSERT_TRUE(read(xml));
  for (std::size_t n = 0; n < xml.size(); ++n) EXPECT_FALSE(read(xml.substr(0, n))) << n;
  EXPECT_EQ(refusal(xml.substr(0, 60)).substr(0, 26), "the XML is damaged at byte");
}
TEST(Refusal, document_types_and_with_them_entities_are_not_read) {
  const std::string bomb = "<?xml version=\"1.0\"?><!DOCTYPE net [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><net name=\"&b;\" version=\"11\"><layers/><edges/></net>";
  const std::string commented = "<!-- x --><net version=\"11\">";
  EXPECT_TRUE(is_openvino(std::as_bytes(std::span(commented))));
  EXPECT_EQ(refusal(bomb), "the file states a document type, which an IR never has");
}
TEST(Refusal, says_the_name_and_the_numbers) {
  const std::string relu = layer(1, "ReLU", "", 1), add = layer(1, "Add", "", 2), e = edge(0, 0, 1, 0);
  auto constant = [](const std::string& data) { return around(layer(1, "Const", data, 0), "", 1, 0); };
  EXPECT_EQ(refusal(net("", "", 7)), "the file is IR version '7', versions 10 and 11 are read");
  EXPECT_EQ(refusal(net(kParameter, "")), "the model has no Result");
  EXPECT_EQ(refusal(around(layer(1, "Warp", "", 1, "23", 4), e, 1, 1)), "Warp 'Warp1' is a layer of opset4 that saha does not know");
  EXPECT_EQ(refusal(around(relu + relu, e, 1, 1)), "Relu 'ReLU1' has id 1, which 'ReLU1' has, too");
  EXPECT_EQ(refusal(around(relu, edge(0, 5, 1, 0), 1, 1)), "Parameter 'Parameter0' has no output port 5, which Relu 'ReLU1' reads");
  EXPECT_EQ(refusal(around(relu, edge(0, 0, 1, 7), 1, 1)), "Relu 'ReLU1' has no input port 7, to which an edge from Parameter 'Parameter0' leads");
  EXPECT_EQ(refusal(around(relu, edge(4, 0, 1, 0), 1, 1)), "an edge leads from layer 4 to layer 1; there is no layer 4");
  EXPECT_EQ(refusal(around(relu, e + e, 1, 1)), "Relu 'ReLU1': two edges lead to port 0");
  EXPECT_EQ(refusal(around(add, e, 1, 2)), "Add 'Add1' has no operand 1");
  EXPECT_EQ(refusal(around(relu + layer(2, "ReLU", "", 1), edge(1, 1, 2, 0) + edge(2, 1, 1, 0), 2, 1)), "Relu 'ReLU1' reads, over others, its own result");
  EXPECT_EQ(refusal(constant("element_type=\"f32\" shape=\"2,3\" offset=\"0\" size=\"24\"")), "Constant 'Const1' wants 24 bytes at 0 of a .bin file of 0");
  EXPECT_EQ(refusal(constant("element_type=\"f32\" shape=\"2,3\" offset=\"-8\" size=\"24\"")), "Constant 'Const1' has offset '-8' and size '24'");
  EXPECT_EQ(refusal(constant("element_type=\"f32\" shape=\"9223372036854775807,3\" offset=\"0\" size=\"24\"")), "Constant 'Const1' has shape '9223372036854775807,3'");
  EXPECT_EQ(refusal(constant("element_type=\"f32\" shape=\"4,4\" offset=\"0\" size=\"0\"")), "Constant 'Const1' float32[4, 4] needs 64 bytes, its size is 0");
  EXPECT_EQ(refusal(constant("element_type=\"complex\" shape=\"1\" offset=\"0\" size=\"0\"")), "Constant 'Const1' has element type 'complex', which is not taken");
  EXPECT_EQ(refusal(net(layer(0, "Parameter", "shape=\"2,-3\" element_type=\"f32\"", 0) + kResult, edge(0, 0, 9, 0))), "Parameter 'Parameter0' has shape '2,-3'");
  EXPECT_EQ(refusal(around(layer(1, "Elu", "alpha=\"much\"", 1), e, 1, 1)), "Elu 'Elu1' has alpha 'much', a number is needed");
}
TEST(Refusal, names_that_are_no_text_are_shown_in_escapes) {
  const std::string e = edge(0, 0, 1, 0), relu = layer(1, "ReLU", "", 1);
  auto with = [&](const std::string& what, const std::string& instead) {
    std::string l = relu;
    l.replace(l.find(what), what.size(), instead);
    return refusal(around(l, e, 1, 1));
  };
  EXPECT_EQ(with("name=\"ReLU1\"", "name=\"a\xff\""), "the layer 'a\\xff' is not UTF-8 at byte 1");
  EXPECT_EQ(with("type=\"ReLU\"", "type=\"R&#7;\""), "layer 'ReLU1': the type 'R\\x07' holds the control character 7 at byte 1");
  EXPECT_EQ(with("opset1", "op&#7;"), "Relu 'ReLU1': the version 'op\\x07' holds the control character 7 at byte 2");
}
TEST(Read, ranges_of_FakeQuantize_that_are_no_numbers_make_no_scales) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (float low : {0.f, nan, -std::numeric_limits<float>::infinity()}) {
    const float ends[] = {low, 0.f};   // an empty range, or none
    const std::string bin(reinterpret_cast<const char*>(ends), sizeof ends);
    const std::string number = "element_type=\"f32\" shape=\"\" size=\"4\" offset=";
    const std::string layers = layer(1, "Const", number + "\"0\"", 0, "") + layer(2, "Const", number + "\"4\"", 0, "") + layer(3, "FakeQuantize", "levels=\"256\"", 5);
    const std::string edges = edge(0, 0, 3, 0) + edge(1, 0, 3, 1) + edge(2, 0, 3, 2) + edge(1, 0, 3, 3) + edge(2, 0, 3, 4);
    EXPECT_EQ(graph_of(around(layers, edges, 3, 5), bin).find("QuantizeLinear"), std::string::npos);
  }
}
TEST(Refusal, constants_may_not_want_the_same_bytes_without_end) {
  const std::string bin(1 << 20, '\1');
  std::string layers, edges;
  for (int i = 1; i <= 100; ++i) layers += layer(10 + i, "Const", "element_type=\"u8\" shape=\"1048576\" offset=\"0\" size=\"1048576\"", 0);
  EXPECT_NE(refusal(around(layers + layer(1, "ReLU", "", 1), edge(0, 0, 1, 0), 1, 1), bin).find("bytes of a .bin file of 1048576"), std::string::npos);
}
TEST(Refusal, bodies_may_not_stand_in_each_other_without_end) {
  std::string inner = "<layers>" + kParameter + kResult + "</layers><edges>" + edge(0, 0, 9, 0) + "</edges>";
  const std::string map = "<port_map><input external_port_id=\"0\" internal_layer_id=\"0\" axis=\"0\"/><output external_port_id=\"1\" internal_layer_id=\"9\"/></port_map>";
  for (int i = 0; i < 40; ++i) inner = "<layers>" + kParameter + layer(1, "TensorIterator", "", 1, "23", 1, map + "<body>" + inner + "</body>") + kResult + "</layers><edges>" + edge(0, 0, 1, 0) + edge(1, 1, 9, 0) + "</edges>";
  EXPECT_NE(refusal("<net name=\"m\" version=\"11\">" + inner + "</net>").find("bodies stand in each other deeper than 16"), std::string::npos);
}

}  // namespace
}  // namespace saha::openvino

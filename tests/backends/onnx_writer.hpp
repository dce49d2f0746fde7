#pragma once
// Just enough of protobuf's wire format to write small ONNX models in a test, independent of saha's own exporter.
// Source: protobuf encoding guide; field numbers of onnx.proto.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/dtype.hpp"

namespace saha::onnx_writer {

inline std::string varint(std::uint64_t v) {
  std::string s;
  for (; v >= 128; v >>= 7) s += char(v | 128);
  return s + char(v);
}
inline std::string number(int field, std::uint64_t v) { return varint(std::uint64_t(field) << 3) + varint(v); }
inline std::string bytes(int field, std::string_view b) { return varint(std::uint64_t(field) << 3 | 2) + varint(b.size()) + std::string(b); }

/// A dim is a number, or a name where it is free.
using DimText = std::vector<std::string>;
inline std::string tensor_type(DType t, const DimText& dims) {
  std::string shape;
  for (const auto& d : dims) shape += bytes(1, d.find_first_not_of("0123456789") == std::string::npos ? number(1, std::stoull(d)) : bytes(2, d));
  return bytes(1, number(1, std::uint64_t(t)) + bytes(2, shape));  // TypeProto.tensor_type
}
inline std::string sequence_type(const std::string& element) { return bytes(4, bytes(1, element)); }
inline std::string optional_type(const std::string& element) { return bytes(9, bytes(1, element)); }
inline std::string map_type(DType key, const std::string& value) { return bytes(5, number(1, std::uint64_t(key)) + bytes(2, value)); }
inline std::string value_info(std::string_view name, const std::string& type) { return bytes(1, name) + bytes(2, type); }

inline std::string int_attribute(std::string_view name, std::int64_t v) { return bytes(1, name) + number(3, std::uint64_t(v)) + number(20, 2); }
inline std::string ints_attribute(std::string_view name, const std::vector<std::int64_t>& v) {
  std::string s = bytes(1, name);
  for (auto i : v) s += number(8, std::uint64_t(i));
  return s + number(20, 7);
}
inline std::string node(std::string_view op, const std::vector<std::string>& in, const std::vector<std::string>& out, const std::vector<std::string>& attributes = {},
                        std::string_view domain = {}) {
  std::string s;
  for (const auto& i : in) s += bytes(1, i);
  for (const auto& o : out) s += bytes(2, o);
  s += bytes(4, op);
  for (const auto& a : attributes) s += bytes(5, a);
  if (!domain.empty()) s += bytes(7, domain);
  return s;
}
inline std::string floats(std::string_view name, const std::vector<std::int64_t>& dims, const std::vector<float>& values) {
  std::string s;
  for (auto d : dims) s += number(1, std::uint64_t(d));
  s += number(2, std::uint64_t(DType::f32)) + bytes(8, name);
  return s + bytes(9, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}

struct Graph {
  std::vector<std::string> nodes = {}, initializers = {}, inputs = {}, outputs = {};
  int opset = 21;
  int ir_version = 10;
};
inline std::string model(const Graph& g) {
  std::string graph;
  for (const auto& n : g.nodes) graph += bytes(1, n);
  graph += bytes(2, "test");
  for (const auto& i : g.initializers) graph += bytes(5, i);
  for (const auto& i : g.inputs) graph += bytes(11, i);
  for (const auto& o : g.outputs) graph += bytes(12, o);
  return number(1, std::uint64_t(g.ir_version)) + bytes(7, graph) + bytes(8, bytes(1, "") + number(2, std::uint64_t(g.opset))) +
         bytes(8, bytes(1, "ai.onnx.ml") + number(2, 3));
}

}  // namespace saha::onnx_writer

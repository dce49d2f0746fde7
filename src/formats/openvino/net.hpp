#pragma once
// Net: the .xml as plain values: layers in an order in which each follows those that it reads, with what they read resolved. XML stays in net.cpp.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/name.hpp"
#include "formats/openvino/openvino.hpp"
#include "tensor/dtype.hpp"

namespace saha::openvino {

/// Attributes of an element in their order.
using Data = std::vector<std::pair<std::string, std::string>>;
const std::string* find(const Data& data, std::string_view name);

/// An output port.
struct Port {
  std::int64_t id = 0;
  std::string precision;                    ///< "FP32"
  std::vector<std::int64_t> dims;           ///< -1: free
  std::vector<std::string> names;           ///< of the tensor
};
/// Where an input port's value comes from: a row of layers, and which of its output ports; -1: nowhere.
struct From {
  int layer = -1, port = 0;
};
struct Inner;
struct Layer {
  std::int64_t id = 0;
  std::string name, type;                   ///< type as in the operator sets' pages: "Relu", where the file says "ReLU"
  int opset = 0;                            ///< 0: of no numbered set
  std::string version;                      ///< as in the file
  Data data;
  std::vector<From> in;
  std::vector<std::int64_t> in_ids;         ///< ids of the input ports
  std::vector<Port> out;
  Data rt_info;                             ///< name and value of each attribute
  std::vector<std::string> output_names;    ///< of a Result: the names of the output
  std::vector<Inner> inner;                 ///< bodies
};
/// Entries of a model's metadata whose keys begin so are entries of rt_info as they are.
inline constexpr std::string_view kOwn = "saha.";
struct Net {
  std::string name;
  int version = 11;
  std::vector<Layer> layers;
  Data rt_info;                             ///< path "a/b" and value
};
/// One line of a port map: what a port of the layer is inside the body.
struct Mapped {
  bool input = true;
  std::int64_t external = -1, internal = 0;   ///< id of the layer's port, or -1; id of the body's Parameter or Result
  std::optional<std::int64_t> axis;           ///< sliced or concatenated along it
  std::int64_t start = 0, end = -1, stride = 1, part_size = 1;
  std::string purpose;
};
struct Inner {
  std::string role;                         ///< "": the body; "then_", "else_"
  Net net;
  std::vector<Mapped> map;
  std::vector<std::pair<std::int64_t, std::int64_t>> back_edges;   ///< id of a Result, id of a Parameter
};

/// Fails with a sentence naming the layer that does not fit.
Result<Net> read_net(std::span<const std::byte> xml, const Limits& limits);
std::string write_net(const Net& net);

/// "f32", as attributes name element types; nothing for what saha or IR lacks.
std::optional<DType> dtype_from(std::string_view element_type);
std::string_view element_type(DType t);    ///< empty: IR has none
std::string_view precision(DType t);       ///< "FP32", as ports name them

/// Whole text as a number; text as a list of them, separated by commas.
std::optional<std::int64_t> integer(std::string_view text);
std::optional<double> number(std::string_view text);
std::optional<std::vector<std::int64_t>> integers(std::string_view text);
std::string join(const std::vector<std::int64_t>& v);

}  // namespace saha::openvino

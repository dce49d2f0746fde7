// Generator: SplitMix64 (Steele, Lea, Flood 2014), one stream per input.
#include "measure/inputs.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "passes/specialize.hpp"

namespace saha::measure {
namespace {

struct Stream {
  std::uint64_t state;
  std::uint64_t next() {
    std::uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  double unit() { return double(next() >> 11) * 0x1p-53; }
};

Error no_input(const ir::Graph& graph, const std::string& name) {
  std::string names;
  for (auto v : graph.inputs()) names += (names.empty() ? "" : ", ") + graph.name(v);
  return {ErrorCode::invalid_file, "--shape: the model has no input '" + name + "'", "its inputs are " + names};
}

}  // namespace

Result<std::pair<std::string, Dims>> parse_shape(std::string_view text) {
  const Error wrong{ErrorCode::invalid_file, "--shape is '" + std::string(text) + "', NAME=1x3x224x224 is taken"};
  const auto at = text.rfind('=');
  if (at == std::string_view::npos || at == 0) return wrong;
  Dims dims;
  for (std::string_view rest = text.substr(at + 1); !rest.empty();) {
    const auto end = std::min(rest.find('x'), rest.size());
    std::int64_t d = 0;
    auto [stop, problem] = std::from_chars(rest.data(), rest.data() + end, d);
    if (problem != std::errc{} || stop != rest.data() + end || d < 0 || end + 1 == rest.size()) return wrong;
    dims.push_back(d);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return std::pair(std::string(text.substr(0, at)), std::move(dims));
}

Result<Tensor> random_tensor(DType t, Dims dims, std::uint64_t seed, std::uint64_t stream, std::int64_t below) {
  Stream random{seed * 0xd1342543de82ef95u + stream * 0x2545f4914f6cdd1du};
  if (t == DType::string) {
    const auto n = checked_elements(dims);
    if (!n || *n > (std::int64_t{1} << 28)) return Error{ErrorCode::out_of_memory, "a tensor of strings of shape " + str(dims) + " is too large"};
    std::vector<std::string> text(std::size_t(*n), "a");
    for (auto& s : text) s[0] = char('a' + random.next() % 26);
    return Tensor::of_strings(std::move(dims), std::move(text));
  }
  SAHA_TRY(Tensor x, Tensor::make(t, std::move(dims)));
  const std::int64_t n = x.size();
  constexpr std::int64_t kPiece = 4096;
  if (is_float(t)) {
    std::vector<double> piece(kPiece);
    for (std::int64_t at = 0; at < n; at += kPiece) {
      const auto count = std::min(kPiece, n - at);
      for (std::int64_t i = 0; i < count; ++i) piece[std::size_t(i)] = 2 * random.unit() - 1;
      store(x, at, count, piece.data());
    }
  } else if (is_complex(t)) {
    for (std::int64_t i = 0; i < 2 * n; ++i) {
      const double v = 2 * random.unit() - 1;
      if (t == DType::c64) x.as<float>()[i] = float(v);
      else x.as<double>()[i] = v;
    }
  } else {
    const bool bytes = t == DType::u8 || t == DType::i8;
    const std::int64_t limit = t == DType::boolean ? 2 : std::max<std::int64_t>(below, 1);
    std::vector<std::int64_t> piece(kPiece);
    for (std::int64_t at = 0; at < n; at += kPiece) {
      const auto count = std::min(kPiece, n - at);
      for (std::int64_t i = 0; i < count; ++i) piece[std::size_t(i)] = bytes ? std::int64_t(random.next() >> 56) - (t == DType::i8 ? 128 : 0) : std::int64_t(random.next() >> 16) % limit;
      store(x, at, count, piece.data());
    }
  }
  return x;
}

std::int64_t index_limit(const ir::Graph& graph, ir::ValueId input) {
  constexpr std::string_view kMovers[] = {"Cast", "Identity", "Reshape", "Unsqueeze", "Squeeze", "Flatten", "Transpose", "Slice", "Expand"};
  std::vector<bool> carries(graph.values().size(), false);
  carries[std::size_t(input)] = true;
  std::int64_t limit = std::numeric_limits<std::int64_t>::max();
  const auto carried = [&](ir::ValueId v) { return v != ir::ValueId::none && carries[std::size_t(v)]; };
  for (const ir::Node& n : graph.nodes()) {
    const auto op = n.op.str();
    if (std::find(std::begin(kMovers), std::end(kMovers), op) != std::end(kMovers)) {
      if (carried(graph.operand(n, 0))) carries[std::size_t(graph.result(n))] = true;
    } else if (op == "Gather" && carried(graph.operand(n, 1))) {
      const auto& dims = graph.type(graph.operand(n, 0)).dims;
      const auto* axis = ir::attr<std::int64_t>(*n.attrs, "axis");
      const std::int64_t at = (axis ? *axis : 0) + (axis && *axis < 0 ? std::int64_t(dims.size()) : 0);
      if (at >= 0 && at < std::int64_t(dims.size())) limit = std::min(limit, dims[std::size_t(at)].known().value_or(limit));
    } else if (op == "OneHot" && carried(graph.operand(n, 0))) {
      const auto& depth = graph[graph.operand(n, 1)].constant;
      if (depth && depth->size() == 1) limit = std::min(limit, std::int64_t(depth->at(0)));
    } else if (op == "Equal" && graph.operands(n).size() == 2 && (carried(graph.operand(n, 0)) || carried(graph.operand(n, 1)))) {
      // One-hot, spelt out as a comparison with 0 .. n-1.
      const auto& classes = graph[graph.operand(n, carried(graph.operand(n, 0)) ? 1 : 0)].constant;
      std::int64_t most = 0;
      for (std::int64_t i = 0; classes && i < classes->size(); ++i) most = std::max(most, std::int64_t(classes->at(i)));
      if (most > 0) limit = std::min(limit, most + 1);
    }
  }
  return limit == std::numeric_limits<std::int64_t>::max() ? 2 : std::max<std::int64_t>(limit, 1);
}

Result<std::vector<Dims>> input_dims(const ir::Graph& graph, const Shapes& shapes) {
  std::map<std::string, std::int64_t> symbols;
  for (const auto& [name, dims] : shapes) {
    const ir::Type* type = nullptr;
    for (auto v : graph.inputs())
      if (graph.name(v) == name) type = &graph.type(v);
    if (type == nullptr) return no_input(graph, name);
    const std::string what = "--shape: input '" + name + "' is " + ir::str(*type) + ", which " + str(dims) + " does not fit";
    if (!type->is_tensor() || (type->ranked && type->dims.size() != dims.size())) return Error{ErrorCode::invalid_file, what};
    for (std::size_t i = 0; type->ranked && i < dims.size(); ++i) {
      if (auto known = type->dims[i].known(); known && *known != dims[i]) return Error{ErrorCode::invalid_file, what};
      if (auto symbol = type->dims[i].symbol_name()) {
        auto [at, fresh] = symbols.emplace(*symbol, dims[i]);
        if (!fresh && at->second != dims[i]) return Error{ErrorCode::invalid_file, what + ": " + *symbol + " is " + std::to_string(at->second) + " already"};
      }
    }
  }
  std::vector<Dims> all;
  for (auto v : graph.inputs()) {
    const ir::Type& type = graph.type(v);
    if (!type.is_tensor()) return Error{ErrorCode::unsupported, "input '" + graph.name(v) + "' is " + ir::str(type) + "; values for it cannot be made up", "give it with --input"};
    Dims dims;
    if (auto given = shapes.find(graph.name(v)); given != shapes.end()) dims = given->second;
    else if (!type.ranked) return Error{ErrorCode::invalid_file, "input '" + graph.name(v) + "' has no known number of dims", "add --shape " + graph.name(v) + "=1x3x224x224"};
    else
      for (const auto& d : type.dims) {
        const auto value = d.evaluate([&](const std::string& s) -> std::optional<std::int64_t> { return symbols.count(s) ? symbols[s] : 1; });
        dims.push_back(std::max<std::int64_t>(value.value_or(1), 0));
      }
    all.push_back(std::move(dims));
  }
  return all;
}

namespace {
/// Whether shape inference finds nothing wrong with these input shapes.
bool infers(const ir::Graph& graph, const Shapes& shapes) {
  std::vector<ir::TypeRef> types;
  for (auto v : graph.inputs()) {
    const auto at = shapes.find(graph.name(v));
    types.push_back(at == shapes.end() ? ir::TypeRef{} : ir::tensor_type(graph.type(v).dtype, {at->second.begin(), at->second.end()}));
  }
  return passes::specialize(graph, types).has_value();
}
}  // namespace

Shapes fitting_shapes(const ir::Graph& graph, const Shapes& given, const std::function<bool(const Shapes&)>& runs) {
  const auto base = input_dims(graph, given);
  if (!base) return given;   // the caller meets the same error
  struct Symbol { std::string name; bool first_axis; };
  std::vector<Symbol> symbols;
  for (auto v : graph.inputs()) {
    const auto& dims = graph.type(v).dims;
    for (std::size_t i = 0; i < dims.size() && !given.count(graph.name(v)); ++i)
      if (auto s = dims[i].symbol_name()) {
        const auto at = std::find_if(symbols.begin(), symbols.end(), [&](const Symbol& x) { return x.name == *s; });
        if (at == symbols.end()) symbols.push_back({*s, i == 0});
        else at->first_axis |= i == 0;
      }
  }
  if (symbols.empty()) return given;
  using Sizes = std::map<std::string, std::int64_t>;
  const auto shapes_of = [&](const Sizes& sizes) {
    Shapes shapes = given;
    for (std::size_t k = 0; k < graph.inputs().size(); ++k) {
      const auto v = graph.inputs()[k];
      if (given.count(graph.name(v)) || ir::is_static(graph.type(v))) continue;
      Dims dims = (*base)[k];
      for (std::size_t i = 0; i < dims.size(); ++i)
        if (auto s = graph.type(v).dims[i].symbol_name(); s && sizes.count(*s)) dims[i] = sizes.at(*s);
      shapes[graph.name(v)] = std::move(dims);
    }
    return shapes;
  };
  // All at 1; then for each size: all symbols but those of the first axis, all, each alone.
  constexpr std::int64_t kLadder[] = {2, 4, 8, 16, 32, 48, 64, 128, 224, 256, 320, 512, 640};
  constexpr std::size_t kAlone = 6, kRuns = 6;
  std::vector<Sizes> tries{{}};
  for (std::int64_t size : kLadder) {
    Sizes inner, all;
    for (const auto& s : symbols) {
      all[s.name] = size;
      if (!s.first_axis) inner[s.name] = size;
    }
    if (!inner.empty()) tries.push_back(inner);
    if (all != inner) tries.push_back(all);
    for (std::size_t i = 0; i < symbols.size() && symbols.size() > 1 && i < kAlone; ++i) tries.push_back({{symbols[i].name, size}});
  }
  std::size_t ran = 0;
  for (const auto& sizes : tries) {
    Shapes shapes = shapes_of(sizes);
    if (!infers(graph, shapes)) continue;
    if (!runs || runs(shapes)) return shapes;
    if (++ran == kRuns) break;
  }
  return given;
}

std::string shapes_text(const Shapes& shapes) {
  std::string text;
  for (const auto& [name, dims] : shapes) {
    if (!text.empty()) text += ", ";
    text += name;
    for (std::size_t i = 0; i < dims.size(); ++i) text.append(i ? "x" : " ").append(std::to_string(dims[i]));
  }
  return text;
}

Result<std::vector<Datum>> random_inputs(const ir::Graph& graph, const Shapes& shapes, std::uint64_t seed) {
  SAHA_TRY(auto dims, input_dims(graph, shapes));
  std::vector<Datum> inputs;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    auto x = random_tensor(graph.type(graph.inputs()[i]).dtype, dims[i], seed, i, index_limit(graph, graph.inputs()[i]));
    if (!x) return std::move(x.error()).within("input '" + graph.name(graph.inputs()[i]) + "'");
    inputs.emplace_back(std::move(*x));
  }
  return inputs;
}

}  // namespace saha::measure

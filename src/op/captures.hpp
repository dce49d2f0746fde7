#pragma once
// Where the captured values of a node with sub-graphs begin: closed sub-graphs take them as operands after the formal ones.
#include <optional>

#include "ir/graph.hpp"

namespace saha::op {

/// How many operands stand before the captures of If, Loop, Scan and SequenceMap; nothing for other operators, whose sub-graphs alone tell.
inline std::optional<std::size_t> first_capture(const ir::Node& n) {
  auto number = [&](const char* name) {
    const auto* v = ir::attr<std::int64_t>(*n.attrs, name);
    return v ? std::size_t(*v) : 0;
  };
  std::string_view op = n.op.str();
  if (op == "If") return 1;
  if (op == "Loop") return 2 + number("carried");
  if (op == "Scan") return number("carried") + number("num_scan_inputs");
  if (op == "SequenceMap") return number("formal");
  return {};
}

}  // namespace saha::op

// The list of operator families. To add a family: declare its table here and list it.
#include <algorithm>
#include <array>
#include <unordered_map>

#include "op/op_def.hpp"

namespace saha::op {

#define SAHA_FAMILIES(X)                                                                                                     \
  X(arithmetic) X(cumulative) X(comparison) X(activation) X(trigonometry) X(cast) X(quantize) X(integer) X(movement) X(padding) \
  X(reshape) X(gather)                                                                                                       \
  X(scatter) X(selection) X(reduction) X(matmul) X(conv) X(pooling) X(normalization) X(softmax) X(loss) X(recurrent)         \
  X(attention) X(control) X(sequence) X(text) X(image) X(resize) X(signal) X(random) X(generate) X(training) X(ml_linear)    \
  X(ml_tree) X(ml_feature) X(microsoft) X(microsoft_attention) X(detection) X(fused) X(gradient_ops)                         \
  X(contraction) X(conv_special) X(linear_attention) X(sampling)

#define SAHA_DECLARE(family) std::span<const OpDef> family();
SAHA_FAMILIES(SAHA_DECLARE)
#undef SAHA_DECLARE

std::span<const std::span<const OpDef>> tables() {
#define SAHA_CALL(family) family(),
  static const std::array all = {SAHA_FAMILIES(SAHA_CALL)};
#undef SAHA_CALL
  return all;
}

std::span<const Entry> entries() {
  static const std::vector<Entry> all = [] {
    std::vector<Entry> r;
    for (auto table : tables())
      for (const OpDef& d : table) {
        auto s = parse_signature(d.signature);
        SAHA_ASSERT(s);  // a test names the entry whose signature does not parse
        r.push_back({&d, std::move(*s)});
      }
    std::sort(r.begin(), r.end(), [](const Entry& a, const Entry& b) {
      return a.def->domain != b.def->domain ? a.def->domain < b.def->domain : a.def->name.str() < b.def->name.str();
    });
    return r;
  }();
  return all;
}
const Entry* find(std::string_view name) {
  static const std::unordered_map<std::string_view, const Entry*> by_name = [] {
    std::unordered_map<std::string_view, const Entry*> m;
    for (const Entry& e : entries()) {
      bool added = m.emplace(e.def->name.str(), &e).second;
      SAHA_ASSERT(added);  // names are unique over all domains
    }
    return m;
  }();
  auto it = by_name.find(name);
  return it == by_name.end() ? nullptr : it->second;
}

}  // namespace saha::op

#include "lifecycle/picture.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "data/image.hpp"
#include "op/work.hpp"

namespace saha::lifecycle {
namespace {
constexpr std::size_t kMostNodes = 200;

void count(const ir::Graph& g, std::map<std::string, std::int64_t>& counts) {
  for (const ir::Node& n : g.nodes()) {
    ++counts[std::string(n.op.str())];
    for (const ir::NamedAttr& a : *n.attrs)
      if (auto* sub = std::get_if<ir::GraphRef>(&a.value)) count(**sub, counts);
  }
}

constexpr std::int64_t kMostPixels = 256 * 256;
}  // namespace

std::optional<Tensor> image_of(const Tensor& t) {
  Dims d = t.dims;
  while (d.size() > 2 && d[0] == 1) d.erase(d.begin());
  if (d.size() == 1) {  // a flat square picture
    auto side = std::int64_t(std::lround(std::sqrt(double(d[0]))));
    if (side < 4 || side * side != d[0]) return {};
    d = {side, side};
  }
  if (d.size() == 2) d.push_back(1);
  const bool channels_first = d.size() == 3 && d[0] == 3 && d[2] != 1 && d[2] != 3;
  if (channels_first) d = {d[1], d[2], 3};
  if (d.size() != 3 || (d[2] != 1 && d[2] != 3) || d[0] < 4 || d[1] < 4 || d[0] * d[1] > kMostPixels || t.dtype == DType::string || is_complex(t.dtype)) return {};
  const std::vector<double> v = values<double>(t);
  const double top = v.empty() ? 1 : *std::max_element(v.begin(), v.end()), scale = is_float(t.dtype) && top <= 1.0 ? 255 : 1;
  Tensor image = Tensor::zeros(DType::u8, d);
  const auto plane = std::size_t(d[0] * d[1]), channels = std::size_t(d[2]);
  for (std::size_t i = 0; i < v.size(); ++i) image.as<std::uint8_t>()[channels_first ? i % plane * channels + i / plane : i] = std::uint8_t(std::clamp(v[i] * scale, 0.0, 255.0));
  return image;
}

std::optional<std::vector<std::byte>> png_of(const Tensor& t) {
  const auto image = image_of(t);
  if (!image) return {};
  auto png = data::encode_png(*image);
  if (!png) return {};
  return std::move(*png);
}

std::optional<Difference> difference(const Tensor& before, const Tensor& after) {
  if (before.dtype != DType::u8 || after.dtype != DType::u8 || before.dims != after.dims) return {};
  int most = 0;
  const auto* a = before.as<std::uint8_t>();
  const auto* b = after.as<std::uint8_t>();
  for (std::int64_t i = 0; i < before.size(); ++i) most = std::max(most, std::abs(int(b[i]) - int(a[i])));
  if (most == 0) return {};
  Difference d{Tensor::zeros(DType::u8, before.dims), 127.0 / most};
  for (std::int64_t i = 0; i < before.size(); ++i) d.image.as<std::uint8_t>()[i] = std::uint8_t(std::lround(128 + (int(b[i]) - int(a[i])) * d.stretch));
  return d;
}

Json picture_of(const Tensor& t) {
  const auto png = png_of(t);
  return png ? Json(data::base64(*png)) : Json();
}

Json operator_counts(const ir::Graph& g) {
  std::map<std::string, std::int64_t> counts;
  count(g, counts);
  return Json(counts);
}

Json picture(const ir::Graph& g) {
  // Level of a node: the longest way from an input. Above the limit, runs of nodes with one reader each become one box.
  std::size_t n = g.nodes().size();
  std::vector<int> level(n, 0), group(n, -1);
  std::vector<std::vector<std::size_t>> before(n);
  auto uses = g.use_counts();
  for (std::size_t q = 0; q < n; ++q) {
    for (ir::ValueId v : g.operands(g.nodes()[q])) {
      if (v == ir::ValueId::none) continue;
      auto p = g[v].producer;
      if (p < 0) continue;
      before[q].push_back(std::size_t(p));
    }
  }
  int groups = 0;
  std::size_t run_length = n <= kMostNodes ? 1 : (n + kMostNodes - 1) / kMostNodes * 2;
  std::vector<std::size_t> size;
  for (std::size_t q = 0; q < n; ++q) {
    // Joins its only predecessor's box where that one has no other reader and room.
    if (run_length > 1 && before[q].size() == 1) {
      std::size_t p = before[q][0];
      std::uint32_t readers = 0;
      for (std::size_t k = 0; k < g.nodes()[p].num_results; ++k) readers += uses[g.nodes()[p].first_result + k];
      if (readers == 1 && size[std::size_t(group[p])] < run_length) { group[q] = group[p]; ++size[std::size_t(group[p])]; continue; }
    }
    // Far too many still: neighbours in order of execution share a box.
    if (run_length > 1 && groups >= int(kMostNodes) && q > 0) { group[q] = group[q - 1]; ++size[std::size_t(group[q])]; continue; }
    group[q] = groups++;
    size.push_back(1);
  }
  std::vector<std::set<int>> edges_from(static_cast<std::size_t>(groups));
  std::vector<int> depth(static_cast<std::size_t>(groups), 0);
  std::vector<std::map<std::string, int>> members(static_cast<std::size_t>(groups));
  std::vector<std::string> title(static_cast<std::size_t>(groups));
  for (std::size_t q = 0; q < n; ++q) {
    const ir::Node& node = g.nodes()[q];
    auto mine = std::size_t(group[q]);
    ++members[mine][op::kind(g, node)];
    if (title[mine].empty() && node.origin) title[mine] = *node.origin;
    for (std::size_t p : before[q])
      if (group[p] != group[q]) {
        depth[mine] = std::max(depth[mine], depth[std::size_t(group[p])] + 1);
        edges_from[std::size_t(group[p])].insert(group[q]);
      }
  }
  std::map<int, int> column;
  Json nodes = Json::array(), edges = Json::array();
  for (int i = 0; i < groups; ++i) {
    auto at = std::size_t(i);
    std::string label;
    for (auto& [kind, k] : members[at]) label += (label.empty() ? "" : ", ") + (k > 1 ? std::to_string(k) + " x " : "") + kind;
    nodes.push_back({{"id", i}, {"label", label}, {"name", title[at]}, {"level", depth[at]}, {"column", column[depth[at]]++}, {"count", size[at]}});
    for (int to : edges_from[at]) edges.push_back({i, to});
  }
  return {{"nodes", nodes}, {"edges", edges}, {"grouped", run_length > 1}};
}

}  // namespace saha::lifecycle

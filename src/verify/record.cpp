#include "verify/record.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "system/file.hpp"
#include "system/hash.hpp"

namespace saha::verify {

Result<> write(const check_proof::Certificate& c, const std::filesystem::path& path) {
  const std::string header = nlohmann::ordered_json{{"schema", check_proof::kSchema}, {"saha", c.saha}, {"arithmetic", c.float32 ? "float32" : "real"}, {"model_sha256", c.model_sha256}, {"property_sha256", c.property_sha256},
                                  {"payload_sha256", system::sha256_hex(c.payload)}}.dump();
  const auto size = std::uint32_t(header.size());
  SAHA_TRY(auto file, system::FileWriter::open(path));
  SAHA_DO(file.write(check_proof::kMagic));
  SAHA_DO(file.write(std::string_view(reinterpret_cast<const char*>(&size), 4)));
  SAHA_DO(file.write(header));
  SAHA_DO(file.write(c.payload));
  return file.commit();
}

std::string bytes_of(const Bounding& b) {
  Writer w;
  w.tag(check_proof::Tag::bounded).append(b.slopes);
  for (float m : b.multipliers) w.real(m);
  return w.bytes();
}

std::string bytes_of(std::vector<Part> parts) {
  // In depth-first order: of what is split, at least 0 first.
  std::ranges::sort(parts, std::greater(), &Part::path);
  Writer w;
  std::span<const std::pair<std::int32_t, bool>> last;
  for (const Part& p : parts) {
    std::size_t shared = 0;
    while (shared < last.size() && last[shared] == p.path[shared]) ++shared;
    for (std::size_t k = last.empty() ? 0 : shared + 1; k < p.path.size(); ++k) w.tag(check_proof::Tag::sign_split).number(std::uint64_t(p.path[k].first));
    w.append(bytes_of(p.bounding)), last = p.path;
  }
  return w.bytes();
}

Result<std::optional<std::vector<SplitTree>>> read_splits(std::string_view payload, std::span<const std::size_t> rows, std::int64_t inputs) {
  using check_proof::Tag;
  const Error other{ErrorCode::invalid_data, "the certificate's tree is damaged, or of another property"};
  check_proof::Reader in(payload);
  std::vector<SplitTree> trees(in.count(2));
  for (SplitTree& t : trees) {
    const std::size_t cases = in.count(1);
    for (std::size_t i = 0; i < cases; ++i) {
      const std::uint64_t c = in.number();
      if (c >= rows.size()) return other;
      if (i == 0) t.first_case = std::int32_t(c);
    }
    for (std::int64_t open = 1; open > 0 && in.ok();) {
      const Tag tag = in.tag();
      if (tag == Tag::clip) continue;
      if (tag == Tag::signs) return std::optional<std::vector<SplitTree>>();
      if (tag != Tag::refuted && tag != Tag::input_split) return other;
      SplitTree::Node& n = t.nodes.emplace_back();
      if (tag == Tag::input_split) {
        const std::uint64_t input = in.number();
        if (input >= std::uint64_t(inputs)) return other;
        n = {std::int32_t(input), in.real()}, ++open;
        if (!std::isfinite(n.at)) return other;
        continue;
      }
      for (std::size_t k = in.count(2); k > 0; --k) {  // cases that only rows together refute
        const std::uint64_t c = in.number();
        if (c >= rows.size()) return other;
        in.take(4 * rows[c]);
      }
      --open;
    }
  }
  if (!in.ok() || !in.at_end()) return other;
  return std::optional(std::move(trees));
}

std::int64_t Record::root(std::span<const std::int32_t> cases) {
  Writer w;
  w.number(cases.size());
  for (std::int32_t c : cases) w.number(std::uint64_t(c));
  std::lock_guard lock(mutex_);
  roots_.push_back({w.bytes(), std::int64_t(nodes_.size())});
  nodes_.emplace_back(), ++open_;
  return roots_.back().node;
}

std::int64_t Record::add(std::int64_t node, std::string_view bytes, int children) {
  std::lock_guard lock(mutex_);
  Node& n = nodes_[std::size_t(node)];
  n.bytes += bytes, open_ += children - 1;
  if (children == 0) return -1;
  n.first = std::int64_t(nodes_.size()), n.children = children;
  const std::int64_t first = n.first;
  nodes_.resize(nodes_.size() + std::size_t(children));
  return first;
}

void Record::cut(std::int64_t node) {
  std::lock_guard lock(mutex_);
  open_ += !nodes_[std::size_t(node)].bytes.empty();
  for (std::size_t i = std::size_t(node) + 1; i < nodes_.size(); ++i) open_ -= nodes_[i].bytes.empty();
  nodes_.resize(std::size_t(node) + 1);
  nodes_.back() = {};
}

std::string Record::payload() const {
  Writer w;
  std::lock_guard lock(mutex_);
  w.number(roots_.size());
  for (const Root& r : roots_) {
    w.append(r.cases);
    for (std::vector<std::int64_t> stack{r.node}; !stack.empty();) {
      const Node& n = nodes_[std::size_t(stack.back())];
      stack.pop_back();
      w.append(n.bytes);
      for (std::int64_t c = n.children; c-- > 0;) stack.push_back(n.first + c);
    }
  }
  return w.bytes();
}

}  // namespace saha::verify

#include "data/audit.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <unordered_map>

namespace saha::data {
namespace {

struct DigestHash {
  std::size_t operator()(const system::Digest& d) const { std::size_t h; std::memcpy(&h, d.data(), sizeof h); return h; }
};

// Sums around the first value, so that the spread of large numbers survives.
class Spread {
 public:
  void add(double v, std::int64_t times = 1) {
    if (std::isnan(v)) { missing_ += times; return; }
    if (count_ == 0) shift_ = v;
    count_ += times;
    min_ = std::min(min_, v);
    max_ = std::max(max_, v);
    sum_ += (v - shift_) * double(times);
    squares_ += (v - shift_) * (v - shift_) * double(times);
  }
  void add(const Spread& other) {
    if (count_ == 0) shift_ = other.shift_;
    const double d = other.shift_ - shift_, n = double(other.count_);
    count_ += other.count_;
    missing_ += other.missing_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
    sum_ += other.sum_ + n * d;
    squares_ += other.squares_ + 2 * d * other.sum_ + n * d * d;
  }
  Audit::Range range(std::string name) const {
    Audit::Range r{std::move(name), 0, 0, 0, 0, count_, missing_, {}};
    if (count_ == 0) return r;
    const double n = double(count_), mean = sum_ / n;
    r.min = min_, r.max = max_, r.mean = shift_ + mean;
    r.std = std::sqrt(std::max(0.0, squares_ / n - mean * mean));
    return r;
  }

 private:
  std::int64_t count_ = 0, missing_ = 0;
  double shift_ = 0, sum_ = 0, squares_ = 0, min_ = std::numeric_limits<double>::infinity(), max_ = -std::numeric_limits<double>::infinity();
};

template <class Map> std::vector<std::pair<std::string, std::int64_t>> by_count(const Map& counts) {
  std::vector<std::pair<std::string, std::int64_t>> list(counts.begin(), counts.end());
  std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return list;
}

// Which elements of a sample are counted together: the columns of a row, the channels of a picture, or all.
struct Parts {
  std::int64_t count = 1, inner = 1;  // element e belongs to part (e / inner) % count
  static Parts of(const Dims& d) {
    if (d.size() == 1 && d[0] <= 1000) return {d[0], 1};
    if (d.size() == 3 && d[2] <= 4) return {d[2], 1};
    if (d.size() == 3 && d[0] <= 4) return {d[0], d[1] * d[2]};
    return {};
  }
};

class Ranges {
 public:
  explicit Ranges(std::string name, bool pictures) : name_(std::move(name)), pictures_(pictures) {}
  void add(const Tensor& t) {
    if (t.dtype == DType::string || is_complex(t.dtype)) return;
    const Parts parts = Parts::of(t.dims);
    if (spreads_.empty()) spreads_.resize(std::size_t(parts.count));
    if (spreads_.size() != std::size_t(parts.count)) merge();
    if (t.dtype == DType::u8) {  // pictures are most of the work: count the levels, sum at the end
      levels_.resize(spreads_.size());
      const auto* p = t.as<const std::uint8_t>();
      const std::int64_t inner = mixed_ ? t.size() : parts.inner;  // runs of one part, and the parts in turn
      std::size_t k = 0;
      for (std::int64_t start = 0; start < t.size(); start += inner, k = k + 1 == levels_.size() ? 0 : k + 1)
        for (std::int64_t e = start; e < start + inner; ++e) ++levels_[k][p[e]];
      return;
    }
    buffer_.resize(std::size_t(t.size()));
    load(t, 0, 1, t.size(), buffer_.data());
    for (std::size_t e = 0; e < buffer_.size(); ++e) spreads_[e / std::size_t(parts.inner) % spreads_.size()].add(buffer_[e]);
  }
  void append_to(std::vector<Audit::Range>& out) {
    for (std::size_t k = 0; k < levels_.size(); ++k)
      for (std::size_t v = 0; v < 256; ++v)
        if (levels_[k][v] > 0) spreads_[k].add(double(v), levels_[k][v]);
    constexpr const char* kColors[] = {"red", "green", "blue"};
    for (std::size_t k = 0; k < spreads_.size(); ++k)
      out.push_back(spreads_[k].range(spreads_.size() == 1 ? name_ : pictures_ && spreads_.size() == 3 ? kColors[k] : name_ + "[" + std::to_string(k) + "]"));
  }

 private:
  // Samples of different kinds, gray and coloured say: all is counted together.
  void merge() {
    for (std::size_t k = 1; k < spreads_.size(); ++k) spreads_[0].add(spreads_[k]);
    for (std::size_t k = 1; k < levels_.size(); ++k)
      for (std::size_t v = 0; v < 256; ++v) levels_[0][v] += levels_[k][v];
    spreads_.resize(1);
    levels_.resize(std::min<std::size_t>(levels_.size(), 1));
    mixed_ = true;
  }
  std::string name_;
  bool pictures_, mixed_ = false;
  std::vector<Spread> spreads_;
  std::vector<std::array<std::int64_t, 256>> levels_;
  std::vector<double> buffer_;
};

Audit::Range column_range(const Column& c, const Dataset& set) {
  if (c.is_number()) {
    Spread spread;
    for (std::int64_t i = 0; i < set.size(); ++i) spread.add(c.numbers[std::size_t(set.origin(i))]);
    return spread.range(c.name);
  }
  Audit::Range r{c.name, 0, 0, 0, 0, 0, 0, {}};
  std::map<std::string, std::int64_t> counts;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    const std::string& word = c.words[std::size_t(set.origin(i))];
    if (word.empty()) ++r.missing;
    else ++r.count, ++counts[word];
  }
  r.words = by_count(counts);
  if (r.words.size() > 50) r.words.resize(50);
  return r;
}

}  // namespace

Result<Audit> audit(const Dataset& set, const AuditOptions& options) {
  Audit a;
  a.samples = set.size();
  a.digests.resize(std::size_t(set.size()));
  std::vector<std::int64_t> counts(set.classes().size() + 1, 0);
  std::map<std::string, std::int64_t> shapes;
  std::vector<Ranges> ranges;
  for (const std::string& name : set.inputs()) ranges.emplace_back(name, set.is_files());
  std::unordered_map<system::Digest, std::int64_t, DigestHash> first;

  if (set.table())
    for (const Column& c : set.table()->columns) a.ranges.push_back(column_range(c, set));
  for (std::int64_t i = 0; i < set.size(); ++i) {
    if (options.on_progress) options.on_progress(i);
    if (options.stop && options.stop()) return Error{ErrorCode::cancelled, "stopped after " + std::to_string(i) + " of " + std::to_string(set.size()) + " samples"};
    const int label = set.label(i);
    ++counts[label >= 0 ? std::size_t(label) : counts.size() - 1];
    const auto unreadable = [&](const Error& e) { a.unreadable.push_back({i, set.title(i), e.message}); };
    system::Digest digest{};
    if (set.table()) {
      SAHA_TRY(digest, set.digest(i));
    } else {
      auto raw = set.raw_inputs(i);
      if (!raw) { unreadable(raw.error()); continue; }
      digest = content_digest(*raw);
      for (std::size_t k = 0; k < raw->size(); ++k) ranges[k].add((*raw)[k].tensor);
      const Tensor& t = (*raw)[0].tensor;
      ++shapes[std::string(name(t.dtype)) + str(t.dims)];
    }
    a.digests[std::size_t(i)] = digest;
    const auto [it, is_new] = first.emplace(digest, i);
    if (!is_new) a.duplicates.push_back({it->second, i, set.label(it->second) == label && (!set.has_targets() || set.target(it->second) == set.target(i))});
  }
  for (std::size_t k = 0; k < set.classes().size(); ++k) a.per_class.emplace_back(set.classes()[k], counts[k]);
  if (set.has_labels() && counts.back() > 0) a.per_class.emplace_back("", counts.back());
  if (!set.table())
    for (Ranges& r : ranges) r.append_to(a.ranges);
  a.shapes = by_count(shapes);
  return a;
}

std::vector<Leak> leaks(const Dataset& train, const Audit& train_audit, const Dataset& test, const Audit& test_audit) {
  std::unordered_map<system::Digest, std::int64_t, DigestHash> seen;
  const system::Digest none{};
  for (std::int64_t i = 0; i < train.size(); ++i) seen.emplace(train_audit.digests[std::size_t(i)], i);
  std::vector<Leak> found;
  for (std::int64_t i = 0; i < test.size(); ++i) {
    const system::Digest& d = test_audit.digests[std::size_t(i)];
    const auto it = d == none ? seen.end() : seen.find(d);
    if (it == seen.end()) continue;
    const bool named = train.has_labels() && test.has_labels();
    const int a = train.label(it->second), b = test.label(i);
    found.push_back({it->second, i, !named || (a >= 0 && b >= 0 && train.classes()[std::size_t(a)] == test.classes()[std::size_t(b)])});
  }
  return found;
}

Result<Dataset> readable(const Dataset& set, const Audit& audit, double skip_bad) {
  if (audit.unreadable.empty()) return set;
  const double share = double(audit.unreadable.size()) / double(std::max<std::int64_t>(1, set.size()));
  if (share > skip_bad) {
    std::string names;
    for (std::size_t k = 0; k < audit.unreadable.size() && k < 3; ++k) names += (k ? "; " : "") + audit.unreadable[k].reason;
    const auto percent = [](double v) { std::string s = std::to_string(v * 100); return s.substr(0, s.find('.') + 2) + " %"; };
    return Error{ErrorCode::invalid_data, std::to_string(audit.unreadable.size()) + " of " + std::to_string(set.size()) + " samples cannot be read (" + percent(share) + ", skip_bad allows " + percent(skip_bad) + "): " + names + (audit.unreadable.size() > 3 ? "; .." : "")};
  }
  std::vector<std::int64_t> kept;
  std::size_t next = 0;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    if (next < audit.unreadable.size() && audit.unreadable[next].sample == i) ++next;
    else kept.push_back(i);
  }
  if (kept.empty()) return Error{ErrorCode::invalid_data, "no sample can be read: " + audit.unreadable[0].reason};
  return set.select(kept);
}

}  // namespace saha::data

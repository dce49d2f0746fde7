// A plan as bytes: a version, then table after table, each a count and its rows. Strings and lists begin with their length as u32.
#include "plan/stored.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace saha::plan {
namespace {
static_assert(std::endian::native == std::endian::little, "plans are stored as they lie in memory");

constexpr std::uint32_t kVersion = 2;
constexpr std::uint64_t kMostRank = 64;

class Writer {
 public:
  template <class T> void put(T value) {
    const auto* b = reinterpret_cast<const std::byte*>(&value);
    bytes.insert(bytes.end(), b, b + sizeof value);
  }
  void text(std::string_view s) { list(std::span(s.data(), s.size())); }
  template <class T> void list(std::span<const T> values) {
    put(std::uint32_t(values.size()));
    const auto* b = reinterpret_cast<const std::byte*>(values.data());
    bytes.insert(bytes.end(), b, b + values.size_bytes());
  }
  std::vector<std::byte> bytes;
};

/// Reads what is there; beyond the end everything is zero and `failed` says so.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : left_(bytes) {}
  template <class T> T get() {
    T value{};
    if (left_.size() < sizeof value) failed = true, left_ = {};
    else std::memcpy(&value, left_.data(), sizeof value), left_ = left_.subspan(sizeof value);
    return value;
  }
  /// The number of rows that follow, each of which takes at least `least` bytes: no more than fit are believed.
  std::uint32_t count(std::size_t least) {
    const auto n = get<std::uint32_t>();
    if (n <= left_.size() / least) return n;
    failed = true;
    return 0;
  }
  template <class T> std::vector<T> list() {
    std::vector<T> values(count(sizeof(T)));
    if (!values.empty()) std::memcpy(values.data(), left_.data(), values.size() * sizeof(T)), left_ = left_.subspan(values.size() * sizeof(T));
    return values;
  }
  /// A name: control characters are none.
  std::string text() {
    const auto c = list<char>();
    failed |= std::ranges::any_of(c, [](unsigned char x) { return x < 0x20 || x == 0x7f; });
    return {c.begin(), c.end()};
  }
  bool done() const { return !failed && left_.empty(); }
  bool failed = false;

 private:
  std::span<const std::byte> left_;
};

Error damaged(std::string what) { return {ErrorCode::invalid_model, std::move(what) + "; the plan is damaged"}; }
std::string no(const char* what, std::uint64_t i) { return std::string(what) + " " + std::to_string(i); }

/// Bytes of the elements; nothing where there are no such elements or too many of them.
std::optional<std::uint64_t> bytes_of(DType t, const Dims& dims) {
  if (int(t) <= 0 || int(t) >= kNumDTypes || bits(t) == 0) return {};
  const auto n = checked_elements(dims);
  if (!n || *n > kMaxTensorBytes) return {};
  return std::uint64_t(storage_bytes(t, *n));
}

/// Every index points into its table, every slot into its memory.
Result<> check(const Plan& p) {
  if (p.arena_bytes > std::uint64_t(kMaxTensorBytes) || p.scratch_bytes > std::uint64_t(kMaxTensorBytes)) return damaged("it wants " + std::to_string(p.arena_bytes) + " bytes of memory and " + std::to_string(p.scratch_bytes) + " for each thread");
  for (std::size_t i = 0; i < p.inputs.size(); ++i)
    if (p.inputs[i] >= p.slots.size() || p.slots[p.inputs[i]].space != Space::input || p.slots[p.inputs[i]].index != i) return damaged(no("input", i) + " is slot " + std::to_string(p.inputs[i]) + ", which is no such input");
  for (std::size_t i = 0; i < p.slots.size(); ++i) {
    const Slot& s = p.slots[i];
    const auto size = bytes_of(s.dtype, s.dims);
    if (!size) return damaged(no("slot", i) + " has no size that memory holds");
    switch (s.space) {
      case Space::arena:
        if (s.offset % kConstantAlign || s.offset > p.arena_bytes || *size > p.arena_bytes - s.offset)
          return damaged(no("slot", i) + " of " + std::to_string(*size) + " bytes lies at " + std::to_string(s.offset) + " of an arena of " + std::to_string(p.arena_bytes));
        break;
      case Space::constant:
        if (s.index >= p.constants.size() || *size > std::uint64_t(p.constants[s.index].bytes())) return damaged(no("slot", i) + " of " + std::to_string(*size) + " bytes is constant " + std::to_string(s.index) + ", which does not hold it");
        break;
      case Space::input:
        if (s.index >= p.inputs.size() || *size > bytes_of(p.slots[p.inputs[s.index]].dtype, p.slots[p.inputs[s.index]].dims).value_or(0)) return damaged(no("slot", i) + " of " + std::to_string(*size) + " bytes is input " + std::to_string(s.index) + ", which does not hold it");
        break;
      default: return damaged(no("slot", i) + " is of kind " + std::to_string(int(s.space)) + ", which is not stored");
    }
  }
  for (std::uint32_t s : p.operands) if (s != kHost && s >= p.slots.size()) return damaged("an operand is slot " + std::to_string(s) + " of " + std::to_string(p.slots.size()));
  for (std::uint32_t s : p.outputs) if (s >= p.slots.size()) return damaged("an output is slot " + std::to_string(s) + " of " + std::to_string(p.slots.size()));
  for (std::size_t i = 0; i < p.instructions.size(); ++i) {
    const Instruction& k = p.instructions[i];
    if (k.kernel >= p.kernels.size() || k.origin >= p.origins.size() || k.first_dim > p.dims.size() || k.params > p.params.size() || k.params % 8 || k.scratch > p.scratch_bytes ||
        std::uint64_t{k.first_operand} + k.num_in + k.num_out > p.operands.size())
      return damaged(no("instruction", i) + " points beyond a table");
    for (std::uint32_t o = k.first_operand + k.num_in; o < k.first_operand + k.num_in + k.num_out; ++o)
      if (p.operands[o] != kHost && p.slots[p.operands[o]].space != Space::arena) return damaged(no("instruction", i) + " writes slot " + std::to_string(p.operands[o]) + ", which is not in the arena");
  }
  return {};
}
}  // namespace

std::string unstorable(const Plan& plan) {
  for (const Instruction& i : plan.instructions)
    if (i.kernel == kHost) return "node '" + plan.origins[i.origin].name + "' (" + plan.origins[i.origin].op + ") runs without a kernel";
  for (const Slot& s : plan.slots)
    if (s.space == Space::box || !bytes_of(s.dtype, s.dims)) return "a value of it is no tensor of numbers";
  return {};
}

std::vector<std::byte> write(const Plan& p, std::span<const Place> places) {
  SAHA_ASSERT(unstorable(p).empty() && places.size() == p.constants.size());
  Writer w;
  w.put(kVersion);
  w.put(p.arena_bytes), w.put(p.scratch_bytes), w.put(p.peak_bytes);
  w.put(std::uint32_t(p.constants.size()));
  for (std::size_t i = 0; i < places.size(); ++i) {
    w.put(std::uint8_t(p.constants[i].dtype)), w.list(std::span<const std::int64_t>(p.constants[i].dims));
    w.put(places[i].section), w.put(places[i].offset);
  }
  w.put(std::uint32_t(p.slots.size()));
  for (const Slot& s : p.slots) w.put(std::uint8_t(s.space)), w.put(std::uint8_t(s.dtype)), w.put(s.index), w.put(s.offset), w.list(std::span<const std::int64_t>(s.dims));
  w.put(std::uint32_t(p.kernels.size()));
  for (const std::string& k : p.kernels) w.text(k);
  w.put(std::uint32_t(p.origins.size()));
  for (const Origin& o : p.origins) w.text(o.name), w.text(o.op), w.text(o.output);
  w.put(std::uint32_t(p.instructions.size()));
  for (const Instruction& i : p.instructions) {
    w.put(i.kernel), w.put(i.first_operand), w.put(i.num_in), w.put(i.num_out), w.put(i.params), w.put(i.first_dim);
    w.put(i.grid), w.put(i.phases), w.put(i.scratch), w.put(i.origin), w.put(i.macs), w.put(i.bytes);
  }
  w.list(std::span<const std::uint32_t>(p.operands)), w.list(std::span<const std::int64_t>(p.dims)), w.list(std::span<const std::byte>(p.params));
  w.list(std::span<const std::uint32_t>(p.inputs)), w.list(std::span<const std::uint32_t>(p.outputs));
  return std::move(w.bytes);
}

Result<Plan> read(std::span<const std::byte> bytes, const Constants& constants) {
  Reader r(bytes);
  if (const auto version = r.get<std::uint32_t>(); version != kVersion) return Error{ErrorCode::unsupported, "the plan has version " + std::to_string(version) + ", this program reads " + std::to_string(kVersion)};
  Plan p;
  p.arena_bytes = r.get<std::uint64_t>(), p.scratch_bytes = r.get<std::uint64_t>(), p.peak_bytes = r.get<std::uint64_t>();
  const auto dims = [&] {
    Dims d = r.list<std::int64_t>();
    if (d.size() > kMostRank) r.failed = true;
    return d;
  };
  for (std::uint32_t i = 0, n = r.count(17); i < n && !r.failed; ++i) {
    Tensor t;
    t.dtype = DType(r.get<std::uint8_t>()), t.dims = dims();
    const auto section = r.get<std::uint32_t>();
    const Place place{section, r.get<std::uint64_t>()};
    const auto size = bytes_of(t.dtype, t.dims);
    if (r.failed) break;
    if (!size) return damaged(no("constant", i) + " has no size that memory holds");
    SAHA_TRY(t.data, constants(place, *size));
    p.constants.push_back(std::move(t));
  }
  for (std::uint32_t i = 0, n = r.count(18); i < n && !r.failed; ++i) {
    Slot s;
    s.space = Space(r.get<std::uint8_t>()), s.dtype = DType(r.get<std::uint8_t>()), s.index = r.get<std::uint32_t>(), s.offset = r.get<std::uint64_t>(), s.dims = dims();
    s.bytes = bytes_of(s.dtype, s.dims).value_or(0);
    p.slots.push_back(std::move(s));
  }
  for (std::uint32_t i = 0, n = r.count(4); i < n && !r.failed; ++i) p.kernels.push_back(r.text());
  for (std::uint32_t i = 0, n = r.count(12); i < n && !r.failed; ++i) {
    Origin o;
    o.name = r.text(), o.op = r.text(), o.output = r.text();
    p.origins.push_back(std::move(o));
  }
  for (std::uint32_t i = 0, n = r.count(64); i < n && !r.failed; ++i) {
    Instruction k;
    k.kernel = r.get<std::uint32_t>(), k.first_operand = r.get<std::uint32_t>(), k.num_in = r.get<std::uint16_t>(), k.num_out = r.get<std::uint16_t>(), k.params = r.get<std::uint64_t>(), k.first_dim = r.get<std::uint32_t>();
    k.grid = r.get<std::uint32_t>(), k.phases = r.get<std::uint32_t>(), k.scratch = r.get<std::uint64_t>(), k.origin = r.get<std::uint32_t>(), k.macs = r.get<double>(), k.bytes = r.get<double>();
    p.instructions.push_back(k);
  }
  p.operands = r.list<std::uint32_t>(), p.dims = r.list<std::int64_t>(), p.params = r.list<std::byte>();
  p.inputs = r.list<std::uint32_t>(), p.outputs = r.list<std::uint32_t>();
  if (!r.done()) return damaged("its tables do not fill its " + std::to_string(bytes.size()) + " bytes, or a name is none");
  SAHA_DO(check(p));
  return p;
}

}  // namespace saha::plan

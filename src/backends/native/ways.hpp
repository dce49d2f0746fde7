#pragma once
// Ways: the kernels by which one layer may be done, and the blocks of each (kernels/blocks.hpp). A row states them in the order of its own judgement; the first is taken unless a Picker knows better.
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/native/kernel_table.hpp"
#include "kernels/blocks.hpp"

namespace saha::native {

struct Way {
  std::string kernel;
  std::uint32_t blocks = 0;             ///< entry of kernels::kBlocks
  bool operator==(const Way&) const = default;
};

/// What was measured, or is being measured. Used from the thread that makes a plan.
class Picker {
 public:
  virtual ~Picker() = default;
  /// The row of `ways`, of which there are several, that does `layer`: a text that says all that its time depends on.
  virtual std::size_t pick(const std::string& layer, std::span<const Way> ways) const = 0;
};

/// Gathers the ways of one layer. Without a picker only the first is looked at.
class Ways {
 public:
  explicit Ways(const Picker* picker) : picker_(picker) {}
  /// `prepare(blocks)` gives the kernel's params, `make(params)` the call. Blocks that come to the same params as others before them are no way of their own.
  template <class Prepare, class Make> void add(std::string_view kernel, Prepare prepare, Make make) {
    if (!picker_) {
      if (!stated_) first_ = make(prepare(0));
      stated_ = true;
      return;
    }
    std::vector<decltype(prepare(0))> seen;
    for (std::uint32_t n = 0; n < kernels::kNumBlocks; ++n) {
      const auto params = prepare(n);
      auto alike = params;
      if constexpr (requires { alike.blocks; }) alike.blocks = 0;
      bool known = false;
      for (const auto& s : seen) known |= std::memcmp(&s, &alike, sizeof s) == 0;
      if (known) continue;
      seen.push_back(alike);
      ways_.push_back({std::string(kernel), n});
      makes_.push_back([=] { return make(params); });
    }
  }
  /// The call. `layer()` is asked only where there are several ways.
  template <class Layer> std::optional<Prepared> made(Layer layer) const {
    if (!picker_) return first_;
    if (ways_.size() < 2) return ways_.empty() ? std::nullopt : makes_[0]();
    const std::string text = layer();
    const std::size_t at = picker_->pick(text, ways_);
    auto p = makes_[at < makes_.size() ? at : 0]();
    if (p) p->layer = text;
    return p;
  }

 private:
  const Picker* picker_;
  bool stated_ = false;
  std::optional<Prepared> first_;
  std::vector<Way> ways_;
  std::vector<std::function<std::optional<Prepared>()>> makes_;
};

}  // namespace saha::native

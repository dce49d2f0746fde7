#pragma once
// Datum: what a value of the graph is when it runs: a tensor, a sequence of Datums, an optional that may be empty, or a map.
#include <memory>
#include <vector>

#include "tensor/tensor.hpp"

namespace saha {

struct Datum {
  enum class Kind : std::uint8_t { tensor, sequence, none, map };
  Kind kind = Kind::none;
  Tensor tensor;                                     ///< of a tensor; an empty optional keeps its dtype here
  std::shared_ptr<const std::vector<Datum>> items;   ///< of a sequence; of a map: two tensors, keys and values, both rank 1

  Datum() = default;
  Datum(Tensor t) : kind(Kind::tensor), tensor(std::move(t)) {}
  static Datum sequence(std::vector<Datum> items) { return {Kind::sequence, std::move(items)}; }
  static Datum map(Tensor keys, Tensor mapped) { return {Kind::map, {Datum(std::move(keys)), Datum(std::move(mapped))}}; }

  bool is_tensor() const { return kind == Kind::tensor; }
  const std::vector<Datum>& list() const { return *items; }

 private:
  Datum(Kind k, std::vector<Datum> v) : kind(k), items(std::make_shared<const std::vector<Datum>>(std::move(v))) {}
};

}  // namespace saha

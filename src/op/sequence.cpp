// Sequences and optionals: the only operators beside ml_* that look inside a Datum.
#include <algorithm>

#include "op/strides.hpp"
#include "op/type_join.hpp"

namespace saha::op {
namespace {
using std::to_string;

Result<const std::vector<Datum>*> list_of(const Eval& c, std::size_t i) {
  if (!c.has(i) || c.in[i]->kind != Datum::Kind::sequence) return c.fail("operand " + to_string(i) + " is not a sequence");
  return &c.in[i]->list();
}
/// A place in [0, n) from one in [-n, n); `end` allows n itself.
Result<std::size_t> place(const Eval& c, std::size_t operand, std::size_t n, bool end) {
  if (c.x(operand).size() != 1) return c.fail("the position has " + to_string(c.x(operand).size()) + " elements, one is needed");
  std::int64_t p = c.x(operand).int_at(0), m = std::int64_t(n);
  if (p < -m || p >= m + (end ? 1 : 0)) return c.fail("position " + to_string(p) + " lies outside a sequence of " + to_string(n));
  return std::size_t(p < 0 ? p + m : p);
}
Result<> is_sequence(const Infer& c) {
  if (c.in[0]->kind != Type::Kind::sequence) return c.fail("operand 0 is " + ir::str(*c.in[0]) + ", a sequence is needed");
  return {};
}

// ---- SequenceConstruct(inputs...), SequenceEmpty() -----------------------------------------------------------------------------------
Result<> infer_construct(Infer& c) {
  TypeRef t;
  for (const TypeRef& x : c.in) { SAHA_TRY(t, join(c, t, x)); }
  return c.give(ir::sequence_type(t));
}
Result<> eval_construct(Eval& c) {
  std::vector<Datum> items;
  for (const Datum* d : c.in) items.push_back(*d);
  return c.give(Datum::sequence(std::move(items)));
}
Result<> infer_empty(Infer& c) {
  std::int64_t t = c.i("dtype");
  if (t < 1 || t >= kNumDTypes) return c.fail("dtype " + to_string(t) + " is not known");
  return c.give(ir::sequence_type(ir::unranked_type(DType(t))));
}
Result<> eval_empty(Eval& c) { return c.give(Datum::sequence({})); }

// ---- SequenceAt, SequenceErase, SequenceInsert, SequenceLength -------------------------------------------------------------------------
Result<> infer_at(Infer& c) {
  SAHA_DO(is_sequence(c));
  return c.give(element_type(c, *c.in[0]));
}
Result<> eval_at(Eval& c) {
  SAHA_TRY(const auto* list, list_of(c, 0));
  SAHA_TRY(std::size_t p, place(c, 1, list->size(), false));
  return c.give((*list)[p]);
}
Result<> infer_erase(Infer& c) {
  SAHA_DO(is_sequence(c));
  return c.give(c.in[0]);
}
Result<> eval_erase(Eval& c) {
  SAHA_TRY(const auto* list, list_of(c, 0));
  if (list->empty()) return c.fail("the sequence is empty");
  std::size_t p = list->size() - 1;
  if (c.has(1)) { SAHA_TRY(p, place(c, 1, list->size(), false)); }
  std::vector<Datum> items = *list;
  items.erase(items.begin() + std::ptrdiff_t(p));
  return c.give(Datum::sequence(std::move(items)));
}
Result<> infer_insert(Infer& c) {
  SAHA_DO(is_sequence(c));
  SAHA_TRY(TypeRef t, join(c, c.in[0]->element, c.in[1]));
  return c.give(ir::sequence_type(t));
}
Result<> eval_insert(Eval& c) {
  SAHA_TRY(const auto* list, list_of(c, 0));
  std::size_t p = list->size();
  if (c.has(2)) { SAHA_TRY(p, place(c, 2, list->size(), true)); }
  std::vector<Datum> items = *list;
  items.insert(items.begin() + std::ptrdiff_t(p), *c.in[1]);
  return c.give(Datum::sequence(std::move(items)));
}
Result<> infer_length(Infer& c) { return c.give(DType::i64, {}); }
Result<> eval_length(Eval& c) {
  SAHA_TRY(const auto* list, list_of(c, 0));
  return c.give(Tensor::scalar_int(std::int64_t(list->size())));
}

// ---- ConcatFromSequence, SplitToSequence ------------------------------------------------------------------------------------------------
Result<> infer_concat_from(Infer& c) {
  SAHA_DO(is_sequence(c));
  TypeRef t = element_type(c, *c.in[0]);
  if (!t->is_tensor() || !t->ranked) return c.give_unranked(t->is_tensor() ? t->dtype : DType::none);
  std::vector<Dim> d = t->dims;
  bool added = c.i("new_axis") != 0;
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), d.size() + (added ? 1 : 0)));
  if (added) d.insert(d.begin() + std::ptrdiff_t(a), c.fresh("length"));
  else d[a] = c.fresh("concat");
  return c.give(t->dtype, std::move(d));
}
Result<> eval_concat_from(Eval& c) {
  SAHA_TRY(const auto* list, list_of(c, 0));
  if (list->empty()) return c.fail("the sequence is empty");
  std::vector<Datum> parts = *list;
  std::int64_t axis = c.i("axis");
  for (Datum& d : parts) {
    if (!d.is_tensor()) return c.fail("an element is not a tensor");
    if (!c.i("new_axis")) continue;
    Dims dims = d.tensor.dims;
    SAHA_TRY(std::size_t a, c.axis(axis, dims.size() + 1));
    dims.insert(dims.begin() + std::ptrdiff_t(a), 1);
    d = d.tensor.reshaped(std::move(dims));
  }
  std::vector<const Datum*> in;
  for (const Datum& d : parts) in.push_back(&d);
  SAHA_TRY(c.out, run(*find("Concat")->def, in, {{"axis", axis}}, 1, c.budget));
  return {};
}
Result<> infer_split_to(Infer& c) {
  std::vector<Dim> d = c.dims(0);
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), d.size()));
  auto sizes = c.numbers(1);
  if (!c.has(1)) {
    if (c.i("keepdims")) d[a] = 1;
    else d.erase(d.begin() + std::ptrdiff_t(a));
  } else {
    bool even = sizes && !sizes->empty() && std::all_of(sizes->begin(), sizes->end(), [&](std::int64_t s) { return s == (*sizes)[0]; });
    if (even && c.rank(1) == 0) even = (*sizes)[0] > 0 && d[a].known() && *d[a].known() % (*sizes)[0] == 0;
    d[a] = even ? Dim((*sizes)[0]) : c.fresh("split");
  }
  return c.give(ir::sequence_type(ir::tensor_type(c.dtype(0), std::move(d))));
}
Result<> eval_split_to(Eval& c) {
  const Tensor& x = c.x(0);
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), x.rank()));
  std::int64_t n = x.dims[a];
  Dims sizes = c.has(1) ? c.ints(1) : Dims{1};
  if (!c.has(1) || c.x(1).rank() == 0) {
    std::int64_t k = sizes.empty() ? 0 : sizes[0];
    if (k < 1) return c.fail("split is " + to_string(k) + ", at least 1 is needed");
    sizes.clear();
    for (std::int64_t at = 0; at < n; at += k) sizes.push_back(std::min(k, n - at));
  }
  Dims stride = row_major(x.dims);
  std::vector<Datum> parts;
  std::int64_t at = 0;
  for (std::int64_t k : sizes) {
    if (k < 0 || k > n - at) return c.fail("part " + to_string(parts.size()) + " of " + to_string(k) + " exceeds axis " + to_string(a) + " of " + to_string(n));
    Dims d = x.dims;
    d[a] = k;
    SAHA_TRY(Tensor y, c.make(x.dtype, d));
    gather_strided(x, at * stride[a], stride, d, y);
    if (!c.has(1) && !c.i("keepdims")) {
      d.erase(d.begin() + std::ptrdiff_t(a));
      y = y.reshaped(d);
    }
    parts.emplace_back(std::move(y));
    at += k;
  }
  if (at != n) return c.fail("the sizes add up to " + to_string(at) + ", axis " + to_string(a) + " has " + to_string(n));
  return c.give(Datum::sequence(std::move(parts)));
}

// ---- Optional, OptionalGetElement, OptionalHasElement -------------------------------------------------------------------------------------
Result<> infer_optional(Infer& c) {
  if (c.has(0)) return c.give(ir::optional_type(c.in[0]));
  auto* t = ir::attr<TypeRef>(c.attrs, "type");
  return c.give(ir::optional_type(t ? *t : TypeRef{}));
}
Result<> eval_optional(Eval& c) { return c.give(c.has(0) ? *c.in[0] : Datum()); }
Result<> infer_get(Infer& c) {
  if (c.in[0]->kind != Type::Kind::optional) return c.give(c.in[0]);
  return c.give(c.in[0]->element ? c.in[0]->element : ir::unranked_type(DType::none));
}
Result<> eval_get(Eval& c) {
  if (!c.has(0) || c.in[0]->kind == Datum::Kind::none) return c.fail("the optional is empty");
  return c.give(*c.in[0]);
}
Result<> infer_has(Infer& c) { return c.give(DType::boolean, {}); }
Result<> eval_has(Eval& c) { return c.give(Tensor::scalar(DType::boolean, c.has(0) && c.in[0]->kind != Datum::Kind::none)); }

constexpr std::string_view kList = "it works on a list; passes unroll it";
constexpr OpDef kOps[] = {
    {.name = "SequenceConstruct", .since_version = 11, .signature = "(inputs: T...) -> (output_sequence: seq(T)) where T: number bool string complex",
     .traits = kTakesUnranked, .infer = infer_construct, .eval = eval_construct, .no_gradient = kList, .no_bounds = kList, .no_integer = kList},
    {.name = "SequenceEmpty", .since_version = 11, .signature = "() -> (output: seq(T)) where T: number bool string complex | dtype: int = 1", .infer = infer_empty, .eval = eval_empty, .no_gradient = kList, .no_bounds = kList, .no_integer = kList},
    {.name = "SequenceAt", .since_version = 11, .signature = "(input_sequence: value, position: I) -> (tensor: value) where I: int32 int64",
     .traits = kTakesUnranked, .infer = infer_at, .eval = eval_at, .no_gradient = kList, .no_bounds = kList, .no_integer = kList},
    {.name = "SequenceErase", .since_version = 11, .signature = "(input_sequence: value, position: I?) -> (output_sequence: value) where I: int32 int64",
     .traits = kTakesUnranked, .infer = infer_erase, .eval = eval_erase, .no_gradient = kList, .no_bounds = kList, .no_integer = kList},
    {.name = "SequenceInsert", .since_version = 11, .signature = "(input_sequence: value, tensor: value, position: I?) -> (output_sequence: value) where I: int32 int64",
     .traits = kTakesUnranked, .infer = infer_insert, .eval = eval_insert, .no_gradient = kList, .no_bounds = kList, .no_integer = kList},
    {.name = "SequenceLength", .since_version = 11, .signature = "(input_sequence: value) -> (length: int64)",
     .traits = kTakesUnranked, .infer = infer_length, .eval = eval_length, .no_gradient = kList, .no_bounds = kList, .no_integer = kList},
    {.name = "ConcatFromSequence", .since_version = 11, .signature = "(input_sequence: value) -> (concat_result: value) | axis: int, new_axis: int = 0",
     .traits = kTakesUnranked | kDataShape, .infer = infer_concat_from, .eval = eval_concat_from, .no_gradient = kList, .no_bounds = kList, .no_integer = kList},
    {.name = "SplitToSequence", .since_version = 24, .signature = "(input: T, split: I?!) -> (output_sequence: seq(T)) where T: number bool string complex, I: int32 int64 | axis: int = 0, keepdims: int = 1",
     .infer = infer_split_to, .eval = eval_split_to, .no_gradient = kList, .no_bounds = kList, .no_integer = kList},
    {.name = "Optional", .since_version = 28, .signature = "(input: value?) -> (output: value) | type: type?", .traits = kTakesUnranked, .infer = infer_optional, .eval = eval_optional, .no_gradient = kList, .no_bounds = kList, .no_integer = kList},
    {.name = "OptionalGetElement", .since_version = 28, .signature = "(input: value) -> (output: value)", .traits = kTakesUnranked, .infer = infer_get, .eval = eval_get, .no_gradient = kList, .no_bounds = kList, .no_integer = kList},
    {.name = "OptionalHasElement", .since_version = 28, .signature = "(input: value?) -> (output: bool)", .traits = kTakesUnranked, .infer = infer_has, .eval = eval_has, .no_gradient = kList, .no_bounds = kList, .no_integer = kList},
};
}  // namespace

std::span<const OpDef> sequence() { return kOps; }

}  // namespace saha::op

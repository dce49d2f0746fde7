// Entries under random operands and attributes: no crash, and where both answer, inference agrees with eval. A model file may say anything.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "op/builder.hpp"

namespace saha::op {
namespace {
using D = DType;
struct Random {
  std::mt19937 rng;
  std::size_t below(std::size_t n) { return rng() % n; }
  bool chance(int percent) { return int(rng() % 100) < percent; }
};
D dtype_in(DTypeSet set, Random& r) {
  std::vector<D> all;
  for (int t = 1; t < kNumDTypes; ++t) if (holds(set, D(t))) all.push_back(D(t));
  return all[r.below(all.size())];
}
Tensor random_tensor(D t, const Dims& d, Random& r) {
  Tensor x = Tensor::zeros(t, d);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    std::int64_t v = std::int64_t(r.below(8)) - 3;
    double f = r.chance(3) ? NAN : r.chance(3) ? INFINITY : double(v) * 0.75;
    if (t == D::string) (*x.text)[std::size_t(i)] = std::string(r.below(4), 'a');
    else if (is_complex(t)) continue;
    else if (is_float(t)) store(x, i, 1, &f);
    else store(x, i, 1, &v);
  }
  return x;
}
std::optional<ir::Attr> random_attr(const AttrParam& p, Random& r) {
  auto small = [&] { return std::int64_t(r.below(9)) - 3; };
  switch (p.kind) {
    case AttrKind::i: return ir::Attr(p.name == "to" || p.name == "dtype" || p.name == "output_datatype" ? std::int64_t(r.below(28)) : small());
    case AttrKind::f: return ir::Attr(float(small()) * 0.5f);
    case AttrKind::s: {
      // Words that some operators take; each operator sees wrong ones too.
      const char* words[] = {"none", "mean", "sum", "add", "mul", "max", "min", "LEFT", "RIGHT", "constant", "reflect", "edge", "wrap", "NOTSET", "VALID", "SAME_UPPER",
                             "SAME_LOWER", "linear", "nearest", "cubic", "bilinear", "forward", "reverse", "bidirectional", "DCR", "CRD", "standard", "L1", "L2", "MAX", "x"};
      return ir::Attr(std::string(words[r.below(std::size(words))]));
    }
    case AttrKind::is: {
      ir::Ints v(r.below(5));
      for (auto& e : v) e = small();
      return ir::Attr(v);
    }
    case AttrKind::fs: {
      ir::Floats v(r.below(5));
      for (auto& e : v) e = float(small());
      return ir::Attr(v);
    }
    case AttrKind::ss: return ir::Attr(ir::Strings(r.below(4), "a"));
    case AttrKind::tensor: return ir::Attr(random_tensor(r.chance(50) ? D::f32 : D::i64, Dims(r.below(2), std::int64_t(r.below(4))), r));
    default: return {};
  }
}
}  // namespace

TEST(Robustness, random_operands_and_attributes_never_crash_and_inference_agrees_with_eval) {
  const char* only = std::getenv("SAHA_TEST_OPERATOR");
  std::size_t ran = 0, refused = 0;
  for (const Entry& e : entries()) {
    const OpDef& d = *e.def;
    if (d.traits & (kControl | kSideEffect) || (only && d.name.str() != only)) continue;
    bool graphs = false;
    for (const AttrParam& p : e.signature.attrs) graphs |= p.kind == AttrKind::graph || p.kind == AttrKind::type;
    bool tensors = true;
    for (const Param& p : e.signature.in) tensors &= p.type.kind == TypeExpr::Kind::tensor;
    if (graphs || !tensors) continue;
    SCOPED_TRACE(d.name.str());
    Random r{std::mt19937(42)};
    for (int round = 0; round < 150; ++round) {
      Builder b;
      Vals in;
      std::vector<Datum> data;
      std::size_t count = e.signature.in.empty() ? 0 : e.signature.in.size() + (e.signature.in.back().variadic ? r.below(4) : 0);
      Dims common(r.below(5));
      for (auto& n : common) n = r.chance(7) ? 0 : std::int64_t(1 + r.below(4));
      D shared[16] = {};
      for (std::size_t i = 0; i < count; ++i) {
        const Param& p = *e.signature.param(i);
        if (p.optional && r.chance(40)) { in.push_back({}); continue; }
        // Operands of one variable share a dtype, as the signature asks for.
        D t = dtype_in(p.type.set, r);
        for (std::size_t j = 0; j < i && j < 16; ++j)
          if (!p.type.variable.empty() && e.signature.param(j)->type.variable == p.type.variable && shared[j] != D::none) t = shared[j];
        if (i < 16) shared[i] = t;
        Dims dims = r.chance(60) ? common : Dims(r.below(4), std::int64_t(r.below(4)));
        if (p.value || (i > 0 && r.chance(25))) dims = Dims(r.below(2), std::int64_t(r.below(4)));
        Tensor x = random_tensor(t, dims, r);
        bool constant = r.chance(p.value ? 70 : 20);
        in.push_back(constant ? b.constant(x) : b.input(ir::tensor_type(t, {dims.begin(), dims.end()})));
        if (!constant) data.emplace_back(std::move(x));
      }
      Attrs attrs;
      for (const AttrParam& p : e.signature.attrs)
        if (r.chance(p.optional || p.initial ? 30 : 100)) if (auto a = random_attr(p, r)) attrs.push_back({std::string(p.name), std::move(*a)});
      int results = int(std::max<std::size_t>(1, e.signature.out.size()));
      Vals y = b.ops(d.name, in, attrs, results);
      if (b.failed()) { ++refused; continue; }
      std::vector<ir::TypeRef> types;
      for (Val v : y) types.push_back(b.type_ref(v));
      auto g = std::move(b).build(y);
      ASSERT_TRUE(g);
      std::vector<const Datum*> at(g->values().size(), nullptr);
      const ir::Node& n = g->nodes().back();
      std::vector<Datum> constants;
      constants.reserve(count);
      std::vector<const Datum*> operands;
      std::size_t next = 0;
      for (ir::ValueId v : g->operands(n)) {
        if (v == ir::ValueId::none) { operands.push_back(nullptr); continue; }
        if ((*g)[v].constant) { constants.emplace_back(*(*g)[v].constant); operands.push_back(&constants.back()); }
        else operands.push_back(&data[next++]);
      }
      auto out = run(d, operands, *n.attrs, results);
      if (!out) { ++refused; continue; }
      ++ran;
      for (std::size_t k = 0; k < out->size() && k < types.size(); ++k) {
        if (!(*out)[k].is_tensor() || !types[k]->is_tensor()) continue;
        const Tensor& t = (*out)[k].tensor;
        if (t.dtype == D::none) continue;
        if (types[k]->dtype != D::none) { EXPECT_EQ(types[k]->dtype, t.dtype) << "result " << k; }
        if (!types[k]->ranked || types[k]->dtype == D::none) continue;
        ASSERT_EQ(types[k]->dims.size(), t.dims.size()) << "result " << k << ": inferred " << ir::str(*types[k]) << ", got " << str(t.dims);
        for (std::size_t i = 0; i < t.dims.size(); ++i)
          EXPECT_EQ(types[k]->dims[i].known().value_or(t.dims[i]), t.dims[i]) << "result " << k << ": inferred " << ir::str(*types[k]) << ", got " << str(t.dims);
      }
    }
  }
  if (!only) { EXPECT_GE(ran, refused / 4) << "the operands are too wild: hardly any node runs"; }
}

}  // namespace saha::op

// Fields of TensorFlow Lite files that lie.
#include <cmath>

#include "tests/mutants/mutate.hpp"
#include "tflite/schema_generated.h"

namespace saha::mutants {
namespace {
namespace fb = ::saha::tflite::fb;

struct Site {
  fb::ModelT model;
  Random& random;

  template <class T> T* one(std::vector<std::unique_ptr<T>>& list) { return list.empty() ? nullptr : list[random() % list.size()].get(); }
  fb::SubGraphT* graph() { return one(model.subgraphs); }
  fb::TensorT* tensor() { auto* g = graph(); return g ? one(g->tensors) : nullptr; }
  fb::OperatorT* op() { auto* g = graph(); return g ? one(g->operators) : nullptr; }
  /// A tensor with scales where one is found.
  fb::TensorT* stored() {
    for (int turn = 0; turn < 64; ++turn)
      if (auto* t = tensor(); t && t->quantization && !t->quantization->scale.empty()) return t;
    auto* t = tensor();
    if (t && !t->quantization) {
      t->quantization = std::make_unique<fb::QuantizationParametersT>();
      t->quantization->scale = {0.5f};
      t->quantization->zero_point = {0};
    }
    return t;
  }
  std::int32_t index() { return std::int32_t(hostile(random)); }
  template <class T> void any(std::vector<T>& list, T value) { if (!list.empty()) list[random() % list.size()] = value; }
};

void extents(Site& s) { if (auto* t = s.tensor()) s.any(t->shape, s.index()); }
void rank(Site& s) {
  auto* t = s.tensor();
  if (!t) return;
  if (s.random() % 2) t->shape.assign(s.random() % 40, std::int32_t(1 + s.random() % 3));
  else t->shape.clear();
}
void signature(Site& s) { if (auto* t = s.tensor()) t->shape_signature.assign(s.random() % 6, s.index()); }
void type(Site& s) { if (auto* t = s.tensor()) t->type = fb::TensorType(s.random() % 24); }
void buffer_index(Site& s) { if (auto* t = s.tensor()) t->buffer = s.random() % 2 ? std::uint32_t(s.index()) : std::uint32_t(s.random() % s.model.buffers.size()); }
void buffer_size(Site& s) { if (auto* b = s.one(s.model.buffers)) b->data.resize(s.random() % (b->data.size() + 9)); }
void buffer_outside(Site& s) { if (auto* b = s.one(s.model.buffers)) b->data.clear(), b->offset = std::uint64_t(hostile(s.random)), b->size = std::uint64_t(hostile(s.random)); }
void buffer_values(Site& s) {
  auto* b = s.one(s.model.buffers);
  if (b && b->data.size() >= 4) {
    const std::int32_t v = s.index();
    std::memcpy(b->data.data() + s.random() % (b->data.size() / 4) * 4, &v, 4);
  }
}
void scales(Site& s) {
  constexpr float all[] = {0, -1, NAN, INFINITY, 1e-45f, 3e38f};
  if (auto* t = s.stored()) s.any(t->quantization->scale, all[s.random() % std::size(all)]);
}
void number_of_scales(Site& s) { if (auto* t = s.stored()) t->quantization->scale.resize(s.random() % 70, 0.25f); }
void zero_points(Site& s) {
  auto* t = s.stored();
  if (!t) return;
  if (s.random() % 2) t->quantization->zero_point.resize(s.random() % 70);
  else s.any(t->quantization->zero_point, hostile(s.random));
}
void quantised_axis(Site& s) { if (auto* t = s.stored()) t->quantization->quantized_dimension = s.index(); }
void sparsity(Site& s) {
  auto* t = s.tensor();
  if (!t) return;
  t->sparsity = std::make_unique<fb::SparsityParametersT>();
  t->sparsity->traversal_order = {s.index(), std::int32_t(s.random() % 3)};
  for (std::uint64_t i = s.random() % 4; i; --i) {
    auto d = std::make_unique<fb::DimensionMetadataT>();
    d->format = fb::DimensionType(s.random() % 3);
    d->dense_size = s.index();
    t->sparsity->dim_metadata.push_back(std::move(d));
  }
}
void operands(Site& s) {
  auto* o = s.op();
  if (!o) return;
  auto& list = s.random() % 3 ? o->inputs : o->outputs;
  switch (s.random() % 4) {
    case 0: list.resize(s.random() % (list.size() + 3), std::int32_t(s.random() % 8)); break;
    case 1: s.any(list, s.index()); break;
    case 2: s.any(list, std::int32_t(s.random() % 64)); break;
    default: s.any(list, -1);
  }
}
void order(Site& s) {
  auto* g = s.graph();
  if (g && g->operators.size() > 1) std::swap(g->operators[s.random() % g->operators.size()], g->operators[s.random() % g->operators.size()]);
}
void borders(Site& s) { if (auto* g = s.graph()) s.any(s.random() % 2 ? g->inputs : g->outputs, s.random() % 2 ? s.index() : std::int32_t(s.random() % (g->tensors.size() + 1))); }
void opcode(Site& s) {
  if (auto* c = s.one(s.model.operator_codes)) c->builtin_code = fb::BuiltinOperator(s.random() % 210), c->deprecated_builtin_code = std::int8_t(std::min<std::uint64_t>(127, std::uint64_t(c->builtin_code)));
}
void opcode_index(Site& s) { if (auto* o = s.op()) o->opcode_index = s.random() % 2 ? std::uint32_t(s.index()) : std::uint32_t(s.random() % s.model.operator_codes.size()); }
void no_options(Site& s) { if (auto* o = s.op()) o->builtin_options.Reset(); }
void other_options(Site& s) {
  auto *a = s.op(), *b = s.op();
  if (a && b) std::swap(a->builtin_options, b->builtin_options);
}
void strides(Site& s) {
  for (int turn = 0; turn < 64; ++turn) {
    auto* o = s.op();
    if (!o) return;
    if (auto* c = o->builtin_options.AsConv2DOptions()) { (s.random() % 2 ? c->stride_h : c->dilation_w_factor) = s.index(); return; }
    if (auto* p = o->builtin_options.AsPool2DOptions()) { (s.random() % 2 ? p->filter_width : p->stride_h) = s.index(); return; }
    if (auto* d = o->builtin_options.AsDepthwiseConv2DOptions()) { (s.random() % 2 ? d->stride_w : d->depth_multiplier) = s.index(); return; }
    if (auto* r = o->builtin_options.AsReshapeOptions()) { r->new_shape.assign(s.random() % 6, s.index()); return; }
    if (auto* c = o->builtin_options.AsConcatenationOptions()) { c->axis = s.index(); return; }
  }
}
void calls(Site& s) {
  auto* o = s.op();
  if (!o) return;
  s.model.operator_codes[o->opcode_index % s.model.operator_codes.size()]->builtin_code = fb::BuiltinOperator::WHILE;
  fb::WhileOptionsT w;
  w.cond_subgraph_index = std::int32_t(s.random() % 3), w.body_subgraph_index = s.random() % 2 ? 0 : s.index();
  o->builtin_options.Set(std::move(w));
}
void graphs(Site& s) {
  if (s.random() % 2) s.model.subgraphs.clear();
  else if (auto* g = s.graph()) g->tensors.resize(s.random() % (g->tensors.size() + 1));
}
void variables(Site& s) { if (auto* t = s.tensor()) t->is_variable = true, t->buffer = 0; }
void names(Site& s) { if (auto* t = s.tensor()) t->name = s.random() % 2 ? std::string("\xff\x01\n", 3) : std::string(std::size_t(s.random() % 100'000), 'n'); }

constexpr struct { const char* name; void (*change)(Site&); } kFields[] = {
    {"extents of a tensor", extents}, {"rank of a tensor", rank}, {"signature of a tensor", signature}, {"type of a tensor", type}, {"buffer of a tensor", buffer_index},
    {"size of a buffer", buffer_size}, {"a buffer outside", buffer_outside}, {"values of a buffer", buffer_values}, {"scales", scales}, {"number of scales", number_of_scales},
    {"zero points", zero_points}, {"quantised axis", quantised_axis}, {"sparsity", sparsity}, {"operands", operands}, {"order of operators", order}, {"inputs and outputs", borders},
    {"another operator", opcode}, {"operator code", opcode_index}, {"no options", no_options}, {"options of another", other_options}, {"options", strides}, {"calls", calls},
    {"sub-graphs", graphs}, {"variables", variables}, {"wild names", names}};
}  // namespace

std::optional<Mutant> tflite_mutant(const std::string& sound, Random& random) {
  if (sound.size() < 8 || sound.compare(4, 4, "TFL3") != 0) return {};
  Site s{{}, random};
  fb::GetModel(sound.data())->UnPackTo(&s.model);
  const auto& kind = kFields[random() % std::size(kFields)];
  kind.change(s);
  flatbuffers::FlatBufferBuilder f;
  f.Finish(fb::Model::Pack(f, &s.model), "TFL3");
  return Mutant{kind.name, {reinterpret_cast<const char*>(f.GetBufferPointer()), f.GetSize()}};
}

}  // namespace saha::mutants

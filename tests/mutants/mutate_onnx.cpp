// Fields of ONNX files that lie.
#include "tests/mutants/mutate.hpp"

#include <vector>

#include "onnx/onnx-ml.pb.h"

namespace saha::mutants {
namespace {
struct Site {
  ::onnx::ModelProto model;
  Random& random;
  const std::filesystem::path& folder;
  bool must_fail = false;
  std::vector<::onnx::GraphProto*> graphs{};   // the main one first

  void collect(::onnx::GraphProto* g) {
    graphs.push_back(g);
    for (auto& n : *g->mutable_node())
      for (auto& a : *n.mutable_attribute())
        if (a.has_g()) collect(a.mutable_g());
  }
  ::onnx::GraphProto& graph() { return *graphs[random() % graphs.size()]; }
  /// A node of any graph; null where there is none.
  ::onnx::NodeProto* node() {
    for (int turn = 0; turn < 16; ++turn)
      if (auto& g = graph(); g.node_size()) return g.mutable_node(int(random() % std::uint64_t(g.node_size())));
    return nullptr;
  }
  ::onnx::AttributeProto* attribute() {
    for (int turn = 0; turn < 64; ++turn)
      if (auto* n = node(); n && n->attribute_size()) return n->mutable_attribute(int(random() % std::uint64_t(n->attribute_size())));
    return nullptr;
  }
  /// An initializer, or the value of a Constant.
  ::onnx::TensorProto* tensor() {
    std::vector<::onnx::TensorProto*> all;
    for (auto* g : graphs) {
      for (auto& t : *g->mutable_initializer()) all.push_back(&t);
      for (auto& n : *g->mutable_node())
        for (auto& a : *n.mutable_attribute())
          if (a.has_t()) all.push_back(a.mutable_t());
    }
    return all.empty() ? nullptr : all[random() % all.size()];
  }
  ::onnx::ValueInfoProto* port() {
    auto& g = *graphs[0];
    auto* list = random() % 2 || !g.output_size() ? g.mutable_input() : g.mutable_output();
    return list->empty() ? nullptr : list->Mutable(int(random() % std::uint64_t(list->size())));
  }
};

void tensor_dims(Site& s) {
  auto* t = s.tensor();
  if (!t) return;
  if (t->dims_size() && s.random() % 3) t->set_dims(int(s.random() % std::uint64_t(t->dims_size())), hostile(s.random));
  else t->add_dims(hostile(s.random));
}
void tensor_dtype(Site& s) { if (auto* t = s.tensor()) t->set_data_type(int(s.random() % 30) - 1); }
void tensor_values(Site& s) {
  // Small integers are shapes, axes and indices.
  for (int turn = 0; turn < 64; ++turn) {
    auto* t = s.tensor();
    if (!t || t->data_type() != ::onnx::TensorProto::INT64) continue;
    std::int64_t v = hostile(s.random);
    if (t->raw_data().size() >= 8) {
      std::size_t at = s.random() % (t->raw_data().size() / 8) * 8;
      t->mutable_raw_data()->replace(at, 8, reinterpret_cast<const char*>(&v), 8);
    } else if (t->int64_data_size()) t->set_int64_data(int(s.random() % std::uint64_t(t->int64_data_size())), v);
    return;
  }
}
void tensor_shorter(Site& s) {
  auto* t = s.tensor();
  if (!t) return;
  if (t->has_raw_data()) t->mutable_raw_data()->resize(t->raw_data().size() / 2);
  else t->clear_float_data(), t->clear_int64_data(), t->clear_int32_data();
}
void port_dims(Site& s) {
  auto* p = s.port();
  if (!p) return;
  auto* shape = p->mutable_type()->mutable_tensor_type()->mutable_shape();
  if (shape->dim_size() && s.random() % 3) shape->mutable_dim(int(s.random() % std::uint64_t(shape->dim_size())))->set_dim_value(hostile(s.random));
  else shape->add_dim()->set_dim_value(hostile(s.random));
}
void port_type(Site& s) {
  auto* p = s.port();
  if (!p) return;
  switch (s.random() % 4) {
    case 0: p->mutable_type()->mutable_tensor_type()->set_elem_type(int(s.random() % 30) - 1); break;
    case 1: p->mutable_type()->mutable_sequence_type()->mutable_elem_type()->mutable_tensor_type()->set_elem_type(1); break;
    case 2: p->clear_type(); break;
    default: p->mutable_type()->mutable_tensor_type()->clear_shape(); break;
  }
}
void cyclic(Site& s) {
  auto* n = s.node();
  if (!n || !n->output_size()) return;
  if (n->input_size()) n->set_input(int(s.random() % std::uint64_t(n->input_size())), n->output(0));
  else n->add_input(n->output(0));
}
void same_names(Site& s) {
  auto *a = s.node(), *b = s.node();
  if (a && b && a->output_size() && b->output_size()) b->set_output(0, a->output(0));
}
void unknown_name(Site& s) {
  auto* n = s.node();
  if (n && n->input_size()) n->set_input(int(s.random() % std::uint64_t(n->input_size())), "nowhere");
}
void exchanged(Site& s) {
  auto *a = s.node(), *b = s.node();
  if (a && b && a->input_size() && b->input_size()) a->set_input(int(s.random() % std::uint64_t(a->input_size())), b->input(int(s.random() % std::uint64_t(b->input_size()))));
}
void operands(Site& s) {
  auto* n = s.node();
  if (!n) return;
  switch (s.random() % 4) {
    case 0: n->clear_input(); break;
    case 1: if (n->input_size()) n->mutable_input()->RemoveLast(); break;
    case 2: for (int i = 0; i < 20; ++i) n->add_input(n->input_size() ? n->input(0) : ""); break;
    default: n->clear_output(); break;
  }
}
void operators(Site& s) {
  static const char* const kOps[] = {"Conv", "Loop", "If", "Scan", "Tile", "Expand", "ConstantOfShape", "Range", "Resize", "LSTM", "TopK", "NoSuchOperator", "", "Pad", "Reshape", "Gather",
                                     "Slice", "RandomNormal", "OneHot", "SequenceAt", "Einsum", "GridSample", "Split", "Squeeze", "Cast", "MaxPool", "Transpose", "QuantizeLinear"};
  if (auto* n = s.node()) n->set_op_type(kOps[s.random() % std::size(kOps)]);
}
void attribute_values(Site& s) {
  auto* a = s.attribute();
  if (!a) return;
  switch (s.random() % 5) {
    case 0: a->clear_ints(); break;
    case 1: a->set_type(::onnx::AttributeProto::AttributeType(s.random() % 15)); break;
    case 2: for (int i = 0; i < 100'000; ++i) a->add_ints(i); break;
    default:
      if (a->ints_size()) a->set_ints(int(s.random() % std::uint64_t(a->ints_size())), hostile(s.random));
      else if (a->has_i()) a->set_i(hostile(s.random));
      else if (a->has_f()) a->set_f(std::numeric_limits<float>::quiet_NaN());
      else if (a->has_s()) a->set_s(std::string("\xff\xfe\x00x", 4));
  }
}
void more_nodes(Site& s) {
  auto& g = s.graph();
  if (!g.node_size()) return;
  ::onnx::NodeProto n = g.node(int(s.random() % std::uint64_t(g.node_size())));
  if (n.ByteSizeLong() > 4096) return;
  for (int i = 0; i < 20'000; ++i) *g.add_node() = n;
}
void external_data(Site& s) {
  auto* t = s.tensor();
  if (!t) return;
  auto set = [&](const char* k, std::string v) { auto* e = t->add_external_data(); e->set_key(k); e->set_value(std::move(v)); };
  t->clear_raw_data(), t->clear_float_data(), t->clear_int64_data(), t->clear_int32_data();
  t->set_data_location(::onnx::TensorProto::EXTERNAL);
  if (t->dims_size() == 0) t->add_dims(64);
  else t->set_dims(0, 64);
  s.must_fail = true;
  switch (s.random() % 8) {
    case 0: set("location", (s.folder.parent_path() / "outside.bin").string()); break;
    case 1: set("location", "../outside.bin"); break;
    case 2: set("location", "link.bin"); break;
    case 3: set("location", "missing.bin"); break;
    case 4: set("location", "short.bin"); break;
    case 5: set("location", "short.bin"), set("offset", "-8"); break;
    case 6: set("location", "short.bin"), set("offset", "9223372036854775807"), set("length", "9223372036854775807"); break;
    default: break;  // no location
  }
}
void empty(Site& s) {
  switch (s.random() % 5) {
    case 0: s.graphs[0]->clear_node(); break;
    case 1: s.graphs[0]->clear_output(); break;
    case 2: s.model.clear_graph(); break;
    case 3: s.graphs[0]->clear_input(); break;
    default: s.graphs[0]->clear_initializer(); break;
  }
}
void wild_names(Site& s) {
  std::string name = s.random() % 2 ? std::string("\xc3\x28\xff\x00\n\x1b[31m", 10) : std::string(100'000, 'n');
  auto* n = s.node();
  if (!n) return;
  switch (s.random() % 4) {
    case 0: n->set_name(name); break;
    case 1: n->set_op_type(name); break;
    case 2: if (n->input_size()) n->set_input(0, name); break;
    default: s.graphs[0]->set_name(name); if (auto* p = s.port()) p->set_name(name);
  }
}
void opsets(Site& s) {
  static constexpr std::int64_t kVersions[] = {0, 1, 5, 6, 8, 10, 12, 28, 29, 99, -1, 1'000'000'000'000};
  if (s.model.opset_import_size() && s.random() % 4) s.model.mutable_opset_import(0)->set_version(kVersions[s.random() % std::size(kVersions)]);
  else s.model.clear_opset_import();
}
void nested(Site& s) {
  // If within If, deeper than anyone means.
  ::onnx::GraphProto inner;
  int depth = int(s.random() % 45) + 1;
  for (int i = 0; i < depth; ++i) {
    ::onnx::GraphProto outer;
    auto* n = outer.add_node();
    n->set_op_type("If"), n->add_input("condition"), n->add_output("y");
    for (const char* b : {"then_branch", "else_branch"}) {
      auto* a = n->add_attribute();
      a->set_name(b), a->set_type(::onnx::AttributeProto::GRAPH);
      if (*b == 't') *a->mutable_g() = inner;
      else a->mutable_g()->add_output()->set_name("y");
    }
    outer.add_output()->set_name("y");
    inner = std::move(outer);
  }
  *s.graphs[0]->add_node() = inner.node(0);
}
void functions(Site& s) {
  // A function that calls itself.
  auto* f = s.model.add_functions();
  f->set_domain("here"), f->set_name("Again"), f->add_input("x"), f->add_output("y");
  auto* inside = f->add_node();
  inside->set_domain("here"), inside->set_op_type("Again"), inside->add_input("x"), inside->add_output("y");
  auto* o = f->add_opset_import();
  o->set_domain("here"), o->set_version(1);
  *s.model.add_opset_import() = *o;
  if (auto* n = s.node()) n->set_domain("here"), n->set_op_type("Again");
}

constexpr struct { const char* name; void (*change)(Site&); } kFields[] = {
    {"dims of a tensor", tensor_dims}, {"dtype of a tensor", tensor_dtype}, {"values of a tensor", tensor_values}, {"a tensor too short", tensor_shorter},
    {"dims of a port", port_dims}, {"type of a port", port_type}, {"a cycle", cyclic}, {"a name twice", same_names}, {"a name of nothing", unknown_name},
    {"exchanged operands", exchanged}, {"number of operands", operands}, {"another operator", operators}, {"attributes", attribute_values},
    {"too many nodes", more_nodes}, {"external data", external_data}, {"an empty graph", empty}, {"wild names", wild_names}, {"opsets", opsets},
    {"nested graphs", nested}, {"recursive functions", functions}};
}  // namespace

std::optional<Mutant> onnx_mutant(const std::string& sound, Random& random, const std::filesystem::path& folder) {
  Site s{{}, random, folder};
  if (!s.model.ParseFromString(sound)) return {};
  s.collect(s.model.mutable_graph());
  const auto& kind = kFields[random() % std::size(kFields)];
  kind.change(s);
  return Mutant{kind.name, s.model.SerializePartialAsString(), s.must_fail};
}

}  // namespace saha::mutants

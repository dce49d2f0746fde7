#include "ir/type.hpp"

namespace saha::ir {
namespace {
TypeRef wrap(Type::Kind kind, DType key, TypeRef element) {
  auto r = std::make_shared<Type>();
  r->kind = kind;
  r->dtype = key;
  r->element = std::move(element);
  return r;
}
}  // namespace

std::shared_ptr<const Quant> along(const std::shared_ptr<const Quant>& quant, int axis) {
  if (!quant || quant->scale.size() < 2 || quant->axis == axis) return quant;
  Quant moved = *quant;
  moved.axis = axis;
  return std::make_shared<const Quant>(std::move(moved));
}
TypeRef tensor_type(DType t, std::vector<Dim> dims, std::shared_ptr<const Quant> quant) {
  auto r = std::make_shared<Type>();
  r->dtype = t;
  r->dims = std::move(dims);
  r->quant = std::move(quant);
  return r;
}
TypeRef unranked_type(DType t) {
  auto r = std::make_shared<Type>();
  r->dtype = t;
  r->ranked = false;
  return r;
}
TypeRef sequence_type(TypeRef e) { return wrap(Type::Kind::sequence, DType::none, std::move(e)); }
TypeRef optional_type(TypeRef e) { return wrap(Type::Kind::optional, DType::none, std::move(e)); }
TypeRef map_type(DType key, TypeRef e) { return wrap(Type::Kind::map, key, std::move(e)); }

bool operator==(const Type& a, const Type& b) {
  auto same = [](const auto& x, const auto& y) { return x == y || (x && y && *x == *y); };
  return a.kind == b.kind && a.dtype == b.dtype && a.layout == b.layout && a.ranked == b.ranked && a.dims == b.dims && same(a.element, b.element) && same(a.quant, b.quant);
}
std::string str(const Type& t) {
  std::string inside = t.element ? str(*t.element) : std::string("*");
  switch (t.kind) {
    case Type::Kind::sequence: return "seq(" + inside + ")";
    case Type::Kind::optional: return "opt(" + inside + ")";
    case Type::Kind::map: return "map(" + std::string(name(t.dtype)) + ", " + inside + ")";
    case Type::Kind::tensor: break;
  }
  return std::string(name(t.dtype)) + (t.ranked ? str(t.dims) : "[*]") + (t.quant ? "q" : "");
}
bool is_static(const Type& t) {
  if (!t.is_tensor() || !t.ranked) return false;
  for (const Dim& d : t.dims) if (!d.known()) return false;
  return true;
}

}  // namespace saha::ir

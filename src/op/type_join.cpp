#include "op/type_join.hpp"

namespace saha::op {

Result<TypeRef> join(Infer& c, const TypeRef& a, const TypeRef& b) {
  if (!a || !b) return a ? a : b;
  if (*a == *b) return a;
  bool a_open = a->is_tensor() && a->dtype == DType::none, b_open = b->is_tensor() && b->dtype == DType::none;
  if (a->kind != b->kind) {
    if (a_open || b_open) return a_open ? b : a;  // nothing was known of it
    // A value that may be absent on one side may be absent.
    for (auto [outer, inner] : {std::pair{&a, &b}, {&b, &a}}) {
      if ((*outer)->kind != Type::Kind::optional) continue;
      SAHA_TRY(TypeRef e, join(c, (*outer)->element, *inner));
      return ir::optional_type(std::move(e));
    }
    return c.fail("a value is " + ir::str(*a) + " on one side and " + ir::str(*b) + " on the other");
  }
  if (!a->is_tensor()) {
    SAHA_TRY(TypeRef e, join(c, a->element, b->element));
    auto r = std::make_shared<Type>(*a);
    r->element = std::move(e);
    return TypeRef(r);
  }
  if (!a_open && !b_open && a->dtype != b->dtype) return c.fail("a value is " + ir::str(*a) + " on one side and " + ir::str(*b) + " on the other");
  DType t = a_open ? b->dtype : a->dtype;
  if (!a->ranked || !b->ranked || a->dims.size() != b->dims.size()) return ir::unranked_type(t);
  std::vector<Dim> d = a->dims;
  for (std::size_t i = 0; i < d.size(); ++i) if (!(d[i] == b->dims[i])) d[i] = c.fresh("join");
  return ir::tensor_type(t, std::move(d));
}

TypeRef substitute(const TypeRef& t, const std::function<std::optional<Dim>(const std::string&)>& f) {
  if (!t) return t;
  bool symbolic = false;
  for (const Dim& d : t->dims) symbolic |= !d.known();
  TypeRef element = substitute(t->element, f);
  if (!symbolic && element == t->element) return t;
  auto r = std::make_shared<Type>(*t);
  for (Dim& d : r->dims) if (!d.known()) d = d.substitute(f);
  r->element = std::move(element);
  return r;
}

TypeRef element_type(Infer& c, const Type& sequence) {
  if (!sequence.element) return ir::unranked_type(DType::none);
  return substitute(sequence.element, [&](const std::string& name) -> std::optional<Dim> {
    return name.find('#') == std::string::npos ? std::optional<Dim>{} : c.fresh("element");  // '#': made by Builder::fresh
  });
}

}  // namespace saha::op

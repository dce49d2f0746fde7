// Types of literals, sums, products, comparisons and conditions; what only shares can get wrong.
#include "base/figures.hpp"
#include "validate/checker.hpp"

namespace saha::validate {

Type number() {
  Type t;
  t.kind = Type::Kind::number;
  return t;
}
Type of(Type::Kind kind) {
  Type t;
  t.kind = kind;
  return t;
}

std::string described(const Type& t) {
  switch (t.kind) {
    case Type::Kind::broken: return "nothing";
    case Type::Kind::number:
      return t.difference         ? "a difference in pp"
             : t.fraction         ? "a share"
             : t.dimension.pure() ? "a number"
                                  : "a quantity in " + yaml::print(t.dimension);
    case Type::Kind::boolean: return "a condition";
    case Type::Kind::point: return "an input";
    case Type::Kind::outputs: return "an output";
    case Type::Kind::label: return "a class";
    case Type::Kind::text: return "a text";
    case Type::Kind::data: return "a data set";
    case Type::Kind::region: return "a region";
    case Type::Kind::slices: return "slices";
    case Type::Kind::transform: return "a transform";
    case Type::Kind::model: return "a model";
    case Type::Kind::word: return "a word";
  }
  return "?";
}


Type Checker::type(const Expr& e) {
  switch (e.kind) {
    case Expr::Kind::number: return literal(e);
    case Expr::Kind::name: return name(e);
    case Expr::Kind::call: return call(e);
    case Expr::Kind::index: {
      Type base = type(e.args[0]);
      if (base.kind == Kind::broken) return base;
      if (base.kind != Kind::point) return error(e.args[0].place, "only an input has fields to set, not " + described(base));
      if (has_fields() && !field(e.path[0])) return error(e.place, "no input has a field '" + e.path[0] + "'");
      Type value = type(e.args[1]);
      return value.kind == Kind::broken ? value : base;
    }
    case Expr::Kind::negate: {
      Type t = type(e.args[0]);
      if (t.kind == Kind::broken) return t;
      if (!t.numeric()) return error(e.place, "a number expected after '-', not " + described(t));
      if (t.constant) t.constant = -*t.constant;
      t.fraction = false;
      return t;
    }
    case Expr::Kind::add:
    case Expr::Kind::subtract: return sum(e);
    case Expr::Kind::multiply:
    case Expr::Kind::divide: return product(e);
    case Expr::Kind::compare: return comparison(e);
    case Expr::Kind::logical_not:
    case Expr::Kind::logical_and:
    case Expr::Kind::logical_or:
    case Expr::Kind::implies: {
      static constexpr std::string_view kWords[] = {"'not'", "'and'", "'or'", "'=>'"};
      auto word = kWords[static_cast<std::size_t>(e.kind) - static_cast<std::size_t>(Expr::Kind::logical_not)];
      for (const Expr& a : e.args) condition(a, word);
      return of(Kind::boolean);
    }
  }
  return {};
}

void Checker::condition(const Expr& e, std::string_view what) {
  Type t = type(e);
  if (t.kind == Kind::boolean || t.kind == Kind::broken) return;
  error(e.place, std::string(what) + " wants a condition, not " + described(t), t.numeric() ? "compare it with something" : "");
}

Type Checker::literal(const Expr& e) {
  Type t = number();
  if (e.unit.empty()) {
    t.bare = true;
    t.constant = e.value;
    return t;
  }
  auto u = scope_.units.find(e.unit);
  if (!u) {
    std::size_t begin = e.place.end - e.unit.size();
    return error({begin, e.place.end}, u.error().message, u.error().help);
  }
  t.dimension = u->dimension;
  t.difference = u->difference;
  t.fraction = e.unit == "%";
  t.unit = e.unit;
  t.constant = yaml::in_base(e.value, *u);
  return t;
}

// Two sides that are added or compared must have one dimension; says what is missing where they do not.
bool Checker::agree(const Expr& left, const Type& l, const Expr& right, const Type& r) {
  if (l.any_dimension || r.any_dimension || l.dimension == r.dimension) return true;
  const bool left_bare = l.bare && l.dimension.pure(), right_bare = r.bare && r.dimension.pure();
  if (left_bare || right_bare) {
    const Expr& bare = left_bare ? left : right;
    const Expr& other = left_bare ? right : left;
    const Type& t = left_bare ? r : l;
    std::string unit = t.unit.empty() ? yaml::print(t.dimension) : t.unit;
    error(bare.place, print(bare) + " has no unit, but " + print(other) + " is in " + unit, "write '" + print(bare) + " " + unit + "'");
  } else {
    error(right.place, print(left) + " is " + described(l) + ", but " + print(right) + " is " + described(r));
  }
  return false;
}

Type Checker::sum(const Expr& e) {
  Type l = type(e.args[0]), r = type(e.args[1]);
  if (l.kind == Kind::broken || r.kind == Kind::broken) return {};
  for (int i = 0; i < 2; ++i) {
    const Type& t = i == 0 ? l : r;
    if (!t.numeric()) return error(e.args[static_cast<std::size_t>(i)].place, "a number expected, not " + described(t));
  }
  if (!agree(e.args[0], l, e.args[1], r)) return {};
  bool literal_share = e.args[1].kind == Expr::Kind::number && e.args[1].unit == "%";
  if (l.fraction && !l.constant && literal_share)
    warn(e.args[1].place, "a difference of shares is in pp", "write '" + figures::shortest(e.args[1].value) + " pp'");
  Type t = l.kind == Kind::outputs ? l : r;
  if (l.kind == Kind::outputs && r.kind == Kind::outputs && l.width >= 0 && r.width >= 0 && l.width != r.width) {
    return error(e.place, print(e.args[0]) + " has " + figures::counted(l.width, "value") + ", " + print(e.args[1]) +
                              " has " + std::to_string(r.width));
  }
  t.any_dimension = l.any_dimension && r.any_dimension;
  const Type& known = l.any_dimension ? r : l;
  t.dimension = known.dimension;
  t.unit = known.unit;
  t.bare = l.bare && r.bare;
  bool subtract = e.kind == Expr::Kind::subtract;
  bool both_shares = l.fraction && r.fraction && subtract && !literal_share;
  t.difference = (l.difference && r.difference) || both_shares || (l.difference && r.bare);
  t.fraction = (l.fraction || r.fraction) && !t.difference;
  t.constant = l.constant && r.constant ? std::optional(subtract ? *l.constant - *r.constant : *l.constant + *r.constant) : std::nullopt;
  return t;
}

Type Checker::product(const Expr& e) {
  Type l = type(e.args[0]), r = type(e.args[1]);
  if (l.kind == Kind::broken || r.kind == Kind::broken) return {};
  for (int i = 0; i < 2; ++i) {
    const Type& t = i == 0 ? l : r;
    if (!t.numeric()) return error(e.args[static_cast<std::size_t>(i)].place, "a number expected, not " + described(t));
  }
  bool divide = e.kind == Expr::Kind::divide;
  if (divide && r.constant && *r.constant == 0) return error(e.args[1].place, "division by zero");
  Type t = l.kind == Kind::outputs || r.kind == Kind::outputs ? (l.kind == Kind::outputs ? l : r) : number();
  t.dimension = divide ? l.dimension / r.dimension : l.dimension * r.dimension;
  t.any_dimension = l.any_dimension || r.any_dimension;
  t.bare = l.bare && r.bare;
  t.unit = r.bare ? l.unit : l.bare && !divide ? r.unit : "";
  t.fraction = false;
  t.difference = (l.difference && r.bare) || (!divide && l.bare && r.difference);
  t.constant = {};
  if (l.constant && r.constant) t.constant = divide ? *l.constant / *r.constant : *l.constant * *r.constant;
  return t;
}

// A bare word beside a text column or a class is a value of it: camera == front.
bool Checker::is_loose_word(const Expr& e) const {
  if (e.kind == Expr::Kind::name && (e.path[0] == "x" || e.path[0] == "label" || e.path[0] == "correct")) return false;
  return e.kind == Expr::Kind::name && e.path.size() == 1 && !bound_.contains(e.path[0]) && !field(e.path[0]) && !is_data(e.path[0]) &&
         !is_model(e.path[0]) && !find_word(e.path[0]) && std::ranges::find(scope_.labels, e.path[0]) == scope_.labels.end();
}

bool Checker::takes_word(const Expr& e) const {
  if (e.kind == Expr::Kind::call && e.path.size() == 1 && e.path[0] == "argmax") return scope_.labels.empty();
  if (e.kind != Expr::Kind::name || e.path.size() != 1) return false;
  auto b = bound_.find(e.path[0]);
  if (b == bound_.end()) return false;
  return b->second.kind == Kind::text || (b->second.kind == Kind::label && scope_.labels.empty());
}

Type Checker::comparison(const Expr& e) {
  std::vector<Type> types;
  for (std::size_t i = 0; i < e.args.size(); ++i) {
    bool beside_text = (i > 0 && takes_word(e.args[i - 1])) || (i + 1 < e.args.size() && takes_word(e.args[i + 1]));
    types.push_back(beside_text && is_loose_word(e.args[i]) ? of(Kind::word) : type(e.args[i]));
  }
  for (std::size_t i = 0; i + 1 < types.size(); ++i) compare(e, i, types[i], types[i + 1]);
  return of(Kind::boolean);
}

void Checker::compare(const Expr& e, std::size_t i, const Type& l, const Type& r) {
  const Expr &left = e.args[i], &right = e.args[i + 1];
  Op op = e.ops[i];
  if (l.kind == Kind::broken || r.kind == Kind::broken) return;
  bool equality = op == Op::eq || op == Op::ne;
  Place place{left.place.begin, right.place.end};
  if (l.numeric() && r.numeric()) {
    for (int side = 0; side < 2; ++side) {
      const Type& t = side == 0 ? l : r;
      const Expr& x = side == 0 ? left : right;
      if (t.kind == Kind::outputs && t.width > 1) {
        error(x.place, print(x) + " has " + std::to_string(t.width) + " values, one is compared",
              "take argmax, max, min or maxabs of it");
        return;
      }
    }
    if (!agree(left, l, right, r)) return;
    shares(place, left, l, op, right, r);
    return;
  }
  auto label_like = [](const Type& t) {
    return t.kind == Kind::label || t.kind == Kind::word || (t.kind == Kind::number && t.bare) || t.kind == Kind::text;
  };
  auto text_like = [](const Type& t) {
    return t.kind == Kind::text || t.kind == Kind::word || t.kind == Kind::label || (t.kind == Kind::number && t.constant);
  };
  bool labels = (l.kind == Kind::label && label_like(r)) || (r.kind == Kind::label && label_like(l));
  bool texts = (l.kind == Kind::text && text_like(r)) || (r.kind == Kind::text && text_like(l));
  bool conditions = l.kind == Kind::boolean && r.kind == Kind::boolean;
  bool number_column = (l.kind == Kind::text && r.kind == Kind::number) || (r.kind == Kind::text && l.kind == Kind::number);
  if (!(labels || texts || conditions || number_column)) {
    error(place, described(l) + " and " + described(r) + " cannot be compared");
  } else if (!equality && !number_column) {
    error(place, "classes and words have no order", "only '==' and '!='");
  }
}

// What only shares can get wrong: 85 for 85 %, pp for %, limits that always or never hold.
void Checker::shares(Place place, const Expr& left, const Type& l, Op op, const Expr& right, const Type& r) {
  if (l.constant && r.constant) {
    warn(place, "both sides are constants; the comparison says nothing about a model");
    return;
  }
  for (int side = 0; side < 2; ++side) {
    const Type &share = side == 0 ? l : r, &limit = side == 0 ? r : l;
    const Expr& limit_expr = side == 0 ? right : left;
    if (!share.fraction || !limit.constant || share.constant) continue;
    Op o = side == 0 ? op : flipped(op);
    double v = *limit.constant;
    if (limit.difference) {
      error(limit_expr.place, print(limit_expr) + " is a difference; a share is in %", "write '" + figures::shortest(v * 100) + " %'");
    } else if (limit.bare && v > 1 && v <= 100) {
      error(limit_expr.place, print(limit_expr) + " is no share: it has no unit, and shares lie in [0, 1]",
            "write '" + print(limit_expr) + " %'");
    } else if ((v > 1 && (o == Op::ge || o == Op::gt || o == Op::eq)) || (v == 1 && o == Op::gt) ||
               (v < 0 && (o == Op::le || o == Op::lt || o == Op::eq)) || (v == 0 && o == Op::lt)) {
      warn(place, "never holds: a share lies in [0 %, 100 %]");
    } else if ((v <= 0 && o == Op::ge) || (v < 0 && o == Op::gt) || (v >= 1 && o == Op::le) || (v > 1 && o == Op::lt)) {
      warn(place, "always holds: a share lies in [0 %, 100 %]");
    }
  }
}

}  // namespace saha::validate

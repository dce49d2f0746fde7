#pragma once
// The type checker of one requirement, inside this module: one pass over its tree, with every fault reported at its word. Each part of it
// has a file: names (check_names.cpp), calls and their arguments (check_calls.cpp), operators (check_operators.cpp), and in check.cpp
// the walk over a requirement: quantifiers, premises, levels.
#include <algorithm>
#include <map>
#include <set>

#include "validate/check.hpp"
#include "validate/vocabulary.hpp"

namespace saha::validate {

struct Type {
  enum class Kind : std::uint8_t { broken, number, boolean, point, outputs, label, text, data, region, slices, transform, model, word };
  Kind kind = Kind::broken;
  yaml::Dimension dimension = {};
  bool any_dimension = false;         ///< of an output whose unit is not given
  bool bare = false;                  ///< a literal without unit (or made of such): fits nothing that has one
  bool fraction = false;              ///< a share in [0, 1]
  bool difference = false;            ///< in pp
  std::optional<double> constant = {};  ///< in base units
  std::string unit = {};              ///< the unit to write, for messages
  std::int64_t width = 1;             ///< of outputs; -1 not known

  bool numeric() const { return kind == Kind::number || kind == Kind::outputs; }
};

Type number();
Type of(Type::Kind kind);
std::string described(const Type& t);                            ///< "a quantity in s"

class Checker {
 public:
  using Kind = Type::Kind;

  Checker(Requirement& requirement, const Scope& scope, yaml::Diagnostics& diagnostics)
      : r_(requirement), scope_(scope), diagnostics_(diagnostics) {}

  std::set<std::string> used_data;   ///< that are named

  void run();

 private:
  yaml::Span at(Place p) const { return yaml::span_in(*node_, p.begin, p.end, diagnostics_); }
  Type error(Place p, std::string message, std::string hint = {}) {
    diagnostics_.error(at(p), std::move(message), std::move(hint));
    return {};
  }
  void warn(Place p, std::string message, std::string hint = {}) { diagnostics_.warning(at(p), std::move(message), std::move(hint)); }
  void vacuous(Place p, const std::string& message);

  void bind(const std::string& name, Type t) { bound_[name] = std::move(t); }

  // --- names ---
  std::vector<std::string> known_names(bool calls) const;
  std::vector<std::string> data_names() const;
  bool is_data(const std::string& name) const;
  /// `to_calibrate`: the set is meant to have been seen before.
  Type data_set(const std::string& name, Place p, bool to_calibrate = false);
  Type quantity(const std::string& unit);
  const Scope::Field* field(std::string_view name) const { return scope_.field(name); }
  Type output_type(const Scope::Output* o);
  Type given_by(const Word& w);
  Type unit_type(const std::string& base, const std::string& shown);
  bool is_model(const std::string& name) const { return std::ranges::find(scope_.models, name) != scope_.models.end(); }
  /// Why a verdict on this model will be open; "" where its file is known.
  std::string no_file(const std::string& model) const {
    return std::ranges::find(scope_.models_without_file, model) == scope_.models_without_file.end() ? "" : "nothing says which file '" + model + "' is; inconclusive";
  }
  void warn_of_no_file(const Expr& e) {   // of model.name
    if (std::string why = no_file(e.path[0]); !why.empty()) warn({e.place.begin, e.place.begin + e.path[0].size()}, why, "models: {" + e.path[0] + ": FILE}");
  }
  static std::string_view example(Argument a);
  static std::string example(const NamedArgument& a);
  static std::string usage(const Word& w);
  Type note(const Word& w, Place p);
  Type name(const Expr& e);
  Type point_field(const Expr& e);
  Type single(const Expr& e, const std::string& n);

  // --- calls ---
  Type call(const Expr& e);
  std::string outputs_hint() const;
  Type word_call(const Expr& e, const Word& w, Place word_place);
  bool calibration(const Expr& e, const Word& w);
  // Numbers that make a region empty or a share impossible.
  void check_constants(const Expr& e, const Word& w);
  void of_argument(const Expr& a);
  bool arguments(const Expr& e, const std::vector<Argument>& wanted, std::size_t least, bool repeats);
  bool named_argument(const Expr& e, const NamedArgument& a, const std::string& of_word);
  bool has_fields() const;
  std::string field_hint(const Expr& e) const;
  bool argument(const Expr& e, Argument wanted, const std::string& of_word);
  bool radius(const Expr& e, const std::string& of_word);

  // --- expressions ---
  Type type(const Expr& e);
  void condition(const Expr& e, std::string_view what);
  Type literal(const Expr& e);
  // Two sides that are added or compared must have one dimension; says what is missing where they do not.
  bool agree(const Expr& left, const Type& l, const Expr& right, const Type& r);
  Type sum(const Expr& e);
  Type product(const Expr& e);
  // A bare word beside a text column or a class is a value of it: camera == front.
  bool is_loose_word(const Expr& e) const;
  bool takes_word(const Expr& e) const;
  Type comparison(const Expr& e);
  void compare(const Expr& e, std::size_t i, const Type& l, const Type& r);
  // What only shares can get wrong: 85 for 85 %, pp for %, limits that always or never hold.
  void shares(Place place, const Expr& left, const Type& l, Op op, const Expr& right, const Type& r);

  // --- quantifiers ---
  void quantifier(const Quantifier& q);
  Type region_type(const Expr& e);

  // --- lint of premises ---
  void premises(const Expr& e);
  void premise(const Expr& e);

  // --- levels ---
  void levels();

  Requirement& r_;
  const Scope& scope_;
  yaml::Diagnostics& diagnostics_;
  const yaml::Node* node_ = nullptr;
  std::size_t errors_before_ = 0;
  std::map<std::string, Type> bound_;
  bool over_samples_ = false, under_points_ = false;
  enum class Use : std::uint8_t { run, compare, count } use_ = Use::run;   ///< what the data set that is read now is named for
  std::set<std::string> run_on_, compared_;   ///< data sets the models are run on, and those that are held against each other
  std::optional<Place> statistic_, measurement_, point_, region_, needs_domain_, confidence_;
  Type last_argument_;
  std::vector<std::optional<double>> constants_;
};

}  // namespace saha::validate

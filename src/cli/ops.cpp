// saha ops: what the operator table holds.
#include <unistd.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "cli/verbs.hpp"
#include "op/op_def.hpp"
#include "system/terminal.hpp"
#include "verify/net.hpp"
#include "yaml/diagnostic.hpp"

namespace saha::cli {
namespace {
using Json = nlohmann::ordered_json;
constexpr Argument kArguments[] = {{"OPERATOR", "its name; without it, all", true}};
constexpr Option kOptions[] = {
    {"missing", 0, "FACT", "only operators that lack it: gradient, bounds or integer"},
    {"markdown", 0, "", "the page docs/ops.md"},
};

enum class State : char { given, body, never, missing };
const char* word(State s) {
  constexpr const char* kWords[] = {"yes", "by its body", "never", "missing"};
  return kWords[int(s)];
}
State gradient(const op::OpDef& d) {
  if (d.vjp || d.adjoint) return State::given;
  if (!d.no_gradient.empty()) return State::never;
  return d.body ? State::body : State::missing;
}
State bounds(const op::OpDef& d) {
  const auto own = verify::own_rules();
  if (d.linear.kind != op::Linearity::Kind::none || d.curve.f || std::find(own.begin(), own.end(), d.name.str()) != own.end()) return State::given;
  if (!d.no_bounds.empty()) return State::never;
  return d.body ? State::body : State::missing;
}
State integer(const op::OpDef& d) {
  if (d.integer) return State::given;
  if (!d.no_integer.empty()) return State::never;
  if ((d.traits & op::kMovement) || (d.blocks && d.blocks->integer)) return State::given;
  return d.body ? State::body : State::missing;
}
const char* reference(const op::OpDef& d) { return d.eval ? "eval" : d.blocks ? "blocks" : "body"; }
std::string domain(const op::OpDef& d) { return d.domain.empty() ? "ai.onnx" : std::string(d.domain); }

Result<int> run(const Args& args) {
  std::vector<const op::OpDef*> rows;
  std::string wanted = args.arguments.empty() ? "" : args.arguments[0], missing = args.get("missing");
  if (!missing.empty() && missing != "gradient" && missing != "bounds" && missing != "integer") return Error{ErrorCode::invalid_file, "--missing is '" + missing + "', one of gradient, bounds and integer is taken"};
  for (const op::Entry& e : op::entries()) {
    const op::OpDef& d = *e.def;
    if (!wanted.empty() && d.name.str() != wanted) continue;
    State s = missing == "gradient" ? gradient(d) : missing == "bounds" ? bounds(d) : missing == "integer" ? integer(d) : State::missing;
    if (!missing.empty() && s != State::missing) continue;
    rows.push_back(&d);
  }
  if (!wanted.empty() && rows.empty()) {
    std::vector<std::string> names;
    for (const op::Entry& e : op::entries()) names.emplace_back(e.def->name.str());
    const auto near = yaml::nearest(wanted, names);
    return Error{ErrorCode::invalid_argument, "'" + wanted + "' is not an operator saha knows", near ? "did you mean '" + *near + "'?" : "saha ops lists them"};
  }
  if (args.json()) {
    Json list = Json::array();
    for (const op::OpDef* d : rows)
      list.push_back({{"name", d->name.str()}, {"domain", domain(*d)}, {"since", d->since_version}, {"signature", d->signature}, {"reference", reference(*d)}, {"body", d->body != nullptr}, {"gradient", word(gradient(*d))}, {"bounds", word(bounds(*d))}, {"integer", word(integer(*d))}});
    print(Json{{"schema", "saha.ops/1"}, {"saha", SAHA_VERSION}, {"ops", list}}.dump(2) + "\n");
    return 0;
  }
  if (args.has("markdown")) {
    std::string s = "# Operators\n\nMade by `saha ops --markdown` from the operator table. Semantics: ONNX operator specification, opset 28; older opsets are upgraded at import. "
        "What an operator has `by its body` follows from the operators that its body is made of.\n\n"
        "| operator | domain | since | signature | reference | gradient | bounds | integer |\n|---|---|---|---|---|---|---|---|\n";
    for (const op::OpDef* d : rows) {
      std::string signature;
      for (char c : d->signature) signature += c == '|' ? std::string("\\|") : std::string(1, c);
      s += "| " + std::string(d->name.str()) + " | " + domain(*d) + " | " + std::to_string(d->since_version) + " | `" + signature + "` | " + reference(*d) + " | " + word(gradient(*d)) + " | " + word(bounds(*d)) + " | " + word(integer(*d)) + " |\n";
    }
    print(s);
    return 0;
  }
  if (!wanted.empty()) {
    const op::OpDef& d = *rows[0];
    print(std::string(d.name.str()) + "  " + domain(d) + ", since opset " + std::to_string(d.since_version) + "\n  " + std::string(d.signature) + "\n  reference " + reference(d) + "   gradient " + word(gradient(d)) + "   bounds " + word(bounds(d)) + "   integer " + word(integer(d)) + "\n");
    for (auto [what, why] : {std::pair{"gradient", d.no_gradient}, {"bounds", d.no_bounds}, {"integer", d.no_integer}})
      if (!why.empty()) print(std::string("  no ") + what + ": " + std::string(why) + "\n");
    return 0;
  }
  system::Table t({{"operator"}, {"domain"}, {"since", system::Align::right}, {"reference"}, {"gradient"}, {"bounds"}, {"integer"}});
  for (const op::OpDef* d : rows) t.add({std::string(d->name.str()), domain(*d), std::to_string(d->since_version), reference(*d), word(gradient(*d)), word(bounds(*d)), word(integer(*d))});
  print(t.str(system::terminal_width(STDOUT_FILENO)) + std::to_string(rows.size()) + " operators\n");
  return 0;
}
}  // namespace

const Command kOps{"ops", "the operators saha knows and what is known of each", kArguments, kOptions, "ops Conv", run};

}  // namespace saha::cli

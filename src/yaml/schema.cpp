#include "yaml/schema.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/figures.hpp"
#include "yaml/units.hpp"

namespace saha::yaml {

struct Schema::Rule {
  enum class Kind : std::uint8_t {
    text,
    any,
    choice,
    boolean,
    integer,
    number,
    duration,
    size,
    frequency,
    fraction,
    list,
    map,
    names,
    one_of
  };
  Kind kind = Kind::any;
  std::vector<std::string> words;         // choice
  std::int64_t least_integer = 0, most_integer = 0;
  double least = 0, most = 0;
  std::size_t least_items = 0;
  std::vector<Schema> inner;              // list, names: one; one_of: all
  std::string what;                       // map
  std::vector<Key> keys;
  std::vector<std::string> one_of_keys;
  bool exactly = false;
};

namespace {

using RuleKind = Schema::Rule::Kind;

bool is_scalar(RuleKind k) { return k < RuleKind::list; }

std::string in_quotes(std::string_view s) {
  std::string text(s.substr(0, 60));
  return "'" + text + (s.size() > 60 ? "..." : "") + "'";
}

std::string shown(const Node& n) {
  switch (n.kind) {
    case Node::Kind::null: return "nothing";
    case Node::Kind::scalar: return in_quotes(n.text);
    case Node::Kind::list: return "a list";
    case Node::Kind::map: return "a map";
  }
  return "?";
}

std::string joined(const std::vector<std::string>& words, std::string_view last) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " " + std::string(last) + " " : ", ";
    out += words[i];
  }
  return out;
}

// What a scalar type makes of a text; the error's help is the hint beside the caret.
struct Scalar {
  bool boolean = false;
  std::int64_t integer = 0;
  double number = 0;
};

Result<Scalar> scalar(const Schema::Rule& rule, const Node& node, std::string_view type) {
  auto wanted = [&](std::string help = {}) {
    return Error{ErrorCode::invalid_file, "wants " + std::string(type) + ", not " + in_quotes(node.text), std::move(help)};
  };
  const std::string& s = node.text;
  Scalar out;
  switch (rule.kind) {
    case RuleKind::choice:
      if (std::ranges::find(rule.words, s) == rule.words.end()) return wanted(did_you_mean(s, rule.words));
      return out;
    case RuleKind::boolean:
      if (s != "true" && s != "false")
        return wanted(s == "yes" || s == "on" || s == "True" ? "write true" : s == "no" || s == "off" || s == "False" ? "write false" : "");
      out.boolean = s == "true";
      return out;
    case RuleKind::integer: {
      bool plus = s.starts_with('+');
      auto [end, fault] = std::from_chars(s.data() + plus, s.data() + s.size(), out.integer);
      if (fault != std::errc() || end != s.data() + s.size() || (plus && s.starts_with("+-"))) return wanted();
      if (out.integer < rule.least_integer || out.integer > rule.most_integer) return wanted();
      out.number = static_cast<double>(out.integer);
      return out;
    }
    case RuleKind::number: {
      auto m = measure(s);
      if (!m || !m->unit.empty()) return wanted();
      if (!(m->value >= rule.least && m->value <= rule.most)) return wanted();
      out.number = m->value;
      return out;
    }
    case RuleKind::fraction: {
      auto f = fraction(s);
      if (!f || !(*f >= rule.least && *f <= rule.most))
        return wanted(f && s.find('%') == std::string::npos && *f > 1 && *f <= 100 ? "write '" + s + " %'" : "");
      out.number = *f;
      return out;
    }
    case RuleKind::duration:
    case RuleKind::frequency: {
      auto v = rule.kind == RuleKind::duration ? duration_s(s) : frequency_hz(s);
      if (!v) return wanted(v.error().help);
      out.number = *v;
      return out;
    }
    case RuleKind::size: {
      auto v = size_bytes(s);
      if (!v) return wanted(v.error().help);
      out.integer = *v;
      out.number = static_cast<double>(*v);
      return out;
    }
    default: return out;
  }
}

Value::Kind kind_of(RuleKind k) {
  switch (k) {
    case RuleKind::boolean: return Value::Kind::boolean;
    case RuleKind::integer:
    case RuleKind::size: return Value::Kind::integer;
    case RuleKind::number:
    case RuleKind::duration:
    case RuleKind::frequency:
    case RuleKind::fraction: return Value::Kind::number;
    default: return Value::Kind::text;
  }
}

}  // namespace

// Reads a node by a rule into a Value. `name` is the key under which the node stands, for messages.
struct Reading {
  Diagnostics& diagnostics;

  Value read(const Schema& schema, const Node& node, const std::string& name) {
    const Schema::Rule& rule = schema.rule();
    Value v;
    v.node_ = node;
    v.given_ = true;
    if (rule.kind == RuleKind::any) return read_any(node);
    if (rule.kind == RuleKind::one_of) return read_one_of(schema, node, name);
    if (node.kind == Node::Kind::null && !(rule.kind == RuleKind::map && rule.what.empty())) {
      diagnostics.error(node.at, name + " has no value; it wants " + schema.type_name());
      return {};
    }
    Node::Kind shape = is_scalar(rule.kind) ? Node::Kind::scalar : rule.kind == RuleKind::list ? Node::Kind::list : Node::Kind::map;
    if (node.kind != shape) {
      diagnostics.error(node.at, name + " wants " + schema.type_name() + ", not " + shown(node),
                        shape == Node::Kind::list && node.kind == Node::Kind::scalar ? "write [" + node.text.substr(0, 40) + "]" : "");
      return {};
    }
    if (shape == Node::Kind::scalar) {
      auto s = scalar(rule, node, schema.type_name());
      if (!s) {
        diagnostics.error(node.at, name + " " + s.error().message, s.error().help);
        return {};
      }
      v.kind_ = kind_of(rule.kind);
      v.boolean_ = s->boolean;
      v.integer_ = s->integer;
      v.number_ = s->number;
    } else if (shape == Node::Kind::list) {
      v.kind_ = Value::Kind::list;
      if (node.items.size() < rule.least_items) {
        diagnostics.error(
            node.at, name + " wants at least " + std::to_string(rule.least_items) + (rule.least_items == 1 ? " entry" : " entries") + ", not " + std::to_string(node.items.size()));
      }
      for (std::size_t i = 0; i < node.items.size(); ++i)
        keep(read(rule.inner[0], node.items[i], name + "[" + std::to_string(i) + "]"), rule.inner[0], [&](Value item) { v.items_.push_back(std::move(item)); });
    } else if (rule.kind == RuleKind::names) {
      v.kind_ = Value::Kind::map;
      for (const Entry& e : node.entries)
        keep(read(rule.inner[0], e.value, "'" + e.key.text + "'"), rule.inner[0], [&](Value value) { v.entries_.emplace_back(e.key.text, std::move(value)); });
    } else {
      read_map(rule, node, v);
    }
    return v;
  }

 private:
  /// What is faulty is left out; nothing at all is a value where anything may stand.
  template <class F>
  static void keep(Value v, const Schema& schema, F take) {
    if (v || schema.rule().kind == RuleKind::any) take(std::move(v));
  }

  void read_map(const Schema::Rule& rule, const Node& node, Value& v) {
    v.kind_ = Value::Kind::map;
    std::vector<std::string> names;
    for (const Key& k : rule.keys) names.push_back(k.name);
    for (const Entry& e : node.entries) {
      auto key = std::ranges::find(rule.keys, e.key.text, &Key::name);
      if (key == rule.keys.end()) {
        std::string hint = did_you_mean(e.key.text, names);
        diagnostics.error(e.key.at, "unknown key " + in_quotes(e.key.text) + " in " + rule.what,
                          hint.empty() ? "known: " + joined(names, "and") : hint);
      } else {
        keep(read(key->schema, e.value, "'" + key->name + "'"), key->schema, [&](Value value) { v.entries_.emplace_back(key->name, std::move(value)); });
      }
    }
    std::string missing;
    bool whole = true;
    for (const Key& k : rule.keys) {
      if (std::ranges::find(v.entries_, k.name, &std::pair<std::string, Value>::first) != v.entries_.end()) continue;
      if (k.required == Required::yes) {
        whole = false;
        if (!node.find(k.name)) missing += (missing.empty() ? "'" : ", '") + k.name + "'";
      }
      if (k.fallback.empty()) continue;
      Diagnostics own;
      auto written = parse(k.fallback, "default of '" + k.name + "'", own);
      SAHA_ASSERT(written);
      Value standard = Reading{own}.read(k.schema, *written, k.name);
      SAHA_ASSERT(own.ok());
      forget_origin(standard, node.at);
      v.entries_.emplace_back(k.name, std::move(standard));
    }
    if (!missing.empty()) diagnostics.error(node.at, rule.what + " has no " + missing);
    if (!rule.one_of_keys.empty()) {
      auto present = std::ranges::count_if(rule.one_of_keys, [&](const std::string& k) { return node.find(k) != nullptr; });
      std::vector<std::string> choices;
      for (const std::string& k : rule.one_of_keys) choices.push_back("'" + k + "'");
      if (present == 0) diagnostics.error(node.at, rule.what + " needs " + joined(choices, "or"));
      if (present > 1 && rule.exactly) diagnostics.error(node.at, rule.what + " takes only one of " + joined(choices, "and"));
    }
    if (!whole) v = {};
  }

  void forget_origin(Value& v, Span at) {
    v.given_ = false;
    v.node_.at = at;
    for (Value& i : v.items_) forget_origin(i, at);
    for (auto& [key, value] : v.entries_) forget_origin(value, at);
  }

  Value read_any(const Node& node) {
    Value v;
    v.node_ = node;
    v.given_ = true;
    switch (node.kind) {
      case Node::Kind::null: break;
      case Node::Kind::scalar: v.kind_ = Value::Kind::text; break;
      case Node::Kind::list:
        v.kind_ = Value::Kind::list;
        for (const Node& i : node.items) v.items_.push_back(read_any(i));
        break;
      case Node::Kind::map:
        v.kind_ = Value::Kind::map;
        for (const Entry& e : node.entries) v.entries_.emplace_back(e.key.text, read_any(e.value));
        break;
    }
    return v;
  }

  Value read_one_of(const Schema& schema, const Node& node, const std::string& name) {
    const std::vector<Schema>& inner = schema.rule().inner;
    std::optional<std::size_t> chosen;
    for (std::size_t i = 0; i < inner.size() && !chosen; ++i) {
      const Schema::Rule& r = inner[i].rule();
      bool fits = r.kind == RuleKind::any || (is_scalar(r.kind) && node.kind == Node::Kind::scalar && scalar(r, node, "").has_value()) ||
                  (r.kind == RuleKind::list && node.kind == Node::Kind::list) ||
                  ((r.kind == RuleKind::map || r.kind == RuleKind::names) && node.kind == Node::Kind::map);
      if (fits) chosen = i;
    }
    if (!chosen) {
      // With one scalar type its own message says more ("has no unit") than the list of alternatives.
      auto scalars = std::ranges::count_if(inner, [](const Schema& s) { return is_scalar(s.rule().kind); });
      auto only = std::ranges::find_if(inner, [](const Schema& s) { return is_scalar(s.rule().kind); });
      if (node.kind == Node::Kind::scalar && scalars == 1) return read(*only, node, name);
      diagnostics.error(node.at, name + " wants " + schema.type_name() + ", not " + shown(node));
      return {};
    }
    Value v = read(inner[*chosen], node, name);
    v.alternative_ = *chosen;
    return v;
  }
};

const std::string& Value::text() const {
  SAHA_ASSERT(kind_ == Kind::none || node_.kind == Node::Kind::scalar);
  return node_.text;
}
bool Value::boolean() const {
  SAHA_ASSERT(kind_ == Kind::boolean);
  return boolean_;
}
std::int64_t Value::integer() const {
  SAHA_ASSERT(kind_ == Kind::integer);
  return integer_;
}
double Value::number() const {
  SAHA_ASSERT(kind_ == Kind::number || kind_ == Kind::integer);
  return number_;
}
const std::vector<Value>& Value::items() const {
  SAHA_ASSERT(kind_ == Kind::list || kind_ == Kind::none);
  return items_;
}
const std::vector<std::pair<std::string, Value>>& Value::entries() const {
  SAHA_ASSERT(kind_ == Kind::map || kind_ == Kind::none);
  return entries_;
}
const Value& Value::operator[](std::string_view key) const {
  static const Value kNone;
  SAHA_ASSERT(kind_ == Kind::map || kind_ == Kind::none);
  for (const auto& [name, value] : entries_) {
    if (name == key) return value;
  }
  return kNone;
}
Span Value::key_at(std::string_view key) const {
  for (const Entry& e : node_.entries) {
    if (e.key.text == key) return e.key.at;
  }
  return node_.at;
}

namespace {
Schema::Rule plain(RuleKind kind) {
  Schema::Rule r;
  r.kind = kind;
  return r;
}
}  // namespace

#define SAHA_SCHEMA(rule_value)                                        \
  Schema schema;                                                       \
  schema.rule_ = std::make_shared<const Rule>(std::move(rule_value));  \
  return schema

Schema Schema::text() { SAHA_SCHEMA(plain(RuleKind::text)); }
Schema Schema::any() { SAHA_SCHEMA(plain(RuleKind::any)); }
Schema Schema::boolean() { SAHA_SCHEMA(plain(RuleKind::boolean)); }
Schema Schema::duration() { SAHA_SCHEMA(plain(RuleKind::duration)); }
Schema Schema::size() { SAHA_SCHEMA(plain(RuleKind::size)); }
Schema Schema::frequency() { SAHA_SCHEMA(plain(RuleKind::frequency)); }
Schema Schema::choice(std::vector<std::string> words) {
  Rule r = plain(RuleKind::choice);
  r.words = std::move(words);
  SAHA_SCHEMA(r);
}
Schema Schema::integer(std::int64_t least, std::int64_t most) {
  Rule r = plain(RuleKind::integer);
  r.least_integer = least;
  r.most_integer = most;
  SAHA_SCHEMA(r);
}
Schema Schema::number(double least, double most) {
  Rule r = plain(RuleKind::number);
  r.least = least;
  r.most = most;
  SAHA_SCHEMA(r);
}
Schema Schema::fraction(double least, double most) {
  Rule r = plain(RuleKind::fraction);
  r.least = least;
  r.most = most;
  SAHA_SCHEMA(r);
}
Schema Schema::list(Schema item, std::size_t least) {
  Rule r = plain(RuleKind::list);
  r.inner = {std::move(item)};
  r.least_items = least;
  SAHA_SCHEMA(r);
}
Schema Schema::map(std::string what, std::vector<Key> keys) {
  Rule r = plain(RuleKind::map);
  r.what = std::move(what);
  r.keys = std::move(keys);
  SAHA_SCHEMA(r);
}
Schema Schema::names(Schema value) {
  Rule r = plain(RuleKind::names);
  r.inner = {std::move(value)};
  SAHA_SCHEMA(r);
}
Schema Schema::one_of(std::vector<Schema> alternatives) {
  Rule r = plain(RuleKind::one_of);
  r.inner = std::move(alternatives);
  SAHA_SCHEMA(r);
}
Schema Schema::with_one_of(std::vector<std::string> keys, bool exactly) const {
  SAHA_ASSERT(rule_->kind == RuleKind::map);
  Rule r = *rule_;
  r.one_of_keys = std::move(keys);
  r.exactly = exactly;
  SAHA_SCHEMA(r);
}
#undef SAHA_SCHEMA

std::string Schema::type_name() const {
  const Rule& r = *rule_;
  auto range = [](std::string what, bool least, std::string lo, bool most, std::string hi) {
    if (least && most) return what + " from " + lo + " to " + hi;
    return least ? what + " of at least " + lo : most ? what + " of at most " + hi : what;
  };
  switch (r.kind) {
    case RuleKind::text: return "text";
    case RuleKind::any: return "anything";
    case RuleKind::choice: return r.words.size() == 1 ? "'" + r.words[0] + "'" : "one of " + joined(r.words, "and");
    case RuleKind::boolean: return "true or false";
    case RuleKind::integer:
      if (r.least_integer == r.most_integer) return std::to_string(r.least_integer);
      return range("a whole number", r.least_integer != std::numeric_limits<std::int64_t>::min(), std::to_string(r.least_integer),
                   r.most_integer != std::numeric_limits<std::int64_t>::max(), std::to_string(r.most_integer));
    case RuleKind::number:
      return range("a number", std::isfinite(r.least), figures::shortest(r.least), std::isfinite(r.most), figures::shortest(r.most));
    case RuleKind::duration: return "a duration like 90 s";
    case RuleKind::size: return "a size like 64 MiB";
    case RuleKind::frequency: return "a frequency like 125 MHz";
    case RuleKind::fraction: return "a fraction from " + figures::percent(r.least) + " to " + figures::percent(r.most);
    case RuleKind::list: return "a list";
    case RuleKind::map: return r.what;
    case RuleKind::names: return "a map of names";
    case RuleKind::one_of: {
      std::vector<std::string> names;
      for (const Schema& s : r.inner) names.push_back(s.type_name());
      return joined(names, "or");
    }
  }
  return "?";
}

Value Schema::readable(const Node& node, Diagnostics& diagnostics) const {
  return Reading{diagnostics}.read(*this, node, rule_->kind == RuleKind::map ? "the file" : "it");
}

std::optional<Value> Schema::read(const Node& node, Diagnostics& diagnostics) const {
  std::size_t errors = diagnostics.errors();
  Value v = readable(node, diagnostics);
  if (diagnostics.errors() > errors) return {};
  return v;
}

namespace {

using nlohmann::ordered_json;

ordered_json json_of(const Schema& schema) {
  const Schema::Rule& r = schema.rule();
  switch (r.kind) {
    case RuleKind::text: return {{"type", "string"}};
    case RuleKind::any: return ordered_json::object();
    case RuleKind::choice: return {{"enum", r.words}};
    case RuleKind::boolean: return {{"type", "boolean"}};
    case RuleKind::integer: {
      if (r.least_integer == r.most_integer) return {{"const", r.least_integer}};
      ordered_json j = {{"type", "integer"}};
      if (r.least_integer != std::numeric_limits<std::int64_t>::min()) j["minimum"] = r.least_integer;
      if (r.most_integer != std::numeric_limits<std::int64_t>::max()) j["maximum"] = r.most_integer;
      return j;
    }
    case RuleKind::number: {
      ordered_json j = {{"type", "number"}};
      if (std::isfinite(r.least)) j["minimum"] = r.least;
      if (std::isfinite(r.most)) j["maximum"] = r.most;
      return j;
    }
    case RuleKind::duration: return {{"type", "string"}, {"pattern", "^[0-9.]+ ?(ns|us|ms|s|min|h|d)$"}};
    case RuleKind::size: return {{"type", "string"}, {"pattern", "^[0-9.]+ ?(B|[KMG]i?B)$"}};
    case RuleKind::frequency: return {{"type", "string"}, {"pattern", "^[0-9.]+ ?[kMG]?Hz$"}};
    case RuleKind::fraction:
      return {{"oneOf",
               {{{"type", "string"}, {"pattern", "^[0-9.]+ ?(%|pp)$"}}, {{"type", "number"}, {"minimum", r.least}, {"maximum", r.most}}}}};
    case RuleKind::list: {
      ordered_json j = {{"type", "array"}, {"items", json_of(r.inner[0])}};
      if (r.least_items > 0) j["minItems"] = r.least_items;
      return j;
    }
    case RuleKind::names: return {{"type", "object"}, {"additionalProperties", json_of(r.inner[0])}};
    case RuleKind::one_of: {
      ordered_json all = ordered_json::array();
      for (const Schema& s : r.inner) all.push_back(json_of(s));
      return {{"anyOf", all}};
    }
    case RuleKind::map: {
      ordered_json j = {{"type", "object"}, {"additionalProperties", false}};
      ordered_json required = ordered_json::array(), properties = ordered_json::object(), alternatives = ordered_json::array();
      for (const Key& k : r.keys) {
        ordered_json p = json_of(k.schema);
        if (!k.sentence.empty()) p["description"] = k.sentence;
        if (!k.fallback.empty()) p["default"] = k.fallback;
        if (k.required == Required::yes) required.push_back(k.name);
        properties[k.name] = std::move(p);
      }
      if (!required.empty()) j["required"] = required;
      for (const std::string& k : r.one_of_keys) alternatives.push_back({{"required", {k}}});
      if (!alternatives.empty()) j[r.exactly ? "oneOf" : "anyOf"] = alternatives;
      j["properties"] = properties;
      return j;
    }
  }
  return {};
}

void rows(std::string& out, const Schema::Rule& r, const std::string& prefix) {
  for (const Key& k : r.keys) {
    std::string path = prefix + k.name;
    std::string standard = k.required == Required::yes ? "required" : k.fallback.empty() ? "-" : "`" + k.fallback + "`";
    out += "| `" + path + "` | " + k.schema.type_name() + " | " + standard + " | " + k.sentence + " |\n";
    const Schema::Rule* inner = &k.schema.rule();
    if (inner->kind == RuleKind::list) path += "[]", inner = &inner->inner[0].rule();
    else if (inner->kind == RuleKind::names) path += ".NAME", inner = &inner->inner[0].rule();
    if (inner->kind == RuleKind::one_of) {
      auto map = std::ranges::find_if(inner->inner, [](const Schema& s) { return s.rule().kind == RuleKind::map; });
      if (map != inner->inner.end()) inner = &map->rule();
    }
    if (inner->kind == RuleKind::map) rows(out, *inner, path + ".");
  }
}

}  // namespace

std::string Schema::json_schema(std::string_view name, std::string_view title) const {
  ordered_json j = {
      {"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"$id", "saha." + std::string(name) + "/1"}, {"title", title}};
  j.update(json_of(*this));
  return j.dump(1) + "\n";
}

std::string Schema::markdown() const {
  std::string out = "| key | type | default | meaning |\n|---|---|---|---|\n";
  rows(out, *rule_, "");
  return out;
}

}  // namespace saha::yaml

#pragma once
// A declarative schema of a YAML file. From the one table come the reader (types, defaults), the messages (unknown keys with
// suggestions, wrong types, missing keys), the JSON schema (draft 2020-12) for editors and the table for the documents.
//
//   static const Schema kBudget = Schema::map("a budget", {
//       {"time", Schema::duration(), "the most time", Required::yes},
//       {"cores", Schema::integer(1, 64), "threads", Required::no, "1"},
//   });
//   Diagnostics diagnostics;
//   auto node = load("budget.yaml", diagnostics);
//   std::optional<Value> budget = node ? kBudget.read(*node, diagnostics) : std::nullopt;
//   if (!diagnostics.ok()) return diagnostics.first();
//   double seconds = (*budget)["time"].number();
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "yaml/document.hpp"

namespace saha::yaml {

/// What a node was read as. Accessors of another kind than the schema promises stop the program: they are saha's fault.
class Value {
 public:
  enum class Kind : std::uint8_t { none, text, boolean, integer, number, list, map };

  Kind kind() const { return kind_; }
  explicit operator bool() const { return kind_ != Kind::none; }
  bool given() const { return given_; }          ///< written in the file, not the default
  Span at() const { return node_.at; }           ///< of a default: its map
  const Node& node() const { return node_; }     ///< as written

  const std::string& text() const;   ///< of any scalar: as written
  bool boolean() const;
  std::int64_t integer() const;      ///< a size: bytes
  double number() const;             ///< also of an integer; a duration: s; a frequency: Hz; "97 %": 0.97
  const std::vector<Value>& items() const;                             ///< of a list; none: empty
  const std::vector<std::pair<std::string, Value>>& entries() const;   ///< of a map; none: empty
  const Value& operator[](std::string_view key) const;                 ///< of a map; absent without default: none
  bool has(std::string_view key) const { return static_cast<bool>((*this)[key]); }
  std::size_t alternative() const { return alternative_; }             ///< of one_of: which
  Span key_at(std::string_view key) const;                             ///< where a key of this map is written, else at()

 private:
  friend struct Reading;
  Kind kind_ = Kind::none;
  bool given_ = false, boolean_ = false;
  std::int64_t integer_ = 0;
  double number_ = 0;
  std::size_t alternative_ = 0;
  std::vector<Value> items_;
  std::vector<std::pair<std::string, Value>> entries_;
  Node node_;
};

enum class Required : std::uint8_t { no, yes };
struct Key;

/// A value; cheap to copy.
class Schema {
 public:
  static Schema text();
  static Schema any();                               ///< whatever stands there, its scalars as text
  static Schema choice(std::vector<std::string> words);
  static Schema boolean();                           ///< true or false, nothing else
  static Schema integer(std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                        std::int64_t most = std::numeric_limits<std::int64_t>::max());
  static Schema number(double least = -std::numeric_limits<double>::infinity(), double most = std::numeric_limits<double>::infinity());
  static Schema duration();                          ///< number() is seconds
  static Schema size();                              ///< integer() is bytes
  static Schema frequency();                         ///< number() is Hz
  static Schema fraction(double least = 0, double most = 1);  ///< "97 %", "0.5 pp", 0.97
  static Schema list(Schema item, std::size_t least = 0);
  static Schema map(std::string what, std::vector<Key> keys);  ///< `what` names it in messages: "a requirement"
  static Schema names(Schema value);                 ///< a map with free keys
  /// The first alternative whose shape fits: a list, a map, or the first scalar type that takes the text.
  static Schema one_of(std::vector<Schema> alternatives);

  /// Of a map: at least one (`exactly`: one and only one) of these keys.
  Schema with_one_of(std::vector<std::string> keys, bool exactly = false) const;

  /// The typed values, or nothing with all faults in `diagnostics`.
  std::optional<Value> read(const Node& node, Diagnostics& diagnostics) const;
  /// What can be read: entries with faults, and maps that lack a key that is required, are left out. None where nothing is left.
  Value readable(const Node& node, Diagnostics& diagnostics) const;
  /// Draft 2020-12, "$id": "saha.NAME/1"; `title` is the file's sentence.
  std::string json_schema(std::string_view name, std::string_view title) const;
  /// "| key | type | default | meaning |" in Markdown, nested keys with dots; only of a map.
  std::string markdown() const;
  std::string type_name() const;  ///< "a duration", "one of must, should, info"

  struct Rule;
  const Rule& rule() const { return *rule_; }

 private:
  std::shared_ptr<const Rule> rule_;
};

struct Key {
  std::string name;
  Schema schema;
  std::string sentence;  ///< what it means, for help and editors
  Required required = Required::no;
  std::string fallback = {};  ///< default, as it would be written; "" for none
};

}  // namespace saha::yaml

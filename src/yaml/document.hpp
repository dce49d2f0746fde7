#pragma once
// A YAML 1.2 document as a tree of nodes with their places in the text. Strict: no anchors, aliases, tags or `<<`, each key
// once, one document, at most 1 MiB, depth 32. Scalars stay text: the schema (schema.hpp) decides what they are.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "yaml/diagnostic.hpp"

namespace saha::yaml {

inline constexpr std::size_t kMostBytes = std::size_t{1} << 20;
inline constexpr int kMostDepth = 32;

struct Entry;
struct Node {
  enum class Kind : std::uint8_t { null, scalar, list, map };
  Kind kind = Kind::null;
  bool quoted = false;         ///< a scalar in quotes or a block scalar: text, whatever it looks like
  std::string text;            ///< of a scalar, unescaped
  std::vector<Node> items;     ///< of a list
  std::vector<Entry> entries;  ///< of a map, in the order of the file
  Span at;                     ///< a scalar: as written, quotes included; a list or map: its first character

  const Node* find(std::string_view key) const;  ///< the value of a key of a map, or null
};
struct Entry {
  Node key, value;
};

/// The tree of a text; `file` names it in messages. Nothing where it is no YAML at all; `diagnostics` says why, and also holds
/// the faults that a tree survives (a key twice, an anchor). Reads any bytes; limits as above.
std::optional<Node> parse(std::string text, std::string file, Diagnostics& diagnostics);
/// parse of the file at `path`.
std::optional<Node> load(const std::string& path, Diagnostics& diagnostics);

/// Where the characters [begin, end) of a scalar's text stand in its source: through quotes, escapes and folded lines.
Span span_in(const Node& scalar, std::size_t begin, std::size_t end, const Diagnostics& diagnostics);

/// `over` laid upon `base`: maps merge key by key, all else is replaced; null in `over` removes the key.
Node merged(Node base, const Node& over);
/// `text` (YAML) put at a path: dots separate keys, numbers are places in lists, `null` removes. False with a diagnostic where
/// the path leads through a scalar or past a list's end. `origin` names the text in messages ("-s targets.pico.cores=1").
bool set(Node& root, std::string_view path, std::string text, std::string origin, Diagnostics& diagnostics);

/// The node as flow YAML on one line; parses to an equal tree (places aside). Scalars that were quoted are quoted.
std::string print(const Node& node);
/// Same tree, places aside.
bool same(const Node& a, const Node& b);

}  // namespace saha::yaml

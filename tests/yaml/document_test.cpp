#include "yaml/document.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace saha::yaml;

namespace {

Node read(const std::string& text) {
  Diagnostics d;
  auto n = parse(text, "a.yaml", d);
  EXPECT_TRUE(n && d.ok()) << d.render();
  return n.value_or(Node{});
}

std::string faults(const std::string& text) {
  Diagnostics d;
  parse(text, "a.yaml", d);
  return d.render();
}

// Where a piece of a scalar's text stands in the source, as the source's own text.
std::string piece(const std::string& text, std::string_view key, std::string_view part) {
  Diagnostics d;
  auto root = parse(text, "a.yaml", d);
  const Node* n = root->find(key);
  std::size_t begin = n->text.find(part);
  EXPECT_NE(begin, std::string::npos) << n->text;
  return std::string(d.text(span_in(*n, begin, begin + part.size(), d)));
}

}  // namespace

TEST(Document, scalars_stay_text) {
  Node n = read("labels: [yes, no, on, 1e-3, 0x1F, ~x]\nempty:\n");
  const Node* labels = n.find("labels");
  ASSERT_NE(labels, nullptr);
  std::vector<std::string> texts;
  for (const Node& i : labels->items) texts.push_back(i.text);
  EXPECT_EQ(texts, (std::vector<std::string>{"yes", "no", "on", "1e-3", "0x1F", "~x"}));
  EXPECT_EQ(n.find("empty")->kind, Node::Kind::null);
  EXPECT_EQ(n.find("absent"), nullptr);
}

TEST(Document, every_node_knows_its_place) {
  Diagnostics d;
  auto n = parse("\xEF\xBB\xBF" "a: 1\nb:\n  - {\xC3\xA4: 'two', c: \"x\"}\n", "a.yaml", d);
  ASSERT_TRUE(n);
  Location two = d.locate(n->find("b")->items[0].entries[0].value.at);
  EXPECT_EQ(two.line, 3);
  EXPECT_EQ(two.column, 9);  // the umlaut is one character of two bytes
  EXPECT_EQ(d.text(n->find("b")->items[0].entries[0].value.at), "'two'");
  EXPECT_EQ(d.text(n->find("b")->items[0].entries[1].value.at), "\"x\"");
  EXPECT_EQ(d.locate(n->find("a")->at).column, 4);
}

TEST(Document, a_piece_of_a_scalar_is_found_through_quotes_escapes_and_folds) {
  EXPECT_EQ(piece("k: abc def", "k", "def"), "def");
  EXPECT_EQ(piece("k: 'it''s so'", "k", "so"), "so");
  EXPECT_EQ(piece("k: \"\\u00e4 \\\"b\\\" then\"", "k", "then"), "then");
  EXPECT_EQ(piece("k: \"one\n   two\n\n  three\"", "k", "three"), "three");
  EXPECT_EQ(piece("k: one\n   two\n   three", "k", "two"), "two");
  EXPECT_EQ(piece("k: |\n  one\n  two\n", "k", "two"), "two");
}

TEST(Document, several_faults_are_told_at_once) {
  EXPECT_EQ(faults("a: 1\na: 2\nb: &x 3\nc: *x\nd: !!int 4\n<<: {e: 5}\n"),
            "error: a.yaml:2:1: key 'a' stands twice, first in line 1\n"
            "    2 | a: 2\n"
            "      | ^\n"
            "error: a.yaml:3:4: anchors (&name) are not read\n"
            "    3 | b: &x 3\n"
            "      |    ^ write the value out where it is used\n"
            "error: a.yaml:4:4: aliases (*name) are not read\n"
            "    4 | c: *x\n"
            "      |    ^ write the value out\n"
            "error: a.yaml:5:4: tags (tag:yaml.org,2002:int) are not read\n"
            "    5 | d: !!int 4\n"
            "      |    ^ the schema says what each value is\n"
            "error: a.yaml:6:1: merge keys (<<) are not read\n"
            "    6 | <<: {e: 5}\n"
            "      | ^~ write the keys out\n"
            "5 errors; nothing was run\n");
}

TEST(Document, what_is_no_yaml_is_told_with_its_place) {
  EXPECT_NE(faults("a: [1, 2\nb: 3").find("a.yaml:"), std::string::npos);
  EXPECT_NE(faults("a: b: c\n").find("': ' is not allowed here; text that holds ': ' must be in quotes"), std::string::npos);
  EXPECT_NE(faults("a: \xFF\n").find("a.yaml:1:4: byte 3 is not UTF-8 text"), std::string::npos);
  EXPECT_NE(faults(std::string("a: \0b", 5)).find("is not UTF-8 text"), std::string::npos);
  EXPECT_NE(faults("a: 1\n---\nb: 2\n").find("a second document (---) begins"), std::string::npos);
  EXPECT_NE(faults("[a]: 1\n").find("a key must be a word"), std::string::npos);
  EXPECT_NE(faults("a: \"\n").find("a.yaml:1:4: this quote is not closed"), std::string::npos);
  EXPECT_NE(faults("a: 'b").find("a.yaml:1:6: a quote is not closed"), std::string::npos);
}

TEST(Document, a_tab_that_indents_is_named_at_its_place) {
  for (const char* text : {"saha: 1\nlist:\n\t- {id: A}\n", "saha: 1\nlist:\n  - id: A\n\tassert: x\n"}) EXPECT_NE(faults(text).find("tabs are not allowed for indentation"), std::string::npos) << faults(text);
  EXPECT_NE(faults("a: 1\nlist:\n\t- x\n").find("a.yaml:3:1: "), std::string::npos);
  EXPECT_EQ(faults("a: {b: 1,\tc: 2}\n"), "");
  EXPECT_EQ(faults("a: [1,\n\t2]\n"), "");
}

TEST(Document, size_and_depth_have_limits) {
  EXPECT_NE(faults(std::string(kMostBytes + 1, ' ')).find("larger than 1 MiB"), std::string::npos);
  std::string deep(32, '['), close(32, ']');
  read(deep + close);
  EXPECT_NE(faults(std::string(33, '[') + std::string(33, ']')).find("nested deeper than 32 levels"), std::string::npos);
  EXPECT_NE(faults(std::string(1 << 19, '[')).find("nested deeper than 32 levels"), std::string::npos);
}

TEST(Document, a_missing_file_is_told) {
  Diagnostics d;
  EXPECT_FALSE(load("/nowhere/at/all.yaml", d));
  EXPECT_EQ(d.render(), "error: '/nowhere/at/all.yaml' cannot be opened\n1 error; nothing was run\n");
  EXPECT_FALSE(load("/", d));
  EXPECT_EQ(d.errors(), 2u);
}

TEST(Document, extends_merges_maps_and_replaces_lists) {
  Node base = read("{a: {x: 1, y: 2}, l: [1, 2], gone: 3}"), over = read("{a: {y: 5, z: 6}, l: [9], gone: null}");
  EXPECT_EQ(print(merged(base, over)), "{a: {x: 1, y: 5, z: 6}, l: [9]}");
}

TEST(Document, a_path_sets_and_removes) {
  Node n = read("{targets: {pico: {cores: 2}, coral: {}}, compress: {int8: [{quantize: {to: int8}}]}}");
  Diagnostics d;
  EXPECT_TRUE(set(n, "targets.pico.cores", "1", "-s targets.pico.cores=1", d));
  EXPECT_TRUE(set(n, "targets.coral", "null", "-s", d));
  EXPECT_TRUE(set(n, "compress.int8.0.quantize.to", "int4", "-s", d));
  EXPECT_TRUE(set(n, "new.deep", "[a, b]", "-s", d));
  EXPECT_EQ(print(n), "{targets: {pico: {cores: 1}}, compress: {int8: [{quantize: {to: int4}}]}, new: {deep: [a, b]}}");
  EXPECT_FALSE(set(n, "compress.int8.7.x", "1", "-s", d));
  EXPECT_FALSE(set(n, "targets.pico.cores.x", "1", "-s", d));
  EXPECT_EQ(d.errors(), 2u);
}

TEST(Nearest, one_slip_is_forgiven_and_a_stranger_is_not) {
  std::vector<std::string> words = {"argmax", "abs", "accuracy"};
  EXPECT_EQ(nearest("argmx", words), "argmax");
  EXPECT_EQ(nearest("Accuracy", words), "accuracy");
  EXPECT_EQ(nearest("acurracy", words), "accuracy");
  EXPECT_EQ(nearest("velocity", words), std::nullopt);
  EXPECT_EQ(did_you_mean("bas", words), "did you mean 'abs'?");
  EXPECT_EQ(did_you_mean("zzz", words), "");
  EXPECT_EQ(did_you_mean("ware", std::vector<std::string>{"torque", "wear"}), "did you mean 'wear'?");
}

namespace {
rc::Gen<Node> any_node(int depth) {
  return rc::gen::exec([depth] {
    Node n;
    int kind = *rc::gen::inRange(0, depth > 0 ? 4 : 2);
    n.kind = static_cast<Node::Kind>(kind);
    if (n.kind == Node::Kind::scalar) {
      n.quoted = true;
      n.text = *rc::gen::container<std::string>(
          rc::gen::oneOf(rc::gen::inRange<char>(0x20, 0x7F), rc::gen::element<char>('\n', '\t', '"', '\\', ':', '#')));
    } else if (n.kind == Node::Kind::list) {
      for (int i = *rc::gen::inRange(0, 4); i > 0; --i) n.items.push_back(*any_node(depth - 1));
    } else if (n.kind == Node::Kind::map) {
      for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
        Node key;
        key.kind = Node::Kind::scalar;
        key.text = "k" + std::to_string(i);
        n.entries.push_back({key, *any_node(depth - 1)});
      }
    }
    return n;
  });
}
}  // namespace

RC_GTEST_PROP(Document, what_is_printed_reads_back_as_the_same_tree, ()) {
  Node n = *any_node(4);
  Diagnostics d;
  auto back = parse(print(n), "p.yaml", d);
  RC_ASSERT(d.ok());
  RC_ASSERT(same(n, *back));
}

RC_GTEST_PROP(Document, every_byte_of_a_scalar_has_its_place, ()) {
  std::string text = *rc::gen::nonEmpty(
      rc::gen::container<std::string>(rc::gen::oneOf(rc::gen::inRange<char>('a', 'e'), rc::gen::element(' ', '\'', '"', '\\', ':'))));
  Node n;
  n.kind = Node::Kind::scalar;
  n.quoted = true;
  n.text = text;
  Diagnostics d;
  auto back = parse("k: " + print(n), "p.yaml", d);
  RC_ASSERT(back.has_value());
  const Node& v = *back->find("k");
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string_view at = d.text(span_in(v, i, i + 1, d));
    RC_ASSERT(at.back() == text[i] || (at == "\\" && (text[i] == '"' || text[i] == '\\')));
  }
}

RC_GTEST_PROP(Document, any_bytes_are_a_tree_or_a_fault, (std::vector<std::uint8_t> bytes)) {
  Diagnostics d;
  auto n = parse(std::string(bytes.begin(), bytes.end()), "p.yaml", d);
  RC_ASSERT(n.has_value() || !d.ok());
  (void)d.render();
  (void)d.json();
}

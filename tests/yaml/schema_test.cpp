#include "yaml/schema.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "yaml/units.hpp"

using namespace saha::yaml;

namespace {

const Schema& study() {
  static const Schema s = Schema::map("the study", {
      {"saha", Schema::integer(1, 1), "format version", Required::yes},
      {"name", Schema::text(), "its name"},
      {"labels", Schema::list(Schema::text(), 1), "class names"},
      {"severity", Schema::choice({"must", "should", "info"}), "what a failure means", Required::no, "must"},
      {"timeout", Schema::duration(), "the most time", Required::no, "60 s"},
      {"cache", Schema::size(), "bytes kept"},
      {"clock", Schema::frequency(), ""},
      {"floor", Schema::fraction(), ""},
      {"lr", Schema::number(0), "learning rate"},
      {"strict", Schema::boolean(), "", Required::no, "false"},
      {"target", Schema::one_of({Schema::text(), Schema::map("a target", {{"cores", Schema::integer(1), ""}})}), ""},
      {"data", Schema::names(Schema::one_of({Schema::size(), Schema::list(Schema::text())})), ""},
      {"options", Schema::any(), "free"},
  }).with_one_of({"labels", "target"});
  return s;
}

std::string faults(const std::string& text) {
  Diagnostics d;
  auto n = parse(text, "s.yaml", d);
  if (n) {
    bool read = study().read(*n, d).has_value();
    EXPECT_EQ(read, d.ok());
  }
  return d.render();
}

}  // namespace

TEST(Schema, the_schema_decides_the_types) {
  Diagnostics d;
  auto n = parse(
      "saha: 1\nname: 5\nlabels: [yes, no, on]\ncache: 64MiB\nclock: 125 MHz\nfloor: 0.5 pp\nlr: 1e-3\ntarget: {cores: 2}\ndata: {a: 1 "
      "KiB, b: [x]}\noptions: {x: [1, true]}\n",
      "s.yaml", d);
  ASSERT_TRUE(n);
  auto v = study().read(*n, d);
  ASSERT_TRUE(v) << d.render();
  EXPECT_EQ((*v)["name"].text(), "5");
  EXPECT_EQ((*v)["labels"].items()[1].text(), "no");
  EXPECT_EQ((*v)["severity"].text(), "must");
  EXPECT_FALSE((*v)["severity"].given());
  EXPECT_TRUE((*v)["lr"].given());
  EXPECT_EQ((*v)["timeout"].number(), 60);
  EXPECT_EQ((*v)["cache"].integer(), 64 << 20);
  EXPECT_EQ((*v)["clock"].number(), 125e6);
  EXPECT_DOUBLE_EQ((*v)["floor"].number(), 0.005);
  EXPECT_EQ((*v)["lr"].number(), 1e-3);
  EXPECT_FALSE((*v)["strict"].boolean());
  EXPECT_EQ((*v)["target"].alternative(), 1u);
  EXPECT_EQ((*v)["target"]["cores"].integer(), 2);
  EXPECT_EQ((*v)["data"]["a"].integer(), 1024);
  EXPECT_EQ((*v)["data"]["b"].items().size(), 1u);
  EXPECT_EQ((*v)["options"]["x"].items()[1].text(), "true");
  EXPECT_FALSE(v->has("nothing"));
  EXPECT_EQ(d.text(v->key_at("lr")), "lr");
}

TEST(Schema, all_faults_come_in_one_go) {
  EXPECT_EQ(faults("saha: 2\nlabels: yes\ntimout: 5 s\ntimeout: 60\nstrict: yes\n"),
            "error: s.yaml:1:7: 'saha' wants 1, not '2'\n"
            "    1 | saha: 2\n"
            "      |       ^\n"
            "error: s.yaml:2:9: 'labels' wants a list, not 'yes'\n"
            "    2 | labels: yes\n"
            "      |         ^~~ write [yes]\n"
            "error: s.yaml:3:1: unknown key 'timout' in the study\n"
            "    3 | timout: 5 s\n"
            "      | ^~~~~~ did you mean 'timeout'?\n"
            "error: s.yaml:4:10: 'timeout' wants a duration like 90 s, not '60'\n"
            "    4 | timeout: 60\n"
            "      |          ^~ write '60 s'\n"
            "error: s.yaml:5:9: 'strict' wants true or false, not 'yes'\n"
            "    5 | strict: yes\n"
            "      |         ^~~ write true\n"
            "5 errors; nothing was run\n");
}

TEST(Schema, each_type_refuses_what_it_is_not) {
  auto says = [](const std::string& line, const std::string& text) {
    std::string got = faults("saha: 1\nlabels: [a]\n" + line);
    EXPECT_NE(got.find(text), std::string::npos) << got;
  };
  says("severity: shoud", "'severity' wants one of must, should and info, not 'shoud'");
  says("severity: shoud", "did you mean 'should'?");
  says("lr: fast", "'lr' wants a number of at least 0, not 'fast'");
  says("lr: -1", "'lr' wants a number of at least 0, not '-1'");
  says("lr: 5 s", "not '5 s'");
  says("lr: .nan", "not '.nan'");
  says("cache: 10", "write '10 MiB'");
  says("cache: 5 ms", "for example '64 MiB'");
  says("clock: 125", "write '125 MHz'");
  says("floor: 97", "write '97 %'");
  says("timeout: -5 s", "'timeout' wants a duration");
  says("target: [a]", "'target' wants text or a target, not a list");
  says("target: {cors: 2}", "unknown key 'cors' in a target");
  says("target: {cores: 1.5}", "'cores' wants a whole number of at least 1, not '1.5'");
  says("data: {a: 10}", "'a' wants a size like 64 MiB, not '10'");
  says("name:", "'name' has no value; it wants text");
  says("zzz: 1", "known: saha, name, labels");
  EXPECT_NE(faults("name: x").find("the study has no 'saha'"), std::string::npos);
  EXPECT_NE(faults("saha: 1").find("the study needs 'labels' or 'target'"), std::string::npos);
  EXPECT_NE(faults("saha: 1\nlabels: []").find("'labels' wants at least 1 entry, not 0"), std::string::npos);
  EXPECT_NE(faults("[]").find("the file wants the study, not a list"), std::string::npos);
  EXPECT_NE(faults("").find("the file has no value"), std::string::npos);
}

TEST(Schema, the_json_schema_says_the_same) {
  auto j = nlohmann::json::parse(study().json_schema("study", "A study"));
  EXPECT_EQ(j["$id"], "saha.study/1");
  EXPECT_EQ(j["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(j["additionalProperties"], false);
  EXPECT_EQ(j["required"], nlohmann::json({"saha"}));
  EXPECT_EQ(j["properties"]["saha"]["const"], 1);
  EXPECT_EQ(j["properties"]["severity"]["enum"][2], "info");
  EXPECT_EQ(j["properties"]["severity"]["default"], "must");
  EXPECT_EQ(j["properties"]["labels"]["items"]["type"], "string");
  EXPECT_EQ(j["properties"]["cache"]["pattern"], "^[0-9.]+ ?(B|[KMG]i?B)$");
  EXPECT_EQ(j["anyOf"][1]["required"][0], "target");
  EXPECT_NE(study().markdown().find("| `target.cores` | a whole number of at least 1 |"), std::string::npos);
}

TEST(Diagnostics, json_holds_every_fault) {
  Diagnostics d;
  auto n = parse("saha: 2\nnam: x\nlabels: 1\n", "s.yaml", d);
  study().read(*n, d);
  auto j = nlohmann::json::parse(d.json());
  EXPECT_EQ(j["schema"], "saha.error/1");
  EXPECT_EQ(j["error"]["code"], "invalid-file");
  EXPECT_EQ(j["errors"].size(), 3u);
  EXPECT_EQ(j["errors"][2]["line"], 3);
  EXPECT_EQ(d.first().code, saha::ErrorCode::invalid_file);
  EXPECT_EQ(d.first().message, "'saha' wants 1, not '2' (and 2 more errors)");
}

TEST(Diagnostics, a_long_line_is_cut_around_the_caret) {
  std::string text = "{a: '" + std::string(500, 'x') + "', b: 1, b: 2, c: '" + std::string(500, 'y') + "'}";
  Diagnostics d;
  parse(text, "s.yaml", d);
  std::string out = d.render();
  EXPECT_LT(out.size(), 600u);
  std::size_t caret = out.find('^'), line = out.rfind('\n', caret), excerpt = out.rfind('\n', line - 1);
  EXPECT_EQ(out[excerpt + (caret - line)], 'b');
}

TEST(Units, quantities_are_read_with_their_units) {
  EXPECT_EQ(*duration_s("90s"), 90);
  EXPECT_EQ(*duration_s("5 ms"), 0.005);
  EXPECT_EQ(*duration_s("2 h"), 7200);
  EXPECT_EQ(*size_bytes("64MiB"), 64 << 20);
  EXPECT_EQ(*size_bytes("20 GiB"), std::int64_t{20} << 30);
  EXPECT_EQ(*size_bytes("1.5 KiB"), 1536);
  EXPECT_EQ(*frequency_hz("16 kHz"), 16000);
  EXPECT_DOUBLE_EQ(*fraction("0.5 pp"), 0.005);
  EXPECT_DOUBLE_EQ(*fraction("97 %"), 0.97);
  EXPECT_DOUBLE_EQ(*fraction("97%"), 0.97);
  EXPECT_EQ(*fraction("0.97"), 0.97);
  for (const char* bad : {"", "s", "5", "5 xs", "-1 s", "inf s", "1e400 s", "5 ms ms", "5 MiB"}) EXPECT_FALSE(duration_s(bad)) << bad;
  for (const char* bad : {"5", "0.3 B", "1e30 GiB", "5 s"}) EXPECT_FALSE(size_bytes(bad)) << bad;
}

TEST(Units, compound_units_have_dimensions) {
  Units u;
  EXPECT_DOUBLE_EQ(u.find("ft/s")->factor, 0.3048);
  EXPECT_EQ(print(u.find("ft/s")->dimension), "m/s");
  EXPECT_EQ(print(u.find("1/min")->dimension), "1/s");
  EXPECT_EQ(u.find("mW")->dimension, u.find("J/s")->dimension);
  EXPECT_EQ(u.find("KiBs").error().help, "did you mean 'KiB'?");
  EXPECT_FALSE(u.find("gray"));
  EXPECT_TRUE(u.declare("gray"));
  EXPECT_EQ(print(u.find("gray")->dimension), "gray");
  EXPECT_TRUE(u.define("kn", {0.514444, u.find("m/s")->dimension}));
  EXPECT_FALSE(u.define("ms", {1, {}}));
  EXPECT_FALSE(u.define("a b", {1, {}}));
  EXPECT_DOUBLE_EQ(u.find("kn")->factor, 0.514444);
}

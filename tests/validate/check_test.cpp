#include "validate/check.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

using namespace saha::validate;
namespace yaml = saha::yaml;

namespace {

// A scope as the life cycle would give it for an image model.
Scope image_scope() {
  Scope s;
  s.inputs = {{.name = "image", .unit = "gray", .domain = Scope::Range{0, 255}}};
  EXPECT_TRUE(s.units.declare("gray"));
  s.outputs = {{.name = "score", .width = 2}};
  s.outputs_known = true;
  s.data = {{"test", {"camera", "light"}}, {"train", {}}, {"calibration", {}}};
  s.data_known = true;
  s.metrics = {{"balanced", "%"}};
  s.models_without_file.clear();
  return s;
}

// A tabular model with fields.
Scope table_scope() {
  Scope s;
  s.inputs = {{.name = "row", .unit = "", .domain = {}, .fields = {{"rpm", "1/min", Scope::Range{1168, 2886}}, {"wear", "min", Scope::Range{0, 253}}, {"sex", "", Scope::Range{0, 1}}}}};
  s.outputs = {{.name = "risk", .width = 1}};
  s.outputs_known = true;
  return s;
}

std::string faults(const std::string& text, Scope scope) {
  yaml::Diagnostics d;
  if (auto file = read_requirements(text, "person.req.yaml", d)) {
    scope = scope_of(*file, std::move(scope), d);
    check(*file, scope, d);
  }
  return d.render();
}

// The messages alone, for one assertion; `extra` are further keys of the requirement.
std::string says(const std::string& assertion, Scope scope = image_scope(), const std::string& extra = "") {
  yaml::Diagnostics d;
  auto file = read_requirements("saha: 1\nrequirements:\n  - {id: R, assert: \"" + assertion + "\"" + extra + "}\n", "r", d);
  if (file) {
    scope = scope_of(*file, std::move(scope), d);
    check(*file, scope, d);
  }
  std::string out;
  for (const yaml::Diagnostic& f : d.list()) {
    out += (out.empty() ? "" : "; ") + std::string(f.severity == yaml::Diagnostic::Severity::warning ? "warning: " : "") + f.message + (f.hint.empty() ? "" : " (" + f.hint + ")");
  }
  return out;
}
const std::string kOverTest = ", for: {data: test}";

const char* const kDocument = R"yaml(saha: 1
requirements:
  - {id: R1-accuracy, assert: "accuracy(test) >= 85 %", why: "contract 4.2"}
  - {id: R2-slices, assert: "for each s in slices(camera, light) where n(s) >= 200: accuracy(s) >= 80 %"}
  - {id: R3-no-worse, assert: "accuracy(test) >= previous.accuracy(test) - 1 pp"}        # paired; McNemar's p is printed beside it
  - {id: R4-robust, for: {data: test, take: 100, where: correct}, arithmetic: int8, accept: {proved: ">= 95 %", violated: 0},
     assert: "for all d in Linf(x, 2 gray): argmax(score(d)) == label", timeout: 30 s}
  - {id: R5-acas-1, models: [acas_1_1], assert: "rho >= 55947.691 ft and v_own >= 1145 ft/s and v_int <= 60 ft/s => COC <= 1500"}
  - {id: R6-monotone, assert: "for all a, b in domain where same(a, b, except=wear) and b.wear >= a.wear: risk(b) >= risk(a)"}
  - {id: R7-fair, assert: "for all x in domain, g, h in sex: argmax(score(x[sex=g])) == argmax(score(x[sex=h]))", fallback: bound(99 %)}
  - {id: R8-close, assert: "for all d in near(test, 1 %): maxabs(original.score(d) - candidate.score(d)) <= 0.1"}
  - {id: R9-rotation, for: {data: test}, assert: "for all t in rotate(-10 deg, 10 deg): argmax(score(t(x))) == argmax(score(x))", level: test(5000)}
  - {id: R10-range, assert: "for all x in outside(domain): reject(x)"}
  - {id: R11-budget, assert: "p99(latency) <= 150 ms and peak(ram) <= 96 KiB and flash <= 512 KiB and energy <= 25 mJ", severity: should}
)yaml";

Scope document_scope() {
  Scope s = image_scope();
  s.models.push_back("acas_1_1");
  s.inputs.push_back({.name = "row",
                      .unit = "",
                      .domain = {},
                      .fields = {{"wear", "min", Scope::Range{0, 253}},
                                 {"sex", "", Scope::Range{0, 1}},
                                 {"rho", "ft", Scope::Range{0, 60760}},
                                 {"v_own", "ft/s", Scope::Range{100, 1200}},
                                 {"v_int", "ft/s", Scope::Range{0, 1200}}}});
  s.outputs.push_back({.name = "risk", .width = 1});
  s.outputs.push_back({.name = "advice", .names = {"COC", "WL"}});
  return s;
}

}  // namespace

TEST(Check, the_example_of_the_document_is_sound) { EXPECT_EQ(faults(kDocument, document_scope()), ""); }

TEST(Check, the_messages_of_the_document_have_their_look) {
  Scope s = image_scope();
  s.inputs.push_back(table_scope().inputs[0]);
  EXPECT_EQ(faults("saha: 1\n"
                   "requirements:\n"
                   "  - {id: R4, for: {data: test}, assert: \"for all d in Linf(x, 2): argmx(score(d)) == label\"}\n"
                   "  - {id: R5, assert: \"rpm >= 3000 1/min => max(score(x)) <= 1\", for: {data: test}}\n", s),
            "error: person.req.yaml:3:63: 2 has no unit, but input 'image' is in gray\n"
            "    3 |   - {id: R4, for: {data: test}, assert: \"for all d in Linf(x, 2): argmx(score(d)) == label\"}\n"
            "      |                                                               ^ write '2 gray'\n"
            "error: person.req.yaml:3:67: unknown function 'argmx'\n"
            "    3 |   - {id: R4, for: {data: test}, assert: \"for all d in Linf(x, 2): argmx(score(d)) == label\"}\n"
            "      |                                                                   ^~~~~ did you mean 'argmax'?\n"
            "warning: person.req.yaml:4:23: the premise never holds: rpm >= 3000 1/min lies outside its domain [1168, 2886]; vacuous, counts as inconclusive\n"
            "2 errors, 1 warning; nothing was run\n");
}

TEST(Check, faults_of_the_file_come_with_those_of_the_assertions) {
  std::string got = faults("saha: 1\nrequirement: []\nrequirements:\n  - {id: R1, asert: \"x\"}\n  - {id: R2, assert: \"accuracy(\", level: bond(95 %)}\n", image_scope());
  EXPECT_NE(got.find("2:1: unknown key 'requirement' in the file"), std::string::npos) << got;
  EXPECT_NE(got.find("did you mean 'requirements'?"), std::string::npos);
  EXPECT_NE(got.find("unknown key 'asert' in a requirement"), std::string::npos);
  EXPECT_NE(got.find("a requirement has no 'assert'"), std::string::npos);
  EXPECT_NE(got.find("5:32: a value expected, not the end"), std::string::npos) << got;
}

TEST(Check, keys_of_a_requirement_are_read_strictly) {
  EXPECT_EQ(says("flash <= 1 MiB", image_scope(), ", level: bond(95 %)"), "'bond(95 %)' is no level (did you mean 'bound'?)");
  EXPECT_EQ(says("flash <= 1 MiB", image_scope(), ", level: bound(95)"), "'bound(95)' is no level (a confidence from 50 % to below 100 %, like bound(95 %))");
  EXPECT_EQ(says("flash <= 1 MiB", image_scope(), ", level: test(0)"), "'test(0)' is no level (a number of tries, like test(5000))");
  EXPECT_EQ(says("flash <= 1 MiB", image_scope(), ", level: test(5"), "'test(5' is no level (the ')' is missing)");
  EXPECT_EQ(says("flash <= 1 MiB", image_scope(), ", level: prove(3)"), "'prove(3)' is no level (write 'prove')");
  EXPECT_EQ(says("flash <= 1 MiB", image_scope(), ", accept: {proved: 95 %}"), "'proved' wants a least share, not '95 %' (for example '>= 95 %')");
  EXPECT_EQ(says("flash <= 1 MiB", image_scope(), ", timeout: 30"), "'timeout' wants a duration like 90 s, not '30' (write '30 s')");
  EXPECT_EQ(says("flash <= 1 MiB", image_scope(), ", severity: shold"), "'severity' wants one of must, should and info, not 'shold' (did you mean 'should'?)");
  EXPECT_EQ(says("flash <= 1 MiB", image_scope(), ", models: [candidat]"), "unknown model 'candidat' (did you mean 'candidate'?)");
  EXPECT_EQ(says("flash <= 1 MiB", image_scope(), ", for: {data: tset}"), "unknown data set 'tset' (did you mean 'test'?)");
  EXPECT_EQ(says("flash <= 1 MiB", image_scope(), ", for: {data: test, where: corect}"), "unknown name 'corect' (did you mean 'correct'?)");
  EXPECT_EQ(says("flash <= 1 MiB", image_scope(), ", for: {data: test, where: label}"), "'where' wants a condition, not a class");
  EXPECT_NE(faults("saha: 1\nrequirements:\n  - {id: a b, assert: \"flash <= 1 B\"}\n", image_scope()).find("'id' wants letters"), std::string::npos);
  EXPECT_NE(faults("saha: 1\nrequirements:\n  - {id: a, assert: \"flash <= 1 B\"}\n  - {id: a, assert: \"flash <= 1 B\"}\n", image_scope()).find("4:10: id 'a' stands twice, first in line 3"), std::string::npos);
  EXPECT_NE(faults("saha: 1\nmodels: {o: {file: o.onnx, sha256: XYZ}}\nrequirements:\n  - {id: a, assert: \"flash <= 1 B\"}\n", image_scope()).find("'sha256' wants 64 hexadecimal digits"), std::string::npos);
}

TEST(Check, unknown_words_are_named_with_the_nearest) {
  EXPECT_EQ(says("acuracy(test) >= 85 %"), "unknown function 'acuracy' (did you mean 'accuracy'?)");
  EXPECT_EQ(says("accuracy(tset) >= 85 %"), "unknown data set 'tset' (did you mean 'test'?)");
  EXPECT_EQ(says("accuracy(test) >= prevous.accuracy(test)"), "unknown model 'prevous' (did you mean 'previous'?)");
  EXPECT_EQ(says("flsh <= 1 KiB"), "unknown name 'flsh' (did you mean 'flash'?)");
  EXPECT_EQ(says("flash <= 1 KB and p90(latency) <= 5 mss"), "unknown unit 'mss' (did you mean 'ms'?)");
  EXPECT_EQ(says("for each s in slices(camra): accuracy(s) >= 80 %"), "unknown column 'camra' (did you mean 'camera'?)");
  EXPECT_EQ(says("max(logits(x)) <= 1", image_scope(), kOverTest), "unknown function 'logits' (the output is 'score')");
  EXPECT_EQ(says("balanced(test) >= 85 %"), "");
  EXPECT_EQ(says("p95(latency) <= 5 ms"), "");
}

TEST(Check, arguments_are_counted_and_typed) {
  EXPECT_EQ(says("accuracy() >= 85 %"), "'accuracy' wants 1 argument, not 0 (like 'accuracy(test)')");
  EXPECT_EQ(says("accuracy >= 85 %"), "'accuracy' wants 1 argument (write 'accuracy(test)')");
  EXPECT_EQ(says("accuracy(test, test) >= 85 %"), "'accuracy' wants 1 argument, not 2 (like 'accuracy(test)')");
  EXPECT_EQ(says("accuracy(data=test) >= 85 %"), "'accuracy' has no argument 'data'; 'accuracy' wants 1 argument, not 0 (like 'accuracy(test)')");
  EXPECT_EQ(says("accuracy(5) >= 85 %"), "'accuracy' wants a data set or slice, not a number");
  EXPECT_EQ(says("p90(ram) <= 5 ms"), "'p90' is of latency (write 'p90(latency)')");
  EXPECT_EQ(says("peak(latency) <= 5 KiB"), "'peak' is of ram (write 'peak(ram)')");
  EXPECT_EQ(says("candidate.argmax(score(x)) == label", image_scope(), kOverTest), "'argmax' is no property of a model (write it without 'candidate.')");
  EXPECT_EQ(says("for all t in rotate(-10, 10 deg): argmax(score(t(x))) == label", image_scope(), kOverTest), "'rotate' wants an angle, not a number (write '-10 deg')");
  EXPECT_EQ(says("for all d in near(test, 3 ms): max(score(d)) <= 1"), "'near' wants a share like 1 %, not a quantity in s");
  EXPECT_EQ(says("argmax(label) == label", image_scope(), kOverTest), "'argmax' wants an output or a number, not a class");
  EXPECT_EQ(says("score(test) <= 1", image_scope(), kOverTest), "'score' wants an input, not a data set");
  EXPECT_EQ(says("precision(test, class=person) >= 80 %"), "");
  EXPECT_EQ(says("for all a, b in domain where same(a, b, except=wer): risk(b) >= risk(a)", table_scope()), "'except' of 'same' wants a field (did you mean 'wear'?)");
  EXPECT_EQ(says("for all a in domain: a.wer <= 5 min", table_scope()), "'a' has no field 'wer' (did you mean 'wear'?)");
}

TEST(Check, units_must_fit) {
  EXPECT_EQ(says("p90(latency) <= 5"), "5 has no unit, but p90(latency) is in ms (write '5 ms')");
  EXPECT_EQ(says("flash <= 512"), "512 has no unit, but flash is in KiB (write '512 KiB')");
  EXPECT_EQ(says("p90(latency) <= 5 KiB"), "p90(latency) is a quantity in s, but 5 KiB is a quantity in B");
  EXPECT_EQ(says("accuracy(test) >= 85"), "85 is no share: it has no unit, and shares lie in [0, 1] (write '85 %')");
  EXPECT_EQ(says("accuracy(test) >= 85 pp"), "85 pp is a difference; a share is in % (write '85 %')");
  EXPECT_EQ(says("accuracy(test) >= 0.85"), "");
  EXPECT_EQ(says("accuracy(test) >= previous.accuracy(test) - 1 %"), "warning: a difference of shares is in pp (write '1 pp')");
  EXPECT_EQ(says("accuracy(test) - previous.accuracy(test) >= -1 pp"), "");
  EXPECT_EQ(says("flash + p90(latency) <= 5 KiB"), "flash is a quantity in B, but p90(latency) is a quantity in s");
  EXPECT_EQ(says("throughput >= 100 1/s"), "");
  EXPECT_EQ(says("p90(latency) <= 0.5 * previous.p90(latency)"), "");
  EXPECT_EQ(says("energy / p50(latency) <= 20 mW"), "");
  EXPECT_EQ(says("flash / 0 <= 1 KiB"), "division by zero");
  EXPECT_EQ(says("for all d in Linf(x, 2 ms): max(score(d)) <= 1", image_scope(), kOverTest), "2 ms is a quantity in s, but input 'image' is in gray");
  EXPECT_EQ(says("rpm >= 2000 => risk(x) <= 1", table_scope(), kOverTest), "2000 has no unit, but rpm is in 1/min (write '2000 1/min')");
}

TEST(Check, types_must_fit) {
  EXPECT_EQ(says("accuracy(test)"), "the assertion wants a condition, not a share (compare it with something)");
  EXPECT_EQ(says("accuracy(test) and flash <= 1 KiB"), "'and' wants a condition, not a share (compare it with something)");
  EXPECT_EQ(says("score(x) <= 1", image_scope(), kOverTest), "score(x) has 2 values, one is compared (take argmax, max, min or maxabs of it)");
  EXPECT_EQ(says("argmax(score(x)) <= label", image_scope(), kOverTest), "classes and words have no order (only '==' and '!=')");
  EXPECT_EQ(says("argmax(score(x)) == accuracy(test)", image_scope(), kOverTest), "a class and a share cannot be compared");
  EXPECT_EQ(says("- label <= 1", image_scope(), kOverTest), "a number expected after '-', not a class");
  EXPECT_EQ(says("label + 1 <= 1", image_scope(), kOverTest), "a number expected, not a class");
  EXPECT_EQ(says("camera == front => argmax(score(x)) == label", image_scope(), kOverTest), "");
  EXPECT_EQ(says("argmax(score(x)) == label"), "'x' is bound by the requirement's 'for' (add for: {data: test}); 'label' is bound by the requirement's 'for' (add for: {data: test})");
  EXPECT_EQ(says("for all d in 5: flash <= 1 B"), "a region, data set, column or transform expected after 'in', not a number");
  EXPECT_EQ(says("for all flash in test: flash <= 1 B"), "'flash' has a meaning already and cannot be bound");
  EXPECT_EQ(says("for all d in test: accuracy(test) >= 85 %"), "'accuracy' speaks of a whole set or device and cannot stand where single inputs are spoken of");
  EXPECT_EQ(says("accuracy(test) >= 85 %", image_scope(), ", level: prove"), "a statistic cannot be proved (leave level out, or write level: bound(95 %))");
  EXPECT_EQ(says("candidate.original.score(x) <= 1", image_scope(), kOverTest), "'candidate.original.score' has too many parts: model.name is the most");
}

TEST(Check, the_lint_finds_what_proves_nothing) {
  EXPECT_EQ(says("rpm >= 2000 1/min and rpm <= 1500 1/min => risk(x) <= 1", table_scope(), kOverTest),
            "warning: the premise never holds: rpm <= 1500 1/min and what else is said of 'rpm' exclude each other; vacuous, counts as inconclusive");
  EXPECT_EQ(says("rpm >= 2000 1/min => rpm >= 2000 1/min", table_scope()), "warning: the premise equals the conclusion; it holds whatever the model does");
  EXPECT_EQ(says("rpm >= 50 1/s => risk(x) <= 1", table_scope(), kOverTest),
            "warning: the premise never holds: rpm >= 50 1/s lies outside its domain [1168, 2886]; vacuous, counts as inconclusive");
  EXPECT_EQ(says("rpm >= 40 1/s => risk(x) <= 1", table_scope(), kOverTest), "");
  EXPECT_EQ(says("for all d in Linf(x, -2 gray): max(score(d)) <= 1", image_scope(), kOverTest), "warning: the region is empty: the radius -2 gray is negative; vacuous, counts as inconclusive");
  EXPECT_EQ(says("for all t in rotate(10 deg, -10 deg): max(score(t(x))) <= 1", image_scope(), kOverTest), "warning: the region is empty: 10 deg lies above -10 deg; vacuous, counts as inconclusive");
  EXPECT_EQ(says("accuracy(calibration) >= 85 %"), "warning: 'calibration' was seen while the model was made; a requirement on it proves little (use 'test')");
  EXPECT_EQ(says("accuracy(test) >= 0 %"), "warning: always holds: a share lies in [0 %, 100 %]");
  EXPECT_EQ(says("accuracy(test) > 100 %"), "warning: never holds: a share lies in [0 %, 100 %]");
  EXPECT_EQ(says("5 ms <= 6 ms"), "warning: both sides are constants; the comparison says nothing about a model");
  EXPECT_EQ(says("for each d in test: max(score(d)) <= 1"), "warning: 'for each' corrects for the number of slices; here it means 'for all'");
  Scope s = table_scope();
  s.inputs[0].fields[0].domain = {};
  EXPECT_EQ(says("for all a in domain: risk(a) <= 1", s), "warning: a proof over the domain, but input 'row' has none; inconclusive (add model.input.row.domain: [lo, hi])");
  EXPECT_EQ(faults("saha: 1\ndata: {test: t.csv, val: v.csv}\nrequirements:\n  - {id: a, assert: \"accuracy(test) >= 80 %\"}\n", Scope{}),
            "warning: person.req.yaml:2:21: data set 'val' is used by no requirement\n1 warning\n");
}

TEST(Check, the_file_names_units_inputs_and_models) {
  std::string head = "saha: 1\nunits: {kn: 0.514444 m/s}\nmodels: {acas: acas.onnx}\nmodel: {input: {x0: {unit: kn, domain: [0, 100], fields: {v: {index: 0, unit: kn, domain: [0, 900]}}}}, output: {a: {names: [COC, WL]}}}\n";
  EXPECT_EQ(faults(head + "requirements:\n  - {id: a, models: [acas], assert: \"v >= 5 m/s and v <= 800 kn => COC <= 1500\"}\n", Scope{}), "");
  std::string got = faults(head + "requirements:\n  - {id: a, assert: \"v >= 5 s => COC <= 1500\"}\n", Scope{});
  EXPECT_NE(got.find("v is a quantity in m/s, but 5 s is a quantity in s"), std::string::npos) << got;
  EXPECT_NE(faults("saha: 1\nunits: {kn: 0.5 m/x}\nrequirements:\n  - {id: a, assert: \"flash <= 1 B\"}\n", Scope{}).find("unknown unit 'x'"), std::string::npos);
  EXPECT_NE(faults("saha: 1\nunits: {ms: 0.5 m/s}\nrequirements:\n  - {id: a, assert: \"flash <= 1 B\"}\n", Scope{}).find("unit 'ms' exists already"), std::string::npos);
  EXPECT_NE(faults("saha: 1\nmodel: {input: {x: {domain: [5, 1]}}}\nrequirements:\n  - {id: a, assert: \"flash <= 1 B\"}\n", Scope{}).find("'domain' wants [lo, hi] with lo <= hi"), std::string::npos);
}

TEST(Check, a_single_assertion_of_a_life_cycle_is_read_alone) {
  yaml::Diagnostics d;
  auto node = yaml::parse("require: [\"balanced(test) >= 85 %\", \"acc >\"]", "saha.yaml", d);
  const yaml::Node& list = *node->find("require");
  auto good = read_assertion(list.items[0], "require-1", d);
  ASSERT_TRUE(good);
  EXPECT_TRUE(check(*good, image_scope(), d));
  EXPECT_FALSE(read_assertion(list.items[1], "require-2", d));
  EXPECT_EQ(d.render(), "error: saha.yaml:1:43: a value expected, not the end\n    1 | require: [\"balanced(test) >= 85 %\", \"acc >\"]\n      |                                           ^\n1 error; nothing was run\n");
}

TEST(Explain, every_requirement_of_the_document_reads_as_english) {
  yaml::Diagnostics d;
  auto file = read_requirements(kDocument, "r", d);
  Scope s = document_scope();
  std::vector<std::string> got;
  for (const Requirement& r : file->requirements) got.push_back(explain(r, s));
  EXPECT_EQ(got[0], "R1-accuracy: It must hold that the share of right answers of candidate on test is at least 85 %. Why: contract 4.2.");
  EXPECT_EQ(got[1], "R2-slices: It must hold that for each s in the slices of the data by camera and light where the number of samples in s is at least 200: the share of right answers of candidate on s is at least 80 %.");
  EXPECT_EQ(got[2], "R3-no-worse: It must hold that the share of right answers of candidate on test is at least the share of right answers of previous on test less 1 percentage points.");
  EXPECT_EQ(got[3], "R4-robust: It must hold that for 100 samples x of test where correct, for every d in the inputs that differ from x by at most 2 gray in each value: the class with the largest value of output 'score' at d "
            "equals the label. It must be proved for every such input in int8 arithmetic. Accepted where at least 95 % hold and none is violated.");
  EXPECT_EQ(got[4], "R5-acas-1: It must hold that if rho is at least 55947.691 ft, v_own is at least 1145 ft/s and v_int is at most 60 ft/s, then COC is at most 1500. It must be proved for every such input.");
  EXPECT_EQ(got[5], "R6-monotone: It must hold that for all a and b in the whole input domain where a and b agree in everything but wear and wear of b is at least wear of a: output 'risk' at b is at least output 'risk' at a. It must be proved for every such input.");
  EXPECT_EQ(got[9], "R10-range: It must hold that for every x in the inputs outside the whole input domain: x is rejected. It must be proved for every such input.");
  EXPECT_EQ(got[10], "R11-budget: It should hold that the 99th percentile of latency of candidate is at most 150 ms, the peak memory of candidate is at most 96 KiB, the flash memory of candidate is at most 512 KiB and the energy of one inference of candidate is at most 25 mJ.");
  for (const std::string& text : got) EXPECT_EQ(text.find('{'), std::string::npos) << text;
}

TEST(Explain, a_class_is_named_whether_or_not_its_argument_is) {
  for (const char* text : {"recall(test, 1) >= 90 %", "recall(test, class=1) >= 90 %"}) {
    yaml::Diagnostics d;
    auto node = yaml::parse(std::string("require: [\"") + text + "\"]", "saha.yaml", d);
    auto r = read_assertion(node->find("require")->items[0], "R1", d);
    ASSERT_TRUE(r) << text;
    EXPECT_EQ(explain(*r, image_scope()), "R1: It must hold that the recall of candidate on test for class 1 is at least 90 %.") << text;
  }
}

TEST(Requirements, the_json_schema_lists_every_key) {
  auto j = nlohmann::json::parse(requirements_schema().json_schema("req-yaml", "Requirements"));
  auto& r = j["properties"]["requirements"]["items"];
  EXPECT_EQ(r["required"], nlohmann::json({"id", "assert"}));
  for (const char* key : {"id", "assert", "why", "severity", "models", "for", "level", "arithmetic", "accept", "timeout", "seed", "fallback", "tags"}) {
    EXPECT_TRUE(r["properties"].contains(key)) << key;
  }
  EXPECT_EQ(j["properties"]["saha"]["const"], 1);
  EXPECT_EQ(j["properties"]["model"]["properties"]["input"]["additionalProperties"]["properties"].contains("domain"), true);
}

TEST(Check, every_fault_of_a_file_is_told_in_one_go) {
  yaml::Diagnostics d;
  const auto root = yaml::parse(R"(saha: 1
requirements:
  - {id: A, assert: "wera >= 22 min => max(risk(x)) >= 0"}
  - {id: B, assret: "rpm >= 0 1/min"}
  - {id: C, assert: "rpm >= 2000 1/min =>"}
  - {id: D, assert: "rpm >= 2000 1/min => max(risk(x)) >= 0", for: {data: tset}, level: prov}
  - {id: E, assert: "previous.accuracy(test) >= 5 %", timeout: 5}
  - {id: F, fro: {data: test}, assert: "argmax(risk(x)) == label"}
  - {id: A, assert: "accuracy(test) >= 95"}
)", "r.req.yaml", d);
  ASSERT_TRUE(root);
  auto file = readable_requirements(*root, d);
  Scope scope = table_scope();
  scope.data = {{"test", {}}};
  scope.data_known = true;
  scope = scope_of(file, std::move(scope), d);
  check(file, scope, d);
  const std::string said = d.render();
  for (const char* fault : {"3:22: unknown name 'wera'", "did you mean 'wear'?", "4:13: unknown key 'assret'", "5:42: a value expected", "6:75: unknown data set 'tset'", "6:89: 'prov' is no level", "7:64: 'timeout' wants a duration",
                            "warning: r.req.yaml:7:22: nothing says which file 'previous' is", "8:13: unknown key 'fro'", "9:10: id 'A' stands twice", "9:40: 95 is no share"})
    EXPECT_NE(said.find(fault), std::string::npos) << fault << "\n" << said;
  EXPECT_EQ(said.find("'label' is bound"), std::string::npos) << said;   // 'fro' may have been meant to bind it
}

TEST(Check, a_confidence_is_not_proved) {
  Scope scope = image_scope();
  EXPECT_EQ(says("for all d in Linf(x, 2 gray): conf(score(d)) >= 50 %", scope, kOverTest), "'conf' is no sum of what a proof can speak of and cannot be proved (compare outputs, max(score(x)) say, or write level: test(1000))");
  EXPECT_EQ(says("for all d in Linf(x, 2 gray): conf(score(d)) >= 50 %", scope, kOverTest + ", level: test(100)"), "");
  EXPECT_EQ(says("for all d in Linf(x, 2 gray): conf(score(d)) >= 50 %", scope, kOverTest + ", fallback: test(100)"), "");
}

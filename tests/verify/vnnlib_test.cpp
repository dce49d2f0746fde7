#include "verify/vnnlib.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "data/inflate.hpp"
#include "system/file.hpp"

using namespace saha;
using namespace saha::verify;

namespace {

const std::string kTwo = "(declare-const X_0 Real)\n(declare-const X_1 Real)\n(declare-const Y_0 Real)\n(declare-const Y_1 Real)\n";
const std::string kBox = "(assert (>= X_0 0)) (assert (<= X_0 1)) (assert (>= X_1 -2)) (assert (<= X_1 2))\n";
const std::string kNet = "(vnnlib-version <2.0>)\n(declare-network N\n(declare-input X real [1,2])\n(declare-output Y real [2])\n)\n";

Vnnlib read(const std::string& text) {
  auto v = parse_vnnlib(text, "a.vnnlib");
  EXPECT_TRUE(v) << v.error().message << " at " << v.error().line << ":" << v.error().column << "\n" << text;
  return v ? *v : Vnnlib{};
}
Property property(const std::string& text) { return read(text).property; }

/// "line:column message"
std::string fault(const std::string& text) {
  auto v = parse_vnnlib(text, "a.vnnlib");
  if (v) return "no fault";
  EXPECT_EQ(v.error().file, "a.vnnlib");
  return std::to_string(v.error().line) + ":" + std::to_string(v.error().column) + " " + v.error().message;
}

std::string str(const Row& r) {
  std::string s;
  for (auto [i, f] : r.x) s += "x" + std::to_string(i) + "*" + std::to_string(f).substr(0, 5) + " ";
  for (auto [i, f] : r.y) s += "y" + std::to_string(i) + "*" + std::to_string(f).substr(0, 5) + " ";
  return s + (r.strict ? "< " : "<= ") + std::to_string(r.bound).substr(0, 5);
}
/// One line for each case: its box, its rows.
std::string str(const Property& p) {
  std::string s;
  for (const Case& c : p.cases) {
    for (std::size_t i = 0; i < c.box->lo.size(); ++i) s += "[" + std::to_string(c.box->lo[i]).substr(0, 4) + "," + std::to_string(c.box->hi[i]).substr(0, 4) + "]";
    for (const Row& r : c.rows) s += " " + str(r) + ";";
    s += "\n";
  }
  return s;
}
std::string rows(const std::string& assertion) {
  const Property p = property(kTwo + kBox + assertion);
  std::string s;
  for (const Case& c : p.cases) {
    for (const Row& r : c.rows) s += str(r) + "; ";
    s += "| ";
  }
  return s;
}

bool same(const Property& a, const Property& b) {
  auto row = [](const Row& r, const Row& q) { return r.x == q.x && r.y == q.y && r.bound == q.bound && r.strict == q.strict; };
  return a.inputs == b.inputs && a.outputs == b.outputs && std::ranges::equal(a.cases, b.cases, [&](const Case& c, const Case& d) {
    return c.box->lo == d.box->lo && c.box->hi == d.box->hi && std::ranges::equal(c.rows, d.rows, row);
  });
}

}  // namespace

TEST(Vnnlib, bounds_become_the_box_and_outputs_rows) {
  EXPECT_EQ(str(property(kTwo + kBox + "(assert (<= Y_0 Y_1))")), "[0.00,1.00][-2.0,2.00] y0*1.000 y1*-1.00 <= 0.000;\n");
  EXPECT_EQ(rows("(assert (>= Y_0 3.5))"), "y0*-1.00 <= -3.50; | ");
  EXPECT_EQ(rows("(assert (< Y_0 Y_1))"), "y0*1.000 y1*-1.00 < 0.000; | ");
  EXPECT_EQ(rows("(assert (> Y_0 1))"), "y0*-1.00 < -1.00; | ");
  EXPECT_EQ(rows("(assert (= Y_0 1))"), "y0*1.000 <= 1.000; y0*-1.00 <= -1.00; | ");
  EXPECT_EQ(rows("(assert (!= Y_0 1))"), "y0*1.000 < 1.000; | y0*-1.00 < -1.00; | ");
  EXPECT_EQ(rows("(assert (<= 3 Y_0))"), "y0*-1.00 <= -3.00; | ");
}

TEST(Vnnlib, bounds_on_one_input_are_solved_for_it) {
  EXPECT_EQ(str(property(kTwo + "(assert (<= (* -1.0 X_0) 0.0)) (assert (<= (- (* 2 X_0) 1) 3)) (assert (and (<= -1 X_1) (<= (+ X_1 X_1) 1)))(assert (<= Y_0 0))")),
            "[0.00,2.00][-1.0,0.50] y0*1.000 <= 0.000;\n");
  // The tightest of several counts.
  EXPECT_EQ(str(property(kTwo + kBox + "(assert (<= X_0 0.5)) (assert (<= X_0 0.75)) (assert (<= Y_0 0))")), "[0.00,0.50][-2.0,2.00] y0*1.000 <= 0.000;\n");
  const Property equal = property(kTwo + kBox + "(assert (= X_0 0.1)) (assert (<= Y_0 0))");
  EXPECT_EQ(equal.cases[0].box->lo[0], 0.1);
  EXPECT_EQ(equal.cases[0].box->hi[0], 0.1);
  // No float64 lies between a strict bound and the box.
  const Property strict = property(kTwo + kBox + "(assert (< X_0 0.5)) (assert (> X_0 0)) (assert (<= Y_0 0))");
  EXPECT_EQ(strict.cases[0].box->hi[0], std::nextafter(0.5, 0));
  EXPECT_EQ(strict.cases[0].box->lo[0], 5e-324);
  EXPECT_TRUE(strict.cases[0].rows.size() == 1);
}

TEST(Vnnlib, terms_are_linear) {
  EXPECT_EQ(rows("(assert (<= (+ (* 2 Y_0) (* Y_1 -1.5) 1) (- Y_0 X_0)))"), "x0*1.000 y0*1.000 y1*-1.50 <= -1.00; | ");
  EXPECT_EQ(rows("(assert (<= (- Y_0) (- 1.0)))"), "y0*-1.00 <= -1.00; | ");
  EXPECT_EQ(rows("(assert (<= (- Y_0 Y_1 X_1 2) 0))"), "x1*-1.00 y0*1.000 y1*-1.00 <= 2.000; | ");
  EXPECT_EQ(rows("(assert (<= (* 2 (- 3 Y_0) 2) (/ 1 4)))"), "y0*-4.00 <= -11.7; | ");
  EXPECT_EQ(rows("(assert (<= (/ (+ Y_0 1) 2 2) 0))"), "y0*0.250 <= -0.25; | ");
  EXPECT_EQ(rows("(assert (<= (* (+ Y_0 1) 3) (* 2 3 2.5)))"), "y0*3.000 <= 12.00; | ");
  EXPECT_EQ(rows("(assert (<= (- (- (- Y_0))) +1))"), "y0*-1.00 <= 1.000; | ");
  // What cancels is no element; comparisons of constants are true or false.
  EXPECT_EQ(rows("(assert (<= (- (+ Y_0 Y_1) Y_1) 1))"), "y0*1.000 <= 1.000; | ");
  EXPECT_EQ(rows("(assert (or (and (<= (- Y_0 Y_0) 1) (<= Y_1 0)) (and (<= 1 0) (<= Y_1 7))))"), "y1*1.000 <= 0.000; | ");
  EXPECT_EQ(rows("(assert (<= (* 0 Y_0) 0))"), "| ");
}

TEST(Vnnlib, numbers_are_read_to_the_nearest) {
  auto bound = [](const std::string& number) { return -property(kTwo + kBox + "(assert (>= Y_0 " + number + "))").cases.at(0).rows.at(0).bound; };
  EXPECT_EQ(bound("1e-3"), 1e-3);
  EXPECT_EQ(bound("-1.5E+2"), -150);
  EXPECT_EQ(bound(".5"), 0.5);
  EXPECT_EQ(bound("5."), 5);
  EXPECT_EQ(bound("0.1000000000000000055511151231257827021181583404541015625"), 0.1);
  EXPECT_EQ(bound("(/ 1 3)"), 1.0 / 3);
  EXPECT_EQ(bound("(- (/ 1.0 3.0))"), -1.0 / 3);
  EXPECT_EQ(bound("1e-400"), 0);
  EXPECT_EQ(bound("1e308"), 1e308);
}

TEST(Vnnlib, cases_are_multiplied_out) {
  EXPECT_EQ(rows("(assert (or (and (<= Y_0 1) (<= Y_1 2)) (<= Y_1 3)))"), "y0*1.000 <= 1.000; y1*1.000 <= 2.000; | y1*1.000 <= 3.000; | ");
  EXPECT_EQ(rows("(assert (or (<= Y_0 1) (<= Y_0 2))) (assert (or (<= Y_1 3) (<= Y_1 4)))"),
            "y0*1.000 <= 1.000; y1*1.000 <= 3.000; | y0*1.000 <= 1.000; y1*1.000 <= 4.000; | y0*1.000 <= 2.000; y1*1.000 <= 3.000; | y0*1.000 <= 2.000; y1*1.000 <= 4.000; | ");
  EXPECT_EQ(rows("(assert (and (or (<= Y_0 1) (and (or (<= Y_1 5) (<= Y_1 6)) (>= Y_0 0))) (<= X_0 Y_0)))"),
            "x0*1.000 y0*-1.00 <= 0.000; y0*1.000 <= 1.000; | x0*1.000 y0*-1.00 <= 0.000; y1*1.000 <= 5.000; y0*-1.00 <= 0.000; | x0*1.000 y0*-1.00 <= 0.000; y1*1.000 <= 6.000; y0*-1.00 <= 0.000; | ");
  EXPECT_EQ(rows("(assert (or (or (or (<= Y_0 1)))))"), "y0*1.000 <= 1.000; | ");
  EXPECT_EQ(rows("(assert (not (or (<= Y_0 1) (and (> Y_1 2) (= Y_0 0)))))"),
            "y0*-1.00 < -1.00; y1*1.000 <= 2.000; | y0*-1.00 < -1.00; y0*1.000 < 0.000; | y0*-1.00 < -1.00; y0*-1.00 < 0.000; | ");
}

TEST(Vnnlib, cases_of_the_same_box_share_it) {
  const Property p = property(kTwo + kBox + "(assert (or (<= Y_0 1) (<= Y_0 2))) (assert (or (and (<= X_0 0.5) (<= Y_1 0)) (and (>= X_0 0.5) (<= Y_1 1)) (and (<= X_0 0.5) (<= Y_1 2))))");
  ASSERT_EQ(p.cases.size(), 6u);
  EXPECT_EQ(p.cases[0].box, p.cases[1].box);   // bounds are taken first
  EXPECT_NE(p.cases[1].box, p.cases[2].box);
  EXPECT_EQ(p.cases[0].box, p.cases[4].box);
  EXPECT_EQ(p.cases[0].box->hi[0], 0.5);
  EXPECT_EQ(p.cases[2].box->lo[0], 0.5);
}

TEST(Vnnlib, cases_without_inputs_are_counted_not_kept) {
  const Property p = property(kTwo + kBox + "(assert (or (and (>= X_0 2) (<= Y_0 0)) (and (>= X_0 0.5) (<= Y_0 1)) (and (>= X_1 1) (<= X_1 0.5))))");
  EXPECT_EQ(str(p), "[0.50,1.00][-2.0,2.00] y0*1.000 <= 1.000;\n");
  EXPECT_EQ(p.empty_cases, 2);
  EXPECT_EQ(fault(kTwo + kBox + "(assert (>= X_0 2))"), "0:0 no input is left: X_0 is to be at least 2 and at most 1");
  EXPECT_EQ(fault(kTwo + kBox + "(assert (or (>= X_0 2) (and (>= X_1 4) (<= Y_0 0))))"), "0:0 no input is left: X_0 is to be at least 2 and at most 1, and its other case has no input either");
  EXPECT_EQ(fault(kTwo + kBox + "(assert (< X_0 0))"), "0:0 no input is left: X_0 is to be at least 0 and at most -5e-324");
  EXPECT_EQ(fault(kTwo + kBox + "(assert false)"), "0:0 no input is left: a comparison of constants is false");
  EXPECT_EQ(fault(kTwo + kBox + "(assert (or (<= 2 1)))"), "0:0 no input is left: a comparison of constants is false");
}

TEST(Vnnlib, every_input_needs_bounds) {
  EXPECT_EQ(fault(kTwo + "(assert (>= X_0 0)) (assert (<= X_0 1)) (assert (>= X_1 0)) (assert (<= Y_0 1))"), "0:0 X_1 has no upper bound");
  EXPECT_EQ(fault(kTwo + "(assert (<= X_0 1)) (assert (<= Y_0 1))"), "0:0 X_0 has no lower bound");
  EXPECT_EQ(fault(kTwo + "(assert (>= X_0 0)) (assert (<= X_0 1)) (assert (or (and (>= X_1 0) (<= X_1 1)) (<= Y_0 1)))"), "0:0 X_1 has no lower bound in case 2");
  EXPECT_EQ(fault(kNet + "(assert (>= X[0,0] 0)) (assert (<= X[0,0] 1)) (assert (>= X[0,1] 1))"), "0:0 X[0,1] has no upper bound");
}

TEST(Vnnlib, dialects_of_the_first_version) {
  EXPECT_EQ(str(property("\xEF\xBB\xBF; made by a script (\n(set-logic QF_LRA)\n(set-info :source |x|)\n(declare-fun Y_0 () Real)\r\n(declare-fun X_0 () Real)\n(assert\n\t(and ; both\n(<= X_0 1)(>= X_0 0)))\n(assert(<= Y_0 0))(check-sat)(get-model)(exit);")),
            "[0.00,1.00] y0*1.000 <= 0.000;\n");
  EXPECT_EQ(property("(declare-const X_1 Real)(declare-const Y_0 Real)(declare-const X_0 Real)(assert (and (<= X_0 1) (>= X_0 0) (<= X_1 1) (>= X_1 0) (<= Y_0 1)))").inputs, 2);
  EXPECT_EQ(read("(vnnlib-version <1.0>)" + kTwo + kBox).version, 1);
}

TEST(Vnnlib, the_second_version_declares_tensors) {
  const Vnnlib v = read(
      "(vnnlib-version <2.0>)\n(declare-network acc\n (declare-input X float32 [1,2])\n (declare-input Z real [])\n (declare-hidden H float32 [3] \"relu \\\" 1\")\n"
      " (declare-output Y float64 [2,2]) (declare-output W int8 [1]))\n"
      "(assert (and (>= X[0,0] 0) (<= X[0,0] 1) (>= X[0,1] 0) (<= X[0,1] 2) (>= Z 3) (<= Z 4)))\n(assert (<= Y[1,0] (- W[0] Y[ 0, 1 ])))");
  EXPECT_EQ(v.version, 2);
  ASSERT_EQ(v.networks.size(), 1u);
  const Network& n = v.networks[0];
  EXPECT_EQ(n.name, "acc");
  ASSERT_EQ(n.inputs.size(), 2u);
  EXPECT_EQ(n.inputs[0].name, "X");
  EXPECT_EQ(n.inputs[0].dtype, DType::f32);
  EXPECT_EQ(n.inputs[0].shape, (Dims{1, 2}));
  EXPECT_EQ(n.inputs[1].dtype, DType::none);
  EXPECT_TRUE(n.inputs[1].shape.empty());
  ASSERT_EQ(n.outputs.size(), 2u);
  EXPECT_EQ(n.outputs[1].dtype, DType::i8);
  EXPECT_EQ(str(v.property), "[0.00,1.00][0.00,2.00][3.00,4.00] y1*1.000 y2*1.000 y4*-1.00 <= 0.000;\n");
  EXPECT_EQ(read(kNet + "(assert (and (>= X[0 0] 0) (<= X[0 0] 1) (== X[0,1] 1) (<= Y[0] 0)))").property.cases.size(), 1u);
  EXPECT_EQ(read("(vnnlib-version <2.1>)(declare-network N (declare-input X real [1] initialized) (declare-output Y real []))(assert (and (>= X[0] 0) (<= X[0] 1) (<= Y 0)))").version, 2);
}

TEST(Vnnlib, malformed_files_are_refused_with_their_place) {
  const std::string a = kTwo + kBox;   // five lines, the sixth is the fault's
  EXPECT_EQ(fault(""), "1:1 no input is declared");
  EXPECT_EQ(fault(kTwo), "5:1 nothing is asserted");
  EXPECT_EQ(fault(a + "(assert (<= Y_0 1)"), "6:19 the file ends where the ')' that ends this 'assert' is expected");
  EXPECT_EQ(fault(a + "(assert (<= Y_0 1)))"), "6:20 a '(' that begins a command is expected, not ')'");
  EXPECT_EQ(fault(a + "(assert (<= Y_0 1)\n(assert (<= Y_0 2))"), "7:1 the ')' that ends this 'assert' is expected, not '('");
  EXPECT_EQ(fault(a + "(assert (<= Y_0))"), "6:16 a variable, a number or '(' is expected, not ')'");
  EXPECT_EQ(fault(a + "(assert (<= Y_0 1 2))"), "6:19 '<=' compares two terms, there are more");
  EXPECT_EQ(fault(a + "(assert (and))"), "6:10 'and' has no conditions");
  EXPECT_EQ(fault(a + "(assert (<= (+) 1))"), "6:14 '+' has no terms");
  EXPECT_EQ(fault(a + "(assert Y_0)"), "6:9 a condition such as (<= X_0 1) is expected, not 'Y_0'");
  EXPECT_EQ(fault(a + "(assert (+ Y_0 1))"), "6:10 '+' is no condition");
  EXPECT_EQ(fault(a + "(assert (=> (<= Y_0 1) (<= Y_1 1)))"), "6:10 '=>' is not supported in properties");
  EXPECT_EQ(fault(a + "(assert (<= (relu Y_0) 1))"), "6:14 function 'relu' is not known");
  EXPECT_EQ(fault(a + "(assert (<= (* Y_0 Y_1) 1))"), "6:20 a product of variables is not linear");
  EXPECT_EQ(fault(a + "(assert (<= (/ 1 Y_1) 1))"), "6:18 a division by a variable is not linear");
  EXPECT_EQ(fault(a + "(assert (<= (/ Y_1 0) 1))"), "6:20 a division by zero");
  EXPECT_EQ(parse_vnnlib(a + "(assert (<= (* X_0 X_0) 1))", "a").error().code, ErrorCode::unsupported);
  EXPECT_EQ(fault(a + "(assert (<= Y_2 1))"), "6:13 variable 'Y_2' is not declared");
  EXPECT_EQ(fault(a + "(assert (<= Y_01 1))"), "6:13 variable 'Y_01' is not declared");
  EXPECT_EQ(fault(a + "(assert (<= Y_0 inf))"), "6:17 'inf' is no finite number");
  EXPECT_EQ(fault(a + "(assert (<= Y_0 -inf))"), "6:17 '-inf' is no finite number");
  EXPECT_EQ(fault(a + "(assert (<= Y_0 NaN))"), "6:17 'NaN' is no finite number");
  EXPECT_EQ(fault(a + "(assert (<= Y_0 1e400))"), "6:17 number '1e400' is beyond float64");
  EXPECT_EQ(fault(a + "(assert (<= Y_0 1.2.3))"), "6:17 '1.2.3' is no number");
  EXPECT_EQ(fault(a + "(assert (<= Y_0 +-1))"), "6:17 '+-1' is no number");
  EXPECT_EQ(fault(a + "(assert (<= Y_0 0x10))"), "6:17 '0x10' is no number");
  EXPECT_EQ(fault(a + "(assert (<= (* 1e200 1e200 Y_0) 1))"), "6:10 the numbers of this comparison go beyond float64");
  EXPECT_EQ(fault(a + "(assert (<= (* 1e-200 X_0) 1e200))"), "6:10 the numbers of this comparison go beyond float64");
  EXPECT_EQ(fault(a + "(minimize Y_0)"), "6:2 command 'minimize' is not known");
  EXPECT_EQ(fault(a + "hello"), "6:1 a '(' that begins a command is expected, not 'hello'");
  EXPECT_EQ(fault(a + "(echo \"(assert"), "6:7 the file ends where a ')' is expected");
  EXPECT_EQ(fault("(declare-const X_0 Real)\n(declare-const X_0 Real)"), "2:16 'X_0' is declared twice");
  EXPECT_EQ(fault("(declare-const X_0 Int)"), "1:20 type 'Int' is not known; variables are of type Real");
  EXPECT_EQ(fault("(declare-const Z Real)"), "1:16 variable 'Z' is neither an input X_0, X_1, .. nor an output Y_0, Y_1, ..");
  EXPECT_EQ(fault("(declare-fun X_0 (Real) Real)"), "1:19 a ')': functions have no arguments here is expected, not 'Real'");
  EXPECT_EQ(fault("(declare-const X_0 Real)(declare-const X_2 Real)(declare-const Y_0 Real)(assert true)"), "1:86 X_1 is not declared, X_2 is");
  EXPECT_EQ(fault("(declare-const X_0 Real)(declare-const X_2000000000 Real)"), "1:40 'X_2000000000' is declared, but the variables before it cannot all be in 57 B");
  EXPECT_EQ(fault("(declare-const X_0 Real)(assert (<= X_0 0))"), "1:44 no output is declared");
  EXPECT_EQ(fault(std::string("\x7F" "ELF\0\x01", 6)), "1:1 a '(' that begins a command is expected, not '?ELF?" "?'");
}

TEST(Vnnlib, malformed_files_of_the_second_version) {
  EXPECT_EQ(fault("(vnnlib-version 2.0)"), "1:17 a version such as <2.0> is expected, not '2.0'");
  EXPECT_EQ(fault("(vnnlib-version <3.0>)"), "1:17 version 3.0 of VNN-LIB is not known; 1 and 2 are");
  EXPECT_EQ(fault(kTwo + "(vnnlib-version <2.0>)"), "5:17 the version stands after declarations or assertions; it is to be first");
  EXPECT_EQ(fault("(vnnlib-version <2.0>)(declare-const X_0 Real)"), "1:24 'declare-const' is of VNN-LIB 1.0, this file of 2.0");
  EXPECT_EQ(fault(kTwo + kNet.substr(23)), "5:2 'declare-network' is of VNN-LIB 2.0, the variables above are declared as in 1.0");
  auto network = [](const std::string& declarations) { return fault("(declare-network N " + declarations + ")"); };
  EXPECT_EQ(network("(declare-input X real [2])"), "1:46 network 'N' declares no output");
  EXPECT_EQ(network("(declare-input X complex64 [2])"), "1:37 element type 'complex64' is not known");
  EXPECT_EQ(network("(declare-input X real [0])"), "1:42 tensor 'X' has a dimension of 0");
  EXPECT_EQ(network("(declare-input X real [65536,65536])"), "1:42 tensor 'X' has more than 2,147,483,647 elements");
  EXPECT_EQ(network("(declare-input X real [65536])"), "1:42 65,536 inputs are declared, more than can have bounds in a file of 50 B");
  EXPECT_EQ(network("(declare-input X real [-1])"), "1:43 a whole number or ']' is expected, not '-1'");
  EXPECT_EQ(network("(declare-input X real 5)"), "1:42 a shape such as [1,5] is expected, not '5'");
  EXPECT_EQ(network("(declare-input X real [1]) (declare-output X real [1])"), "1:63 'X' is declared twice");
  EXPECT_EQ(network("(declare-hidden X real [1])"), "1:46 the name of the node in quotes is expected, not ')'");
  EXPECT_EQ(network("(equal-to M)"), "1:30 network 'M' is not declared before");
  EXPECT_EQ(network("(assert true)"), "1:21 'assert' does not belong into a network");
  EXPECT_EQ(fault(kNet + "(assert (<= Y[2] 0))"), "6:13 index 2 of 'Y' is beyond its dimension of 2");
  EXPECT_EQ(fault(kNet + "(assert (<= Y[0,0] 0))"), "6:13 'Y' has 1 dimension, the index 2");
  EXPECT_EQ(fault(kNet + "(assert (<= Y 0))"), "6:15 an index such as [0,1] is expected, not '0'");
  EXPECT_EQ(fault(kNet + "(assert (<= Z[0] 0))"), "6:13 variable 'Z' is not declared");
  const std::string hidden = "(declare-network N (declare-input X real [1]) (declare-hidden H real [1] \"h\") (declare-output Y real [1]))\n";
  EXPECT_EQ(fault(hidden + "(assert (<= H[0] 0))"), "2:13 hidden tensor 'H' is in an assertion; properties of inputs and outputs are supported");
  EXPECT_EQ(parse_vnnlib(hidden + "(assert (<= H[0] 0))", "a").error().code, ErrorCode::unsupported);
}

TEST(Vnnlib, several_networks_have_their_inputs_and_outputs_one_after_another) {
  auto second = [](const std::string& head, const std::string& shape) {
    return kNet + "(declare-network M " + head + " (declare-input A real [1,2]) (declare-output B real " + shape + "))\n";
  };
  const std::string asserts = "(assert (and (>= X[0,0] 0) (<= X[0,0] 1) (>= X[0,1] 2) (<= X[0,1] 3) (>= A[0,0] 4) (<= A[0,0] 5) (>= A[0,1] 6) (<= A[0,1] 7) (> B[1] Y[0])))";
  for (const char* head : {"(equal-to N)", "(isomorphic-to N)", ""}) {
    const Vnnlib v = read(second(head, "[2]") + asserts);
    EXPECT_EQ(str(v.property), "[0.00,1.00][2.00,3.00][4.00,5.00][6.00,7.00] y0*1.000 y3*-1.00 < 0.000;\n");
    ASSERT_EQ(v.networks.size(), 2u);
    EXPECT_EQ(v.networks[1].like, *head ? "N" : "");
    EXPECT_EQ(v.networks[1].equal, std::string(head) == "(equal-to N)");
  }
  EXPECT_EQ(fault(second("(equal-to N)", "[3]")), "6:18 network 'M' declares other shapes or types than 'N', which it is to be like");
  EXPECT_EQ(fault(second("(equal-to N) (isomorphic-to N)", "[2]")), "6:34 a network is equal or isomorphic to one other only");
  EXPECT_EQ(fault(second("(equal-to N)", "[2]") + "(declare-network O (equal-to M) (declare-input C real [1,2]) (declare-output D real [2]))"), "7:30 network 'M' is itself said to be like another");
}

TEST(Vnnlib, inputs_that_are_set_equal_are_one) {
  // Monotonicity: two runs of a network whose inputs differ in one element, of which one side is bounded by the other only.
  const Vnnlib v = read(kNet + "(declare-network M (equal-to N) (declare-input A real [1,2]) (declare-output B real [2]))\n"
                        "(assert (and (<= X[0,0] 1) (>= X[0,0] 0) (>= X[0,1] 2) (<= X[0,1] 3)))(assert (and (>= X[0,0] A[0,0]) (>= A[0,0] 0)))(assert (== X[0,1] A[0,1]))(assert (< Y[1] B[1]))");
  EXPECT_EQ(v.property.inputs, 3);
  EXPECT_EQ(v.input_of, (std::vector<std::int32_t>{0, 1, 2, 1}));
  EXPECT_EQ(v.element_of, (std::vector<std::int32_t>{0, 1, 2}));
  EXPECT_EQ(str(v.property), "[0.00,1.00][2.00,3.00][0.00,1.00] x0*-1.00 x2*1.000 <= 0.000; y1*1.000 y3*-1.00 < 0.000;\n");
  const float x[] = {0.5f, 2.5f, 0.25f}, y[] = {1, 2, 3, 4};
  EXPECT_EQ(print_counterexample(v, x, y), "X real [1,2]\n0.5\n2.5\nY real [2]\n1\n2\nA real [1,2]\n0.25\n2.5\nB real [2]\n3\n4\n");
  EXPECT_TRUE(same(read(print(v)).property, v.property)) << print(v);
  EXPECT_EQ(read(print(v)).input_of, v.input_of);
  // Chains, also in 1.0; what holds in a case only is a row.
  const Vnnlib chain = read("(declare-const X_0 Real)(declare-const X_1 Real)(declare-const X_2 Real)(declare-const X_3 Real)(declare-const Y_0 Real)"
                            "(assert (= X_2 X_1))(assert (= (* 2 X_3) (* 2 X_2)))(assert (and (>= X_3 0) (<= X_1 1) (<= X_0 1) (>= X_0 0)))(assert (or (= X_0 X_1) (<= (+ X_2 X_3 Y_0) 0)))");
  EXPECT_EQ(chain.input_of, (std::vector<std::int32_t>{0, 1, 1, 1}));
  EXPECT_EQ(str(chain.property), "[0.00,1.00][0.00,1.00] x0*1.000 x1*-1.00 <= 0.000; x0*-1.00 x1*1.000 <= 0.000;\n[0.00,1.00][0.00,1.00] x1*2.000 y0*1.000 <= 0.000;\n");
  EXPECT_EQ(fault(kTwo + "(assert (= X_0 X_1)) (assert (<= X_1 1)) (assert (<= Y_0 0))"), "0:0 X_0 has no lower bound");
}

TEST(Vnnlib, a_bound_that_is_missing_follows_from_rows_of_inputs) {
  const Property p = property(kTwo + "(assert (and (>= X_0 0) (<= X_0 1)))(assert (<= (+ X_1 (* 3 X_0)) 5))(assert (>= (- (* 2 X_1) X_0) -4))(assert (<= Y_0 0))");
  EXPECT_GE(p.cases[0].box->hi[1], 5);
  EXPECT_LE(p.cases[0].box->hi[1], 5 + 1e-13);
  EXPECT_LE(p.cases[0].box->lo[1], -2);
  EXPECT_GE(p.cases[0].box->lo[1], -2 - 1e-13);
  // Of a case by its own rows; without any it has none.
  EXPECT_EQ(str(property(kTwo + "(assert (and (>= X_0 0) (<= X_0 1)))(assert (or (and (<= X_1 X_0) (>= X_1 0)) (and (<= X_0 X_1) (<= X_1 0.5))))")),
            "[0.00,1.00][0.00,1.00] x0*-1.00 x1*1.000 <= 0.000;\n[0.00,1.00][0.00,0.50] x0*1.000 x1*-1.00 <= 0.000;\n");
  EXPECT_EQ(fault(kTwo + "(assert (and (>= X_0 0) (<= X_0 1)))(assert (or (and (<= X_1 X_0) (>= X_1 0)) (<= X_1 0.5)))"), "0:0 X_1 has no lower bound in case 2");
  EXPECT_EQ(fault(kTwo + "(assert (and (<= X_0 X_1) (<= X_1 X_0 )))(assert (>= X_0 0))"), "0:0 X_0 has no upper bound");
  EXPECT_EQ(fault(kTwo + "(assert (and (>= X_0 0) (<= X_0 1) (>= X_1 3) (<= X_1 X_0)))"), "0:0 no input is left: X_1 is to be at least 3 and at most 1");
}

TEST(Vnnlib, nothing_grows_without_limit) {
  auto nested = [](int depth, const std::string& open, const std::string& inner) {
    std::string s = kTwo + kBox + "(assert ";
    for (int i = 0; i < depth; ++i) s += open;
    s += inner;
    for (int i = 0; i < depth; ++i) s += ")";
    return s + ")";
  };
  EXPECT_TRUE(parse_vnnlib(nested(kMostVnnlibDepth - 2, "(and ", "(<= Y_0 1)"), "a"));
  EXPECT_EQ(fault(nested(100'000, "(or ", "(<= Y_0 1)")), "6:" + std::to_string(9 + 4 * kMostVnnlibDepth) + " expressions are nested deeper than 512");
  EXPECT_EQ(fault(nested(100'000, "(not ", "(<= Y_0 1)")), "6:" + std::to_string(9 + 5 * kMostVnnlibDepth) + " expressions are nested deeper than 512");
  EXPECT_NE(fault(nested(100'000, "(- ", "1")).find("is no condition"), std::string::npos);
  EXPECT_NE(fault(nested(1, "(<= 1 ", std::string(3'000'000, '('))).find("is expected"), std::string::npos);
  std::string deep = kTwo + kBox + "(assert (<= 1 ";
  for (int i = 0; i < 100'000; ++i) deep += "(- ";
  EXPECT_NE(fault(deep).find("expressions are nested deeper than 512"), std::string::npos);
  // 2^30 cases.
  std::string product = kTwo + kBox;
  for (int i = 0; i < 30; ++i) product += "(assert (or (<= Y_0 " + std::to_string(i) + ") (<= Y_1 " + std::to_string(i) + ")))";
  EXPECT_EQ(fault(product), "0:0 its cases have more than 1,048,576 rows in all");
  std::string boxes = kTwo + kBox;
  for (int i = 1; i < 30; ++i) boxes += "(assert (or (<= X_0 " + std::to_string(1.0 / i) + ") (>= X_1 " + std::to_string(-1.0 / i) + ")))";
  EXPECT_EQ(fault(boxes), "0:0 it has more than 1,048,576 cases");
  std::string none = kTwo + kBox;
  for (int i = 1; i < 30; ++i) none += "(assert (or (<= X_0 " + std::to_string(1.0 / i) + ") (>= X_1 " + std::to_string(-1.0 / i) + ")))";
  EXPECT_EQ(fault(none + "(assert (or (<= X_0 -1) (>= X_1 3)))"), "0:0 it has more than 1,048,576 cases");
}

TEST(Vnnlib, a_hundred_thousand_joins_beside_each_other_are_no_depth) {
  std::string s = kTwo + kBox;
  for (int i = 0; i < 100'000; ++i) s += "(assert (or (>= X_0 2) (and (<= X_1 2) (<= X_0 1))))\n";
  const Property p = property(s);
  EXPECT_EQ(p.cases.size(), 1u);
  EXPECT_EQ(p.empty_cases, 100'000);
}

TEST(Vnnlib, what_is_printed_is_the_same_property) {
  std::mt19937 gen(1);
  auto number = [&] {
    const double scale = std::pow(10.0, int(gen() % 13) - 6);
    return gen() % 4 == 0 ? double(int(gen() % 9) - 4) : std::uniform_real_distribution(-scale, scale)(gen);
  };
  for (int round = 0; round < 200; ++round) {
    Vnnlib v;
    v.version = 1 + round % 2;
    v.property.inputs = 6, v.property.outputs = 4;
    if (round % 4 == 3) {
      v.networks = {{"my net", "", false, {{"image:0", DType::f32, {1, 2}}, {"image:0", DType::none, {}}}, {{"image_0", DType::f64, {2, 1}}}},
                    {"my_net", "my net", true, {{"7", DType::f32, {1, 2}}, {"8", DType::none, {}}}, {{"9", DType::f64, {2, 1}}}}};
    }
    std::vector<std::shared_ptr<const Box>> boxes;
    for (int b = 0; b < 3; ++b) {
      Box box;
      for (int i = 0; i < 6; ++i) {
        double lo = number(), hi = number();
        if (b > 0 && gen() % 2) lo = boxes[0]->lo[std::size_t(i)], hi = boxes[0]->hi[std::size_t(i)];
        box.lo.push_back(std::min(lo, hi) + 0.0), box.hi.push_back(std::max(lo, hi) + 0.0);
      }
      boxes.push_back(std::make_shared<const Box>(box));
    }
    for (unsigned c = 0, n = 1 + gen() % 5; c < n; ++c) {
      Case one{boxes[round % 3 ? gen() % 3 : 0], {}};
      for (unsigned r = 0, m = gen() % 4; r < m; ++r) {
        Row row;
        row.bound = number() + 0.0;
        row.strict = gen() % 2;
        for (std::int32_t i = 0; i < 6; ++i) if (gen() % 6 == 0) row.x.emplace_back(i, gen() % 2 ? 1 : number());
        for (std::int32_t i = 0; i < 4; ++i) if (gen() % 3 == 0) row.y.emplace_back(i, gen() % 2 ? -1 : number());
        std::erase_if(row.x, [](auto t) { return t.second == 0; });
        std::erase_if(row.y, [](auto t) { return t.second == 0; });
        if (!row.y.empty() || row.x.size() > 1) one.rows.push_back(row);
      }
      v.property.cases.push_back(one);
    }
    const std::string text = print(v);
    const Vnnlib again = read(text);
    EXPECT_TRUE(same(v.property, again.property)) << text;
    EXPECT_EQ(again.version, v.version);
    EXPECT_EQ(print(again), text);
    if (HasFailure()) break;
  }
}

TEST(Vnnlib, names_that_the_second_version_does_not_allow_are_changed) {
  Vnnlib v = read(kNet + "(assert (and (>= X[0,0] 0) (<= X[0,0] 1) (>= X[0,1] 0.25) (<= X[0,1] 1) (> Y[0] Y[1])))");
  v.networks[0].inputs[0].name = "input/1:0";
  v.networks[0].outputs[0].name = "3";
  EXPECT_EQ(print(v),
            "(vnnlib-version <2.0>)\n\n(declare-network N\n  (declare-input input_1_0 real [1,2])\n  (declare-output n3 real [2])\n)\n\n"
            "(assert (>= input_1_0[0,0] 0.0))\n(assert (<= input_1_0[0,0] 1.0))\n(assert (>= input_1_0[0,1] 0.25))\n(assert (<= input_1_0[0,1] 1.0))\n\n(assert (< n3[1] n3[0]))\n");
}

TEST(Vnnlib, a_property_is_said_in_plain_words) {
  const Vnnlib v = read(kTwo + "(assert (and (>= X_0 0) (<= X_0 0.5) (= X_1 2)))(assert (or (and (<= Y_0 Y_1) (>= Y_0 3)) (< (- (* 2 Y_0) X_0) 1) (> (+ Y_0 Y_1) 0) (> 0.25 Y_1) (and (>= X_0 1) (<= Y_0 0))))");
  EXPECT_EQ(explain(v),
            "A counterexample is an input of the box that satisfies all rows of any case with its outputs.\n"
            "inputs   2, 1 varies by 0.5\noutputs  2\ncases    4, of 1 box and 5 rows; 1 more without inputs is left out\n"
            "  X_0 in [0, 0.5]\n  X_1 = 2\n"
            "case 1\n  Y_0 <= Y_1\n  Y_0 >= 3\ncase 2\n  -X_0 + 2 Y_0 < 1\ncase 3\n  Y_0 + Y_1 > 0\ncase 4\n  Y_1 < 0.25\n");
  EXPECT_EQ(explain(read(kNet + "(assert (and (>= X[0,0] 0) (<= X[0,0] 1) (>= X[0,1] 0.25) (<= X[0,1] 1)))")),
            "A counterexample is an input of the box that satisfies all rows with its outputs.\ninputs   2, 2 vary by 0.75 to 1\noutputs  2\ncases    1, of 1 box and 0 rows\n"
            "  X[0,0] in [0, 1]\n  X[0,1] in [0.25, 1]\n  any output\n");
  const Vnnlib boxes = read(kTwo + kBox + "(assert (or (and (<= X_0 0.5) (<= Y_0 0)) (and (>= X_0 0.75) (<= Y_1 0))))");
  EXPECT_NE(explain(boxes).find("case 2\n  X_0 in [0.75, 1]\n  X_1 in [-2, 2]\n  Y_1 <= 0\n"), std::string::npos) << explain(boxes);
  EXPECT_EQ(extent(boxes.property).boxes, 2);
}

TEST(Vnnlib, counterexamples_give_back_each_float32) {
  const float x[] = {0.1f, -3e-30f, 16777216}, y[] = {1.0f / 3};
  const std::string s = print_counterexample(Vnnlib{}, x, y);
  EXPECT_EQ(s, "((X_0 0.10000000149011612)\n (X_1 -3.0000000095132306e-30)\n (X_2 16777216)\n (Y_0 0.3333333432674408))\n");
  EXPECT_EQ(print_counterexample(Vnnlib{}, {}, {}), "()\n");
}

TEST(Vnnlib, packed_files_are_read) {
  auto folder = system::TempFolder::make();
  ASSERT_TRUE(folder);
  const std::string text = kTwo + kBox + "(assert (<= Y_0 1))";
  ASSERT_TRUE(system::write_file(folder->path() / "a.vnnlib", text));
  ASSERT_TRUE(system::write_file(folder->path() / "b", data::gzip(system::bytes_of(text))));
  auto a = read_vnnlib(folder->path() / "a.vnnlib"), b = read_vnnlib(folder->path() / "b");
  ASSERT_TRUE(a && b);
  EXPECT_TRUE(same(a->property, b->property));
  auto packed = data::gzip(system::bytes_of(text));
  packed.resize(packed.size() / 2);
  ASSERT_TRUE(system::write_file(folder->path() / "c", packed));
  auto c = read_vnnlib(folder->path() / "c");
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().code, ErrorCode::invalid_file);
  EXPECT_FALSE(read_vnnlib(folder->path() / "absent"));
}

TEST(Property, a_point_satisfies_a_case_within_the_tolerance_of_inputs_only) {
  const Property p = property(kTwo + kBox + "(assert (or (and (>= X_0 0.5) (< Y_0 1)) (and (<= (+ X_0 X_1) 0) (<= Y_0 Y_1))))");
  auto at = [&](std::vector<double> x, std::vector<double> y, double tolerance = 0) {
    auto c = satisfied_case(p, x, y, tolerance);
    return c ? int(*c) : -1;
  };
  EXPECT_EQ(at({0.5, 0}, {0.9, 0}), 0);
  EXPECT_EQ(at({0.5, 0}, {1, 0}), -1);            // strict
  EXPECT_EQ(at({0.4, -1}, {2, 2}), 1);
  EXPECT_EQ(at({0.4, -0.3}, {2, 2}), -1);
  EXPECT_EQ(at({0.4, -0.4 + 1e-7}, {2, 2}, 1e-6), 1);   // a row of inputs alone
  EXPECT_EQ(at({1 + 1e-7, 0}, {0, 0}), -1);
  EXPECT_EQ(at({1 + 1e-7, 0}, {0, 0}, 1e-6), 0);
  EXPECT_EQ(at({0.4, -1}, {2 + 1e-9, 2}, 1e-6), -1);
  EXPECT_EQ(at({0.5, NAN}, {0, 0}, 1), -1);
  EXPECT_EQ(at({0.5, 0}, {NAN, 0}, 1), -1);
  EXPECT_EQ(at({0.5}, {0, 0}), -1);
  EXPECT_TRUE(satisfies(p, std::vector<double>{0.5, 0}, std::vector<double>{0, 0}));
}

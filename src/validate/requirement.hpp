#pragma once
// A *.req.yaml file as a value: models, model, data, units, requirements. Reading checks form and grammar; check.hpp the meaning.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "validate/language.hpp"
#include "yaml/schema.hpp"

namespace saha::validate {

enum class Importance : std::uint8_t { must, should, info };  ///< the key `severity`
std::string_view name(Importance i);

enum class Arithmetic : std::uint8_t { model, real, float32, int8 };  ///< model: what the model computes in
std::string_view name(Arithmetic a);

/// How sure a verdict must be.
struct Level {
  enum class Kind : std::uint8_t { prove, bound, test };
  Kind kind = Kind::prove;
  double confidence = 0.95;  ///< of bound
  std::int64_t tries = 0;    ///< of test; 0: all there are
  bool sequential = false;   ///< of bound: looked at after each sample, ends at the first that decides
  bool operator==(const Level&) const = default;
};
std::string print(const Level& level);  ///< "prove", "bound 95 %", "test 5000"
/// "prove", "bound(95 %)", "bound", "test(5000)", "test"
Result<Level> parse_level(std::string_view text);

/// `for: {data: test, take: 100, where: correct}`: the samples a requirement speaks of.
struct Over {
  std::string data;
  std::int64_t take = 0;  ///< 0: all
  std::optional<Expr> where = {};
  yaml::Node where_node = {}, data_node = {};
};

/// What counts as passed over many samples: by default all proved, none violated.
struct Accept {
  double proved = 1;          ///< least share that holds
  bool more_than = false;     ///< "> 95 %" rather than ">= 95 %"
  std::int64_t violated = 0;  ///< most violations
  bool given = false;
};

struct Requirement {
  std::string id, why;
  std::string text;  ///< the assertion as written
  Assertion assertion;
  Importance importance = Importance::must;
  std::vector<std::string> models = {"candidate"};
  std::optional<Over> over = {};
  std::optional<Level> level = {}, fallback = {};  ///< no level: the default of what is asserted
  Arithmetic arithmetic = Arithmetic::model;
  Accept accept = {};
  double timeout_s = 60;
  std::uint64_t seed = 0;
  std::vector<std::string> tags = {};
  yaml::Node node = {}, id_node = {};     ///< the assertion and the id as written, for messages
  std::vector<yaml::Node> model_nodes = {};
  yaml::Location location = {};           ///< of the assertion, for reports
  std::vector<std::string> run_on = {};   ///< set by check: the data sets on which its models must have been run; slices stand for test
  std::vector<std::string> compared = {}; ///< set by check: those whose contents are compared
  std::string vacuous = {};               ///< set by check: why a premise or region is empty
  bool whole = true;                      ///< false: what its names stand upon has faults, so that they cannot be checked
};

struct ModelFile {
  std::string name, file, sha256;
  yaml::Span at;
};

struct RequirementFile {
  std::vector<ModelFile> models;
  yaml::Value model, data;  ///< the sections of the same name, read by model_section() and data_section(); none if absent
  std::vector<std::pair<yaml::Node, yaml::Node>> units;  ///< name, "0.514444 m/s"
  std::vector<Requirement> requirements;
};

/// The sections that saha.yaml and *.req.yaml share.
yaml::Schema model_section();
yaml::Schema data_section();
yaml::Schema requirements_schema();  ///< of a whole *.req.yaml

/// What can be read of a file, all of its faults told. What has faults is left out, so nothing may be judged by it where there are errors.
RequirementFile readable_requirements(const yaml::Node& root, yaml::Diagnostics& diagnostics);
/// All faults go to `diagnostics`; nothing is returned where there are errors.
std::optional<RequirementFile> read_requirements(const yaml::Node& root, yaml::Diagnostics& diagnostics);
/// parse + read_requirements of any bytes: what a fuzzer calls.
std::optional<RequirementFile> read_requirements(std::string text, std::string file, yaml::Diagnostics& diagnostics);
/// One assertion of saha.yaml's `require` lists, severity must; its id is `id`.
std::optional<Requirement> read_assertion(const yaml::Node& scalar, std::string id, yaml::Diagnostics& diagnostics);

}  // namespace saha::validate

#pragma once
// The life cycle: goals > data > train > simplify > validate and measure each candidate > choose > package > report. Every stage's result
// is kept by the content it was made from; a run that was interrupted goes on where it was.
#include <functional>
#include <optional>

#include "lifecycle/config.hpp"
#include "lifecycle/store.hpp"
#include "validate/evaluate.hpp"

namespace saha::lifecycle {

struct StageLine {
  std::string status;    ///< "ok", "cached", "FAIL", "skip"
  std::string name;      ///< "measure/server"
  double seconds = 0;
  std::string note;      ///< what it found, one line
  std::string help;
};

struct RunOptions {
  int threads = 0;                       ///< 0: the physical cores that are allowed
  bool as_given = false;                 ///< judge the model as it is: no simplification, no choice between candidates, no report
  std::string backend = "native";        ///< of as_given: the engine that is judged
  bool quick = false;                    ///< fewer timing runs: for continuous integration
  std::filesystem::path export_to;       ///< queries are written there instead of being proved; with `only` = "prove"
  int vnnlib = 1;                        ///< version of the files that are written
  std::string only;                      ///< only this stage and what it needs; "measure" is that of every target
  std::string from;                      ///< this stage and those that depend on it are made anew
  bool force = false;                    ///< every stage is made anew, with `only` just those it names
  bool keep_going = false;               ///< a failure ends only what needs the stage that failed
  bool plan = false;                     ///< nothing is run or written: RunResult::plan says what would be
  std::function<void(const StageLine&)> on_stage;
  std::function<void(std::string_view label, std::int64_t done, std::int64_t total)> on_progress;
  std::function<bool()> stop;            ///< true: finish the record and end
};

/// What would happen to a stage.
struct Planned {
  std::string name;
  std::string state;                     ///< "cached"; "make"; "wait" for a stage that would be made first; "always" (done each time); "fail"
  std::string why;                       ///< the first thing that differs from last time; what it waits for; how it fails
  std::optional<double> seconds;         ///< how long it took when it was last made here
  std::vector<std::string> needs;
};

struct RunResult {
  Json report;                           ///< what report.json holds
  std::filesystem::path html, json;
  int exit_code = 0;                     ///< 0 decided and every must holds, 1 failed or violated, 3 inconclusive
  std::vector<validate::Outcome> outcomes;   ///< of as_given: one a requirement
  std::map<std::string, std::string> data_sha256;   ///< of as_given: by data set
  std::vector<Planned> plan;             ///< of a plan, in order
  std::int64_t exported = 0;             ///< queries that were written
  std::string decision;                  ///< "server: float32 on native, p90 0.41 ms measured"
};

/// Runs the stages. Fails where one does, unless the others go on (keep_going); an engine that cannot run the model stops no other.
Result<RunResult> run(const Config& config, const RunOptions& options);

/// The page: one self-contained HTML text made of report.json's values.
std::string report_html(const Json& report);

}  // namespace saha::lifecycle

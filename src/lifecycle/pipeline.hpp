#pragma once
// The life cycle: goals > data > train > simplify > validate and measure each candidate > choose > package > report. Every stage's result
// is kept by the content it was made from; a run that was interrupted goes on where it was.
#include <functional>

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
  std::vector<std::string> force;        ///< stages made anew; "all"
  std::string from;                      ///< this stage and those after it are made anew
  std::string only;                      ///< the last stage that runs
  std::function<void(const StageLine&)> on_stage;
  std::function<void(std::string_view label, std::int64_t done, std::int64_t total)> on_progress;
  std::function<bool()> stop;            ///< true: finish the record and end
};

struct RunResult {
  Json report;                           ///< what report.json holds
  std::filesystem::path html, json;
  int exit_code = 0;                     ///< 0 decided and every must holds, 1 failed or violated, 3 inconclusive
  std::vector<validate::Outcome> outcomes;   ///< of as_given: one a requirement
  std::string decision;                  ///< "server: float32 on native, p90 0.41 ms measured"
};

/// Runs all stages. Fails where the run as a whole cannot go on; a failed candidate is in the result.
Result<RunResult> run(const Config& config, const RunOptions& options);

/// The page: one self-contained HTML text made of report.json's values.
std::string report_html(const Json& report);

}  // namespace saha::lifecycle

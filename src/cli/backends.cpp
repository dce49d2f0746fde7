// saha backends: the engines that are here, and with a model which of them run it.
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/verbs.hpp"
#include "measure/presence.hpp"
#include "system/terminal.hpp"

namespace saha::cli {
namespace {
constexpr Argument kArguments[] = {{"MODEL", "an ONNX, TensorFlow Lite or OpenVINO IR file that each engine is asked to load and run once", true}};

std::string remark(const measure::Presence& p, bool with_model) {
  if (!p.here) return p.reason.substr(0, p.reason.find(';'));   // where it was looked for: saha doctor
  if (with_model && !*p.runs) return p.reason;
  if (!with_model) return p.sentence;
  std::string text = p.precision;
  if (p.layers > 0) text += ", " + std::to_string(p.fast) + " of " + std::to_string(p.layers) + " layers with fast kernels";
  for (const auto& note : p.notes) text += "; " + note;
  return text;
}

Result<int> run(const Args& args) {
  const bool with_model = !args.arguments.empty();
  SAHA_TRY(const auto rows, measure::presence(with_model ? args.arguments[0] : ""));
  if (args.json()) {
    nlohmann::ordered_json j{{"schema", "saha.backends/1"}, {"saha", SAHA_VERSION}, {"model", with_model ? nlohmann::ordered_json(args.arguments[0]) : nlohmann::ordered_json()}};
    j["backends"] = nlohmann::ordered_json::array();
    for (const auto& p : rows) {
      nlohmann::ordered_json row{{"backend", p.backend}, {"here", p.here}, {"sentence", p.sentence}, {"notes", p.notes}};
      row["version"] = p.here ? nlohmann::ordered_json(p.version) : nlohmann::ordered_json();
      row["runs"] = p.runs ? nlohmann::ordered_json(*p.runs) : nlohmann::ordered_json();
      row["precision"] = p.precision.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(p.precision);
      row["layers"] = p.layers > 0 ? nlohmann::ordered_json(p.layers) : nlohmann::ordered_json();
      row["fast_layers"] = p.layers > 0 ? nlohmann::ordered_json(p.fast) : nlohmann::ordered_json();
      row["reason"] = p.reason.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(p.reason);
      row["help"] = p.help.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(p.help);
      j["backends"].push_back(std::move(row));
    }
    print(j.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
    return 0;
  }
  system::Table table({{"backend"}, {"here"}, {"version"}, {with_model ? "runs the model" : ""}});
  for (const auto& p : rows) {
    std::vector<std::string> cells{p.backend, p.here ? "yes" : "no", p.version, with_model ? (p.here && *p.runs ? "yes: " : p.here ? "no: " : "") + remark(p, true) : remark(p, false)};
    table.add(std::move(cells));
  }
  print(table.str(system::terminal_width(STDOUT_FILENO)));
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (!rows[i].help.empty() && (i == 0 || rows[i].help != rows[i - 1].help)) say(args, rows[i].backend + ": " + rows[i].help);
  return 0;
}
}  // namespace

const Command kBackends{"backends", "list the engines that are here, and which of them run a model", kArguments, {}, "backends model.onnx", run};

}  // namespace saha::cli

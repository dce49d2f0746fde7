// saha doctor: what is here, what is missing, what that costs and how to get it.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "backends/engine/locate.hpp"
#include "base/figures.hpp"
#include "cli/verbs.hpp"
#include "measure/presence.hpp"
#include "system/machine.hpp"
#include "system/terminal.hpp"

namespace saha::cli {
namespace {

/// A program that some verb starts. Any of `names` will do.
struct Tool {
  const char* names[3];
  const char* without;   ///< what is then not possible
  const char* install;
};
constexpr Tool kTools[] = {
    {{"arm-none-eabi-gcc"}, "rp2040 and cortex-m targets make C but no firmware", "apt install gcc-arm-none-eabi libnewlib-arm-none-eabi"},
    {{"aarch64-linux-gnu-g++"}, "no programs for 64-bit ARM are built", "apt install g++-aarch64-linux-gnu"},
    {{"qemu-aarch64", "qemu-aarch64-static"}, "64-bit ARM programs are not tried out on this machine", "apt install qemu-user"},
    {{"g++", "c++", "clang++"}, "generated C and C++ is not compiled", "apt install g++"},
    {{"python3"}, "training commands and metrics in Python do not run", "apt install python3 python3-venv"},
    {{"skopeo"}, "container images are written but not checked", "apt install skopeo umoci"},
    {{"runc", "bwrap"}, "container images are not started", "apt install runc"},
    {{"chromium", "google-chrome", "firefox"}, "reports are written but not looked at by tests", "apt install chromium"},
};

std::string in_path(const char* program) {
  const char* path = std::getenv("PATH");
  std::string all = path ? path : "";
  for (std::size_t at = 0; at <= all.size();) {
    const std::size_t end = std::min(all.find(':', at), all.size());
    const std::string file = all.substr(at, end - at) + "/" + program;
    if (end > at && ::access(file.c_str(), X_OK) == 0) return file;
    at = end + 1;
  }
  return {};
}

struct Row {
  bool ok;
  std::string what, detail, install;
};

std::string gibibytes(double bytes) { return figures::fixed(bytes / 0x1p30, 1); }

Result<int> run(const Args& args) {
  std::vector<Row> rows;
  const auto cpu = system::cpu();
  const auto memory = system::memory();
  std::string isa;
  for (const auto& i : cpu.isa) isa += (isa.empty() ? "" : " ") + i;
  rows.push_back({true, "saha " SAHA_VERSION, cpu.model + " (" + isa + "), " + std::to_string(cpu.physical) + (cpu.physical == 1 ? " core; " : " cores; ") +
                                                  gibibytes(double(memory.available_bytes)) + " of " + gibibytes(double(memory.total_bytes)) + " GiB of memory free", ""});
  SAHA_TRY(const auto engines, measure::presence());
  for (const auto& p : engines) {
    if (!p.here && !rows.back().ok && rows.back().detail == p.reason) rows.back().what += ", " + p.backend;  // one library, two ways to use it
    else rows.push_back({p.here, p.backend + (p.here ? " " + p.version : ""), p.here ? p.sentence : p.reason, p.help});
  }
  for (const auto& tool : kTools) {
    std::string found;
    for (const char* name : tool.names)
      if (name != nullptr && found.empty()) found = in_path(name);
    rows.push_back({!found.empty(), tool.names[0], found.empty() ? std::string("not found: ") + tool.without : found, found.empty() ? tool.install : ""});
  }
  if (args.json()) {
    nlohmann::ordered_json j{{"schema", "saha.doctor/1"}, {"saha", SAHA_VERSION}};
    for (const auto& r : rows) j["items"].push_back({{"ok", r.ok}, {"what", r.what}, {"detail", r.detail}, {"install", r.install.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(r.install)}});
    j["python_packages"] = nlohmann::ordered_json::array();
    for (const auto& folder : engine::python_packages()) j["python_packages"].push_back(folder.string());
    print(j.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
    return 0;
  }
  const bool color = system::use_color(system::ColorMode::automatic, STDOUT_FILENO);
  std::size_t longest = 0;
  for (const auto& r : rows) longest = std::max(longest, r.what.size());
  for (const auto& r : rows) {
    std::string what = r.what;
    what.resize(longest, ' ');
    const int at = int(longest) + 6, width = system::terminal_width(STDOUT_FILENO);
    const std::string line = (r.ok ? "ok  " : "?   ") + what + "  " + system::wrapped(r.detail, width, at);
    print(system::paint(line, r.ok ? system::Ink::plain : system::Ink::yellow, color) + "\n");
    if (!r.install.empty()) print(std::string(longest + 6, ' ') + r.install + "\n");
  }
  return 0;
}
}  // namespace

const Command kDoctor{"doctor", "show what is here, what is missing and how to get it", {}, {}, "doctor", run};

}  // namespace saha::cli

// The worker's end: one engine, one program, bound to one set of inputs.
#include <algorithm>
#include <filesystem>
#include <limits>

#include "backends/registry.hpp"
#include "formats/formats.hpp"
#include "measure/worker.hpp"
#include "system/file.hpp"
#include "system/machine.hpp"

namespace saha::measure {
namespace {

double ms_since(std::int64_t start_ns) { return double(system::monotonic_ns() - start_ns) * 1e-6; }

struct State {
  std::unique_ptr<runtime::Backend> backend;
  std::unique_ptr<runtime::Program> program;
  std::vector<Datum> inputs;

  // Inputs arrive in the graph's order; an engine may list them otherwise.
  Result<> order(const std::vector<std::string>& names, std::vector<Datum> given) {
    const auto ports = program->inputs();
    for (const auto& port : ports) {
      const auto at = std::find(names.begin(), names.end(), port.name);
      if (at != names.end()) inputs.push_back(given[std::size_t(at - names.begin())]);
    }
    if (inputs.size() == ports.size()) return {};
    if (ports.size() != given.size())
      return Error{ErrorCode::invalid_model, "the engine asks for " + std::to_string(ports.size()) + " inputs, the model has " + std::to_string(given.size())};
    inputs = std::move(given);
    return {};
  }

  Result<Message> open(Message& m) {
    SAHA_TRY(backend, backends::open(m.text()));
    return std::move(Message().put(std::uint64_t{1}).put(std::string_view(backend->version())));
  }

  Result<Message> load(Message& m) {
    const std::string name = m.text(), file = m.text();
    runtime::LoadOptions options{.threads = int(m.number()), .precision = m.text(), .file = file, .profile = m.number() != 0, .pin = m.number() != 0};
    const auto names = m.texts();
    auto given = m.data();
    if (m.failed() || given.size() != names.size()) return Error{ErrorCode::internal, "a damaged request"};
    const std::int64_t start = system::monotonic_ns();
    if (!backend || backend->name() != name) { SAHA_TRY(backend, backends::open(name)); }
    ir::Model model;
    // Engines read files of their own formats themselves, the native one bundles; of any other they get what it means in ONNX.
    SAHA_TRY(const auto format, formats::format_of_file(file));
    const bool by_itself = backend->reads(format);
    if (!by_itself || format == "tflite") { SAHA_TRY(model, formats::import_file(file)); }
    if (!by_itself) options.file.clear();
    SAHA_TRY(program, backend->load(model, options));
    const double load_ms = ms_since(start);
    if (program->pinned()) {
      const auto processors = system::processors();
      if (!processors.empty()) system::pin_thread(processors.front());
    }
    SAHA_DO(order(names, std::move(given)));
    const std::int64_t first = system::monotonic_ns();
    SAHA_DO(program->run_only(inputs));
    const double first_ms = ms_since(first);
    std::vector<std::string> outputs;
    for (const auto& port : program->outputs()) outputs.push_back(port.name);
    Message answer;
    answer.put(std::uint64_t{1}).put(std::string_view(backend->version())).put(std::string_view(program->precision())).put(program->notes()).put(outputs);
    answer.put(load_ms).put(first_ms).put(std::uint64_t(program->activation_bytes())).put(std::uint64_t(program->pinned()));
    return answer;
  }

  Result<Message> burst(Message& m) {
    const auto runs = m.number();
    const double settle_ms = m.real();
    const std::int64_t start = system::monotonic_ns();
    if (settle_ms > 0) {
      do {
        SAHA_DO(program->run_only(inputs));
      } while (ms_since(start) < settle_ms);
    }
    // Asking for the time of all threads costs microseconds, more than a tiny model does.
    std::int64_t asking = std::numeric_limits<std::int64_t>::max();
    for (int i = 0; i < 20; ++i) {
      const std::int64_t before = system::process_cpu_ns();
      system::monotonic_ns();
      system::monotonic_ns();
      asking = std::min(asking, system::process_cpu_ns() - before);
    }
    std::vector<double> wall, cpu;
    wall.reserve(runs);
    cpu.reserve(runs);
    for (std::uint64_t i = 0; i < runs; ++i) {
      const std::int64_t cpu_start = system::process_cpu_ns(), wall_start = system::monotonic_ns();
      SAHA_DO(program->run_only(inputs));
      const std::int64_t wall_end = system::monotonic_ns();
      cpu.push_back(double(std::max<std::int64_t>(system::process_cpu_ns() - cpu_start - asking, 0)) * 1e-6);
      wall.push_back(double(wall_end - wall_start) * 1e-6);
    }
    return std::move(Message().put(std::uint64_t{1}).put(wall).put(cpu));
  }

  Result<Message> outputs() {
    SAHA_TRY(auto data, program->run(inputs));
    return std::move(Message().put(std::uint64_t{1}).put(data));
  }

  Result<Message> profile(Message& m) {
    SAHA_TRY(const auto layers, program->profile(inputs, int(m.number())));
    Message answer;
    answer.put(std::uint64_t{1}).put(std::uint64_t(layers.size()));
    for (const auto& l : layers)
      answer.put(std::string_view(l.name)).put(std::string_view(l.op)).put(std::string_view(l.output)).put(std::string_view(l.kernel)).put(std::string_view(l.algorithm)).put(l.ms).put(l.cpu_ms)
          .put(l.macs).put(l.bytes).put(l.reads).put(l.writes);
    return answer;
  }

  Result<Message> answer(Message& m) {
    const auto request = Request(m.number());
    if (request == Request::open) return open(m);
    if (request == Request::load && !program) return load(m);
    if (request == Request::memory) return std::move(Message().put(std::uint64_t{1}).put(system::peak_rss_bytes()));
    if (!program) return Error{ErrorCode::internal, "nothing is loaded"};
    if (request == Request::burst) return burst(m);
    if (request == Request::outputs) return outputs();
    if (request == Request::profile) return profile(m);
    return Error{ErrorCode::internal, "an unknown request"};
  }
};

}  // namespace

void serve(int in, int out) {
  State state;
  for (;;) {
    auto message = receive(in);
    if (!message) return;
    auto answer = state.answer(*message);
    if (!answer) {
      const Error& e = answer.error();
      answer = std::move(Message().put(std::uint64_t{0}).put(std::uint64_t(e.code)).put(std::string_view(e.message)).put(std::string_view(e.help)));
    }
    if (!send(out, *answer)) return;
  }
}

}  // namespace saha::measure

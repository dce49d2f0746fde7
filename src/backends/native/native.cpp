#include "backends/native/native.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "backends/native/network.hpp"
#include "kernels/algorithm.hpp"
#include "system/machine.hpp"

namespace saha::native {
namespace {
using runtime::Port;

double wall_seconds() { return double(system::monotonic_ns()) * 1e-9; }
double cpu_seconds() { return double(system::process_cpu_ns()) * 1e-9; }

class NativeProgram final : public runtime::Program {
 public:
  NativeProgram(std::shared_ptr<const Network> network, int threads, std::span<const int> processors) : network_(std::move(network)), pin_(!processors.empty()), pool_(unsigned(threads), processors), runner_(network_, pool_) {}
  std::span<const Port> inputs() const override { return network_->inputs(); }
  std::span<const Port> outputs() const override { return network_->outputs(); }
  std::string precision() const override { return std::string(native::name(network_->precision())); }

  Result<std::vector<Datum>> run(std::span<const Datum> in) override {
    bind(in);
    return runner_.run(operands_);
  }
  Result<> run_only(std::span<const Datum> in) override {
    bind(in);
    SAHA_TRY(runtime::Context * c, runner_.prepare(operands_));
    last_ = c;
    return c->run();
  }
  std::vector<std::string> notes() const override {
    std::vector<std::string> notes = network_->notes();
    if (!last_) return notes;
    std::set<std::string> slow;
    for (const auto& i : last_->plan().instructions)
      if (i.kernel == plan::kHost) slow.insert(last_->plan().origins[i.origin].op);
    if (slow.empty()) return notes;
    std::string s = "by reference: ";
    for (const std::string& op : slow) s += (s.back() == ' ' ? "" : ", ") + op;
    notes.push_back(std::move(s));
    return notes;
  }
  Result<std::vector<runtime::LayerTime>> profile(std::span<const Datum> in, int runs) override {
    bind(in);
    SAHA_TRY(runtime::Context * c, runner_.prepare(operands_));
    last_ = c;
    const plan::Plan& p = c->plan();
    // By turns: what asking for the time of all threads costs is not in the times of the other.
    std::vector<double> seconds(p.instructions.size(), std::numeric_limits<double>::infinity()), cpu = seconds;
    for (int r = 0; r < runs; ++r) {
      SAHA_DO(c->run_timed(seconds, wall_seconds));
      SAHA_DO(c->run_timed(cpu, cpu_seconds));
    }
    double asking = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 20; ++i) {
      const double before = cpu_seconds();
      asking = std::min(asking, cpu_seconds() - before);
    }
    std::vector<runtime::LayerTime> rows;
    for (std::size_t i = 0; i < p.instructions.size(); ++i) {
      const auto& x = p.instructions[i];
      const auto& o = p.origins[x.origin];
      runtime::LayerTime row{.name = o.name, .op = o.op, .output = o.output, .kernel = x.kernel == plan::kHost ? c->loaded().hosts[x.host]->kernel() : p.kernels[x.kernel]};
      row.algorithm = kernels::algorithm(x.kernel == plan::kHost ? std::string_view() : row.kernel);
      row.ms = seconds[i] * 1e3;
      row.cpu_ms = std::max(cpu[i] - asking, 0.) * 1e3;
      row.macs = x.macs;
      row.bytes = x.bytes;
      const auto& values = c->loaded().values;
      for (std::size_t k = 0; k < std::size_t(x.num_in) + x.num_out; ++k)
        if (const std::uint32_t slot = p.operands[x.first_operand + k]; slot < values.size()) (k < x.num_in ? row.reads : row.writes).push_back(values[slot]);
      rows.push_back(std::move(row));
    }
    return rows;
  }
  bool pinned() const override { return pin_ && pool_.pinned(); }
  std::int64_t activation_bytes() const override { return last_ ? std::int64_t(last_->plan().arena_bytes) : -1; }

 private:
  void bind(std::span<const Datum> in) {
    operands_.clear();
    for (const Datum& d : in) operands_.push_back(&d);
  }
  std::shared_ptr<const Network> network_;
  bool pin_;
  system::ThreadPool pool_;
  Runner runner_;
  std::vector<const Datum*> operands_;
  runtime::Context* last_ = nullptr;
};

class NativeBackend final : public runtime::Backend {
 public:
  explicit NativeBackend(kernels::Isa isa) : isa_(isa) {}
  std::string name() const override { return "native"; }
  std::string version() const override { return std::string(SAHA_VERSION " ") + std::string(kernels::name(isa_)); }  // results differ in their last bits by level
  Result<std::unique_ptr<runtime::Program>> load(const ir::Model& model, const runtime::LoadOptions& options) override {
    SAHA_TRY(const Precision precision, precision_of(options.precision, isa_));
    std::shared_ptr<const Network> network;
    if (!options.file.empty() && bundle::is_bundle_file(options.file)) {
      SAHA_TRY(network, open_file(options.file, isa_, true, precision));
    } else {
      network = network_of(model.graph, isa_, true, precision);
    }
    return std::unique_ptr<runtime::Program>(std::make_unique<NativeProgram>(std::move(network), std::max(1, options.threads), options.pin ? system::processors() : std::vector<int>()));
  }
  bool reads(std::string_view format) const override { return format == "saha"; }

 private:
  kernels::Isa isa_;
};
}  // namespace

std::unique_ptr<runtime::Backend> open(std::optional<kernels::Isa> isa) { return std::make_unique<NativeBackend>(isa.value_or(kernels::detect_isa())); }

}  // namespace saha::native

#include "backends/native/native.hpp"

#include <limits>
#include <set>

#include "backends/native/network.hpp"

namespace saha::native {
namespace {
using runtime::Port;

class NativeProgram final : public runtime::Program {
 public:
  NativeProgram(std::shared_ptr<const Network> network, int threads) : network_(std::move(network)), pool_(unsigned(threads)), runner_(network_, pool_) {}
  std::span<const Port> inputs() const override { return network_->inputs(); }
  std::span<const Port> outputs() const override { return network_->outputs(); }
  std::string precision() const override { return network_->precision() == Precision::bfloat16 ? "bfloat16" : "float32"; }

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
    std::vector<double> seconds(p.instructions.size(), std::numeric_limits<double>::infinity());
    for (int r = 0; r < runs; ++r) SAHA_DO(c->run_timed(seconds));
    std::vector<runtime::LayerTime> rows;
    for (std::size_t i = 0; i < p.instructions.size(); ++i) {
      const auto& x = p.instructions[i];
      const auto& o = p.origins[x.origin];
      rows.push_back({o.name, o.op, o.output, x.kernel == plan::kHost ? "reference" : p.kernels[x.kernel], seconds[i] * 1e3, x.macs, x.bytes});
    }
    return rows;
  }
  std::int64_t activation_bytes() const override { return last_ ? std::int64_t(last_->plan().arena_bytes) : -1; }

 private:
  void bind(std::span<const Datum> in) {
    operands_.clear();
    for (const Datum& d : in) operands_.push_back(&d);
  }
  std::shared_ptr<const Network> network_;
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
    return std::unique_ptr<runtime::Program>(std::make_unique<NativeProgram>(std::move(network), std::max(1, options.threads)));
  }
  bool reads(std::string_view format) const override { return format == "saha"; }

 private:
  kernels::Isa isa_;
};
}  // namespace

std::unique_ptr<runtime::Backend> open(std::optional<kernels::Isa> isa) { return std::make_unique<NativeBackend>(isa.value_or(kernels::detect_isa())); }

}  // namespace saha::native

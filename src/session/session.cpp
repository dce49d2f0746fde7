// Session and Context over plans. A context keeps its inputs as views and asks for a plan only where
// a shape has changed; otherwise a run sets pointers and calls the executor.
#include <saha/session.h>

#include <algorithm>

#include "session/open.hpp"
#include "system/machine.hpp"

namespace saha {

const char* version() { return SAHA_VERSION; }

struct Session::Impl {
  std::shared_ptr<const runtime::Plans> plans;
  std::unique_ptr<system::ThreadPool> pool;      // safe for several callers at once
  std::vector<ValueInfo> inputs, outputs;
  bool fixed = true;                             // all inputs are tensors of known dims
};

struct Context::Impl {
  std::shared_ptr<const Session::Impl> session;
  runtime::Runner runner;
  runtime::Context* planned = nullptr;           // the runner's, for the inputs' present shapes; null: shapes have changed
  bool ran = false;
  std::vector<Datum> inputs;
  std::vector<const Datum*> operands;            // of `inputs`
  std::vector<char> given, changed;
  std::size_t missing = inputs.size();           // inputs that were not given
  bool renewed = false;                          // some input is marked as changed

  explicit Impl(std::shared_ptr<const Session::Impl> s) : session(std::move(s)), runner(session->plans, *session->pool), inputs(session->inputs.size()), given(inputs.size(), 0), changed(inputs.size(), 0) {
    for (const Datum& d : inputs) operands.push_back(&d);
  }
  void give(std::size_t i) {
    missing -= !given[i];
    given[i] = 1;
  }
  Result<> plan() {
    SAHA_TRY(planned, runner.prepare(operands));
    std::fill(changed.begin(), changed.end(), 0);
    renewed = false;
    return {};
  }
};

namespace {
using session::find;
ValueInfo info(const runtime::Port& p) { return {p.name, p.dtype, p.is_tensor && p.ranked, p.dims, p.dim_names, p.type}; }

std::string type_name(DType t) { return std::string(name(t)); }

Result<Session::Impl> empty(const SessionOptions& options) {
  if (options.threads < 1 || options.threads > 1024) return Error{ErrorCode::invalid_argument, "a session takes 1 to 1024 threads, not " + std::to_string(options.threads)};
  Session::Impl impl;
  impl.pool = std::make_unique<system::ThreadPool>(unsigned(options.threads), options.pin ? system::processors() : std::vector<int>());
  return impl;
}
std::shared_ptr<const Session::Impl> over(Session::Impl impl, std::shared_ptr<const runtime::Plans> plans) {
  for (const runtime::Port& p : plans->inputs()) impl.inputs.push_back(info(p));
  for (const runtime::Port& p : plans->outputs()) impl.outputs.push_back(info(p));
  for (const ValueInfo& v : impl.inputs)
    impl.fixed = impl.fixed && v.dtype != DType::none && v.ranked && std::all_of(v.dims.begin(), v.dims.end(), [](std::int64_t d) { return d >= 0; });
  impl.plans = std::move(plans);
  return std::make_shared<const Session::Impl>(std::move(impl));
}
}  // namespace

Result<std::size_t> session::find(std::span<const ValueInfo> values, std::string_view name, const char* kind) {
  for (std::size_t i = 0; i < values.size(); ++i) if (values[i].name == name) return i;
  std::string all;
  for (const ValueInfo& v : values) all += (all.empty() ? "'" : ", '") + v.name + "'";
  return Error{ErrorCode::invalid_argument, "the model has no " + std::string(kind) + " '" + std::string(name) + "'; it has " + (all.empty() ? "none" : all)};
}
Result<kernels::Isa> session::level_of(const SessionOptions& options) {
  const kernels::Isa cpu = kernels::detect_isa();
  if (options.level.empty()) return cpu;
  std::string all;
  for (kernels::Isa level : kernels::kLevels) {
    if (!kernels::runs(cpu, level)) continue;
    if (kernels::name(level) == options.level) return level;
    all += (all.empty() ? "" : ", ") + std::string(kernels::name(level));
  }
  return Error{ErrorCode::unsupported, "this processor does not run level '" + options.level + "'; it runs " + all};
}

Result<Session> Session::open(const std::string& path, const SessionOptions& options) {
  SAHA_TRY(Impl impl, empty(options));
  SAHA_TRY(auto plans, session::open_file(path, options));
  return Session(over(std::move(impl), std::move(plans)));
}
Result<Session> Session::from_bytes(std::span<const std::byte> bytes, const SessionOptions& options) {
  SAHA_TRY(Impl impl, empty(options));
  SAHA_TRY(auto plans, session::open_bytes(bytes, options));
  return Session(over(std::move(impl), std::move(plans)));
}

std::span<const ValueInfo> Session::inputs() const { return impl_->inputs; }
std::span<const ValueInfo> Session::outputs() const { return impl_->outputs; }

Result<Context> Session::make_context() const {
  auto impl = std::make_unique<Context::Impl>(impl_);
  for (std::size_t i = 0; i < impl->inputs.size(); ++i)
    if (impl_->inputs[i].dtype != DType::none) impl->inputs[i] = Tensor{impl_->inputs[i].dtype, impl_->inputs[i].dims, nullptr, nullptr};
  if (impl_->fixed) SAHA_DO(impl->plan());
  return Context(std::move(impl));
}

Context::Context(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Context::Context(Context&&) noexcept = default;
Context& Context::operator=(Context&&) noexcept = default;
Context::~Context() = default;

Result<> Context::set(std::string_view name, DType dtype, const void* data, std::size_t bytes, const std::span<const std::int64_t>* dims) {
  SAHA_TRY(std::size_t i, find(impl_->session->inputs, name, "input"));
  const ValueInfo& v = impl_->session->inputs[i];
  auto wrong = [&](const std::string& have) { return Error{ErrorCode::invalid_argument, "input '" + v.name + "' takes " + v.str + ", " + have}; };
  if (v.dtype == DType::none) return Error{ErrorCode::unsupported, "input '" + v.name + "' takes " + v.str + "; a session takes tensors only"};
  if (v.dtype == DType::string) return wrong("elements of another type were given");
  if (dtype != DType::none && dtype != v.dtype) return wrong(type_name(dtype) + " was given");
  Tensor& t = impl_->inputs[i].tensor;
  const std::size_t bits_each = std::size_t(bits(v.dtype));
  auto holds = [&](std::span<const std::int64_t> d) {
    auto n = checked_elements(d);
    return n && *n <= kMaxTensorBytes && std::size_t(storage_bytes(v.dtype, *n)) == bytes;
  };
  bool same = impl_->given[i] && (dims ? std::ranges::equal(*dims, t.dims) : std::ranges::find(v.dims, -1) == v.dims.end()) && holds(t.dims);
  if (!same) {
    Dims now = dims ? Dims(dims->begin(), dims->end()) : v.dims;
    if (dims) {
      bool fits = !v.ranked || now.size() == v.dims.size();
      for (std::size_t k = 0; fits && v.ranked && k < now.size(); ++k) fits = now[k] >= 0 && (v.dims[k] < 0 || v.dims[k] == now[k]);
      if (!fits) return wrong(str(now) + " was given");
    } else {
      const std::size_t count = bits_each ? bytes * 8 / bits_each : 0;
      if (!v.ranked) return wrong("so its dims must be given");
      if (std::ranges::count(now, -1) > 1) return wrong("so its dims must be given: more than one is free");
      if (auto free = std::ranges::find(now, -1); free != now.end()) {
        std::int64_t rest = 1;
        for (std::int64_t d : now) if (d >= 0) rest *= d;
        if (rest == 0 || count % std::size_t(rest) != 0) return wrong(std::to_string(count) + " elements were given, no multiple of " + std::to_string(rest));
        *free = std::int64_t(count) / rest;
      }
    }
    if (!holds(now)) {
      auto n = checked_elements(now);
      if (!n || *n > kMaxTensorBytes) return wrong(str(now) + " was given, which no memory holds");
      const std::size_t each = std::max<std::size_t>(1, bits_each / 8);
      std::string have = bits_each >= 8 && bytes % each == 0 ? std::to_string(bytes / each) + " elements were given, " + std::to_string(*n) + " are needed"
                                                            : std::to_string(bytes) + " bytes were given, " + std::to_string(storage_bytes(v.dtype, *n)) + " are needed";
      return wrong(have);
    }
    if (now != t.dims || t.dtype != v.dtype) impl_->planned = nullptr;
    impl_->inputs[i].kind = Datum::Kind::tensor;
    t.dtype = v.dtype;
    t.dims = std::move(now);
  }
  // A shared pointer that owns nothing takes no memory. The engine never writes to an input.
  t.data = std::shared_ptr<std::byte[]>(std::shared_ptr<std::byte[]>(), static_cast<std::byte*>(const_cast<void*>(data)));
  impl_->give(i);
  impl_->changed[i] = 1;
  impl_->renewed = true;
  return {};
}

Result<> Context::set_input_strings(std::string_view name, std::span<const std::string> data, std::span<const std::int64_t> dims) {
  SAHA_TRY(std::size_t i, find(impl_->session->inputs, name, "input"));
  const ValueInfo& v = impl_->session->inputs[i];
  auto n = checked_elements(dims);
  if (v.dtype != DType::string) return Error{ErrorCode::invalid_argument, "input '" + v.name + "' takes " + v.str + ", string was given"};
  if (!n || std::size_t(*n) != data.size()) return Error{ErrorCode::invalid_argument, "input '" + v.name + "': " + std::to_string(data.size()) + " strings were given for " + str(dims)};
  impl_->inputs[i] = Tensor::of_strings({dims.begin(), dims.end()}, {data.begin(), data.end()});
  impl_->planned = nullptr;  // the plan's own check of the dims
  impl_->give(i);
  return {};
}

Result<> Context::run() {
  Impl& c = *impl_;
  for (std::size_t i = 0; c.missing != 0 && i < c.given.size(); ++i)
    if (!c.given[i]) return Error{ErrorCode::invalid_argument, "input '" + c.session->inputs[i].name + "' was not given"};
  c.ran = false;
  if (!c.planned) {
    SAHA_DO(c.plan());
  } else if (c.renewed) {
    for (std::size_t i = 0; i < c.inputs.size(); ++i) {
      if (!c.changed[i]) continue;
      c.planned->set_input(i, c.inputs[i]);
      c.changed[i] = 0;
    }
    c.renewed = false;
  }
  SAHA_DO(c.planned->run());
  c.ran = true;
  return std::monostate();  // as in runtime::Context::run
}

namespace {
/// Output k of the last run.
Result<Tensor> tensor_of(const Context::Impl& c, std::string_view name) {
  SAHA_TRY(std::size_t k, find(c.session->outputs, name, "output"));
  if (!c.ran || !c.planned) return Error{ErrorCode::invalid_argument, "output '" + std::string(name) + "' was asked for before a run of these inputs"};
  Datum d = c.planned->output(k);
  if (!d.is_tensor()) return Error{ErrorCode::unsupported, "output '" + std::string(name) + "' is " + c.session->outputs[k].str + "; a session gives tensors only"};
  return d.tensor;
}
}  // namespace

Result<std::span<const std::byte>> Context::get(std::string_view name, DType dtype) const {
  SAHA_TRY(Tensor t, tensor_of(*impl_, name));
  if ((dtype != DType::none && dtype != t.dtype) || t.dtype == DType::string)
    return Error{ErrorCode::invalid_argument, "output '" + std::string(name) + "' is " + type_name(t.dtype) + str(t.dims) + ", " + (dtype == DType::none ? "its bytes were" : type_name(dtype) + " was") + " asked for"};
  return std::span<const std::byte>(t.data.get(), std::size_t(t.bytes()));  // what holds the elements is the context
}
Result<std::vector<std::string>> Context::output_strings(std::string_view name) const {
  SAHA_TRY(Tensor t, tensor_of(*impl_, name));
  if (t.dtype != DType::string) return Error{ErrorCode::invalid_argument, "output '" + std::string(name) + "' is " + type_name(t.dtype) + str(t.dims) + ", string was asked for"};
  return *t.text;
}
Result<std::vector<std::int64_t>> Context::output_dims(std::string_view name) const {
  SAHA_TRY(Tensor t, tensor_of(*impl_, name));
  return t.dims;
}

}  // namespace saha

#pragma once
// Backend: an engine that loads a model and runs it. Whoever needs a model run takes a Backend& or a Program&, never an engine itself.
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "tensor/datum.hpp"

namespace saha::ir {
struct Model;
}

namespace saha::runtime {

/// An input or output as the engine sees it. dims: -1 where free; dim_names: the symbol, or "" for a number.
struct Port {
  std::string name;
  DType dtype = DType::none;
  bool is_tensor = true;           ///< false: a sequence, optional or map
  bool ranked = true;
  std::vector<std::int64_t> dims;
  std::vector<std::string> dim_names;
  std::string type = {};           ///< as the text form of graphs writes it, "float32[N, 3, 224, 224]"; stated by the native engine
};
std::string str(const Port& p);    ///< "image float32 [N, 3, 224, 224]"

struct LoadOptions {
  int threads = 1;
  std::string precision = "float32";   ///< what the engine may compute in: "float32" is strict; "bfloat16", "float16", "default" are the engine's own
  std::string file;                    ///< the model's file, where it stands unchanged on disk; foreign engines read it instead of an export
  bool profile = false;                ///< profile() will be asked for: some engines keep times from the start, and are slower for it
  bool pin = false;                    ///< each of the engine's own threads stays on a core of its own, where the engine can do that
};

/// One row of a profile, in execution order.
struct LayerTime {
  std::string name, op, output;        ///< "features.2", "Conv 1x1", "[96, 112, 112]"
  std::string kernel;                  ///< "conv2d_avx2"; "reference" where no fast kernel took it
  std::string algorithm = {};          ///< the kernel in words: "minimal filtering F(4x4, 3x3), channels last"
  double ms = 0;                       ///< minimum over the runs
  double cpu_ms = -1;                  ///< least processor time of all threads; -1: not known
  double macs = 0, bytes = 0;          ///< work and traffic of one run, from the shapes
  /// Each value by all its names, views of it included: the model's, or the engine's own. Of constants and omitted operands none. Empty: not known.
  std::vector<std::vector<std::string>> reads = {}, writes = {};
};

/// A model loaded in an engine, ready to run. One thread at a time; different Programs are independent.
class Program {
 public:
  virtual ~Program() = default;
  virtual std::span<const Port> inputs() const = 0;
  virtual std::span<const Port> outputs() const = 0;
  /// Inputs and outputs in host memory, in the order of inputs() and outputs(). Fails naming the input that does not fit.
  virtual Result<std::vector<Datum>> run(std::span<const Datum> in) = 0;
  /// As run(), for timing: results stay in the engine where it can keep them. The same inputs may be bound once and reused.
  virtual Result<> run_only(std::span<const Datum> in) {
    auto r = run(in);
    if (!r) return std::move(r.error());
    return {};
  }
  /// What it computes in, as stated by the engine: "float32", "bfloat16", "int8".
  virtual std::string precision() const = 0;
  /// Sentences about fallbacks and missing kernels; empty where there are none.
  virtual std::vector<std::string> notes() const { return {}; }
  /// Least times of the layers in `runs` runs more. Of a program that was loaded for it; others may refuse.
  virtual Result<std::vector<LayerTime>> profile(std::span<const Datum> in, int runs) {
    (void)in, (void)runs;
    return Error{ErrorCode::unsupported, "this engine gives no profile"};
  }
  /// Its threads beside the caller stay on cores of their own, as LoadOptions::pin asked.
  virtual bool pinned() const { return false; }
  /// Bytes for intermediate results, planned or measured by the engine; -1: not known.
  virtual std::int64_t activation_bytes() const { return -1; }
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;      ///< "native", "onnxruntime", "openvino"
  virtual std::string version() const = 0;
  /// It reads a file of this format itself (LoadOptions::file), as formats::format_of names it; of others it takes the model.
  virtual bool reads(std::string_view format) const { return format == "onnx"; }
  virtual Result<std::unique_ptr<Program>> load(const ir::Model& model, const LoadOptions& options) = 0;
};

/// What is known of an engine before it is loaded. `open` loads its shared object; its error says how to get the engine.
struct BackendInfo {
  std::string name;
  std::string sentence;
  std::function<Result<std::unique_ptr<Backend>>()> open;
};

}  // namespace saha::runtime

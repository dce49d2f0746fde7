// saha_mutants [--count N] [--from N] [--save DIR] [--loud] MODEL...: damaged models through import, simplification, loading and one run of the
// native engine. Each must succeed or fail with one sentence that names something: no crash, no sanitizer's finding, no more than 10 s of
// processor time, no more than 2 GiB. One child works through many mutants; when it dies, the next one goes on behind the mutant that killed it.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "backends/native/native.hpp"
#include "bundle/bundle.hpp"
#include "formats/formats.hpp"
#include "tests/mutants/mutate.hpp"

extern "C" const char* __asan_default_options() { return "hard_rss_limit_mb=2048:quarantine_size_mb=16:detect_leaks=0:allocator_may_return_null=1:handle_abort=1"; }
extern "C" const char* __ubsan_default_options() { return "print_stacktrace=1"; }

namespace {
using namespace saha;
constexpr int kSeconds = 10;

struct Shared {
  std::uint64_t at = 0;                         // the mutant in work
  char kind[64] = {};
  std::uint64_t ran = 0, imported = 0, refused = 0, wrong = 0;
};

/// Small values of the types that the program asks for; nothing where one of them would be large. A free dim is 1; where an input has
/// several, the last is 512, enough for a window of sound.
std::optional<std::vector<Datum>> inputs(const runtime::Program& p) {
  std::vector<Datum> values;
  for (const runtime::Port& port : p.inputs()) {
    if (!port.is_tensor || port.dtype == DType::none || is_complex(port.dtype)) return {};
    Dims dims = port.dims;
    std::int64_t n = 1;
    std::int64_t free = std::count(dims.begin(), dims.end(), -1);
    for (auto& d : dims) {
      if (d < 0) d = free > 1 && d == -1 && &d == &dims.back() ? 512 : 1;
      if (d > (1 << 20) || (n *= d) > (1 << 20)) return {};
    }
    auto t = Tensor::make(port.dtype, dims);
    if (!t) return {};
    if (port.dims.empty() && is_int(port.dtype)) { std::int64_t rate = 16000; store(*t, 0, 1, &rate); }  // of samples a second
    else if (port.dtype != DType::string && port.dtype != DType::boolean)
      for (std::int64_t i = 0; i < n; ++i) { double v = is_float(port.dtype) ? double(i * 7 % 19) / 19 - 0.5 : double(i % 2); store(*t, i, 1, &v); }
    values.emplace_back(std::move(*t));
  }
  return values;
}

/// What is wrong with the sentence; empty: nothing.
std::string fault(const Error& e) {
  if (e.code == ErrorCode::internal) return "is an internal error";
  if (e.message.empty()) return "is empty";
  if (e.message.find('\n') != std::string::npos) return "has more than one line";
  if (e.message.size() > 4000) return "has " + std::to_string(e.message.size()) + " characters";
  if (e.message.find_first_of("'0123456789:") == std::string::npos) return "names nothing";
  for (unsigned char c : e.message) if (c < 0x20 || c == 0x7f) return "holds a control character";
  return {};
}

Result<bool> one(const std::string& file, Shared& shared) {
  auto engine = native::open();
  ir::Model model;
  if (!bundle::is_bundle_file(file)) { SAHA_TRY(model, formats::import_file(file)); }
  SAHA_TRY(auto program, engine->load(model, {.threads = 1, .precision = "float32", .file = file}));
  ++shared.imported;
  auto in = inputs(*program);
  if (!in) return false;
  SAHA_TRY(auto out, program->run(*in));
  return true;
}

void work(std::uint64_t from, std::uint64_t to, std::span<const std::string> models, const std::filesystem::path& folder, Shared& shared, bool loud) {
  std::string file = (folder / "mutant").string();
  for (std::uint64_t n = from; n < to; ++n) {
    mutants::Mutant m = mutants::mutant(models[n % models.size()], n, folder);
    mutants::write_model(file, m.bytes);
    std::snprintf(shared.kind, sizeof shared.kind, "%s", m.kind.c_str());
    shared.at = n;
    itimerval limit{{}, {kSeconds, 0}};
    ::setitimer(ITIMER_PROF, &limit, nullptr);
    ::alarm(180);
    auto done = one(file, shared);
    if (loud) std::printf("%llu (%s): %s\n", static_cast<unsigned long long>(n), m.kind.c_str(), done ? (*done ? "ran" : "loaded") : done.error().message.c_str());
    if (done) {
      shared.ran += *done;
      if (m.must_fail) ++shared.wrong, std::printf("WRONG mutant %llu (%s): was taken\n", static_cast<unsigned long long>(n), m.kind.c_str());
    } else {
      ++shared.refused;
      if (std::string f = fault(done.error()); !f.empty())
        ++shared.wrong, std::printf("WRONG mutant %llu (%s): its message %s: %.300s\n", static_cast<unsigned long long>(n), m.kind.c_str(), f.c_str(), done.error().message.c_str());
    }
  }
  std::fflush(stdout);
}
}  // namespace

int main(int argc, char** argv) {
  std::uint64_t count = 1000, from = 0;
  std::string save;
  bool loud = false;
  std::vector<std::string> models;
  for (int i = 1; i < argc; ++i) {
    std::string_view a = argv[i];
    if (a == "--loud") { loud = true; continue; }
    if (a.starts_with("--") && i + 1 < argc) {
      const char* value = argv[++i];
      if (a == "--save") save = value;
      else (a == "--from" ? from : count) = std::strtoull(value, nullptr, 10);
      continue;
    }
    models.push_back(mutants::read_model(argv[i]));
    if (models.back().empty()) return std::fprintf(stderr, "error: '%s' is empty or cannot be read\n", argv[i]), 2;
  }
  if (models.empty()) return std::fprintf(stderr, "error: which models?\n"), 2;
  ::setenv("SAHA_MAX_TENSOR_BYTES", "268435456", 0);  // so that what is refused for its size is refused on every machine
  std::string root = (std::filesystem::temp_directory_path() / "saha_mutants_XXXXXX").string();
  if (!::mkdtemp(root.data())) return std::perror("mkdtemp"), 2;
  auto folder = mutants::make_folder(root);
  auto* shared = new (::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Shared;

  // The models themselves must run, or their mutants prove little.
  for (std::size_t i = 0; i < models.size(); ++i) {
    std::string file = (folder / "sound").string();
    mutants::write_model(file, models[i]);
    Shared ignored;
    auto ran = one(file, ignored);
    if (!ran || !*ran) return std::fprintf(stderr, "error: model %zu itself does not run: %s\n", i, ran ? "its inputs are too large" : ran.error().message.c_str()), 1;
  }
  std::uint64_t killed = 0;
  for (std::uint64_t at = from, end = from + count; at < end;) {
    shared->at = at;
    std::fflush(stdout);
    pid_t child = ::fork();
    if (child == 0) { work(at, end, models, folder, *shared, loud); ::_exit(0); }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0) {}
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) break;
    ++killed;
    const char* how = WIFSIGNALED(status) ? WTERMSIG(status) == SIGPROF || WTERMSIG(status) == SIGALRM ? "took more than its time" : ::strsignal(WTERMSIG(status)) : "crashed or asked for too much memory";
    std::printf("WRONG mutant %llu of model %llu (%s): %s\n", static_cast<unsigned long long>(shared->at), static_cast<unsigned long long>(shared->at % models.size()), shared->kind, how);
    if (!save.empty()) mutants::write_model(std::filesystem::path(save) / ("mutant" + std::to_string(shared->at)), mutants::read_model(folder / "mutant"));
    at = shared->at + 1;
  }
  std::filesystem::remove_all(root);
  rusage used{};
  ::getrusage(RUSAGE_CHILDREN, &used);
  std::printf("%llu mutants of %zu models: %llu imported, %llu of them ran, %llu refused with a sentence, %llu crashed or hung, %llu wrong; %ld s of processor time, peak %ld MiB\n", static_cast<unsigned long long>(count),
              models.size(), static_cast<unsigned long long>(shared->imported), static_cast<unsigned long long>(shared->ran), static_cast<unsigned long long>(shared->refused),
              static_cast<unsigned long long>(killed), static_cast<unsigned long long>(shared->wrong), long(used.ru_utime.tv_sec + used.ru_stime.tv_sec), used.ru_maxrss / 1024);
  return killed || shared->wrong ? 1 : 0;
}

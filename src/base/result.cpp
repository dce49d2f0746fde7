#include "base/result.hpp"

#include <cstdio>
#include <cstdlib>

namespace saha {

std::string_view name(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_model: return "invalid-model";
    case ErrorCode::invalid_argument: return "invalid-argument";
    case ErrorCode::invalid_file: return "invalid-file";
    case ErrorCode::invalid_data: return "invalid-data";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::io: return "io";
    case ErrorCode::out_of_memory: return "out-of-memory";
    case ErrorCode::cancelled: return "cancelled";
    case ErrorCode::internal: return "internal";
  }
  return "internal";
}

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "saha: internal error: '%s' does not hold at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace saha

#pragma once
// What a session opens: the one thing in which the libraries differ. libsaha.so reads every format and plans what it read (api/open.cpp), libsaha_runtime.so runs
// the plans of bundles (session/open_stored.cpp); each links its own definition.
#include <saha/session.h>

#include "kernels/isa.hpp"
#include "runtime/runner.hpp"

namespace saha::session {

/// This processor's highest level, or the one that the options name, which it must run.
Result<kernels::Isa> level_of(const SessionOptions& options);

Result<std::shared_ptr<const runtime::Plans>> open_file(const std::string& path, const SessionOptions& options);
Result<std::shared_ptr<const runtime::Plans>> open_bytes(std::span<const std::byte> bytes, const SessionOptions& options);

/// The index of a session's "input" or "output". Fails (invalid_argument) listing those that there are.
Result<std::size_t> find(std::span<const ValueInfo> values, std::string_view name, const char* kind);

}  // namespace saha::session

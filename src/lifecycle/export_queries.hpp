#pragma once
// What a prover is asked, as files for any prover: NAME.vnnlib beside the network in ONNX, products of several networks included, and
// instances.csv, which lists them as VNN-COMP does. Queries of one network share its file.
#include <filesystem>
#include <map>
#include <string>

#include "validate/query.hpp"

namespace saha::lifecycle {

class QueryWriter {
 public:
  /// `version` of VNN-LIB, 1 or 2. The folder is made where it is missing.
  QueryWriter(std::filesystem::path folder, int version) : folder_(std::move(folder)), version_(version) {}
  Result<> write(const validate::Query& query);
  /// The list, when all are written. Fails where none was.
  Result<> finish();
  std::int64_t queries() const { return queries_; }
  std::int64_t networks() const { return std::int64_t(networks_.size()); }

 private:
  std::filesystem::path folder_;
  int version_;
  std::map<std::string, std::string> networks_;   // by SHA-256: file
  std::string instances_;
  std::int64_t queries_ = 0;
};

}  // namespace saha::lifecycle

#pragma once
// NumPy's .npy (format versions 1 to 3) and .npz (a zip of them). Source: NumPy, "NEP 1 / numpy.lib.format".
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "data/inflate.hpp"
#include "tensor/tensor.hpp"

namespace saha::data {

/// The array as a row-major, native-order tensor. Bool, all integers, float16/32/64, complex64/128, and fixed-width text (as string).
/// 2-byte void, which NumPy writes for bfloat16, is bfloat16. Refused by name: Python objects, records, dates, long double.
Result<Tensor> read_npy(Bytes bytes);
/// As read_npy of the file; the elements stay mapped, not read, where they can be used as they lie.
Result<Tensor> load_npy(const std::filesystem::path& path);
/// Every ONNX dtype that NumPy has (bfloat16 as 2-byte void); strings as fixed-width text. Fails (unsupported) by name for the others.
Result<std::vector<std::byte>> write_npy(const Tensor& tensor);

using NamedTensor = std::pair<std::string, Tensor>;
/// All arrays of an .npz, in the archive's order, without the ".npy". `limit` is on all of them together.
Result<std::vector<NamedTensor>> read_npz(Bytes bytes, std::uint64_t limit = kMaxInflated);
Result<std::vector<std::byte>> write_npz(const std::vector<NamedTensor>& arrays);

}  // namespace saha::data

#include "tensor/dtype.hpp"

namespace saha {
namespace {
struct Info { std::string_view name; int bits; char kind; };
constexpr Info kInfo[kNumDTypes] = {
    {"none", 0, '-'},      {"float32", 32, 'f'},   {"uint8", 8, 'u'},       {"int8", 8, 'i'},           {"uint16", 16, 'u'},
    {"int16", 16, 'i'},    {"int32", 32, 'i'},     {"int64", 64, 'i'},      {"string", 0, 's'},         {"bool", 8, 'b'},
    {"float16", 16, 'f'},  {"float64", 64, 'f'},   {"uint32", 32, 'u'},     {"uint64", 64, 'u'},        {"complex64", 64, 'c'},
    {"complex128", 128, 'c'}, {"bfloat16", 16, 'f'}, {"float8e4m3fn", 8, 'f'}, {"float8e4m3fnuz", 8, 'f'}, {"float8e5m2", 8, 'f'},
    {"float8e5m2fnuz", 8, 'f'}, {"uint4", 4, 'u'}, {"int4", 4, 'i'},        {"float4e2m1", 4, 'f'},     {"float8e8m0", 8, 'f'},
    {"uint2", 2, 'u'},     {"int2", 2, 'i'},      {"float6e2m3", 6, 'f'},     {"float6e3m2", 6, 'f'}};
const Info& info(DType t) { return kInfo[static_cast<int>(t)]; }
}  // namespace

std::string_view name(DType t) { return info(t).name; }
std::optional<DType> dtype_of(std::string_view n) {
  if (n == "float") return DType::f32;
  if (n == "double") return DType::f64;
  for (int i = 1; i < kNumDTypes; ++i)
    if (kInfo[i].name == n) return static_cast<DType>(i);
  return {};
}
int bits(DType t) { return info(t).bits; }
bool is_float(DType t) { return info(t).kind == 'f'; }
bool is_signed_int(DType t) { return info(t).kind == 'i'; }
bool is_unsigned_int(DType t) { return info(t).kind == 'u' || info(t).kind == 'b'; }

IntRange int_range(DType t) {
  if (t == DType::boolean) return {0, 1};
  int b = bits(t);
  if (is_signed_int(t)) return b == 64 ? IntRange{INT64_MIN, INT64_MAX} : IntRange{-(std::int64_t{1} << (b - 1)), (std::int64_t{1} << (b - 1)) - 1};
  return {0, b >= 63 ? INT64_MAX : (std::int64_t{1} << b) - 1};
}

}  // namespace saha

#pragma once
// DType: the element types of ONNX, with its numbers (onnx.proto, TensorProto.DataType), so `to` attributes need no table.
#include <cstdint>
#include <optional>
#include <string_view>

namespace saha {

enum class DType : std::uint8_t {
  none = 0, f32 = 1, u8 = 2, i8 = 3, u16 = 4, i16 = 5, i32 = 6, i64 = 7, string = 8, boolean = 9, f16 = 10, f64 = 11,
  u32 = 12, u64 = 13, c64 = 14, c128 = 15, bf16 = 16, f8e4m3fn = 17, f8e4m3fnuz = 18, f8e5m2 = 19, f8e5m2fnuz = 20,
  u4 = 21, i4 = 22, f4e2m1 = 23, f8e8m0 = 24, u2 = 25, i2 = 26,
  f6e2m3 = 27, f6e3m2 = 28,
};
inline constexpr int kNumDTypes = 29;

std::string_view name(DType t);                        ///< "float32", "int4", "bool", ...
std::optional<DType> dtype_of(std::string_view name);  ///< also accepts "float" and "double"
int bits(DType t);                                     ///< 2, 4, 6, 8, ... 128; 0 for string and none
bool is_float(DType t);                                ///< every real floating format, 4 to 64 bits
bool is_signed_int(DType t);                           ///< int2 .. int64
bool is_unsigned_int(DType t);                         ///< uint2 .. uint64 and bool
inline bool is_int(DType t) { return is_signed_int(t) || (is_unsigned_int(t) && t != DType::boolean); }
inline bool is_complex(DType t) { return t == DType::c64 || t == DType::c128; }
inline bool is_packed(DType t) { return bits(t) > 0 && bits(t) < 8; }

/// Range of an integer dtype (bool: 0..1) as int64; uint64's upper end is reported as INT64_MAX.
struct IntRange { std::int64_t lo, hi; };
IntRange int_range(DType t);

}  // namespace saha

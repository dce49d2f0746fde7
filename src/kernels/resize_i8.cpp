// Pieces: rows of the result.
#include "kernels/resize_i8.hpp"

#include "kernels/split.hpp"

namespace saha::kernels {

std::uint32_t grid(const ResizeI8Params& p) { return p.out_w * p.channels == 0 ? 0 : pieces_of_rows(p.images * p.out_h, row_work(p)); }
std::uint32_t grid(const ArgMaxI8Params& p) { return p.inner == 0 ? 0 : pieces_of_rows(p.outer, row_work(p)); }

}  // namespace saha::kernels

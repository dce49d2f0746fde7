#pragma once
// saha::DType: the element types. In the source tree it is that of tensor/dtype.hpp; an installation has that file itself under this name.
#include "tensor/dtype.hpp"

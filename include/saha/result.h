#pragma once
// saha::Result and saha::Error, which the library and its callers share. In the source tree they are those of base/result.hpp; an
// installation has that file itself under this name.
#include "base/result.hpp"

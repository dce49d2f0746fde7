# cmake -DFILES=a;b -DOUTPUT=f.hpp -P: a header with SAHA_KERNELS_FINGERPRINT, the hash of the files' text. Run by the build when one of them has changed.
set(text "")
foreach(file IN LISTS FILES)
  file(SHA256 "${file}" hash)
  string(APPEND text "${hash}\n")
endforeach()
string(SHA256 all "${text}")
string(SUBSTRING "${all}" 0 16 short)
file(WRITE "${OUTPUT}" "#define SAHA_KERNELS_FINGERPRINT \"${short}\"\n")

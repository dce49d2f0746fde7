#include "system/hash.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <vector>

namespace saha::system {
namespace {
EVP_MD_CTX* context(void* p) { return static_cast<EVP_MD_CTX*>(p); }
}  // namespace

std::string hex(const Digest& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(64);
  for (std::byte b : digest) {
    text += kDigits[int(b) >> 4];
    text += kDigits[int(b) & 15];
  }
  return text;
}

void Sha256::Free::operator()(void* p) const { EVP_MD_CTX_free(context(p)); }
Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  SAHA_ASSERT(context_ && EVP_DigestInit_ex(context(context_.get()), EVP_sha256(), nullptr) == 1);
}
Sha256& Sha256::update(Bytes bytes) {
  SAHA_ASSERT(EVP_DigestUpdate(context(context_.get()), bytes.data(), bytes.size()) == 1);
  return *this;
}
Digest Sha256::finish() {
  Digest digest;
  SAHA_ASSERT(EVP_DigestFinal_ex(context(context_.get()), reinterpret_cast<unsigned char*>(digest.data()), nullptr) == 1);
  SAHA_ASSERT(EVP_DigestInit_ex(context(context_.get()), EVP_sha256(), nullptr) == 1);
  return digest;
}

Digest sha256(Bytes bytes) { return Sha256().update(bytes).finish(); }

Result<std::string> sha256_file(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  int code = fd < 0 ? errno : 0;
  Sha256 hash;
  std::vector<std::byte> buffer(std::size_t{1} << 18);
  while (fd >= 0) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) code = errno;
    if (n <= 0) break;
    hash.update(Bytes(buffer.data(), std::size_t(n)));
  }
  if (fd >= 0) ::close(fd);
  if (code) return Error{ErrorCode::io, "cannot read '" + path.string() + "': " + std::generic_category().message(code)};
  return hex(hash.finish());
}

}  // namespace saha::system

// pwrite until all is written.
#pragma once
#include <errno.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace litestream {

// Returns 0 or an errno.
inline int WriteFully(int fd, const uint8_t* bytes, size_t left, off_t at) {
  while (left > 0) {
    ssize_t n = pwrite(fd, bytes, left, at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes += n;
    at += n;
    left -= size_t(n);
  }
  return 0;
}

}  // namespace litestream

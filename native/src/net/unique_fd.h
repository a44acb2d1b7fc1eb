// Owns a file descriptor; move-only. Every descriptor the addon opens is held by one of these.
#ifndef SIDEROUTE_NET_UNIQUE_FD_H_
#define SIDEROUTE_NET_UNIQUE_FD_H_

#include <unistd.h>

#include <utility>

namespace sideroute {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

  // The caller owns the result.
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }

  void Reset(int fd = -1) {
    const int old = std::exchange(fd_, fd);
    // Not retried on EINTR: Linux has released the number by then (close(2)).
    if (old >= 0) ::close(old);
  }

 private:
  int fd_ = -1;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_UNIQUE_FD_H_

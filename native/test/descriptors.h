// Helpers for tests of descriptors: the number of open ones, and limits.
#ifndef SIDEROUTE_TEST_DESCRIPTORS_H_
#define SIDEROUTE_TEST_DESCRIPTORS_H_

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>
#include <vector>

#include "net/unique_fd.h"

namespace sideroute::test {

inline size_t CountDescriptors() {
  size_t open = 0;
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) std::abort();
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != dirfd(directory)) ++open;
  }
  closedir(directory);
  return open;
}

// During its life the process can only have descriptors below `limit`.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t limit) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit lower{limit, before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &lower);
  }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

// During its life `left` descriptors can be opened, and no more.
class FewDescriptors {
 public:
  explicit FewDescriptors(size_t left) : limit_(CountDescriptors() + 64) {
    for (int fd; (fd = fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0;) taken_.emplace_back(fd);
    if (taken_.size() < left) std::abort();
    taken_.resize(taken_.size() - left);
  }

 private:
  const DescriptorLimit limit_;
  std::vector<UniqueFd> taken_;
};

// Both ends of a pipe; `first` is the read end.
inline std::pair<UniqueFd, UniqueFd> MakePipe() {
  int fds[2] = {-1, -1};
  if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) std::abort();
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

inline std::pair<UniqueFd, UniqueFd> MakeSocketPair() {
  int fds[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_DESCRIPTORS_H_

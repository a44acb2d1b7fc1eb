// System calls of the hot path without the wrappers of glibc. recv, send, splice and epoll_wait are
// cancellation points, and in a process with threads each call costs two atomic operations for that
// (bench/proxy/compare.ts: 2 % of the CPU time of a request). No thread here is ever cancelled.
//
// Under AddressSanitizer the libc functions are used, because its interceptors check the buffers.
#ifndef SIDEROUTE_NET_SYSCALLS_H_
#define SIDEROUTE_NET_SYSCALLS_H_

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace sideroute {

// Each returns what the libc function of that name returns, and sets errno.
#if defined(__SANITIZE_ADDRESS__)

inline ssize_t Receive(int fd, void* buffer, size_t size, int flags) { return recv(fd, buffer, size, flags); }
inline ssize_t SendBytes(int fd, const void* bytes, size_t size, int flags) {
  return send(fd, bytes, size, flags);
}
inline ssize_t SendMessage(int fd, const msghdr* message, int flags) { return sendmsg(fd, message, flags); }
inline int PollEvents(int epoll_fd, epoll_event* events, int count, int wait_ms) {
  return epoll_wait(epoll_fd, events, count, wait_ms);
}
inline ssize_t SpliceBytes(int from, int to, size_t size) {
  return splice(from, nullptr, to, nullptr, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

#else

inline ssize_t Receive(int fd, void* buffer, size_t size, int flags) {
  return syscall(SYS_recvfrom, fd, buffer, size, flags, nullptr, nullptr);
}
inline ssize_t SendBytes(int fd, const void* bytes, size_t size, int flags) {
  return syscall(SYS_sendto, fd, bytes, size, flags, nullptr, 0);
}
inline ssize_t SendMessage(int fd, const msghdr* message, int flags) {
  return syscall(SYS_sendmsg, fd, message, flags);
}
// epoll_pwait, because arm64 has no epoll_wait.
inline int PollEvents(int epoll_fd, epoll_event* events, int count, int wait_ms) {
  return static_cast<int>(syscall(SYS_epoll_pwait, epoll_fd, events, count, wait_ms, nullptr, 0));
}
inline ssize_t SpliceBytes(int from, int to, size_t size) {
  return syscall(SYS_splice, from, nullptr, to, nullptr, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

#endif

// Restarted after a signal.
inline ssize_t Splice(int from, int to, size_t size) {
  ssize_t moved;
  do {
    moved = SpliceBytes(from, to, size);
  } while (moved < 0 && errno == EINTR);
  return moved;
}

}  // namespace sideroute

#endif  // SIDEROUTE_NET_SYSCALLS_H_

// Preloaded into a process: shifts its calendar clock by the number of seconds in the file named by
// CLOCK_SHIFT_FILE (a signed 64-bit number), which may change at any time. Monotonic clocks stay unchanged.
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

namespace {

using ClockGetTime = int (*)(clockid_t, timespec*);

int64_t ShiftSeconds() {
  static const volatile int64_t* shift = [] {
    static const int64_t none = 0;
    const char* path = getenv("CLOCK_SHIFT_FILE");
    const int fd = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return &none;
    void* memory = mmap(nullptr, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return memory == MAP_FAILED ? &none : static_cast<const int64_t*>(memory);
  }();
  return *shift;
}

int RealTime(clockid_t clock, timespec* time) {
  static const auto real = reinterpret_cast<ClockGetTime>(dlsym(RTLD_NEXT, "clock_gettime"));
  return real(clock, time);
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const int result = RealTime(clock, time);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    time->tv_sec += ShiftSeconds();
  return result;
}

extern "C" int gettimeofday(timeval* time, void* /*zone*/) noexcept {
  timespec now;
  if (RealTime(CLOCK_REALTIME, &now) != 0) return -1;
  time->tv_sec = now.tv_sec + ShiftSeconds();
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

extern "C" time_t time(time_t* result) noexcept {
  timespec now;
  if (RealTime(CLOCK_REALTIME, &now) != 0) return -1;
  now.tv_sec += ShiftSeconds();
  if (result != nullptr) *result = now.tv_sec;
  return now.tv_sec;
}

// Wraps the heap of glibc with a counter. Only for programs with one thread.
#include "cost/allocations.h"

#include <cerrno>
#include <cstddef>

extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* old, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
}

namespace sideroute::cost {

Allocations allocations;
bool counting = false;

namespace {

void Count(size_t bytes) {
  if (!counting) return;
  ++allocations.count;
  allocations.bytes += bytes;
}

}  // namespace
}  // namespace sideroute::cost

using sideroute::cost::Count;

extern "C" {

void* malloc(size_t size) {
  Count(size);
  return __libc_malloc(size);
}

void* calloc(size_t count, size_t size) {
  Count(count * size);
  return __libc_calloc(count, size);
}

void* realloc(void* old, size_t size) {
  Count(size);
  return __libc_realloc(old, size);
}

void* memalign(size_t alignment, size_t size) {
  Count(size);
  return __libc_memalign(alignment, size);
}

void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void** to, size_t alignment, size_t size) {
  *to = memalign(alignment, size);
  return *to == nullptr ? ENOMEM : 0;
}

}  // extern "C"

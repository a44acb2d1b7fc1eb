#include "binding/spare_memory.h"

#include <dlfcn.h>
#include <malloc.h>
#include <sys/mman.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "binding/instance.h"

namespace sideroute {

namespace {

// Node-API has no word for it. Both are of V8's public interface and have had these names in every version;
// where one is missing, the garbage stays until V8 takes it.
void CollectGarbage() {
  using Current = void* (*)();
  using Notify = void (*)(void*);
  static const auto current = reinterpret_cast<Current>(dlsym(RTLD_DEFAULT, "_ZN2v87Isolate10GetCurrentEv"));
  static const auto notify =
      reinterpret_cast<Notify>(dlsym(RTLD_DEFAULT, "_ZN2v87Isolate21LowMemoryNotificationEv"));
  if (current == nullptr || notify == nullptr) return;
  if (void* isolate = current(); isolate != nullptr) notify(isolate);
}

struct CloseFile {
  void operator()(FILE* file) const { fclose(file); }
};

// Code of files that is mapped and has never been written to, as breakpoints would: the kernel has the pages
// still, and maps those again that are needed, sixteen at a time.
void UnmapCode() {
  const std::unique_ptr<FILE, CloseFile> maps(fopen("/proc/self/smaps", "re"));
  if (!maps) return;
  char line[512];
  uintptr_t begin = 0;
  uintptr_t end = 0;
  bool is_code = false;
  while (fgets(line, sizeof line, maps.get()) != nullptr) {
    uintptr_t from = 0;
    uintptr_t to = 0;
    char rights[5] = "";
    unsigned long dirty = 0;
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, rights) == 3) {
      begin = from;
      end = to;
      is_code = strcmp(rights, "r-xp") == 0 && strchr(line, '/') != nullptr;
    } else if (is_code && sscanf(line, "Private_Dirty: %lu", &dirty) == 1 && dirty == 0) {
      madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
  }
}

}  // namespace

void KeepHeapsTrimmed() {
  // The initial value of glibc. By default glibc raises it to twice the largest block that it has unmapped,
  // up to 64 MiB, and malloc_trim trims only the end of the main heap: each of V8's threads would keep the
  // memory that the collection of a large configuration has needed. Setting it also fixes the mmap threshold
  // at 128 KiB: larger blocks are mapped and unmapped each time. An operator's own setting is kept.
  constexpr int kTrimThreshold = 128 * 1024;
  if (getenv("MALLOC_TRIM_THRESHOLD_") != nullptr) return;
  mallopt(M_TRIM_THRESHOLD, kTrimThreshold);
}

void ReturnMemory(Instance& instance) {
  CollectGarbage();
  instance.FreeSpares();
  malloc_trim(0);
  UnmapCode();
}

}  // namespace sideroute

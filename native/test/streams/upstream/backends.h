// Replaces ../../src/upstream/backends.h: the backends of a test, by their numbers.
#ifndef SIDEROUTE_UPSTREAM_BACKENDS_H_
#define SIDEROUTE_UPSTREAM_BACKENDS_H_

#include <array>

#include "upstream/attempt.h"

namespace sideroute {

class Backends {
 public:
  Backend* Find(int32_t id) { return id >= 0 && id < 2 ? &all_[static_cast<size_t>(id)] : nullptr; }
  Backend* Original(const NetAddress&) { return &all_[1]; }

 private:
  std::array<Backend, 2> all_{Backend(0), Backend(1)};
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_BACKENDS_H_

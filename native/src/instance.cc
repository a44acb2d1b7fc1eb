#include "instance.h"

namespace sideroute {

size_t Instance::connections() const {
  size_t total = lingering.size() + elsewhere;
  for (const AcceptorBinding* each = acceptors.Front(); each != nullptr; each = acceptors.After(each)) {
    total += each->connections();
  }
  for (const HttpEngineBinding* each = engines.Front(); each != nullptr; each = engines.After(each)) {
    total += each->engine()->connections();
  }
  return total;
}

void Instance::CloseIdle(size_t count) {
  for (HttpEngineBinding* each = engines.Front(); each != nullptr; each = engines.After(each)) {
    each->engine()->CloseIdle(count);
  }
}

void Instance::SetCrowded(bool now_crowded) {
  crowded = now_crowded;
  for (HttpEngineBinding* each = engines.Front(); each != nullptr; each = engines.After(each)) {
    each->engine()->SetCrowded(crowded);
  }
}

bool Instance::CloseIdleUpstream() {
  for (HttpEngineBinding* each = engines.Front(); each != nullptr; each = engines.After(each)) {
    if (each->engine()->CloseIdleUpstream()) return true;
  }
  return false;
}

}  // namespace sideroute

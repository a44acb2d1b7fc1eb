// An object whose methods may be on the call stack when its life ends: its owner keeps it until the batch or
// the turn is over.
#ifndef SIDEROUTE_NET_DISPOSABLE_H_
#define SIDEROUTE_NET_DISPOSABLE_H_

namespace sideroute {

// Given to Reactor::Dispose or EngineContext::Bury at the end of its life.
class Disposable {
 public:
  virtual ~Disposable() = default;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_DISPOSABLE_H_

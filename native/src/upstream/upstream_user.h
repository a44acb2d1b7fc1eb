// Whoever an upstream connection is lent to: an exchange, or a mirror.
#ifndef SIDEROUTE_UPSTREAM_UPSTREAM_USER_H_
#define SIDEROUTE_UPSTREAM_UPSTREAM_USER_H_

namespace sideroute {

class UpstreamUser {
 public:
  // Something has changed: connected, readable, writable or gone.
  virtual void OnUpstreamEvent() = 0;

 protected:
  ~UpstreamUser() = default;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_UPSTREAM_USER_H_

// An IPv4 or IPv6 address with a port, as a value: comparable, hashable, convertible to and from sockaddr.
#ifndef SIDEROUTE_NET_NET_ADDRESS_H_
#define SIDEROUTE_NET_NET_ADDRESS_H_

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace sideroute {

class NetAddress {
 public:
  NetAddress() = default;

  // `text` as inet_pton accepts it, without brackets or zone. Empty if it is not an address.
  static std::optional<NetAddress> Parse(const std::string& text, uint16_t port);
  // Empty for families other than AF_INET and AF_INET6.
  static std::optional<NetAddress> FromSockaddr(const sockaddr_storage& storage);

  int family() const { return family_; }
  uint16_t port() const { return port_; }
  NetAddress WithPort(uint16_t port) const;
  // The address that stands for all addresses of the host (0.0.0.0 or ::).
  bool is_wildcard() const { return bytes_ == decltype(bytes_){}; }

  // Fills `storage` and returns the length for socket calls.
  socklen_t ToSockaddr(sockaddr_storage* storage) const;
  // As inet_ntop writes it, without port and zone.
  std::string HostText() const;
  // Appends the same text without a temporary string.
  void AppendHost(std::string* text) const;

  // The zone of a link-local address is not part of its identity: routes and listeners do not depend on it.
  bool operator==(const NetAddress& other) const {
    return port_ == other.port_ && family_ == other.family_ && bytes_ == other.bytes_;
  }
  size_t Hash() const;

 private:
  std::array<uint8_t, 16> bytes_{};
  uint32_t scope_id_ = 0;
  uint16_t port_ = 0;
  uint16_t family_ = AF_UNSPEC;
};

struct NetAddressHash {
  size_t operator()(const NetAddress& address) const { return address.Hash(); }
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_NET_ADDRESS_H_

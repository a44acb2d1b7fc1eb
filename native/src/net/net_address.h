// An IPv4 or IPv6 address with a port, as a value: comparable, hashable, convertible to and from the kernel's
// form.
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

  // `text` as inet_pton reads it, no brackets, no zone. Empty when it is no address.
  static std::optional<NetAddress> Parse(const std::string& text, uint16_t port);
  // Empty for families other than AF_INET and AF_INET6.
  static std::optional<NetAddress> FromSockaddr(const sockaddr_storage& storage);

  int family() const { return family_; }
  uint16_t port() const { return port_; }
  NetAddress WithPort(uint16_t port) const;
  // Stands for every address of the host.
  bool is_wildcard() const { return bytes_ == decltype(bytes_){}; }

  // Fills `storage`, returns the length the socket calls want.
  socklen_t ToSockaddr(sockaddr_storage* storage) const;
  // As inet_ntop writes it, without port and zone.
  std::string HostText() const;
  // The same text, without a string of its own.
  void AppendHost(std::string* text) const;

  // The zone of a link-local address is no part of its identity: routes and listeners are told apart without
  // it.
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

#include "net/net_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>

namespace sideroute {

std::optional<NetAddress> NetAddress::Parse(const std::string& text, uint16_t port) {
  NetAddress address;
  address.port_ = port;
  // A NUL inside would end the text for inet_pton.
  if (text.find('\0') != std::string::npos) return std::nullopt;
  address.family_ = text.find(':') == std::string::npos ? AF_INET : AF_INET6;
  if (inet_pton(address.family_, text.c_str(), address.bytes_.data()) != 1) return std::nullopt;
  return address;
}

std::optional<NetAddress> NetAddress::FromSockaddr(const sockaddr_storage& storage) {
  NetAddress address;
  address.family_ = storage.ss_family;
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    std::memcpy(address.bytes_.data(), &v4.sin_addr, sizeof v4.sin_addr);
    address.port_ = ntohs(v4.sin_port);
    return address;
  }
  if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    std::memcpy(address.bytes_.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    address.port_ = ntohs(v6.sin6_port);
    address.scope_id_ = v6.sin6_scope_id;
    return address;
  }
  return std::nullopt;
}

NetAddress NetAddress::WithPort(uint16_t port) const {
  NetAddress copy = *this;
  copy.port_ = port;
  return copy;
}

socklen_t NetAddress::ToSockaddr(sockaddr_storage* storage) const {
  std::memset(storage, 0, sizeof *storage);
  if (family_ == AF_INET) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port_);
    std::memcpy(&v4->sin_addr, bytes_.data(), sizeof v4->sin_addr);
    return sizeof *v4;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(storage);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port_);
  v6->sin6_scope_id = scope_id_;
  std::memcpy(&v6->sin6_addr, bytes_.data(), sizeof v6->sin6_addr);
  return sizeof *v6;
}

std::string NetAddress::HostText() const {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(family_, bytes_.data(), text, sizeof text);
  return text;
}

void NetAddress::AppendHost(std::string* text) const {
  if (family_ != AF_INET) {
    char host[INET6_ADDRSTRLEN] = "";
    inet_ntop(family_, bytes_.data(), host, sizeof host);
    text->append(host);
    return;
  }
  // Written by hand, because inet_ntop uses printf for it.
  char host[16];
  char* at = host;
  for (size_t i = 0; i < 4; ++i) {
    if (i > 0) *at++ = '.';
    at = std::to_chars(at, host + sizeof host, bytes_[i]).ptr;
  }
  text->append(host, static_cast<size_t>(at - host));
}

size_t NetAddress::Hash() const {
  uint64_t high;
  uint64_t low;
  std::memcpy(&high, bytes_.data(), sizeof high);
  std::memcpy(&low, bytes_.data() + sizeof high, sizeof low);
  // Two odd multipliers (splitmix64), because Services differ in only a few bits of address and port.
  uint64_t mixed = (high ^ (low * 0xbf58476d1ce4e5b9ULL) ^ port_) * 0x94d049bb133111ebULL;
  return static_cast<size_t>(mixed ^ (mixed >> 31));
}

}  // namespace sideroute

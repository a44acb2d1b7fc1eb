// Addresses as values, the lookup of frontends by address, and the list of connections.
#include "accept/frontend_table.h"

#include <netinet/in.h>

#include <string>
#include <unordered_set>

#include "check.h"
#include "net/intrusive_list.h"
#include "net/net_address.h"

namespace sideroute {
namespace {

NetAddress Address(const char* text, uint16_t port) {
  const auto address = NetAddress::Parse(text, port);
  CHECK(address.has_value());
  return address.value_or(NetAddress());
}

int64_t IdAt(const FrontendTable& table, const char* text, uint16_t port) {
  const Frontend* frontend = table.Find(Address(text, port));
  return frontend == nullptr ? -1 : frontend->id;
}

TEST("an address survives the way through the kernel's form and text") {
  for (const char* text : {"10.96.0.10", "255.255.255.255", "fd00:96::10", "::1", "::ffff:1.2.3.4"}) {
    const NetAddress address = Address(text, 8080);
    sockaddr_storage storage;
    const socklen_t length = address.ToSockaddr(&storage);
    CHECK_EQ(static_cast<size_t>(length),
             address.family() == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    const auto back = NetAddress::FromSockaddr(storage);
    CHECK(back.has_value() && *back == address);
    CHECK_EQ(back->HostText(), std::string(text));
    CHECK_EQ(back->port(), 8080);
  }
}

TEST("text that is no address is refused") {
  for (const std::string& text : {std::string(), std::string("10.96.0"), std::string("10.96.0.256"),
                                  std::string("my-server"), std::string("[::1]"), std::string("fe80::1%eth0"),
                                  std::string("1.2.3.4\0x", 9), std::string("::g")}) {
    CHECK(!NetAddress::Parse(text, 1).has_value());
  }
}

TEST("the frontend of the very port wins over the one of every port") {
  FrontendTable table;
  CHECK(table.Add(Address("10.96.0.10", 80), {1, FrontendMode::kHttp}));
  CHECK(table.Add(Address("10.96.0.10", 0), {2, FrontendMode::kOpaque}));
  CHECK(table.Add(Address("fd00:96::10", 80), {3, FrontendMode::kHttp}));
  CHECK(!table.Add(Address("10.96.0.10", 80), {4, FrontendMode::kHttp}));
  CHECK_EQ(IdAt(table, "10.96.0.10", 80), 1);
  CHECK_EQ(IdAt(table, "10.96.0.10", 81), 2);
  CHECK_EQ(IdAt(table, "fd00:96::10", 80), 3);
  CHECK_EQ(IdAt(table, "fd00:96::10", 81), -1);
  CHECK_EQ(IdAt(table, "10.96.0.11", 80), -1);
  CHECK_EQ(IdAt(table, "::ffff:10.96.0.10", 80), -1);
}

TEST("the hash tells a Service range apart") {
  std::unordered_set<size_t> seen;
  for (int low = 0; low < 256; ++low) {
    for (const uint16_t port : {uint16_t{80}, uint16_t{443}, uint16_t{8080}}) {
      const std::string text = "10.96.3." + std::to_string(low);
      seen.insert(Address(text.c_str(), port).Hash());
    }
  }
  CHECK_EQ(seen.size(), size_t{768});
}

struct Element : ListNode<Element> {};

TEST("list elements leave when unlinked, added elsewhere or destroyed") {
  IntrusiveList<Element> first;
  IntrusiveList<Element> second;
  Element a;
  {
    Element b;
    Element c;
    first.PushBack(&a);
    first.PushBack(&b);
    first.PushBack(&c);
    CHECK_EQ(first.size(), size_t{3});
    b.Unlink();
    b.Unlink();
    second.PushBack(&b);
    CHECK_EQ(first.size(), size_t{2});
    CHECK(second.Front() == &b && first.Front() == &a);
    first.PushBack(&a);
    CHECK(first.Front() == &c);
  }
  CHECK_EQ(first.size(), size_t{1});
  CHECK(second.empty() && second.Front() == nullptr);
}

}  // namespace
}  // namespace sideroute

#include "state_records.h"

// Not <netinet/tcp.h>, whose tcp_info ends before the byte counts.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "napi_util.h"
#include "net_address.h"
#include "socket.h"

namespace sideroute {

namespace {

constexpr int64_t kMaxRange = 10'000;

struct ByteCounts {
  double received = -1;
  double sent = -1;
};

ByteCounts ReadByteCounts(int fd) {
  tcp_info info{};
  socklen_t length = sizeof info;
  // An older kernel fills less of it.
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
      length < offsetof(tcp_info, tcpi_bytes_retrans) + sizeof info.tcpi_bytes_retrans) {
    return {};
  }
  return {static_cast<double>(info.tcpi_bytes_received),
          static_cast<double>(info.tcpi_bytes_sent - info.tcpi_bytes_retrans)};
}

}  // namespace

void StateRecords::Address(const NetAddress& address) {
  Text(address.HostText());
  Number(address.port());
}

void StateRecords::Socket(int fd) {
  // Unknown when the peer has reset the connection and nobody has looked yet.
  Address(PeerAddress(fd).value_or(NetAddress()));
  const ByteCounts bytes = ReadByteCounts(fd);
  Number(bytes.received);
  Number(bytes.sent);
}

napi_value StateRecords::ToValue(napi_env env) const {
  napi_value result, buffer, array, string;
  void* memory = nullptr;
  const size_t bytes = numbers_.size() * sizeof(double);
  if (napi_create_arraybuffer(env, bytes, &memory, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_float64_array, numbers_.size(), buffer, 0, &array) != napi_ok ||
      napi_create_string_latin1(env, text_.data(), text_.size(), &string) != napi_ok) {
    return nullptr;
  }
  if (bytes > 0) std::memcpy(memory, numbers_.data(), bytes);
  napi_create_object(env, &result);
  SetProperty(env, result, "numbers", array);
  SetProperty(env, result, "text", string);
  return result;
}

bool ReadStateRange(napi_env env, const napi_value arguments[2], StateRange* range) {
  int64_t after = 0, max = 0;
  if (!ReadInteger(env, arguments[0], "after", 0, INT64_C(1) << 53, &after) ||
      !ReadInteger(env, arguments[1], "max", 1, kMaxRange, &max)) {
    return false;
  }
  *range = {static_cast<uint64_t>(after), static_cast<size_t>(max)};
  return true;
}

}  // namespace sideroute

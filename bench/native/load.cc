// The load generator of `npm run bench`:
//
//     load closed|open|hold|ready --to 10.96.0.10:80 --messages FILE [--connections 32] [--ms 1000] [--rate
//     1000] [--close]
//
// The modes are explained in modes.h.
#include <arpa/inet.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "modes.h"

namespace {

sockaddr_in ParseAddress(std::string text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) bench::Fail("--to: not an address and a port");
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(text.c_str() + colon + 1)));
  text.resize(colon);
  if (inet_pton(AF_INET, text.c_str(), &address.sin_addr) != 1) bench::Fail("--to: not an address of IPv4");
  return address;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) bench::Fail("closed, open, hold or ready?");
  const std::string_view mode = argv[1];
  bench::Load load;
  for (int at = 2; at < argc; ++at) {
    const std::string_view flag = argv[at];
    if (flag == "--close") {
      load.is_closing = true;
      continue;
    }
    if (++at == argc) bench::Fail("the last flag has no value");
    const char* value = argv[at];
    if (flag == "--to")
      load.to = ParseAddress(value);
    else if (flag == "--messages")
      load.messages = bench::ReadMessages(value);
    else if (flag == "--connections")
      load.connections = static_cast<uint32_t>(std::atoi(value));
    else if (flag == "--ms")
      load.milliseconds = static_cast<uint32_t>(std::atoi(value));
    else if (flag == "--rate")
      load.rate = std::atof(value);
    else
      bench::Fail("there is no such flag");
  }
  if (load.messages.empty() || load.connections == 0 || load.rate <= 0)
    bench::Fail("flags are missing or make no sense");
  if (mode == "closed")
    bench::RunClosed(load);
  else if (mode == "open")
    bench::RunOpen(load);
  else if (mode == "hold")
    bench::RunHold(load);
  else if (mode == "ready")
    bench::RunReady(load);
  else
    bench::Fail("there is no such mode");
  return 0;
}

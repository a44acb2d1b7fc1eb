#include "log/json_line.h"

#include <string>

#include "check.h"

namespace sideroute {

TEST("a JSON line holds every byte as printable ASCII") {
  JsonLine line;
  std::string bytes;
  for (int c = 0; c < 256; ++c) bytes.push_back(static_cast<char>(c));
  line.String("a", bytes);
  std::string_view text = line.End();
  CHECK(text.ends_with('\n'));
  text.remove_suffix(1);
  for (const char c : text) CHECK(c >= 0x20 && c < 0x7f);
  line.Begin();
  line.String("a", std::string_view("\0\n\x1f\x7f\xff\"\\", 7));
  CHECK_EQ(line.End(), "{\"a\":\"\\u0000\\u000a\\u001f\\u007f\\u00ff\\\"\\\\\"}\n");
}

TEST("a JSON line has members of every kind") {
  JsonLine line;
  CHECK_EQ(line.End(), "{}\n");
  line.Begin();
  line.String("none", std::string_view());
  line.String("empty", "");
  line.Number("n", 18'446'744'073'709'551'615u);
  line.Milliseconds("ms", 1'002'003'999);
  line.Boolean("b", true);
  line.Members("\"x\":1,\"y\":2");
  CHECK_EQ(line.End(),
           "{\"none\":null,\"empty\":\"\",\"n\":18446744073709551615,\"ms\":1002.003,\"b\":true,\"x\":1,"
           "\"y\":2}\n");
}

TEST("a JSON line has times and addresses") {
  JsonLine line;
  line.Time("t", 951'782'400'007);
  line.Address("none", NetAddress());
  line.Address("v4", *NetAddress::Parse("10.0.255.1", 80));
  line.Address("v6", *NetAddress::Parse("fd00::1", 65535));
  CHECK_EQ(line.End(),
           "{\"t\":\"2000-02-29T00:00:00.007Z\",\"none\":null,\"v4\":\"10.0.255.1:80\",\"v6\":\"[fd00::1]:"
           "65535\"}\n");
}

}  // namespace sideroute

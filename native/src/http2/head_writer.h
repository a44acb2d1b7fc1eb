// Writes heads and trailers as frames: HEADERS, and CONTINUATION where one is not enough.
//
// Stage before: http/head, whatever the version of HTTP it came in, with what a rule changes about it. Stage
// after: the frames of a connection, whose encoder it uses. As http1/head_writer: order, repetition and bytes
// of the fields stay, but for names, which are in lower case here, and for what concerns one connection only.
#ifndef SIDEROUTE_HTTP2_HEAD_WRITER_H_
#define SIDEROUTE_HTTP2_HEAD_WRITER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/engine_types.h"
#include "http/head.h"
#include "http/header_plan.h"
#include "http/stream.h"
#include "http2/hpack.h"
#include "net/byte_buffer.h"
#include "net/net_address.h"

namespace sideroute::http2 {

// Of one engine: what is put together here leaves at once.
class HeadWriter {
 public:
  HeadWriter() { fields_.reserve(64); }
  HeadWriter(const HeadWriter&) = delete;
  HeadWriter& operator=(const HeadWriter&) = delete;

  // Where the frames go.
  struct To {
    HpackEncoder& encoder;
    ByteBuffer& out;
    uint32_t stream;
    // The message ends with them.
    bool last = false;
    // Of a request: where it goes, for one that names no authority.
    const NetAddress* peer = nullptr;
  };

  // Hot path. `plan` may be null.
  void WriteRequest(const http::RequestHead& head, const HeaderPlan* plan, RequestCopy copy, const To& to);
  // Hot path. `lines`: of this response alone.
  void WriteResponse(const http::ResponseHead& head, const HeaderPlan* plan, std::string_view lines,
                     const To& to);
  // Without its body. `lines`, `date`: as http1::WriteReply.
  void WriteReply(const LocalReply& reply, ReplyForm form, std::string_view lines, std::string_view date,
                  const To& to);
  void WriteTrailers(const Trailers& trailers, const To& to);

 private:
  void Start(size_t name_bytes);
  void Add(std::string_view name, std::string_view value, bool sensitive = false) {
    fields_.push_back(HeaderField::Of(Lower(name), value, sensitive));
  }
  void AddLines(std::string_view lines);
  void AddLength(uint64_t length);
  // The same, or a copy in lower case.
  std::string_view Lower(std::string_view name);
  void Write(const To& to);

  std::vector<HeaderField> fields_;
  // Of such copies.
  std::string names_;
  std::string path_;
  std::string authority_;
  std::array<char, 20> digits_;
};

}  // namespace sideroute::http2

#endif  // SIDEROUTE_HTTP2_HEAD_WRITER_H_

// Writes heads and trailers as a HEADERS frame and, if one frame is not enough, CONTINUATION frames.
//
// Stage before: http/head, whatever its version of HTTP, with the edits of a rule. Stage after: the frames of
// a connection, whose encoder it uses. As in http1/head_writer, order, repetition and bytes of the fields
// stay, except that names become lower case and what concerns only one connection is left out.
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

// One for all connections of an engine, because what is built here is framed at once.
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
    // The message ends after these frames.
    bool last = false;
    // Requests only: the address that becomes the authority if the request names none.
    const NetAddress* peer = nullptr;
  };

  // Hot path. `plan` may be null.
  void WriteRequest(const http::RequestHead& head, const HeaderPlan* plan, RequestCopy copy, const To& to);
  // Hot path. `lines`: header lines of this response only.
  void WriteResponse(const http::ResponseHead& head, const HeaderPlan* plan, std::string_view lines,
                     const To& to);
  // Writes the head only. `lines`, `date`: as for WriteReply in http1/head_writer.h.
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
  // Returns `name` itself, or a copy in lower case in names_.
  std::string_view Lower(std::string_view name);
  void Write(const To& to);

  std::vector<HeaderField> fields_;
  // Holds the lower-case copies.
  std::string names_;
  std::string path_;
  std::string authority_;
  std::array<char, 20> digits_;
};

}  // namespace sideroute::http2

#endif  // SIDEROUTE_HTTP2_HEAD_WRITER_H_

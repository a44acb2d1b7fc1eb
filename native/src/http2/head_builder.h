// Builds a head in the form of http/head.h from the fields of a header block: pseudo-headers become a start
// line and Host, and what is not allowed is detected (RFC 9113 section 8, RFC 8441).
//
// Stage before: hpack, field by field. Stage after: the streams of a connection. The result is the text of an
// HTTP/1.1 head, so that all code that edits, keeps, forwards or logs heads works for HTTP/2 too.
#ifndef SIDEROUTE_HTTP2_HEAD_BUILDER_H_
#define SIDEROUTE_HTTP2_HEAD_BUILDER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/head.h"
#include "http/stream.h"
#include "net/byte_buffer.h"

namespace sideroute::http2 {

enum class HeadFault : uint8_t {
  kNone,
  // Malformed; RFC 9113 section 8.1.1.
  kPseudoHeader,
  kFieldName,
  kFieldValue,
  kConnectionField,
  kTarget,
  kHost,
  kContentLength,
  kStatus,
  kTrailers,
  // Well-formed, but beyond a limit.
  kTargetTooLong,
  kTooManyFields,
  kHeadTooLarge,
};
inline bool IsMalformed(HeadFault fault) { return fault < HeadFault::kTargetTooLong; }
// Name for the access log; empty for kNone.
std::string_view NameOf(HeadFault fault);

// Facts of the request that decide how its response head is read.
struct Asked {
  http::MethodId method = http::MethodId::kGet;
  // The protocol of an extended CONNECT that stands for an Upgrade; empty: none.
  std::string_view protocol;
  // The Sec-WebSocket-Accept that an HTTP/1.1 caller expects (websocket.h); empty: none.
  std::string_view accept;
};

class HeadBuilder {
 public:
  explicit HeadBuilder(BlockPool& blocks) : bytes_(blocks) {}
  HeadBuilder(const HeadBuilder&) = delete;
  HeadBuilder& operator=(const HeadBuilder&) = delete;

  // One head after another; each result is valid until the next Start.
  void StartRequest(const HeadLimits& limits) { Start(Kind::kRequest, limits); }
  void StartResponse(const HeadLimits& limits) { Start(Kind::kResponse, limits); }
  void StartTrailers(const HeadLimits& limits) { Start(Kind::kTrailers, limits); }
  // Hot path.
  void Add(std::string_view name, std::string_view value, bool sensitive);
  // Called after the last field. `ended`: the message ends with the head. Once a head is over a limit, the
  // remaining fields need not be added.
  HeadFault FinishRequest(bool ended);
  HeadFault FinishResponse(bool ended, const Asked& asked);
  HeadFault FinishTrailers();

  const http::RequestHead& request() const { return request_; }
  const http::ResponseHead& response() const { return response_; }
  Trailers trailers() const { return {bytes_.data(), fields_}; }
  // For a request that is refused: as far as they are known.
  std::string_view method() const { return pseudo_[kMethod]; }
  std::string_view path() const { return pseudo_[kPath]; }
  // For a refused request: whether it is a gRPC call, whatever is wrong with it.
  bool is_call() const;

 private:
  enum class Kind : uint8_t { kRequest, kResponse, kTrailers };
  enum Pseudo : uint8_t { kMethod, kScheme, kAuthority, kPath, kProtocol, kStatus, kPseudoCount };

  void Start(Kind kind, const HeadLimits& limits);
  void AddPseudo(std::string_view name, std::string_view value);
  void AddField(std::string_view name, std::string_view value, bool sensitive);
  void AddLine(std::string_view name, std::string_view value, http::FieldId id, uint8_t flags);
  void BeginFields();
  void BeginRequest();
  HeadFault CheckId(http::FieldId id, std::string_view value, uint8_t* flags);
  bool Has(Pseudo pseudo) const { return (seen_ >> pseudo & 1) != 0; }
  void Fail(HeadFault fault) {
    if (fault_ == HeadFault::kNone) fault_ = fault;
  }
  void Finish(http::MessageHead& head);
  uint32_t size() const { return static_cast<uint32_t>(bytes_.size()); }

  Kind kind_ = Kind::kRequest;
  HeadLimits limits_;
  HeadFault fault_ = HeadFault::kNone;
  uint8_t seen_ = 0;
  bool in_fields_ = false;
  bool expect_continue_ = false;
  bool connect_ = false;
  bool upgrade_ = false;
  bool has_key_ = false;
  // Content-Type says gRPC, and arrived when the head was beyond a limit already.
  bool late_grpc_ = false;
  std::array<std::string, kPseudoCount> pseudo_;
  // Cookie fields, joined (RFC 9113 section 8.2.3).
  std::string cookie_;
  bool cookie_sensitive_ = false;
  ByteBuffer bytes_;
  std::vector<http::Field> fields_;
  http::FieldFacts facts_;
  http::RequestHead request_;
  http::ResponseHead response_;
};

}  // namespace sideroute::http2

#endif  // SIDEROUTE_HTTP2_HEAD_BUILDER_H_

// Why a message is refused: one enumeration for both directions. Each error has a stable name for logs and a
// reason that selects the reply.
//
// Stage before: http1/head, http1/body. Stage after: the reply or the reset of whoever drives the parsers.
#ifndef SIDEROUTE_HTTP1_ERROR_H_
#define SIDEROUTE_HTTP1_ERROR_H_

#include <cstdint>
#include <string_view>

namespace sideroute {

// Reason of the reply to a request head; the names match REQUEST_REASONS in src/errors.ts.
enum class HeadReason : uint8_t { kNone, kBadRequest, kUriLimit, kHeaderLimit, kBadVersion, kNotImplemented };

}  // namespace sideroute

namespace sideroute::http1 {

enum class Error : uint8_t {
  kNone,
  // Start line.
  kMethod,
  kTarget,
  kVersionSyntax,
  kVersionUnsupported,
  kRequestLineTooLong,
  kStatusLine,
  kUnexpectedSwitch,
  // Field lines, of heads and trailers.
  kFieldFolded,
  kFieldName,
  kFieldValue,
  kLineEnd,
  kHeadTooLarge,
  kTooManyFields,
  // Fields that decide framing and routing.
  kHostMissing,
  kHostRepeated,
  kHostInvalid,
  kHostDiffers,
  kConnectionInvalid,
  kConnectionNamesFraming,
  kContentLengthInvalid,
  kContentLengthRepeated,
  kTransferEncodingInvalid,
  kTransferEncodingUnsupported,
  kTransferEncodingInHttp10,
  kLengthAndTransferEncoding,
  kConnectWithBody,
  // Bodies.
  kChunkSize,
  kChunkExtension,
  kChunkExtensionsTooLong,
  kChunkEnd,
  kTruncated,
};

// Stable kebab-case name, for logs and tests.
[[nodiscard]] std::string_view NameOf(Error error) noexcept;

// Like NameOf, but empty for `kNone`: for code that may report a message without a fault.
[[nodiscard]] inline std::string_view FaultOf(Error error) noexcept {
  return error == Error::kNone ? std::string_view() : NameOf(error);
}

// Status of the reply to a request with this error: 400, 414, 431, 501 or 505; 0 for `kNone`.
[[nodiscard]] uint16_t RequestStatusOf(Error error) noexcept;

// Status sent downstream when the upstream's response has this error: always 502; 0 for `kNone`.
[[nodiscard]] constexpr uint16_t ResponseStatusOf(Error error) noexcept {
  return error == Error::kNone ? 0 : 502;
}

// Reason of the reply to a request with this error.
[[nodiscard]] HeadReason ReasonOf(Error error) noexcept;

}  // namespace sideroute::http1

#endif  // SIDEROUTE_HTTP1_ERROR_H_

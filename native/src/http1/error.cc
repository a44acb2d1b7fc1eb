#include "http1/error.h"

#include <array>
#include <cstddef>

namespace sideroute::http1 {
namespace {

struct ErrorEntry {
  Error error;
  HeadReason reason;
  std::string_view name;
};

constexpr auto kErrors = std::to_array<ErrorEntry>({
    {Error::kNone, HeadReason::kNone, "none"},
    {Error::kMethod, HeadReason::kBadRequest, "method"},
    {Error::kTarget, HeadReason::kBadRequest, "target"},
    {Error::kVersionSyntax, HeadReason::kBadRequest, "version-syntax"},
    {Error::kVersionUnsupported, HeadReason::kBadVersion, "version-unsupported"},
    {Error::kRequestLineTooLong, HeadReason::kUriLimit, "request-line-too-long"},
    {Error::kStatusLine, HeadReason::kBadRequest, "status-line"},
    {Error::kUnexpectedSwitch, HeadReason::kBadRequest, "unexpected-switch"},
    {Error::kFieldFolded, HeadReason::kBadRequest, "field-folded"},
    {Error::kFieldName, HeadReason::kBadRequest, "field-name"},
    {Error::kFieldValue, HeadReason::kBadRequest, "field-value"},
    {Error::kLineEnd, HeadReason::kBadRequest, "line-end"},
    {Error::kHeadTooLarge, HeadReason::kHeaderLimit, "head-too-large"},
    {Error::kTooManyFields, HeadReason::kHeaderLimit, "too-many-fields"},
    {Error::kHostMissing, HeadReason::kBadRequest, "host-missing"},
    {Error::kHostRepeated, HeadReason::kBadRequest, "host-repeated"},
    {Error::kHostInvalid, HeadReason::kBadRequest, "host-invalid"},
    {Error::kHostDiffers, HeadReason::kBadRequest, "host-differs"},
    {Error::kConnectionInvalid, HeadReason::kBadRequest, "connection-invalid"},
    {Error::kConnectionNamesFraming, HeadReason::kBadRequest, "connection-names-framing"},
    {Error::kContentLengthInvalid, HeadReason::kBadRequest, "content-length-invalid"},
    {Error::kContentLengthRepeated, HeadReason::kBadRequest, "content-length-repeated"},
    {Error::kTransferEncodingInvalid, HeadReason::kBadRequest, "transfer-encoding-invalid"},
    {Error::kTransferEncodingUnsupported, HeadReason::kNotImplemented, "transfer-encoding-unsupported"},
    {Error::kTransferEncodingInHttp10, HeadReason::kBadRequest, "transfer-encoding-in-http10"},
    {Error::kLengthAndTransferEncoding, HeadReason::kBadRequest, "length-and-transfer-encoding"},
    {Error::kConnectWithBody, HeadReason::kBadRequest, "connect-with-body"},
    {Error::kChunkSize, HeadReason::kBadRequest, "chunk-size"},
    {Error::kChunkExtension, HeadReason::kBadRequest, "chunk-extension"},
    {Error::kChunkExtensionsTooLong, HeadReason::kBadRequest, "chunk-extensions-too-long"},
    {Error::kChunkEnd, HeadReason::kBadRequest, "chunk-end"},
    {Error::kTruncated, HeadReason::kBadRequest, "truncated"},
});

consteval bool IndexedByError() {
  for (size_t i = 0; i < kErrors.size(); ++i) {
    if (static_cast<size_t>(kErrors[i].error) != i) return false;
  }
  return kErrors.size() == static_cast<size_t>(Error::kTruncated) + 1;
}
static_assert(IndexedByError());

}  // namespace

std::string_view NameOf(Error error) noexcept { return kErrors[static_cast<size_t>(error)].name; }

HeadReason ReasonOf(Error error) noexcept { return kErrors[static_cast<size_t>(error)].reason; }

uint16_t RequestStatusOf(Error error) noexcept {
  constexpr uint16_t kStatus[] = {0, 400, 414, 431, 505, 501};
  return kStatus[static_cast<size_t>(ReasonOf(error))];
}

}  // namespace sideroute::http1

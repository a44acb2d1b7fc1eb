// What an exchange is doing, for whoever looks from outside.
#include <uv.h>

#include <cstring>

#include "exchange/exchange.h"
#include "http1/downstream_connection.h"
#include "net/state_records.h"
#include "upstream/upstream_connection.h"
#include "upstream/upstream_pool.h"

namespace sideroute {

namespace {
// No backend: the request is answered here.
constexpr double kNoBackend = -2;
}  // namespace

// Hot path.
void Exchange::KeepExcerpt(const http::RequestHead& head) {
  const char* const data = head.data;
  const http::Target& target = head.target;
  const std::string_view method = head.method.In(data).substr(0, kExcerptMethod);
  // Nothing but an authority or `*` has no path.
  std::string_view path = target.path.In(data);
  if (path.empty()) path = target.whole.In(data);
  path = path.substr(0, kExcerptPath);
  std::memcpy(excerpt_.data(), method.data(), method.size());
  excerpt_[method.size()] = ' ';
  std::memcpy(excerpt_.data() + method.size() + 1, path.data(), path.size());
  excerpt_length_ = static_cast<uint8_t>(method.size() + 1 + path.size());
}

void Exchange::Describe(StateRecords& records) const {
  records.Number(backend_ == nullptr ? kNoBackend : backend_->id());
  records.Number(static_cast<double>(uv_hrtime() - started_ns_) / 1e6);
  records.Count(retries_);
  records.Number(static_cast<double>(wait_ == Wait::kRedial ? Wait::kConnect : wait_));
  records.Text({excerpt_.data(), excerpt_length_});
  records.Address(upstream_ == nullptr ? NetAddress() : upstream_->endpoint().address);
}

void Exchange::DescribeNone(StateRecords& records) {
  records.Number(kNoBackend);
  records.Number(0);
  records.Number(0);
  records.Number(0);
  records.Text({});
  records.Address(NetAddress());
}

}  // namespace sideroute

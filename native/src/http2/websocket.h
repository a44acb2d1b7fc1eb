// The part of a WebSocket handshake that HTTP/1.1 has and HTTP/2 has not: the proof that the server has read
// the key (RFC 6455 section 4.2.2, RFC 8441 section 5).
#ifndef SIDEROUTE_HTTP2_WEBSOCKET_H_
#define SIDEROUTE_HTTP2_WEBSOCKET_H_

#include <string>
#include <string_view>

namespace sideroute::http2 {

// The value of Sec-WebSocket-Accept for this Sec-WebSocket-Key.
std::string WebSocketAccept(std::string_view key);

}  // namespace sideroute::http2

#endif  // SIDEROUTE_HTTP2_WEBSOCKET_H_

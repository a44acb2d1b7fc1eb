#include "log/log_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <thread>

#include "check.h"
#include "net/unique_fd.h"

namespace sideroute {

namespace {

struct LogPipe {
  UniqueFd reader;
  UniqueFd writer;
};

LogPipe OpenPipe() {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) return {};
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Reads up to the end of the pipe.
std::string ReadAll(int fd) {
  std::string text;
  char bytes[4096];
  for (ssize_t length; (length = read(fd, bytes, sizeof bytes)) > 0;)
    text.append(bytes, static_cast<size_t>(length));
  return text;
}

}  // namespace

TEST("a log writer passes every line on, in order and whole, while its ring is filled again and again") {
  constexpr int kLines = 20'000;
  LogPipe pipe = OpenPipe();
  int error = 0;
  auto writer = LogWriter::Start(std::move(pipe.writer), 64 * 1024, {"test", "\"kind\":\"dropped\""}, &error);
  CHECK_EQ(error, 0);
  std::string expected, received;
  uint64_t dropped = 0;
  for (int i = 0; i < kLines; ++i) {
    std::string line = std::to_string(i) + std::string(static_cast<size_t>(i % 97), 'x') + '\n';
    // No line is lost as long as there is room: if there was none, read and append again.
    for (;;) {
      writer->Append(line);
      if (writer->dropped() == dropped) break;
      dropped = writer->dropped();
      char bytes[4096];
      const ssize_t length = read(pipe.reader.get(), bytes, sizeof bytes);
      if (length > 0) received.append(bytes, static_cast<size_t>(length));
    }
    expected += line;
  }
  // The rest fits into the pipe and the ring together, but not into the pipe alone.
  while (received.find(std::to_string(kLines - 1)) == std::string::npos) {
    char bytes[4096];
    const ssize_t length = read(pipe.reader.get(), bytes, sizeof bytes);
    if (length > 0) received.append(bytes, static_cast<size_t>(length));
  }
  writer->Stop(5'000);
  CHECK_EQ(writer->written(), static_cast<uint64_t>(kLines));
  writer.reset();
  received += ReadAll(pipe.reader.get());
  std::string lines;
  for (size_t at = 0; at < received.size();) {
    const size_t end = received.find('\n', at) + 1;
    // The line that reports how many lines found no room.
    if (received[at] != '{') lines.append(received, at, end - at);
    at = end;
  }
  CHECK(lines == expected);
}

TEST("a log writer that nobody reads stops within its time, and counts what is lost") {
  LogPipe pipe = OpenPipe();
  int error = 0;
  auto writer =
      LogWriter::Start(std::move(pipe.writer), 256 * 1024, {"test", "\"kind\":\"dropped\""}, &error);
  const std::string line(511, 'x');
  for (int i = 0; i < 400; ++i) writer->Append(line + '\n');
  writer->Stop(10);
  CHECK(writer->written() > 0);
  CHECK(writer->dropped() > 0);
  CHECK_EQ(writer->written() + writer->dropped(), 400u);
  writer->Append(line + '\n');
  CHECK_EQ(writer->written() + writer->dropped(), 401u);
}

TEST("a line that is longer than one write is not lost") {
  LogPipe pipe = OpenPipe();
  int error = 0;
  auto writer = LogWriter::Start(std::move(pipe.writer), 64 * 1024, {"test", "\"kind\":\"dropped\""}, &error);
  const std::string line = std::string(10'000, 'y') + '\n';
  writer->Append(line);
  writer->Append("z\n");
  writer->Stop(5'000);
  writer.reset();
  CHECK(ReadAll(pipe.reader.get()) == line + "z\n");
}

TEST("lines of several threads that are longer than one write do not mix") {
  LogPipe pipe = OpenPipe();
  int error = 0;
  const auto start = [&] {
    return LogWriter::Start(UniqueFd(fcntl(pipe.writer.get(), F_DUPFD_CLOEXEC, 0)), 8 * 1024 * 1024,
                            {"test", "\"kind\":\"dropped\""}, &error);
  };
  auto first = start(), second = start();
  const std::string a = std::string(10'000, 'a') + '\n', b = std::string(10'000, 'b') + '\n';
  constexpr int kLines = 400;
  for (int i = 0; i < kLines; ++i) {
    first->Append(a);
    second->Append(b);
  }
  pipe.writer.Reset();
  std::string text;
  std::thread reader([&] { text = ReadAll(pipe.reader.get()); });
  first->Stop(30'000);
  second->Stop(30'000);
  first.reset();
  second.reset();
  reader.join();
  CHECK_EQ(text.size(), 2 * kLines * a.size());
  size_t whole = 0;
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    const std::string_view line = std::string_view(text).substr(at, a.size());
    if (line == a || line == b) ++whole;
    if (text.find('\n', at) == std::string::npos) break;
  }
  CHECK_EQ(whole, size_t{2 * kLines});
}

}  // namespace sideroute

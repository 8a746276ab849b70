#include <lathe/cli/console.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>

#include <sys/ioctl.h>
#include <unistd.h>

namespace lathe::cli {
namespace {

int terminal_width() {
  if (const char* columns = std::getenv("COLUMNS"))
    if (const auto width = parse_int(columns); width && *width >= 20 && *width <= 10000) return static_cast<int>(*width);
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) return size.ws_col;
  return 80;
}

/// The source line that "file:line:col: …" or "file:line: …" speaks of, with a mark under the column.
std::string quoted_source(std::string_view message) {
  // A file name may hold colons: look for ":<digits>:" and take what stands before it if it is a file.
  for (std::size_t colon = message.find(':'); colon != std::string_view::npos; colon = message.find(':', colon + 1)) {
    const std::size_t end = message.find(':', colon + 1);
    if (end == std::string_view::npos) return "";
    const auto line = parse_int(message.substr(colon + 1, end - colon - 1));
    if (!line || *line < 1) continue;
    std::ifstream file{std::string(message.substr(0, colon))};
    std::string text;
    for (std::int64_t i = 0; i < *line; ++i)
      if (!std::getline(file, text)) return "";
    if (invalid_utf8(text)) return "";
    const std::string_view rest = message.substr(end + 1);
    const auto column = parse_int(rest.substr(0, rest.find(':')));
    std::replace(text.begin(), text.end(), '\t', ' ');
    std::string out = str("  ", cut_to_width(text, 100), "\n");
    if (column && *column >= 1 && *column <= 100) out += str(std::string(static_cast<std::size_t>(*column) + 1, ' '), "^\n");
    return out;
  }
  return "";
}

}  // namespace

Streams system_streams() {
  return {std::cin,
          std::cout,
          std::cerr,
          ::isatty(STDIN_FILENO) == 1,
          ::isatty(STDOUT_FILENO) == 1,
          ::isatty(STDERR_FILENO) == 1,
          terminal_width(),
          [](const char* name) -> const char* { return std::getenv(name); }};
}

Console::Console(Streams& streams) : streams_(streams) {}
Console::~Console() { clear_block(); }

void Console::set_color(Color color) { color_ = color; }

std::string Console::environment(const char* name) const {
  const char* value = streams_.environment(name);
  return value ? value : "";
}

bool Console::can_redraw() const { return streams_.err_terminal && environment("TERM") != "dumb"; }

bool Console::colored(Where where) const {
  if (color_ != Color::automatic) return color_ == Color::always;
  if (!environment("NO_COLOR").empty()) return false;
  const std::string force = environment("CLICOLOR_FORCE");
  if (!force.empty() && force != "0") return true;
  return (where == Where::out ? streams_.out_terminal : streams_.err_terminal) && environment("TERM") != "dumb";
}

std::string Console::styled(std::string_view text, Style style, Where where) const {
  if (style == Style::plain || !colored(where)) return std::string(text);
  const char* code = style == Style::bold      ? "1"
                     : style == Style::good    ? "32"
                     : style == Style::warning ? "33"
                     : style == Style::bad     ? "31"
                                               : "2";
  return str("\x1b[", code, "m", text, "\x1b[0m");
}

void Console::result(std::string_view text) {
  const std::lock_guard lock(mutex_);
  streams_.out << text << std::flush;
}

void Console::json_line(std::string_view type, const std::function<void(JsonWriter&)>& fill) {
  JsonWriter json;
  json.begin_object().member("schema", 1).member("type", type);
  fill(json);
  json.end_object();
  result(json.text() + "\n");
}

void Console::erase() {
  if (block_lines_ == 0) return;
  streams_.err << "\x1b[" << block_lines_ << "A\r\x1b[J";
  block_lines_ = 0;
}

void Console::write_err(std::string_view line) {
  const std::lock_guard lock(mutex_);
  const bool had_block = block_lines_ > 0;
  erase();
  streams_.err << line << '\n';
  if (had_block) {
    streams_.err << block_;
    block_lines_ = static_cast<int>(std::count(block_.begin(), block_.end(), '\n'));
  }
  streams_.err << std::flush;
}

void Console::note(std::string_view line) {
  if (!quiet_) write_err(line);
}

void Console::detail(std::string_view line) {
  if (verbose_) write_err(styled(line, Style::faint, Where::err));
}

void Console::warn(std::string_view message) { write_err(str(styled("lathe: warning: ", Style::warning, Where::err), message)); }

void Console::error(std::string_view message) {
  clear_block();
  std::string text = str(styled("lathe: ", Style::bad, Where::err), message);
  if (streams_.err_terminal)
    if (std::string source = quoted_source(message); !source.empty()) {
      source.pop_back();
      text += "\n" + source;
    }
  write_err(text);
}

void Console::draw_block(const std::string& lines) {
  if (!can_redraw()) return;
  const std::lock_guard lock(mutex_);
  erase();
  block_ = lines;
  block_lines_ = static_cast<int>(std::count(lines.begin(), lines.end(), '\n'));
  streams_.err << block_ << std::flush;
}

void Console::clear_block() {
  const std::lock_guard lock(mutex_);
  if (block_lines_ == 0) return;
  erase();
  streams_.err << std::flush;
}

void Console::check_output() {
  const std::lock_guard lock(mutex_);
  streams_.out << std::flush;
  if (!streams_.out) throw InfrastructureError("standard output: cannot write: is the disk full?");
}

}  // namespace lathe::cli

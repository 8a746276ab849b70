// What the command reads from and writes to.
//
// Standard output carries results only, so that it can be piped; progress, notes, warnings and errors go to standard error.
// With --json, results are JSON lines, each an object that begins with "schema":1 and "type". Colour and redrawing need a
// terminal, and are off with NO_COLOR or TERM=dumb; CLICOLOR_FORCE turns colour on.
#pragma once
#include <lathe/base/json_writer.h>

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <mutex>
#include <string>
#include <string_view>

namespace lathe::cli {

/// The surroundings of one call of the command. Tests make their own.
struct Streams {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool in_terminal = false, out_terminal = false, err_terminal = false;
  int width = 80;  ///< columns of the terminal
  std::function<const char*(const char*)> environment = [](const char*) -> const char* { return nullptr; };
};

/// Standard streams of the process, its terminal and its environment.
Streams system_streams();

enum class Style : std::uint8_t { plain, bold, good, warning, bad, faint };

class Console {
 public:
  explicit Console(Streams& streams);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  enum class Color : std::uint8_t { automatic, always, never };
  void set_color(Color color);
  void set_quiet(bool quiet) { quiet_ = quiet; }
  void set_verbose(bool verbose) { verbose_ = verbose; }
  void set_json(bool json) { json_ = json; }
  bool quiet() const { return quiet_; }
  bool verbose() const { return verbose_; }
  bool json() const { return json_; }

  std::istream& in() { return streams_.in; }
  bool in_terminal() const { return streams_.in_terminal; }
  bool err_terminal() const { return streams_.err_terminal; }
  bool can_redraw() const;  ///< standard error is a terminal that obeys escape sequences
  int width() const { return streams_.width; }
  /// A variable's value, "" if it is not set.
  std::string environment(const char* name) const;

  /// Text of a result, as it is; flushed, so that a reader of the pipe sees it at once.
  void result(std::string_view text);
  /// One JSON line: {"schema":1,"type":<type>, … members that `fill` writes}.
  void json_line(std::string_view type, const std::function<void(JsonWriter&)>& fill);
  /// A line for people on standard error; nothing with --quiet.
  void note(std::string_view line);
  /// The same, only with --verbose.
  void detail(std::string_view line);
  /// "lathe: warning: …", also with --quiet.
  void warn(std::string_view message);
  /// "lathe: …" and, on a terminal, the line of the file that the message begins with.
  void error(std::string_view message);

  /// Lines at the bottom of the terminal that are drawn anew each time; other lines on standard error go above them. Only if
  /// can_redraw().
  void draw_block(const std::string& lines);
  /// Removes the block.
  void clear_block();

  /// `text` in the style if `where` is in colour.
  enum class Where : std::uint8_t { out, err };
  std::string styled(std::string_view text, Style style, Where where = Where::out) const;

  /// InfrastructureError if a result could not be written (disk full).
  void check_output();

 private:
  bool colored(Where where) const;
  void erase();
  void write_err(std::string_view line);

  Streams& streams_;
  Color color_ = Color::automatic;
  bool quiet_ = false, verbose_ = false, json_ = false;
  std::mutex mutex_;  ///< workers report from their own threads
  std::string block_;
  int block_lines_ = 0;
};

}  // namespace lathe::cli
